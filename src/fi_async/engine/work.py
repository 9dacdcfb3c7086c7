"""A case under a template on its way to an outcome: what it is, what became of it so far, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from fi_async._errors import APIConnectionError, FiAsyncError
from fi_async._models import Case
from fi_async.pacing.ticket import Canary
from fi_async.wire.preflight import PreparedInputs
from fi_async.wire.requests import Parameters
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    from fi_async._results import Usage
    from fi_async.engine.asked import Answered


@dataclass(frozen=True, slots=True)
class Arrival:
    """What happened: the time, and after a Send its reply or its error.

    Attributes:
        now: The time, the loop's.
        sent_at: When the call left.
        waited: Seconds it waited for its turn before that. No case's time runs meanwhile.
        reply: The reply, if one came.
        error: What kept it from coming.
        crowded: True if it was refused because more were under way than the server takes, and fewer will be.
        before: How many requests and polled evaluations were under way when it left.
        said: What a function said of the cases that it was asked about, in their order; of the first few only, if one
            of them took too long.
    """

    now: float
    sent_at: float = 0.0
    waited: float = 0.0
    reply: Reply | None = None
    error: APIConnectionError | None = None
    crowded: bool = False
    before: int = 0
    said: Sequence[Answered] = ()


@dataclass(slots=True)
class History:
    """What became of a work so far, over all its attempts.

    Attributes:
        attempts: How often it was sent to be evaluated.
        ambiguous: How often it may have been evaluated without our knowing.
        possible_duplicates: How often it was sent again although it may have been.
        throttled: How often a plan's limit stopped it.
        failures: Failed attempts in a row; a limit's refusals in between are none.
        restarted: True if it was started anew because the server did not finish it, or lost it.
        said: What the server said of a failure of its own, the last time.
        trouble: What it was asked again for, to hear why.
        began_at: When it first left.
        usage: The tokens that all answers took; None if nobody says.
        cost: What they cost, in dollars; None if nobody knows.
    """

    attempts: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    throttled: int = 0
    failures: int = 0
    restarted: bool = False
    said: str | None = None
    trouble: FiAsyncError | None = None
    began_at: float | None = None
    usage: Usage | None = None
    cost: Decimal | None = None

    def paid(self, usage: Usage | None, cost: float | None) -> None:
        """Add what an answer took; None for what nobody knows."""
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage + usage
        if cost is not None:
            self.cost = (self.cost or 0) + Decimal(repr(cost))


@dataclass(slots=True)
class Attempt:
    """How the present attempt stands. Times are the loop's.

    Attributes:
        eval_id: The evaluation that the server accepted; None as long as it has not.
        accepted_at: When it did.
        is_resumed: True if an earlier pass of the run had it accept.
        canary: The one that it is, if it asks whether a plan's limit lets others through.
        sent_at: When the last request left.
        seen_at: When it was answered.
        before: How many requests and polled evaluations were under way when it left.
        deadline: When its time is over; None until it runs.
    """

    eval_id: str | None = None
    accepted_at: float | None = None
    is_resumed: bool = False
    canary: Canary | None = None
    sent_at: float = 0.0
    seen_at: float = 0.0
    before: int = 0
    deadline: float | None = None

    def accepted(self, eval_id: str | None, at: float) -> None:
        """Record that the server accepted it."""
        self.eval_id, self.accepted_at = eval_id, at

    def anew(self) -> Attempt:
        """Return the next attempt: nothing is accepted, and no time runs."""
        return Attempt(is_resumed=self.is_resumed, canary=self.canary, sent_at=self.sent_at, seen_at=self.seen_at)


@dataclass(slots=True)
class Work:
    """One case under one template.

    Attributes:
        index: The case's position in its call, from 0.
        case: The case.
        parameters: What it is asked with, but its inputs.
        row: Its inputs as they are sent; None for an evaluation that is known by its id alone.
        number: Its number in the journal; 0 without one.
        history: What became of it so far.
        attempt: How its present attempt stands.
    """

    index: int
    case: Case
    parameters: Parameters
    row: PreparedInputs | None = None
    number: int = 0
    history: History = field(default_factory=History)
    attempt: Attempt = field(default_factory=Attempt)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that it is asked with, in order: only works of equal ones can share a request."""
        return () if self.row is None else tuple(self.row.inputs)

    def note(self, event: Arrival, case_timeout: float | None) -> None:
        """Record a call that ended; the first one begins the case's time."""
        if self.history.began_at is None:
            self.history.began_at = event.sent_at
        attempt = self.attempt
        if attempt.deadline is not None:
            attempt.deadline += event.waited
        elif case_timeout is not None:
            attempt.deadline = event.sent_at + case_timeout
        attempt.sent_at, attempt.seen_at, attempt.before = event.sent_at, event.now, event.before
