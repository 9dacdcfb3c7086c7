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


@dataclass(slots=True, eq=False)
class Undated:
    """What was used within a short time while the server's clock was not known."""

    first: float
    latest: float
    amount: int


Counted = int | Undated | None
"""Where something was counted: in windows up to that number, or without any; None if nowhere."""


@dataclass(slots=True)
class Window:
    """How much of a given limit is used, in the fixed windows of the server's clock: epoch multiples of its length.

    As long as no reply has told that clock's time, and for good where none does, the limit is kept in every span of
    that length: wherever the server's windows begin, none can then be over it.
    """

    limit: Limit
    was_full: bool = False
    _used: dict[int, int] = field(default_factory=dict)
    _undated: deque[Undated] = field(default_factory=deque)

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
        for each in self._undated:
            if used <= room:
                break
            used, at = used - each.amount, each.latest + self._reach
        self.was_full |= at > now
        return at

    def _recent(self, now: float) -> deque[Undated]:
        """Return what was used in the last span, as it may have arrived."""
        while self._undated and self._undated[0].latest + self._reach <= now:
            self._undated.popleft()
        return self._undated

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
            if isinstance(since, Undated):
                since.amount -= amount
            return self._use_undated(now, amount)
        first, last = self._span(now, clock)
        for index in [index for index in self._used if index < first]:
            del self._used[index]
        before = self.last_counted(since, clock)
        for index in range(first if before is None else max(first, before + 1), last + 1):
            self._used[index] = self._used.get(index, 0) + amount
        return last

    def correct(self, more: int, since: Counted) -> None:
        """Count so much more, or less, where something was counted before."""
        if isinstance(since, Undated):
            since.amount = max(0, since.amount + more)
        elif since is not None and since in self._used:
            self._used[since] = max(0, self._used[since] + more)

    def _use_undated(self, now: float, amount: int) -> Undated:
        self._recent(now)
        if not self._undated or now - self._undated[-1].first >= self.limit.seconds / _AS_ONE:
            self._undated.append(Undated(now, now, 0))
        last = self._undated[-1]
        last.latest, last.amount = now, last.amount + amount
        return last

    def last_counted(self, since: Counted, clock: ServerClock) -> int | None:
        """Return the last window that something was counted in; None if in none."""
        if isinstance(since, Undated):
            return self._span(since.latest, clock)[1] if clock.is_known else None
        return since

    def still_open(self, now: float, amount: int, clock: ServerClock, since: Counted) -> bool:
        """Return True if what was counted some time ago may leave now: in the same window, or in one with room."""
        if not amount:
            return True
        if not clock.is_known:
            # As long as it counts, whatever left since has made room for it.
            counts = isinstance(since, Undated) and now < since.latest + self._reach
            return counts or self._opens_undated(now, amount) <= now
        first, last = self._span(now, clock)
        before = self.last_counted(since, clock)
        return all(
            self._fits(index, amount) for index in range(first if before is None else max(first, before + 1), last + 1)
        )

    def uses(self, now: float, amount: int, clock: ServerClock) -> list[Use]:
        """Return what so much takes, in each window that it may fall into."""
        first, last = self._span(now, clock)
        return [Use(self.limit, index, amount) for index in range(first, last + 1)]

    def learn(self, index: int, used: int) -> None:
        """Record what all who share a budget have used of a window."""
        self._used[index] = used

    def settle(self, clock: ServerClock) -> None:
        """Count what was used before the server's time was known in the windows it belongs to, now that it is."""
        while self._undated and clock.is_known:
            each = self._undated.popleft()
            for index in range(self._span(each.first, clock)[0], self._span(each.latest, clock)[1] + 1):
                self._used[index] = self._used.get(index, 0) + each.amount

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
