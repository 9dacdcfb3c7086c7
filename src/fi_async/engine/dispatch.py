"""Requests on their way: out with a ticket, back with what became of them. The one place that settles tickets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Final

import anyio

from fi_async._errors import APIConnectionError, APITimeoutError, JournalError
from fi_async._events import CanarySent, RequestAnswered, RequestDropped, RequestSent, announce, emit, wants
from fi_async.engine.attempts import Context, Job, Ledger, Send
from fi_async.engine.ready_queue import Ready
from fi_async.engine.work import Arrival
from fi_async.pacing.retry import NO_CAPACITY
from fi_async.pacing.ticket import Ticket
from fi_async.wire.responses import Reply
from fi_async.wire.transport import Transport

_numbers: Final = count(1)
_NO_HEADERS: Final[Mapping[str, str]] = {}


class Dispatch:
    """Sends the requests of one run, and settles the ticket of each.

    Args:
        transport: Moves the bytes.
        context: What the run's jobs share.

    Attributes:
        sent: The jobs whose requests have left and are not answered, and what ends each request of a run that is kept.
            Those that were ended so stay.
    """

    def __init__(self, transport: Transport, context: Context) -> None:
        self.sent: dict[Job, anyio.CancelScope | None] = {}
        self._transport = transport
        self._context = context

    async def open(self) -> None:
        """Be ready to send."""
        await self._transport.open()

    async def perform(self, ready: Ready, ticket: Ticket) -> Arrival | None:
        """Return what happened to a request.

        None if it did not leave after all, as the gate closed meanwhile; or, if its job stays among `sent`, if it was
        ended.

        Raises:
            Exception: A bug or a setting kept it from being sent.
        """
        job, began = ready.job, ticket.issued_at
        before = ticket.before + self._context.completions.waiting
        number = next(_numbers)
        with ticket:
            reply = problem = None
            try:
                reply = await self._send(ready, ticket, number)
            except APIConnectionError as error:
                problem = error
            except _TooLate:
                del self.sent[job]
                self._context.ledger.void(job.works)
                ticket.returned(anyio.current_time())
                self._tell_dropped(ready, number, has_left=False)
                return None
            except Exception:
                del self.sent[job]
                self._tell_dropped(ready, number)
                raise
            except BaseException:  # the run ends
                self._tell_dropped(ready, number)
                raise
            if reply is None and problem is None:
                self._tell_dropped(ready, number)
                return None  # it was ended
            del self.sent[job]
            now = anyio.current_time()
            self._settle(ticket, now, reply, problem)
            if wants(self._context, RequestAnswered):
                self._tell_answered(ready, now - began, number, reply, problem)
            if ticket.canary is not None:
                job.works[0].attempt.canary = ticket.canary
        return Arrival(now, began, began - ready.since, reply, problem, self._was_crowded(ticket, now, reply), before)

    def close(self) -> None:
        """Let go of nothing: connections are the client's."""

    async def _send(self, ready: Ready, ticket: Ticket, number: int) -> Reply | None:
        """Return the reply to a request; None if it was ended.

        Those of a run that is kept come to their end when the run is stopped, within a bound.

        Raises:
            _TooLate: It may not leave any more.
        """
        if not self._context.ledger.drain:
            self.sent[ready.job] = None
            return await self._leave(ready, ticket, number)
        with anyio.CancelScope(shield=True) as self.sent[ready.job]:
            await self._kept(ready, ticket)
            return await self._leave(ready, ticket, number)
        return None

    async def _leave(self, ready: Ready, ticket: Ticket, number: int) -> Reply:
        context, send = self._context, _send_of(ready)
        headers = self._tell_sent(ready, ticket, number)
        # While it waited for its turn, no case's time ran.
        deadline = None if send.deadline is None else send.deadline + (ticket.issued_at - ready.since)
        if deadline is None and context.timeout.longest_case is not None:
            deadline = ticket.issued_at + context.timeout.longest_case
        left = _Leaving(ticket) if context.gate.counts_windows else None
        return await self._transport.send(send.call, context.timeout, deadline, left, headers)

    async def _kept(self, ready: Ready, ticket: Ticket) -> None:
        """Return once a request is kept as intended, if it may still leave then.

        Raises:
            _TooLate: It may not.
        """
        if not (ready.is_post and ready.job.works):
            return
        self._context.ledger.intended(ready.job.works)
        await all_kept(self._context.ledger)
        if not ticket.may_leave(anyio.current_time()):
            raise _TooLate

    def _tell_sent(self, ready: Ready, ticket: Ticket, number: int) -> Mapping[str, str]:
        """Tell whoever listens, and return the headers that it wants the request to carry."""
        call, works = _send_of(ready).call, ready.job.works
        template = works[0].parameters.template if works else None
        if ticket.canary is not None and template is not None:
            emit(self._context, CanarySent(template))
        if not wants(self._context, RequestSent):
            return _NO_HEADERS
        sent = RequestSent(
            call.method,
            call.endpoint,
            len(works),
            template,
            1 + works[0].history.attempts if works and ready.is_post else 1,
            request=number,
            run=self._context.run,
            cases=tuple([work.index for work in works]),  # a list: a third of a generator's time for one
            url=self._transport.url,
            backend=self._context.backend,
            model=works[0].parameters.model if works else None,
            span_id=works[0].parameters.span_id if works else None,
        )
        return announce(self._context, sent)

    def _tell_answered(
        self, ready: Ready, took: float, number: int, reply: Reply | None, problem: APIConnectionError | None
    ) -> None:
        call = _send_of(ready).call
        status, request_id = (None, None) if reply is None else (reply.status, reply.request_id)
        why = None if problem is None else type(problem).__name__
        emit(self._context, RequestAnswered(call.method, call.endpoint, status, took, request_id, number, why))

    def _tell_dropped(self, ready: Ready, number: int, *, has_left: bool = True) -> None:
        if wants(self._context, RequestDropped):
            call = _send_of(ready).call
            emit(self._context, RequestDropped(call.method, call.endpoint, number, has_left))

    def _settle(self, ticket: Ticket, now: float, reply: Reply | None, problem: APIConnectionError | None) -> None:
        if reply is not None and reply.status == 429:
            ticket.refused(now, self._context.wait_of(reply), reply.date)
        elif reply is not None:
            ticket.answered(now, reply.status, reply.date, self._context.tokens_of(reply))
        elif problem is not None and problem.unreachable:
            ticket.unreachable(now)
        else:
            ticket.lost(now, timed_out=isinstance(problem, APITimeoutError))

    def _was_crowded(self, ticket: Ticket, now: float, reply: Reply | None) -> bool:
        """Return True if a request was refused because more were at work than the server takes, and fewer will be."""
        if reply is None or reply.status not in NO_CAPACITY:
            return False
        accepted, began = self._context.accepted, ticket.issued_at
        accepted.refused(now)
        return ticket.slots.was_crowded(began) or accepted.was_crowded(began)


def _send_of(ready: Ready) -> Send:
    assert isinstance(ready.send, Send)  # noqa: S101  # what jobs of a server's lane ask for
    return ready.send


class _TooLate(Exception):  # noqa: N818  # no error: it is how a transport is told not to send
    """Raised before a byte has left, also from within the transport."""


class _Leaving:
    """Called by the transport when a connection is open and a request is about to leave on it."""

    __slots__ = ("_ticket",)

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def __call__(self) -> None:
        if not self._ticket.may_leave(anyio.current_time()):
            raise _TooLate


async def all_kept(ledger: Ledger) -> None:
    """Return once a ledger has kept, and handed out, all that it was told."""
    kept = ledger.kept()
    if kept is not None:
        await kept


async def end_kept(ledger: Ledger, within: float) -> None:
    """Return once a ledger has kept all that it was told, or cannot any more, and after these seconds at the latest."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(within), suppress(JournalError):
        await all_kept(ledger)
