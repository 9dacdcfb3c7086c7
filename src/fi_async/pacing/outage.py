"""Whether there is a server: a connection that is refused, or a name that nobody knows, holds everyone back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FIRST: Final = 0.5  # seconds from the first failure to the next try
GROWTH: Final = 2.0
LONGEST: Final = 10.0
NEVER_REACHED: Final = 30.0  # seconds: where no request ever got through, the address is likely wrong


@dataclass(slots=True)
class Outage:
    """Closed from the first request that found no server to the first that gets through; one at a time tries.

    Attributes:
        since: When the first of a row of requests found none; None as long as they get through.
    """

    since: float | None = None
    _next: float = 0.0
    _pause: float = FIRST
    _is_tried: bool = False
    _was_reached: bool = False

    def patience(self, longest: float) -> float:
        """Return the seconds after which nobody waits for the server any more."""
        return longest if self._was_reached else min(longest, NEVER_REACHED)

    def is_over(self, now: float, longest: float) -> bool:
        """Return True if there was no server for so long that requests are to fail rather than wait."""
        return self.since is not None and now - self.since >= self.patience(longest)

    def opens_at(self, now: float, longest: float) -> float:
        """Return the time from which a request may try, when patience ends at the latest; infinity while one does."""
        if self.since is None or self.is_over(now, longest):
            return 0.0
        return math.inf if self._is_tried else min(self._next, self.since + self.patience(longest))

    def left(self) -> bool:
        """Record a request that leaves, and return True if it is the one that tries."""
        is_trying = self.since is not None and not self._is_tried
        self._is_tried |= is_trying
        return is_trying

    def failed(self, now: float, *, tried: bool) -> bool:
        """Record a request that found no server, and return True if that is news.

        Args:
            now: The time.
            tried: What `left` returned for it.
        """
        is_news = self.since is None
        if is_news:
            self.since, self._pause, self._is_tried = now, FIRST, False
        elif tried:
            self._pause, self._is_tried = min(self._pause * GROWTH, LONGEST), False
        else:
            return False
        self._next = now + self._pause
        return is_news

    def unknown(self, now: float, *, tried: bool) -> None:
        """Record a request that told nothing: if it was the one that tried, another may."""
        if tried:
            self._is_tried, self._next = False, now + self._pause

    def reached(self) -> bool:
        """Record a request that got through, and return True if that ends an outage."""
        was_out, self.since, self._is_tried, self._was_reached = self.since is not None, None, False, True
        return was_out
