"""What may still leave in a window of time: of a limit that is given, and of one that refusals tell."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Use

_TRANSIT: Final = 0.25  # seconds after which a request has surely arrived; at a boundary it counts on both sides


@dataclass(slots=True)
class Window:
    """How much of a given limit is used, in the fixed windows of the server's clock: epoch multiples of its length."""

    limit: Limit
    was_full: bool = False
    _used: dict[int, int] = field(default_factory=dict)
    _before: int = 0  # sent before the server's time was known: it counts in whatever window comes first

    def opens_at(self, now: float, amount: int, clock: ServerClock) -> float:
        """Return the time from which so much more may be used."""
        if not clock.is_known:
            return now if self._before + amount <= max(self.limit.count, amount) else math.inf
        length = self.limit.seconds
        at = now
        while True:
            first, last = self._span(at, clock)
            full = next((index for index in range(last, first - 1, -1) if not self._fits(index, amount)), None)
            if full is None:
                return at
            self.was_full = True
            at = clock.ours((full + 1) * length)

    def _span(self, now: float, clock: ServerClock) -> tuple[int, int]:
        length = self.limit.seconds
        # A rounding must not put the first moment of a window into the one before.
        first = math.floor(clock.earliest(now) / length + 1e-9)
        return first, max(first, math.floor((clock.latest(now) + _TRANSIT) / length))

    def _fits(self, index: int, amount: int) -> bool:
        return self._used.get(index, 0) + amount <= max(self.limit.count, amount)

    def use(self, now: float, amount: int, clock: ServerClock) -> None:
        """Take note that so much is used now."""
        if not clock.is_known:
            self._before += amount
            return
        first, last = self._span(now, clock)
        for index in [index for index in self._used if index < first]:
            del self._used[index]
        for index in range(first, last + 1):
            self._used[index] = self._used.get(index, 0) + amount

    def uses(self, now: float, amount: int, clock: ServerClock) -> list[Use]:
        """Return what so much takes, in each window that it may fall into."""
        first, last = self._span(now, clock)
        return [Use(self.limit, index, amount) for index in range(first, last + 1)]

    def learn(self, index: int, used: int) -> None:
        """Take note of what all who share a budget have used."""
        self._used[index] = used

    def settle(self, now: float, clock: ServerClock) -> None:
        """Put what was used before the server's time was known where it belongs, now that it is."""
        if self._before and clock.is_known:
            before, self._before = self._before, 0
            self.use(now, before, clock)

    def next_in(self, now: float, clock: ServerClock) -> float:
        """Return the seconds until the next window begins."""
        length = self.limit.seconds
        return length - clock.earliest(now) % length if clock.is_known else length

    def left(self, now: float, clock: ServerClock) -> int:
        """Return how much may still be used in the present window."""
        if not clock.is_known:
            return self.limit.count - self._before
        return self.limit.count - max(self._used.get(index, 0) for index in self._span(now, clock))


@dataclass(slots=True)
class Allowance:
    """How many requests a window took when nobody had said: learned from refusals, then probed.

    After a refusal, as many as left before it may leave in the next window at once. Beyond these one goes ahead
    alone; as long as such probes are answered, more go together each time.

    Attributes:
        learned: Requests a window took before it refused one; None until one did.
        period: The window's length in seconds; None until two of them refused one.
    """

    learned: int | None = None
    period: float | None = None
    _ends: float | None = None
    _ended: float | None = None
    _sent: int = 0
    _asking: int = 0
    _step: int = 1

    def may_leave(self) -> bool:
        """Tell whether one more may leave."""
        return self.learned is None or self._sent < self.learned or self._asking == 0

    def left(self) -> None:
        """Take note of a request that leaves."""
        if self.learned is not None and self._sent >= self.learned:
            self.learned += self._step
            self._step *= 2
        self._sent += 1
        self._asking += 1

    def answered(self) -> None:
        """Take note of an answer that is no refusal."""
        self._asking = max(0, self._asking - 1)

    def refused(self, ends: float | None = None) -> None:
        """Take note of a refusal: what had left without one is what the window takes.

        Args:
            ends: When that window ends on the server's clock, if it said so. Two such ends are some windows apart.
        """
        if self._ends is None and ends is not None:
            if self._ended is not None and ends > self._ended:
                self.period = min(self.period or math.inf, ends - self._ended)
            self._ends = ends
        self._asking = max(0, self._asking - 1)
        self._sent -= 1
        self.stop()

    def stop(self) -> None:
        """Take note that a client of the same budget was refused: what had left here is our part of the window."""
        self._sent = max(1, self._sent)
        self.learned, self._step = self._sent, 1

    @property
    def rest(self) -> int:
        """How many may still leave in this window, before one has to ask."""
        return max(0, (self.learned or 0) - self._sent)

    def begin_window(self) -> None:
        """Count from zero: the window that refused has ended."""
        self._sent = 0
        self._ends, self._ended = None, self._ended if self._ends is None else self._ends
