"""How much of a limit that is given is used: in the server's windows, or in any span where it tells no time."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Use

TRANSIT: Final = 0.25  # seconds after which a request has surely arrived; at a boundary it counts on both sides
_AS_ONE: Final = 1000  # parts of a span, in each of which uses are counted together: what a day's limit needs of memory


_NOWHERE: Final = range(0)


@dataclass(slots=True, eq=False)
class Moment:
    """What was used within a short time.

    Attributes:
        first: When it began.
        latest: When it ended.
        amount: How much was used.
        windows: Those that it is counted in: none as long as the server's clock is not known.
    """

    first: float
    latest: float
    amount: int
    windows: range = _NOWHERE


Counted = range | Moment | None
"""Where something was counted: in windows of these numbers, or in a moment, before any was known; None if nowhere."""


@dataclass(slots=True)
class Window:
    """How much of a given limit is used, in the fixed windows of the server's clock: epoch multiples of its length.

    As long as no reply has told that clock's time, and for good where none does, the limit is kept in every span of
    that length: wherever the server's windows begin, none can then be over it.
    """

    limit: Limit
    was_full: bool = False
    _used: dict[int, int] = field(default_factory=dict)
    _moments: deque[Moment] = field(default_factory=deque)
    _settled: int = 0

    def opens_at(self, now: float, amount: int, clock: ServerClock) -> float:
        """Return the time from which so much more may be used. More than the whole limit goes by itself."""
        if not clock.is_known:
            return self._opens_undated(now, amount)
        length = self.limit.seconds
        at = now
        while True:
            first, last = self._span(at, clock)
            full = next((index for index in range(last, first - 1, -1) if not self._fits(index, amount)), None)
            if full is None:
                return at
            self.was_full = True
            at = clock.ours((full + 1) * length)

    def _opens_undated(self, now: float, amount: int) -> float:
        room = max(self.limit.count, amount) - amount
        used = sum(each.amount for each in self._recent(now))
        at = now
        for each in self._moments:
            if used <= room:
                break
            used, at = used - each.amount, each.latest + self._reach
        self.was_full |= at > now
        return at

    def _recent(self, now: float) -> deque[Moment]:
        """Return what was used in the last span, as it may have arrived."""
        while self._moments and self._moments[0].latest + self._reach <= now:
            self._moments.popleft()
        return self._moments

    @property
    def _reach(self) -> float:
        """Seconds after which a request can share no window with another that leaves then."""
        return self.limit.seconds + TRANSIT

    def _span(self, now: float, clock: ServerClock) -> tuple[int, int]:
        length = self.limit.seconds
        # A rounding must not put the first moment of a window into the one before.
        first = math.floor(clock.earliest(now) / length + 1e-9)
        return first, max(first, math.floor((clock.latest(now) + TRANSIT) / length))

    def _fits(self, index: int, amount: int) -> bool:
        return self._used.get(index, 0) + amount <= max(self.limit.count, amount)

    def use(self, now: float, amount: int, clock: ServerClock, since: Counted = None) -> Counted:
        """Record that so much is used now, and return where it is counted.

        Args:
            now: The time.
            amount: How much.
            clock: The server's.
            since: Where it was counted before, when it was first to leave.
        """
        if not amount:
            return None
        if not clock.is_known:
            if isinstance(since, Moment):
                since.amount -= amount
            return self._note(now, amount, _NOWHERE)
        windows = self._windows(now, now, clock)
        for index in [index for index in self._used if index < windows.start]:
            del self._used[index]
        self._count(amount, windows, counted_in(since))
        if self._note(now, amount, windows) is self._moments[0]:
            self._settled = clock.times_set  # all that is kept of moments was counted by the clock as it is
        return windows

    def correct(self, more: int, since: Counted) -> None:
        """Count so much more, or less, in each window that something may have arrived in."""
        if isinstance(since, Moment):
            since.amount = max(0, since.amount + more)
        for index in counted_in(since):
            if index in self._used:
                self._used[index] = max(0, self._used[index] + more)

    def _windows(self, first: float, latest: float, clock: ServerClock) -> range:
        """Return the windows that what leaves between two times may arrive in."""
        return range(self._span(first, clock)[0], self._span(latest, clock)[1] + 1)

    def _count(self, amount: int, windows: range, before: range) -> list[int]:
        """Count so much in windows that it was not counted in before, and return in which."""
        new = [index for index in windows if index not in before]
        for index in new:
            self._used[index] = self._used.get(index, 0) + amount
        return new

    def _note(self, now: float, amount: int, windows: range) -> Moment:
        recent = self._recent(now)
        last = recent[-1] if recent else None
        if last is None or now - last.first >= self.limit.seconds / _AS_ONE or last.windows != windows:
            last = Moment(now, now, 0, windows)
            self._moments.append(last)
        last.latest, last.amount = now, last.amount + amount
        return last

    def still_open(self, now: float, amount: int, clock: ServerClock, since: Counted) -> bool:
        """Return True if what was counted some time ago may leave now: in the same window, or in one with room."""
        if not amount:
            return True
        if not clock.is_known:
            # As long as it counts, whatever left since has made room for it.
            counts = isinstance(since, Moment) and now < since.latest + self._reach
            return counts or self._opens_undated(now, amount) <= now
        before = counted_in(since)
        return all(self._fits(index, amount) for index in self._windows(now, now, clock) if index not in before)

    def uses(self, now: float, amount: int, clock: ServerClock) -> list[Use]:
        """Return what so much takes, in each window that it may fall into."""
        return [Use(self.limit, index, amount) for index in self._windows(now, now, clock)]

    def learn(self, index: int, used: int) -> None:
        """Record what all who share a budget have used of a window."""
        self._used[index] = used

    def settle(self, clock: ServerClock) -> list[Use]:
        """Count what was used in the windows it belongs to, if these are known only now, and return what that adds.

        What was counted by a clock that turned out wrong stays counted there too: a clock may have been set, or this
        machine have slept, before it left or after.
        """
        if not clock.is_known or self._settled == clock.times_set:
            return []
        self._settled, added = clock.times_set, []
        for each in self._moments:
            windows = self._windows(each.first, each.latest, clock)
            added += [Use(self.limit, index, each.amount) for index in self._count(each.amount, windows, each.windows)]
            each.windows = windows
        return added

    def move(self, by: float) -> None:
        """Reckon by a clock on which each moment is so many seconds later."""
        self.was_full = False
        for each in self._moments:
            each.first, each.latest = each.first + by, each.latest + by

    def next_in(self, now: float, clock: ServerClock) -> float:
        """Return the seconds until more may be used: until the next window begins."""
        length = self.limit.seconds
        if clock.is_known:
            return length - clock.earliest(now) % length
        recent = self._recent(now)
        return recent[0].latest + self._reach - now if recent else length

    def left(self, now: float, clock: ServerClock) -> int:
        """Return how much may still be used in the present window."""
        if not clock.is_known:
            return self.limit.count - sum(each.amount for each in self._recent(now))
        return self.limit.count - max(self._used.get(index, 0) for index in self._span(now, clock))


def counted_in(since: Counted) -> range:
    """Return the windows that something was counted in."""
    return since.windows if isinstance(since, Moment) else _NOWHERE if since is None else since
