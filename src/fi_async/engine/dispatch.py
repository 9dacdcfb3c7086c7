"""Requests on their way: out through a slot and the gate, back with what became of them."""

from __future__ import annotations

import anyio

from fi_async._errors import APIConnectionError, APITimeoutError
from fi_async.engine.attempts import Context, Event, Job, Ledger
from fi_async.engine.ready_queue import Ready
from fi_async.engine.slots import Slots
from fi_async.pacing.retry import NO_CAPACITY
from fi_async.wire.responses import Reply
from fi_async.wire.transport import Transport


class Exchange:
    """Sends the requests of one run, and tells the gate and the slots how each ended.

    Args:
        transport: Moves the bytes.
        context: What the run's jobs share.
        slots: What bounds requests under way.

    Attributes:
        sent: The jobs whose requests have left and are not answered, and what ends each request. Those that were ended
            so stay.
    """

    def __init__(self, transport: Transport, context: Context, slots: Slots) -> None:
        self.sent: dict[Job, anyio.CancelScope] = {}
        self._transport = transport
        self._context = context
        self._slots = slots

    async def perform(self, ready: Ready) -> Event | None:
        """Return what happened to a request, sent once there was a slot for it.

        None if the gate closed while it waited for the slot, and it did not leave; or, if its job stays among `sent`,
        the request was ended.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
            Exception: A bug or a setting kept it from being sent.
        """
        reply = problem = None
        async with self._slots:
            now = anyio.current_time()
            if not self._leaves(now, ready):
                return None
            self._slots.started(now)
            try:
                reply = await self._send(now, ready)
            except APIConnectionError as error:
                problem = error
            except Exception:
                del self.sent[ready.job]
                raise
            finally:
                timed_out = isinstance(problem, APITimeoutError)
                self._slots.ended(now, anyio.current_time(), reply, timed_out=timed_out)
        if self.sent[ready.job].cancelled_caught:
            return None
        del self.sent[ready.job]
        ended_at = anyio.current_time()
        refused = reply is not None and reply.status == 429
        self._context.gate.answered(now, ended_at, None if reply is None else reply.date, refused=refused)
        return Event(ended_at, now, now - ready.since, reply, problem, self._was_crowded(now, ended_at, reply))

    def _leaves(self, now: float, ready: Ready) -> bool:
        """Tell whether a request leaves now, and take note of it."""
        gate, post, works = self._context.gate, ready.is_post, ready.job.works
        if ready.opens_at(now, gate) > now or not gate.claim(now, post=post, rows=len(works)):
            return False
        if gate.left(now, post=post, rows=len(works)):
            works[0].is_canary = True
        return True

    async def _send(self, now: float, ready: Ready) -> Reply | None:
        """Return the reply to a request that leaves now; None if it was ended."""
        job, send, timeout = ready.job, ready.send, self._context.timeout
        # While it waited for its turn, no case's time ran.
        deadline = None if send.deadline is None else send.deadline + (now - ready.since)
        if deadline is None and timeout.longest_case is not None:
            deadline = now + timeout.longest_case
        with anyio.CancelScope(shield=self._context.ledger.drain > 0) as self.sent[job]:
            if ready.is_post and job.works:
                self._context.ledger.intended(job.works)
                await all_kept(self._context.ledger)
            return await self._transport.send(send.call, timeout, deadline)
        return None

    def _was_crowded(self, sent_at: float, now: float, reply: Reply | None) -> bool:
        """Tell whether a request was refused because more were at work than the server takes, and fewer will be."""
        if reply is None or reply.status != NO_CAPACITY:
            return False
        self._context.accepted.refused(now)
        return self._slots.was_crowded(sent_at) or self._context.accepted.was_crowded(sent_at)


async def all_kept(ledger: Ledger) -> None:
    """Return once a ledger has kept, and handed out, all that it was told."""
    kept = ledger.kept()
    if kept is not None:
        await kept
