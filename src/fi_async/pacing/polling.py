"""When to ask for an evaluation's result: not before it is likely, then at growing intervals."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import Final

SHORTEST: Final = 0.25
LONGEST: Final = 5.0
_GROWTH: Final = 0.25  # a poll comes late by at most a quarter of the time the evaluation took
_ENOUGH: Final = 5  # completions seen before they are trusted
_MANY: Final = 16  # of lognormal spread 0.5: their median is known to 16 %
_QUEUED: Final = 1.5
_RECENT: Final = 200  # completions remembered: servers change their pace


class Completions:
    """How long each template's evaluations took, and when to ask for the next.

    Args:
        interval: Seconds between polls; None adapts.
        typical: The median seconds of each template in earlier runs; kept up to date.
    """

    def __init__(self, interval: float | None = None, typical: dict[str, float] | None = None) -> None:
        self._interval = interval
        self._typical = {} if typical is None else typical
        self._recent: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}
        self._least: dict[str, float] = {}

    def learn(self, template: str, age: float) -> None:
        """Take note that an evaluation was found done, so many seconds after it was accepted or sent."""
        recent = self._recent.setdefault(template, deque())
        ranked = self._sorted.setdefault(template, [])
        recent.append(age)
        insort(ranked, age)
        if len(recent) > _RECENT:
            ranked.remove(recent.popleft())
        median = ranked[len(ranked) // 2]
        if len(ranked) >= _ENOUGH:
            self._typical[template] = median
        if len(ranked) >= _MANY:
            self._least[template] = min(median, self._least.get(template, median))

    def typical(self, template: str) -> float | None:
        """Return the median seconds that a template's evaluations took; None while too few are done to tell."""
        return self._typical.get(template)

    def is_queued(self, template: str) -> bool:
        """Tell whether a template's evaluations take half as long again as they did: the server has others before."""
        return template in self._least and self._typical[template] > _QUEUED * self._least[template]

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
