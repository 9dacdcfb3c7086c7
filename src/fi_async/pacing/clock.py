"""What the server's clock says, from the Date headers of its replies."""

from __future__ import annotations

import math


class ServerClock:
    """Learns how far the server's clock is from ours, to a fraction of the second that Date is rounded to.

    A reply with Date d was written at a server time in [d, d + 1), and at a time of ours between sending the
    request and receiving the reply. Each reply so bounds the offset from both sides; the bounds only narrow
    (the intersection method of K. Marzullo, 1984, for one source).
    """

    def __init__(self) -> None:
        self.least = -math.inf
        self.most = math.inf

    def __repr__(self) -> str:
        return f"<ServerClock offset {self.least:.3f}..{self.most:.3f}>"

    @property
    def is_known(self) -> bool:
        """True once a reply has said the time."""
        return self.least > -math.inf

    def heard(self, sent_at: float, received_at: float, date: float) -> None:
        """Take note of a reply's Date, in seconds since the epoch; the other times are of our clock."""
        least, most = date - received_at, date + 1.0 - sent_at
        if least > self.most or most < self.least:
            self.least, self.most = least, most  # one of the clocks was set: what was learned before is void
            return
        self.least, self.most = max(self.least, least), min(self.most, most)

    def ours(self, server_time: float) -> float:
        """Return the time of our clock at which it is certainly that late on the server's."""
        return server_time - self.least

    def earliest(self, now: float) -> float:
        """Return the earliest that it may be on the server's clock."""
        return now + self.least

    def latest(self, now: float) -> float:
        """Return the latest that it may be on the server's clock."""
        return now + self.most
