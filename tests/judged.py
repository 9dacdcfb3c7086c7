"""Judges in process on the virtual clock, and what their verdicts have to be."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from clock import wall_clock
from fi_async import AsyncEvaluator, Criteria, Judge, Outcome, Report
from fi_async.local import ChatSwitches, LocalBackend, Switches
from fi_async.local.chat import verdict_for
from fi_async.local.chat.verdicts import ChatMessages

CALM = Criteria("calm", "Does {{output}} stay calm towards {{input}}?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})
PRICE = (0.1, 0.4)


def talks(count: int) -> list[dict[str, str]]:
    """Return cases for `CALM`."""
    return [{"output": f"Answer {n}: stay, please.", "input": f"Question {n}?"} for n in range(count)]


def _known_by(text: str) -> str:
    found = re.search(r"Answer \d+", text)
    assert found is not None
    return found[0]


class Endpoint(LocalBackend):
    """An endpoint that remembers the latest verdict that it made up about each text.

    Attributes:
        verdicts: By the `Answer N` of the case, and whether they are of `CALM`.
        asked: The messages of all questions that were answered.
    """

    def __init__(self, switches: Switches | None = None, **chat: Any) -> None:
        self.verdicts: dict[tuple[str, bool], Mapping[str, Any]] = {}
        self.asked: list[ChatMessages] = []
        switches = (switches or Switches()).replace(chat=ChatSwitches(**chat))
        super().__init__(switches, judge=self._judged, clock=wall_clock, sleep=anyio.sleep)

    def _judged(self, messages: ChatMessages, schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
        self.asked.append(messages)
        found = verdict_for(messages, schema)
        self.verdicts[_known_by(str(messages)), found.get("result") in CALM.choices] = found
        return found

    def judge(self, **settings: Any) -> Judge:
        return Judge("m", **{"api_key": "sk-a-secret", "app": self, **settings})

    @property
    def counted(self) -> dict[str, Any]:
        return self.chat_statistics()


def client(*backends: Any, cloud: LocalBackend | None = None) -> AsyncEvaluator:
    """Return a client of these whose jitter is always the same; `cloud` answers in the platform's place."""
    given = {"backends": list(backends)}
    evaluator = AsyncEvaluator(**given) if cloud is None else AsyncEvaluator.local(cloud, **given)
    evaluator._session.rng = random.Random(7)
    evaluator._session.wall_clock = wall_clock
    return evaluator


async def judged(endpoint: Endpoint, count: int, judge: Mapping[str, Any] | None = None, **options: Any) -> Report:
    """Return what became of so many talks, each verdict held against what the endpoint made up."""
    async with client(endpoint.judge(**judge or {})) as ev:
        report = await ev.gather(talks(count), CALM, **options)
    check(endpoint, report, count)
    return report


def check(endpoint: Endpoint, report: Report, count: int) -> None:
    """Every case has one outcome, and no score is another than the endpoint's."""
    mine = [each for each in report.outcomes if each.template == "calm"]
    assert [each.index for each in mine] == list(range(count))
    for each in mine:
        if each.result is not None:
            said = endpoint.verdicts[_known_by(each.case.inputs["output"]), True]["result"]
            assert each.result.output == {"score": CALM.choices[said], "choice": said}
            assert (each.result.backend, each.result.model, each.backend) == ("judge", "m", "judge")


def check_judged(endpoint: Endpoint, outcomes: Sequence[Outcome]) -> None:
    """No verdict of a template that is passed or failed is another than the endpoint's."""
    for each in outcomes:
        if each.result is not None:
            said = endpoint.verdicts[_known_by(each.case.inputs["output"]), False]["result"]
            assert each.result.output == {"Pass": "Passed", "Fail": "Failed"}[said]


def tokens(report: Report) -> int:
    """Return the tokens of all outcomes."""
    return sum(each.usage.total_tokens for each in report.outcomes if each.usage is not None)


def dollars(report: Report) -> float:
    """Return the dollars of all outcomes."""
    return sum(each.cost or 0.0 for each in report.outcomes)
