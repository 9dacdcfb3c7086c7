"""How long evaluations take, as far as plans need to know: over all runs of a client, held and polled."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import Final

_ENOUGH: Final = 5  # evaluations seen before they are trusted
_MANY: Final = 16  # of lognormal spread 0.5: their median is known to 16 %
_QUEUED: Final = 1.5
_RECENT: Final = 200  # evaluations remembered: servers change their pace


class Latencies:
    """The typical seconds of each template's evaluations, as the latest of them have it.

    Args:
        typical: As earlier runs have them; kept up to date.
    """

    def __init__(self, typical: dict[str, float] | None = None) -> None:
        self._typical = {} if typical is None else typical
        self._recent: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}
        self._least: dict[str, float] = {}

    def held(self, template: str, seconds: float) -> None:
        """Record an evaluation whose request was held so long."""
        recent = self._recent.setdefault(template, deque())
        ranked = self._sorted.setdefault(template, [])
        recent.append(seconds)
        insort(ranked, seconds)
        if len(recent) > _RECENT:
            ranked.remove(recent.popleft())
        median = ranked[len(ranked) // 2]
        if len(ranked) >= _ENOUGH:
            self._typical[template] = median
        if len(ranked) >= _MANY:
            self._least[template] = min(median, self._least.get(template, median))

    def polled(self, template: str, typical: float | None) -> None:
        """Record what polls have found typical; None if nothing."""
        if typical is not None:
            self._typical[template] = typical

    def typical(self, template: str) -> float | None:
        """Return the median seconds that a template's evaluations take; None while too few are done to tell."""
        return self._typical.get(template)

    def is_queued(self, template: str) -> bool:
        """Return True if held ones take half as long again as they did in this run: the server has others before."""
        if template not in self._least:
            return False
        ranked = self._sorted[template]
        return ranked[len(ranked) // 2] > _QUEUED * self._least[template]
