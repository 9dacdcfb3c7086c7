"""Judges in process whose verdicts are drawn, or told by the case, and counted."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from clock import wall_clock
from fi_async import Criteria, Judge
from fi_async.local import ChatSwitches, LocalBackend, Switches

CALM = Criteria("calm", "Does {{output}} stay calm?")


def answers(count: int, first: int = 0) -> list[dict[str, str]]:
    """Return cases for `CALM`."""
    return [{"output": f"Answer {n}."} for n in range(first, first + count)]


class Voter(LocalBackend):
    """An endpoint whose model passes each answer by a function of its number and of how often it was asked before.

    Attributes:
        votes: How often each answer was judged.
    """

    def __init__(
        self, passes: Callable[[int, int], bool | None] = lambda _n, _k: True, seed: int = 0, **chat: Any
    ) -> None:
        self.votes: Counter[int] = Counter()
        self._passes = passes
        switches = Switches(chat=ChatSwitches(**chat), seed=seed)
        super().__init__(switches, judge=self._said, clock=wall_clock, sleep=anyio.sleep)

    def _said(self, messages: Any, _schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
        found = re.search(r"Answer (\d+)", str(messages))
        assert found is not None
        number = int(found[1])
        passed = self._passes(number, self.votes[number])
        self.votes[number] += 1
        return {"reason": f"for {number}", "result": {True: "Pass", False: "Fail", None: "Maybe"}[passed]}

    def judge(self, name: str = "m", **settings: Any) -> Judge:
        return Judge(name, **{"api_key": "sk-a-secret", "app": self, "price": (1.0, 1.0), **settings})


def noisy(share: Callable[[int], float], seed: int = 1) -> Callable[[int, int], bool]:
    """Return verdicts that pass an answer with a probability of its own, whatever the order they are asked in."""

    def passes(number: int, asked: int) -> bool:
        return random.Random(f"{seed} {number} {asked}").random() < share(number)

    return passes
