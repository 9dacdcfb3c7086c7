"""The leave to send one request: all that it uses of what is limited, settled exactly once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from fi_async._settings import Limit
from fi_async.pacing.allowance import Leave
from fi_async.pacing.slots import Slots
from fi_async.pacing.windows import Counted

if TYPE_CHECKING:
    from fi_async.pacing.gate import Gate

_NONE: Final = Leave(0, 0, 0.0)  # of what no window counts


class Need(NamedTuple):
    """What a request is for.

    Attributes:
        post: True if it starts evaluations.
        rows: How many.
    """

    post: bool = False
    rows: int = 0

    def of(self, limit: Limit) -> int:
        """Return how much of a limit it uses."""
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


class Ticket:
    """The leave to send one request. It holds what the request uses, and is settled exactly once: see `Gate.issue`.

    Use it in `with`: dropped without a word, by an exception or a cancellation, it counts as lost.

    Attributes:
        need: What the request is for.
        issued_at: Since when the request is under way.
        slots: Where it has its place.
        canary: The one that its evaluation is, if it is; the gate takes it back unless the request was answered.
        leave: As which request it counts for the learned allowance.
        tries: True if it is the one that tries whether there is a server again.
        charged: For each limit that is given, where it was counted.
        before: How many others were not settled when it was issued.
        is_settled: True once it is.
    """

    __slots__ = (
        "_gate", "before", "canary", "charged", "epoch", "is_settled", "issued_at", "leave", "need", "slots", "tries",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
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
        self._gate = gate
        self.need, self.issued_at, self.slots = need, now, slots
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
            self._gate.lost(self, None)

    def may_leave(self, now: float) -> bool:
        """Return True if the request may leave at this moment, later than it was reckoned to.

        False if a window began meanwhile that has no room for it, or a refusal closed the gate: then it is to be
        returned.
        """
        return self._gate.confirm(self, now)

    def returned(self, now: float) -> None:
        """Settle it: the request did not leave."""
        self._gate.returned(self, now)

    def answered(self, now: float, status: int, date: float | None) -> None:
        """Settle it: the server answered, and refused nothing for a limit.

        Args:
            now: The time.
            status: The reply's.
            date: When the server wrote it, by its own clock, if it said so.
        """
        self._gate.answered(self, now, status, date)

    def refused(self, now: float, retry_after: float | None, date: float | None) -> None:
        """Settle it: a limit of requests refused it.

        Args:
            now: The time.
            retry_after: The seconds that the server said to wait.
            date: When the server wrote it, by its own clock, if it said so.
        """
        self._gate.refused(self, now, retry_after, date)

    def unreachable(self, now: float) -> None:
        """Settle it: there is no server to send it to."""
        self._gate.unreachable(self, now)

    def lost(self, now: float | None, *, timed_out: bool = False) -> None:
        """Settle it: no answer came.

        Args:
            now: The time; None if nobody knows.
            timed_out: True if one was waited for until its time was over.
        """
        self._gate.lost(self, now, timed_out=timed_out)
