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


@dataclass(slots=True)
class Window:
    """How much of a given limit is used, in the fixed windows of the server's clock: epoch multiples of its length.

    As long as no reply has told that clock's time, and for good where none does, the limit is kept in every span of
    that length: wherever the server's windows begin, none can then be over it.
    """

    limit: Limit
    was_full: bool = False
    _used: dict[int, int] = field(default_factory=dict)
    _undated: deque[tuple[float, int]] = field(default_factory=deque)

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
        used = sum(each for _, each in self._recent(now))
        at = now
        for sent, each in self._undated:
            if used <= room:
                break
            used, at = used - each, sent + self._reach
        self.was_full |= at > now
        return at

    def _recent(self, now: float) -> deque[tuple[float, int]]:
        """Return what was used in the last span, as it may have arrived."""
        while self._undated and self._undated[0][0] + self._reach <= now:
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

    def use(self, now: float, amount: int, clock: ServerClock, since: int | None = None) -> int | None:
        """Record that so much is used now, and return the last window it may count in; None while none is known.

        Args:
            now: The time.
            amount: How much.
            clock: The server's.
            since: The last window that it was counted in before, when it was first to leave.
        """
        if not amount:
            return None
        if not clock.is_known:
            self._use_undated(now, amount)
            return None
        first, last = self._span(now, clock)
        for index in [index for index in self._used if index < first]:
            del self._used[index]
        for index in range(first if since is None else max(first, since + 1), last + 1):
            self._used[index] = self._used.get(index, 0) + amount
        return last

    def _use_undated(self, now: float, amount: int) -> None:
        self._recent(now)
        if self._undated and now - self._undated[-1][0] < self.limit.seconds / _AS_ONE:
            amount += self._undated.pop()[1]
        self._undated.append((now, amount))

    def still_open(self, now: float, amount: int, clock: ServerClock, claimed_at: float, since: int | None) -> bool:
        """Return True if what was claimed some time ago may leave now: in the same window, or in one with room."""
        if not amount:
            return True
        if not clock.is_known:
            return now - claimed_at <= TRANSIT or self._opens_undated(now, amount) <= now
        first, last = self._span(now, clock)
        before = self._span(claimed_at, clock)[1] if since is None else since
        return all(self._fits(index, amount) for index in range(max(first, before + 1), last + 1))

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
            sent, amount = self._undated.popleft()
            for index in range(self._span(sent, clock)[0], self._span(sent, clock)[1] + 1):
                self._used[index] = self._used.get(index, 0) + amount

    def next_in(self, now: float, clock: ServerClock) -> float:
        """Return the seconds until more may be used: until the next window begins."""
        length = self.limit.seconds
        if clock.is_known:
            return length - clock.earliest(now) % length
        recent = self._recent(now)
        return recent[0][0] + self._reach - now if recent else length

    def left(self, now: float, clock: ServerClock) -> int:
        """Return how much may still be used in the present window."""
        if not clock.is_known:
            return self.limit.count - sum(each for _, each in self._recent(now))
        return self.limit.count - max(self._used.get(index, 0) for index in self._span(now, clock))
