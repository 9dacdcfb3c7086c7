"""When requests may leave: one gate for all the tasks of a client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Gate:
    """Closed to everyone after one refusal, until the time the server named. Times are the caller's clock.

    Attributes:
        closed_until: Nothing may leave before.
        posts_closed_until: No evaluation may be started before; polls may leave.
    """

    closed_until: float = 0.0
    posts_closed_until: float = 0.0
    _clock: object = None

    def go_by(self, clock: object) -> None:
        """Forget times that another clock named: each event loop counts from a zero of its own."""
        if self._clock is not clock:
            self._clock, self.closed_until, self.posts_closed_until = clock, 0.0, 0.0

    def hold(self, until: float, *, posts_only: bool = False) -> None:
        """Close the gate until then, at least: the latest time anyone was told counts."""
        self.posts_closed_until = max(self.posts_closed_until, until)
        if not posts_only:
            self.closed_until = max(self.closed_until, until)

    def opens_at(self, *, post: bool) -> float:
        """Return the time from which such a request may leave."""
        return self.posts_closed_until if post else self.closed_until
