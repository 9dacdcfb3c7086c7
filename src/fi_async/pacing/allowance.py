"""How many requests a window takes when nobody said: learned from refusals, then probed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

VOLLEY: Final = 64  # requests that leave before an answer could tell that they are too many
_SOON: Final = 0.05  # seconds in which a server that refuses does so, unless it is far
_ROUNDING: Final = 1e-3  # seconds


@dataclass(slots=True)
class Allowance:
    """How many requests a window takes. One refusal closes it for everyone, until the time that the server names.

    As many as left before a refusal may leave in the next window at once. Beyond these one goes ahead alone; as long as
    such probes are answered, more go together each time. Whatever is still in flight, a window opens at its time: what
    left in an earlier one counts there.

    As long as nothing is known, requests leave in volleys: a limit that is near refuses one volley at most.

    Attributes:
        learned: Requests a window took before it refused one; None until one did.
        period: The window's length in seconds; None until two of them refused one.
        closed_until: When the window that refused ends; 0 if it has.
    """

    learned: int | None = None
    period: float | None = None
    closed_until: float = 0.0
    _window: int = 0
    _sent: int = 0
    _in_flight: int = 0
    _step: int = 1
    _in_a_row: int = 0
    _ends: float | None = None
    _ended: float | None = None
    _volley: int = 0
    _volley_at: float = -math.inf
    _quickest: float = _SOON

    def opens_at(self, *, is_given: bool) -> float:
        """Return the time from which one more may leave; infinity if an answer that is in flight has to come first.

        Args:
            is_given: True if a limit of requests is given: then no volleys are needed to find one.
        """
        if self.closed_until:
            return self.closed_until
        if self.learned is None:
            is_full = self._volley >= VOLLEY and not is_given
            return self._volley_at + self._quickest if is_full else 0.0
        return 0.0 if self._sent < self.learned or self._in_flight == 0 else math.inf

    def left(self, now: float) -> int:
        """Record a request that leaves, and return the number of the window that it counts in."""
        if self.closed_until and now >= self.closed_until:
            self._begin_window()
        if self.learned is None:
            if now >= self._volley_at + self._quickest:
                self._volley, self._volley_at = 0, now
            self._volley += 1
        elif self._sent >= self.learned:
            self.learned += self._step
            self._step *= 2
        self._sent += 1
        self._in_flight += 1
        return self._window

    def answered(self, window: int, took: float | None) -> None:
        """Record that a request came to its end without a refusal.

        Args:
            window: What `left` returned for it.
            took: The seconds to its answer; None if there was none.
        """
        if window == self._window:
            self._in_flight -= 1
            if took is not None and not self.closed_until:
                self._in_a_row = 0
        if took is not None and took < self._quickest:
            self._quickest = took

    def refused(self, window: int, until: float, ends: float | None) -> bool:
        """Record a refusal: what had left without one is what the window takes. Return True if it closes the window.

        Args:
            window: What `left` returned for it.
            until: When the window ends.
            ends: When it ends on the server's clock, if the server said so. Two such ends are some windows apart.
        """
        if window == self._window:
            self._in_flight -= 1
            self._sent -= 1
        elif ends is not None and self._ended is not None and ends <= self._ended + _ROUNDING:
            return False  # by a window that has ended since
        if self._ends is None and ends is not None:
            if self._ended is not None and ends > self._ended:
                self.period = min(self.period or math.inf, ends - self._ended)
            self._ends = ends
        self._in_a_row += not self.closed_until
        self.close(until)
        return True

    @property
    def in_a_row(self) -> int:
        """How many windows have refused one after the other, with nothing answered in between."""
        return self._in_a_row

    def close(self, until: float) -> None:
        """Record that the window is full until then, for this client or for another of the same budget."""
        self.closed_until = max(self.closed_until, until)
        self._sent = max(1, self._sent)
        self.learned, self._step = self._sent, 1

    def rest(self, now: float) -> int:
        """Return how many may still leave in this window, before one has to ask."""
        if self.closed_until > now:
            return 0
        return max(0, (self.learned or 0) - (0 if self.closed_until else self._sent))

    def _begin_window(self) -> None:
        """Count from zero: the window that refused has ended."""
        self.closed_until = 0.0
        self._window += 1
        self._sent = self._in_flight = 0
        self._ends, self._ended = None, self._ended if self._ends is None else self._ends
