"""What clients that share a budget ask of what keeps it. Times are of the server's clock: all of them learn that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fi_async._settings import Limit


class Use(NamedTuple):
    """So much of a limit, in the window of that number: it begins at number times its length since the epoch."""

    limit: Limit
    window: int
    amount: int


class Standing(NamedTuple):
    """Where a budget stands.

    Attributes:
        granted: True if all that was asked for is there, and nobody was refused.
        closed_until: The latest end of a window that refused one of the clients; minus infinity if none did.
        used: What all clients used before, of each limit and window that was asked for.
    """

    granted: bool
    closed_until: float
    used: Sequence[int]


class Budget(Protocol):
    """What keeps a budget. None of its methods takes long enough to matter to an event loop.

    Attributes:
        path: Where.
    """

    path: str

    def claim(self, uses: Sequence[Use], at: float) -> Standing | None:
        """Take all of these if all are there, else none; None if it cannot be told for the moment.

        Args:
            uses: What a request needs. More than a window has at all is granted in a window that nobody used.
            at: The earliest that it may be.
        """

    def read(self, uses: Sequence[Use], at: float) -> Standing | None:
        """Return what `claim` would, and take nothing."""

    def close(self, until: float) -> None:
        """Let no client send before this time."""

    def wall_clock(self) -> float:
        """Return this machine's time, in seconds since the epoch."""
