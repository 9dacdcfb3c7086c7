"""How many evaluations a server works on at once between polls, found in a few rounds."""

from __future__ import annotations

from math import inf
from typing import Final

from fi_async.pacing.planner import Room

MOST: Final = 4096  # about 2 kB of memory each
FACTOR: Final = 4
_PATIENCE: Final = 2.0  # latencies, of which a quarter is for finding it done ...
_SIGNALS: Final = 3  # refusals in a round: one or two befall any server
_DRAINED: Final = 4.0  # latencies after which what was accepted before is done: a server that refuses has no queue
_KEPT_UP: Final = 0.75  # ... by when so much of the limit is done, of lognormal latencies of spread 0.8 too


class AcceptedLimit:
    """A limit of evaluations that the server has accepted and that are not done yet. Times are the caller's.

    Requests that were held showed what the server does with so many at once. Four times as many are given to it, and
    four times as many again, as long as they are done in the time that one takes (Little's law: a server without a
    queue completes limit / latency a second). If they are not, they queue, and requests can hold as many as it works on
    at once. That round too many costs polls that come too soon; no time.
    """

    def __init__(self) -> None:
        self.is_settled = False
        self._limit = 0
        self._latency = self._began = 0.0
        self._done = self._refused = 0
        self._refused_at = -inf

    def __repr__(self) -> str:
        return f"<{type(self).__name__} limit={self._limit}{' settled' if self.is_settled else ''}>"

    def room(self, held: int) -> Room:
        """Return how many may be at work, where so many requests may be held at once instead."""
        if self.is_settled:
            return Room(held, held)
        return Room(self._limit or min(FACTOR * held, MOST), MOST, FACTOR)

    def begin(self, now: float, held: int, latency: float) -> None:
        """Begin to poll evaluations, from what was known while they were held."""
        if not self._limit:
            self._limit = min(FACTOR * held, MOST)
            self._latency = latency
            self._begin_round(now)

    def done(self, now: float) -> None:
        """Record an evaluation that was found done."""
        if not self._limit or self.is_settled:
            return
        self._done += 1
        spent = now - self._began
        if spent >= _PATIENCE * self._latency and self._done < _KEPT_UP * self._limit:
            self.is_settled = True
        elif spent >= _PATIENCE * self._latency or self._done >= self._limit:
            self._limit = min(FACTOR * self._limit, MOST)
            self._begin_round(now)

    def refused(self, now: float) -> None:
        """Record a request that the server refused for want of capacity."""
        self._refused += 1
        if self._refused >= _SIGNALS and self._limit and not self.is_settled:
            self.is_settled, self._refused_at = True, now

    def was_crowded(self, sent: float) -> bool:
        """Return True if more were at work than the server takes when a request left, as was found out since."""
        return sent <= self._refused_at + _DRAINED * self._latency

    def _begin_round(self, now: float) -> None:
        self._began, self._done, self._refused = now, 0, 0
