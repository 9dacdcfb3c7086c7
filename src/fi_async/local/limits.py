"""What is limited: how many evaluations run at once, and how many of anything fit into a window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush

from fi_async.local.quantities import Quota


class Lanes:
    """Says when an evaluation can start, so that at most `capacity` run at once; nothing runs here.

    It keeps the ends of the latest bookings: with as many of them as there are lanes, the earliest end is
    when a lane comes free. The capacity is given at each call and so can change at any time; what was
    booked stays booked.
    """

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._starts: list[float] = []

    def start(self, now: float, capacity: int | None) -> float:
        """Return the earliest time, `now` or later, at which one more evaluation can start."""
        self._forget(now)
        if capacity is None:
            return now
        while len(self._ends) > capacity:
            heappop(self._ends)
        return self._ends[0] if len(self._ends) == capacity else now

    def hold(self, start: float, end: float, capacity: int | None) -> None:
        """Book a lane until `end`, from a `start` that `start()` has just returned."""
        if capacity is not None and len(self._ends) >= capacity:
            heappop(self._ends)
        heappush(self._ends, end)
        heappush(self._starts, start)

    def waiting(self, now: float) -> int:
        """Return how many bookings have not started."""
        self._forget(now)
        return len(self._starts)

    def _forget(self, now: float) -> None:
        for times in (self._ends, self._starts):
            while times and times[0] <= now:
                heappop(times)


class Windows:
    """Counts uses per owner in fixed windows."""

    def __init__(self) -> None:
        self._used: defaultdict[tuple[str, Quota], dict[int, int]] = defaultdict(dict)

    def take(self, owner: str, quotas: Sequence[Quota], now: float, at: float) -> Quota | None:
        """Count one use at the time `at`, which may lie ahead of `now`; or return the quota that forbids it.

        What is forbidden is not counted, in no quota.
        """
        for quota in quotas:
            used = self._used[owner, quota]
            for past in [window for window in used if window < quota.window(now)]:
                del used[past]
            if used.get(quota.window(at), 0) >= quota.count:
                return quota
        for quota in quotas:
            used = self._used[owner, quota]
            used[quota.window(at)] = used.get(quota.window(at), 0) + 1
        return None
