"""What the server's clock says, from the Date headers of its replies."""

from __future__ import annotations

import math
from typing import Final

_SAME: Final = 0.1  # seconds within which two loops go by one clock, as asyncio's do: it was read a moment later


class LoopClock:
    """The event loop whose clock times are of."""

    def __init__(self) -> None:
        self._loop: object = None
        self._ahead = 0.0

    def changed(self, loop: object, ahead: float) -> float | None:
        """Return how many seconds later each moment is on its clock than on the last loop's; None if it is that loop.

        Args:
            loop: The loop.
            ahead: Seconds that a clock which is the same in all loops is ahead of this loop's.
        """
        if self._loop is loop:
            return None
        moved = self._ahead - ahead
        self._loop, self._ahead = loop, ahead
        return 0.0 if abs(moved) < _SAME else moved


class ServerClock:
    """Learns how far the server's clock is from ours, to a fraction of the second that Date is rounded to.

    A reply with Date d was written at a server time in [d, d + 1), and at a time of ours between sending the
    request and receiving the reply. Each reply so bounds the offset from both sides; the bounds only narrow
    (the intersection method of K. Marzullo, 1984, for one source).

    Attributes:
        least: The least that the server's clock is ahead of ours, in seconds.
        most: The most.
        times_set: How often bounds were taken up that those before do not allow: what was reckoned by these was wrong.
    """

    def __init__(self) -> None:
        self.times_set = 0
        self.least = -math.inf
        self.most = math.inf
        self._is_assumed = False

    def __repr__(self) -> str:
        return f"<ServerClock offset {self.least:.3f}..{self.most:.3f}>"

    @property
    def is_known(self) -> bool:
        """True once a reply has said the time, or it was assumed."""
        return self.least > -math.inf

    @property
    def doubt(self) -> float:
        """Seconds between the bounds; 0 if there are none."""
        return self.most - self.least if self.is_known else 0.0

    def assume(self, now: float, server_time: float, within: float) -> None:
        """Take the server's time to be this, give or take `within` seconds, until a reply says it."""
        self._set(server_time - within - now, server_time + within - now)
        self._is_assumed = True

    def heard(self, sent_at: float, received_at: float, date: float) -> None:
        """Record a reply's Date, in seconds since the epoch; the other times are of our clock."""
        least, most = date - received_at, date + 1.0 - sent_at
        if self._is_assumed or not self._allows(least, most):
            # What was assumed is not needed any more; or one of the clocks was set, and what was learned is void.
            self._set(least, most)
        else:
            self._set(max(self.least, least), min(self.most, most))

    def moved(self, by: float) -> ServerClock:
        """Return the same clock as reckoned by another of ours, on which each moment is so many seconds later."""
        other = ServerClock()
        other.times_set, other._is_assumed = self.times_set, self._is_assumed
        other.least, other.most = self.least - by, self.most - by
        return other

    @property
    def told(self) -> tuple[float, float] | None:
        """The bounds of the offset, if replies have told them."""
        return (self.least, self.most) if self.is_known and not self._is_assumed else None

    def agree(self, least: float, most: float) -> None:
        """Record the bounds that another client of the server was told, in our time."""
        if self.told is None:
            self._set(least, most)
        elif self._allows(least, most):
            self._set(max(self.least, least), min(self.most, most))
        # Else one of the two clients has a clock that was set: the next reply tells which.

    def _allows(self, least: float, most: float) -> bool:
        return least <= self.most and self.least <= most

    def _set(self, least: float, most: float) -> None:
        self.times_set += not (self.is_known and self._allows(least, most))
        self.least, self.most, self._is_assumed = least, most, False

    def ours(self, server_time: float) -> float:
        """Return the time of our clock at which it is certainly that late on the server's."""
        return server_time - self.least

    def earliest(self, now: float) -> float:
        """Return the earliest that it may be on the server's clock."""
        return now + self.least

    def latest(self, now: float) -> float:
        """Return the latest that it may be on the server's clock."""
        return now + self.most


def end_said(date: float | None, wait: float | None) -> float | None:
    """Return when a wait ends by the server's clock, by the Date of its reply; None if that does not tell.

    A Date has whole seconds. With a wait of parts of a second it names no whole one, and mostly one that is over.
    """
    if date is None or wait is None or wait < 1 or abs(date + wait - round(date + wait)) > _ROUNDING:
        return None
    return date + wait


_ROUNDING = 1e-3  # seconds
