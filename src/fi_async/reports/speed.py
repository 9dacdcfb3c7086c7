"""How fast a run went: latencies, and how many cases ended when."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Final

from fi_async.journal.records import OutcomeRecord

PAUSE_S: Final = 3600.0
"""Seconds in which nothing ended, from which on a run is taken to have been interrupted."""

_MOST_STEPS: Final = 60
_LEAST_STEPS: Final = 4
_PER_STEP: Final = 25  # evaluations, where there are few
_NOT_OURS: Final = ("reused", "duplicate")  # their latency is another's


@dataclass(frozen=True, slots=True)
class Timeline:
    """How fast a run went, step by step.

    Attributes:
        step_s: Seconds that each step takes.
        rate: Evaluations that ended in each, a second.
        median_s: The median latency of those that ended in it, in seconds; None where there are none.
        p95_s: The 95th percentile of the same.
        active_s: Seconds from the first outcome to the last, without the pauses.
        pauses: Interruptions that are cut out: from the last outcome before each to when the run was gone on with, or,
            where nobody knows when that was, to the first outcome after.
    """

    step_s: float
    rate: Sequence[float]
    median_s: Sequence[float | None]
    p95_s: Sequence[float | None]
    active_s: float
    pauses: int


class Speed:
    """Keeps when cases ended and how long they took: 16 bytes a case."""

    def __init__(self) -> None:
        self._ended = array("d")
        self._latency = array("d")

    def add(self, record: OutcomeRecord) -> None:
        """Count a record. One that took nothing of its own, or nobody knows how long, has no latency."""
        latency = record.outcome.latency_s
        self._ended.append(record.ended_at)
        self._latency.append(-1.0 if latency is None or record.outcome.origin in _NOT_OURS else latency)

    def latency_s(self) -> Mapping[str, float]:
        """Return the median and the 95th and 99th percentile; nothing if no latency is known."""
        known = sorted(latency for latency in self._latency if latency >= 0)
        return {f"p{share}": percentile(known, share) for share in (50, 95, 99)} if known else {}

    def timeline(self, passes: Sequence[float] = ()) -> Timeline | None:
        """Return how fast it went; None if all ended at the same time, or nobody knows when.

        Args:
            passes: When the run was begun, and each time it was gone on with, in seconds since the epoch.
        """
        events = sorted(zip(self._ended, self._latency, strict=True))
        if not events or events[0][0] <= 0:
            return None
        times, pauses = _without_pauses([ended for ended, _ in events], passes)
        active_s = times[-1]
        if not active_s:
            return None
        count = min(_MOST_STEPS, max(_LEAST_STEPS, len(events) // _PER_STEP))
        step_s = active_s / count
        steps: list[list[float]] = [[] for _ in range(count)]
        for at, (_, latency) in zip(times, events, strict=True):
            steps[min(int(at / step_s), count - 1)].append(latency)
        known = [sorted(latency for latency in step if latency >= 0) for step in steps]
        return Timeline(
            step_s=step_s,
            rate=[len(step) / step_s for step in steps],
            median_s=[percentile(step, 50) if step else None for step in known],
            p95_s=[percentile(step, 95) if step else None for step in known],
            active_s=active_s,
            pauses=pauses,
        )


def percentile(ordered: Sequence[float], share: int) -> float:
    """Return the value below which `share` percent of these lie, between neighbours in proportion."""
    if len(ordered) == 1:
        return ordered[0]
    return quantiles(ordered, n=100, method="inclusive")[share - 1]


def _without_pauses(ended: Sequence[float], passes: Sequence[float]) -> tuple[list[float], int]:
    """Return seconds since the first, as if there had been no interruptions, and the number of these."""
    times, pauses = [0.0], 0
    for before, after in pairwise(ended):
        begun = bisect_right(passes, after)
        if begun and passes[begun - 1] > before:  # gone on with in between
            pauses, before = pauses + 1, passes[begun - 1]  # noqa: PLW2901  # the gap begins there
        gap = after - before
        if gap > PAUSE_S:
            pauses, gap = pauses + 1, 0.0
        times.append(times[-1] + gap)
    return times, pauses
