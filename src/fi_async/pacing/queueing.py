"""Whether evaluations take long, or wait for others before them: told by how many there were when each began."""

from __future__ import annotations

from collections import deque
from itertools import islice
from statistics import fmean
from typing import Final

_RECENT: Final = 500  # evaluations remembered
_JUDGED: Final = 16  # evaluations to judge by, and from one judgement to the next
_VARIES: Final = 0.1  # of their mean: how many were before each has to vary by so much to tell anything
_EXPLAINED: Final = 0.5  # of the variance of their times, that how many were before them explains
_UNEXPLAINED: Final = 0.1  # of that variance at most, where there is no queue ...
_SPREAD: Final = 0.3  # ... and how many were before varies by so much of their mean
_WAITS: Final = 0.5  # of their times, that waiting makes up
_NO_LONGER: Final = 1.5  # times what one takes alone: no queue


class Queueing:
    """Learns how many evaluations of a template a server does in a second, and what one takes that waits for none.

    Of a server that works on all at once, none takes longer for those before it. One that does no more than `rate` a
    second takes latency + before / rate: a line through what was seen tells both. Where as many are before each, only
    their number over their time tells the rate, and whether there still is a queue (Little's law).

    Attributes:
        rate: Evaluations a second; None as long as no queue was seen.
        latency: Seconds that one takes that waits for none; 0 as long as no queue was seen.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.latency = 0.0
        self._seen: deque[tuple[int, float]] = deque()
        self._sums = [0.0] * 5  # of before, took, their squares, and their product
        self._unjudged = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} rate={self.rate} latency={self.latency}>"

    def ended(self, before: int, took: float) -> None:
        """Record an evaluation that ended.

        Args:
            before: How many others were at work or waited when it began.
            took: Seconds from then to its end.
        """
        self._count(before, took, 1)
        self._seen.append((before, took))
        if len(self._seen) > _RECENT:
            self._count(*self._seen.popleft(), -1)
        self._unjudged += 1
        if self._unjudged >= _JUDGED:
            self._unjudged = 0
            self._judge()

    def _count(self, before: int, took: float, sign: int) -> None:
        values = (before, took, before * before, took * took, before * took)
        self._sums = [total + sign * value for total, value in zip(self._sums, values, strict=True)]

    def _judge(self) -> None:
        count = len(self._seen)
        before, took, before_squared, took_squared, both = (each / count for each in self._sums)
        varies = max(0.0, count * (before_squared - before**2))
        if varies > count * (_VARIES * before) ** 2:
            together = count * (both - before * took)
            spread = max(0.0, count * (took_squared - took**2))
            slope = together / varies
            explained = together**2 / (varies * spread) if spread else 0.0
            if explained >= _EXPLAINED and slope * before >= _WAITS * took:
                alone = max(min(seconds for _, seconds in self._seen), took - slope * before)
                self.latency = alone if self.rate is None else min(alone, self.latency)
                self.rate = 1 / slope
                return
            if explained <= _UNEXPLAINED and varies > count * (_SPREAD * before) ** 2:
                self.rate = None
        if self.rate is not None:
            self._follow()

    def _follow(self) -> None:
        """Learn the rate from the latest alone, or that there is no queue any more."""
        latest = list(islice(reversed(self._seen), _JUDGED))
        before, took = fmean(each for each, _ in latest), fmean(seconds for _, seconds in latest)
        self.rate = None if took <= _NO_LONGER * self.latency else (before + 1) / took
