"""When to ask for an evaluation's result: not before it is likely, then at growing intervals."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import Final

SHORTEST: Final = 0.25
LONGEST: Final = 5.0
_GROWTH: Final = 0.25  # a poll comes late by at most a quarter of the time the evaluation took
_ENOUGH: Final = 5  # completions seen before they are trusted
_RECENT: Final = 200  # completions remembered: servers change their pace


class Completions:
    """How long each template's evaluations took, and when to ask for the next.

    Args:
        interval: Seconds between polls; None adapts.
    """

    def __init__(self, interval: float | None = None) -> None:
        self._interval = interval
        self._recent: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}

    def learn(self, template: str, age: float) -> None:
        """Take note that an evaluation was found done, so many seconds after it was accepted."""
        recent = self._recent.setdefault(template, deque())
        ranked = self._sorted.setdefault(template, [])
        recent.append(age)
        insort(ranked, age)
        if len(recent) > _RECENT:
            ranked.remove(recent.popleft())

    def typical(self, template: str) -> float | None:
        """Return the median seconds that a template's evaluations took; None if none is done yet."""
        ranked = self._sorted.get(template)
        return ranked[len(ranked) // 2] if ranked else None

    def next_poll(self, template: str, age: float) -> float:
        """Return the age at which to ask next about an evaluation that is not done at this one."""
        if self._interval is not None:
            return age + self._interval
        soonest = age + min(max(age * _GROWTH, SHORTEST), LONGEST)
        ranked = self._sorted.get(template, ())
        if len(ranked) < _ENOUGH:
            return soonest
        # Before the quickest tenth of the recent ones came in, asking is likely to be in vain.
        return max(soonest, ranked[len(ranked) // 10])
