"""The leave to send one request: all that it uses of what is limited, settled exactly once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from fi_async._settings import Limit
from fi_async.pacing.allowance import Leave
from fi_async.pacing.slots import Slots
from fi_async.pacing.windows import Counted

_NONE: Final = Leave(0, 0, 0.0)  # of what no window counts


class Need(NamedTuple):
    """What a request is for.

    Attributes:
        post: True if it starts evaluations.
        rows: How many.
        tokens: What it is reckoned to use of a limit of tokens.
    """

    post: bool = False
    rows: int = 0
    tokens: int = 0

    def of(self, limit: Limit) -> int:
        """Return how much of a limit it uses."""
        if limit.of == "tokens":
            return self.tokens
        return 1 if limit.of == "requests" else self.rows if self.post else 0

    @property
    def evaluates(self) -> bool:
        """True if evaluations may come of it."""
        return self.post and self.rows > 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What binds the requests of one run.

    Attributes:
        slots: Its own places for requests under way, or those that the client's runs share.
        limits: What it was given, beside what the client was given.
        patience: Seconds to wait for a server that is not there.
    """

    slots: Slots = field(default_factory=lambda: Slots(256))
    limits: Sequence[Limit] = ()
    patience: float = math.inf


class Canary:
    """The one evaluation that asks whether a plan's limit lets others through: whoever holds it tells the gate.

    It is waited for until some time, however silent its holder stays.
    """

    __slots__ = ()


class Issuer(Protocol):
    """Who issues tickets, and is told once what became of each: the gate."""

    def confirm(self, ticket: Ticket, now: float) -> bool:
        """Return True if its request may still leave."""

    def returned(self, ticket: Ticket, now: float) -> None:
        """Its request did not leave."""

    def answered(self, ticket: Ticket, now: float, status: int, date: float | None, tokens: int | None = None) -> None:
        """Its request was answered, and no limit refused it."""

    def refused(self, ticket: Ticket, now: float, retry_after: float | None, date: float | None) -> None:
        """A limit refused its request."""

    def unreachable(self, ticket: Ticket, now: float) -> None:
        """There was no server to send its request to."""

    def lost(self, ticket: Ticket, now: float | None, *, timed_out: bool = False) -> None:
        """Nobody knows what became of its request."""


class Ticket:
    """The leave to send one request. It holds what the request uses, and is settled exactly once: see `Gate.issue`.

    Use it in `with`: dropped without a word, by an exception or a cancellation, it counts as lost.

    Attributes:
        need: What the request is for.
        issued_at: Since when the request is under way.
        left_at: The earliest that it can have left: when it was last told that it may.
        slots: Where it has its place.
        canary: The one that its evaluation is, if it is; the gate takes it back unless the request was answered.
        leave: As which request it counts for the learned allowance.
        tries: True if it is the one that tries whether there is a server again.
        charged: For each limit that is given, where it was counted.
        before: How many others were not settled when it was issued.
        is_settled: True once it is.
    """

    __slots__ = (
        "_issuer", "before", "canary", "charged", "epoch", "is_settled", "issued_at", "leave", "left_at", "need",
        "slots", "tries",
    )  # fmt: skip

    def __init__(
        self,
        issuer: Issuer,
        need: Need,
        now: float,
        slots: Slots,
        *,
        epoch: int = 0,
        leave: Leave = _NONE,
        tries: bool = False,
        canary: Canary | None = None,
        before: int = 0,
        charged: Sequence[Counted] = (),
    ) -> None:
        self._issuer = issuer
        self.need, self.issued_at, self.left_at, self.slots = need, now, now, slots
        self.epoch, self.leave, self.tries, self.canary = epoch, leave, tries, canary
        self.charged, self.before = charged, before
        self.is_settled = False

    def __repr__(self) -> str:
        return f"<Ticket {self.need} since={self.issued_at}{' settled' if self.is_settled else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_settled:
            self._issuer.lost(self, None)

    def may_leave(self, now: float) -> bool:
        """Return True if the request may leave at this moment, later than it was reckoned to.

        False if a window began meanwhile that has no room for it, a refusal closed the gate, or what clients share
        cannot be had for the moment: then it is to be returned.
        """
        return self._issuer.confirm(self, now)

    def returned(self, now: float) -> None:
        """Settle it: the request did not leave."""
        self._issuer.returned(self, now)

    def answered(self, now: float, status: int, date: float | None, tokens: int | None = None) -> None:
        """Settle it: the server answered, and refused nothing for a limit.

        Args:
            now: The time.
            status: The reply's.
            date: When the server wrote it, by its own clock, if it said so.
            tokens: What it took of a limit of tokens, if the server said so.
        """
        self._issuer.answered(self, now, status, date, tokens)

    def refused(self, now: float, retry_after: float | None, date: float | None) -> None:
        """Settle it: a limit of requests refused it.

        Args:
            now: The time.
            retry_after: The seconds that the server said to wait.
            date: When the server wrote it, by its own clock, if it said so.
        """
        self._issuer.refused(self, now, retry_after, date)

    def unreachable(self, now: float) -> None:
        """Settle it: there is no server to send it to."""
        self._issuer.unreachable(self, now)

    def lost(self, now: float | None, *, timed_out: bool = False) -> None:
        """Settle it: no answer came.

        Args:
            now: The time; None if nobody knows.
            timed_out: True if one was waited for until its time was over.
        """
        self._issuer.lost(self, now, timed_out=timed_out)
