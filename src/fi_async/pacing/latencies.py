"""How long evaluations take, as far as plans need to know: over all runs of a client, held and polled."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import Final

from fi_async.pacing.queueing import Queueing

_ENOUGH: Final = 5  # evaluations seen before they are trusted
_MANY: Final = 16  # of lognormal spread 0.5: their median is known to 16 %
_QUEUED: Final = 1.5
_RECENT: Final = 200  # evaluations remembered: servers change their pace


class Latencies:
    """The typical seconds of each template's evaluations, as the latest of them have it.

    Args:
        typical: As earlier runs have them; kept up to date.
        queues: What earlier runs saw of queues, by template; kept up to date.
    """

    def __init__(self, typical: dict[str, float] | None = None, queues: dict[str, Queueing] | None = None) -> None:
        self._typical = {} if typical is None else typical
        self._queues = {} if queues is None else queues
        self._recent: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}
        self._least: dict[str, float] = {}

    def held(self, template: str, seconds: float, before: int = 0) -> None:
        """Record an evaluation whose request was held so long, and how many others were under way when it left."""
        recent = self._recent.setdefault(template, deque())
        ranked = self._sorted.setdefault(template, [])
        recent.append(seconds)
        insort(ranked, seconds)
        if len(recent) > _RECENT:
            ranked.remove(recent.popleft())
        median = ranked[len(ranked) // 2]
        self._queue(template).ended(before, seconds)
        if len(ranked) >= _ENOUGH:
            self._learn(template, median)
        if len(ranked) >= _MANY:
            self._least[template] = min(median, self._least.get(template, median))

    def polled(self, template: str, typical: float | None, seconds: float = 0.0, before: int = 0) -> None:
        """Record an evaluation that polls found done.

        Args:
            template: Of what.
            typical: What they have found typical so far; None if nothing.
            seconds: How long this one took.
            before: How many others were not done when it was accepted.
        """
        self._queue(template).ended(before, seconds)
        if typical is not None:
            self._learn(template, typical)

    def _learn(self, template: str, median: float) -> None:
        queue = self._queue(template)
        self._typical[template] = median if queue.rate is None else min(median, queue.latency)

    def _queue(self, template: str) -> Queueing:
        queue = self._queues.get(template)
        if queue is None:
            queue = self._queues[template] = Queueing()
        return queue

    def typical(self, template: str) -> float | None:
        """Return the seconds that a template's evaluations take; None while too few are done to tell.

        That is their median, or what one takes that waits for none where the server has others before.
        """
        return self._typical.get(template)

    def rate(self, template: str) -> float | None:
        """Return how many evaluations of a template the server does in a second, if it was seen to do no more."""
        return self._queue(template).rate

    def is_queued(self, template: str) -> bool:
        """Return True if held ones take half as long again as they did in this run: the server has others before."""
        if template not in self._least:
            return False
        ranked = self._sorted[template]
        return ranked[len(ranked) // 2] > _QUEUED * self._least[template]
