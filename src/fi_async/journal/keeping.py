"""What becomes of works whose run is kept: told to a journal before anything follows from it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import anyio

from fi_async._errors import AmbiguousError
from fi_async._models import Outcome, OutcomeStatus
from fi_async._results import Usage
from fi_async.engine.attempts import Context, Job, note_duplicates
from fi_async.engine.outcomes import outcome
from fi_async.engine.submissions import poll
from fi_async.engine.work import Attempt, Work
from fi_async.journal import encoding
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Story
from fi_async.panels.panel import seat
from fi_async.panels.shape import Seat

Item = Work | Job | Outcome | None
"""What is to be done of a case: a work, a poll, an outcome to hand out; None if an equal case is under way."""


class EventJournal(Protocol):
    """Keeps events, in the order they are written."""

    @property
    def is_behind(self) -> bool:
        """True if something is still to be committed, or never will be."""

    def write(self, n: int, kind: EventKind, body: str | None = None, then: Callable[[], None] | None = None) -> None:
        """Take note of an event; `then` is called once it is committed, or cannot be any more."""

    async def flush(self) -> None:
        """Return once all that was written is committed.

        Raises:
            JournalError: It cannot be.
        """


class KeptLedger:
    """The part of a ledger that tells a journal what becomes of works. See `Ledger`.

    Args:
        journal: Open.
        drain: See `Ledger`.
        spent: Dollars that the run has spent on each template so far; empty where nobody asks.
    """

    def __init__(self, journal: EventJournal, *, drain: float, spent: Mapping[str, float] | None = None) -> None:
        self.drain = drain
        self._events = journal
        self._spent = spent or {}
        self._numbers: dict[tuple[int, Seat], int] = {}
        self._following: dict[int, list[Work]] = {}
        self._dropped: set[int] = set()

    def intended(self, works: Sequence[Work]) -> None:
        """Take note that a request to evaluate them is about to leave."""
        self._write(works, EventKind.INTENT)

    def accepted(self, work: Work) -> None:
        """Take note of the evaluation that the server accepted."""
        self._write([work], EventKind.ACCEPTED, work.attempt.eval_id)

    def void(self, works: Sequence[Work]) -> None:
        """Take note that the last request led to no evaluation."""
        self._write(works, EventKind.VOID)

    def lost(self, works: Sequence[Work]) -> None:
        """Take note that they are asked for again, although the last request may have led to one."""
        self._write(works, EventKind.LOST)

    def _write(self, works: Sequence[Work], kind: EventKind, body: str | None = None) -> None:
        for work in works:
            self._events.write(work.number, kind, body)

    def ended(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Keep an outcome, and hand it out once it is committed; also as those of equal cases."""
        n = self._numbers.pop((outcome.index, seat(outcome)), 0)
        if not n:
            emit(outcome)  # kept before, or refused as a duplicate
            return

        def hand_out() -> None:
            emit(outcome)
            for each in self._followers(n, outcome):
                emit(each)

        self._events.write(n, EventKind.ENDED, encoding.encode(outcome), hand_out)

    def dropped(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Hand out how a work ended that the end of the run cut off, without keeping it."""
        n = self._numbers.pop((outcome.index, seat(outcome)), 0)
        self._dropped.add(n)  # equal cases that come later have nobody to wait for
        emit(outcome)
        for each in self._followers(n, outcome):
            emit(each)

    def _followers(self, n: int, outcome: Outcome) -> Iterator[Outcome]:
        for work in self._following.pop(n, ()):
            yield replace(outcome, index=work.index, case=work.case, origin="duplicate")

    def spent(self, template: str, juror: str | None = None) -> float:
        """Return the dollars that earlier passes of the run have spent on a template, or on one of its jurors."""
        seats = ((Seat.of(name), spent) for name, spent in self._spent.items())
        return math.fsum(spent for seat, spent in seats if (seat.template, seat.juror) == (template, juror))

    def kept(self) -> Awaitable[None] | None:
        """Return what to await until all that was told is committed; None if it is."""
        return self._events.flush() if self._events.is_behind else None


def continued(work: Work, story: Story, accepted_ago: float, context: Context) -> Item:
    """Return what is to be done of a work, by how it stood when whoever had it last left it.

    Args:
        work: As it comes.
        story: What happened to it.
        accepted_ago: Seconds since the server accepted it, if it did.
        context: What the jobs of its template share.
    """
    work.history.attempts, work.history.ambiguous = story.attempts, story.ambiguous
    work.history.possible_duplicates = story.possible_duplicates
    if story.usage is not None or story.cost is not None:
        usage = None if story.usage is None else Usage.model_validate(story.usage)
        work.history.paid(usage, story.cost)
    if story.eval_id is not None:
        at = anyio.current_time() - accepted_ago
        work.attempt = Attempt(story.eval_id, accepted_at=at, is_resumed=True, seen_at=at)
        return poll(work, context)
    if not story.is_open:
        return work
    context.counts.ambiguous += 1
    if context.policy.may_resubmit or story.resend:
        note_duplicates(context, [work])
        return work
    error = AmbiguousError(
        "sent before the run was stopped, and its outcome is unknown; it is not sent again unbidden:"
        " fi-async retry --ambiguous sends it"
    )
    return outcome(work, context, OutcomeStatus.FAILED, error=error)
