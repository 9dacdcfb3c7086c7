"""Requests on their way: out with a ticket, back with what became of them. The one place that settles tickets."""

from __future__ import annotations

import anyio

from fi_async._errors import APIConnectionError, APITimeoutError
from fi_async.engine.attempts import Arrival, Context, Job, Ledger
from fi_async.engine.ready_queue import Ready
from fi_async.pacing.retry import NO_CAPACITY
from fi_async.pacing.ticket import Ticket
from fi_async.wire.responses import Reply, retry_after
from fi_async.wire.transport import Transport


class Dispatch:
    """Sends the requests of one run, and settles the ticket of each.

    Args:
        transport: Moves the bytes.
        context: What the run's jobs share.

    Attributes:
        sent: The jobs whose requests have left and are not answered, and what ends each request. Those that were ended
            so stay.
    """

    def __init__(self, transport: Transport, context: Context) -> None:
        self.sent: dict[Job, anyio.CancelScope] = {}
        self._transport = transport
        self._context = context

    async def perform(self, ready: Ready, ticket: Ticket) -> Arrival | None:
        """Return what happened to a request.

        None if it did not leave after all, as the gate closed meanwhile; or, if its job stays among `sent`, if it was
        ended.

        Raises:
            Exception: A bug or a setting kept it from being sent.
        """
        job, began = ready.job, ticket.issued_at
        before = ticket.before + self._context.completions.waiting
        with ticket:
            reply = problem = None
            try:
                with self._scope(ready, began) as scope:
                    self.sent[job] = scope
                    if not await self._may_leave(ready, ticket):
                        del self.sent[job]
                        return None
                    reply = await self._transport.send(ready.send.call, self._context.timeout, left=self._left(ticket))
            except APIConnectionError as error:
                problem = error
            except _TooLate:
                self._take_back(job, ticket)
                return None
            except Exception:
                del self.sent[job]
                raise
            if reply is None and problem is None:
                if scope.deadline > anyio.current_time():  # it was ended
                    return None
                problem = APITimeoutError("no reply by the deadline of the call")
            del self.sent[job]
            now = anyio.current_time()
            _settle(ticket, now, reply, problem)
            if ticket.canary is not None:
                job.works[0].canary = ticket.canary
        return Arrival(now, began, began - ready.since, reply, problem, self._was_crowded(ticket, now, reply), before)

    def _scope(self, ready: Ready, now: float) -> anyio.CancelScope:
        """Return what ends a request: its deadline, or the engine. Those of a kept run may come to their end first."""
        # While it waited for its turn, no case's time ran.
        deadline = None if ready.send.deadline is None else ready.send.deadline + (now - ready.since)
        longest = self._context.timeout.longest_case
        if deadline is None and longest is not None:
            deadline = now + longest
        scope = anyio.CancelScope(shield=self._context.ledger.drain > 0)
        if deadline is not None:
            scope.deadline = deadline
        return scope

    async def _may_leave(self, ready: Ready, ticket: Ticket) -> bool:
        """Return True once a request is kept as intended, and may still leave."""
        works = ready.job.works
        if not (ready.is_post and works):
            return True
        ledger = self._context.ledger
        ledger.intended(works)
        kept = ledger.kept()
        if kept is None:
            return True
        await kept
        now = anyio.current_time()
        if ticket.may_leave(now):
            return True
        ledger.void(works)
        ticket.returned(now)
        return False

    def _left(self, ticket: Ticket) -> _Leaving | None:
        """Return what the transport calls as the request leaves on an open connection, if anything depends on when."""
        return _Leaving(ticket) if self._context.gate.counts_windows else None

    def _take_back(self, job: Job, ticket: Ticket) -> None:
        """Take back a request that was about to leave when the window it was counted in was over."""
        del self.sent[job]
        self._context.ledger.void(job.works)
        ticket.returned(anyio.current_time())

    def _was_crowded(self, ticket: Ticket, now: float, reply: Reply | None) -> bool:
        """Return True if a request was refused because more were at work than the server takes, and fewer will be."""
        if reply is None or reply.status != NO_CAPACITY:
            return False
        accepted, began = self._context.accepted, ticket.issued_at
        accepted.refused(now)
        return ticket.slots.was_crowded(began) or accepted.was_crowded(began)


class _TooLate(Exception):  # noqa: N818  # no error: it is how a transport is told not to send
    """Raised from within the transport, before a byte has left."""


class _Leaving:
    """Called by the transport when a connection is open and a request is about to leave on it."""

    __slots__ = ("_ticket",)

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def __call__(self) -> None:
        if not self._ticket.may_leave(anyio.current_time()):
            raise _TooLate


def _settle(ticket: Ticket, now: float, reply: Reply | None, problem: APIConnectionError | None) -> None:
    if reply is not None and reply.status == 429:
        ticket.refused(now, retry_after(reply), reply.date)
    elif reply is not None:
        ticket.answered(now, reply.status, reply.date)
    elif problem is not None and problem.unreachable:
        ticket.unreachable(now)
    else:
        ticket.lost(now, timed_out=isinstance(problem, APITimeoutError))


async def all_kept(ledger: Ledger) -> None:
    """Return once a ledger has kept, and handed out, all that it was told."""
    kept = ledger.kept()
    if kept is not None:
        await kept
