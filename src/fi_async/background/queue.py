"""The queue between request handlers, which offer cases, the engine, which reads them, and the sink of outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import anyio

from fi_async._errors import InvalidCaseError
from fi_async._models import Case, Inputs, Outcome, OutcomeStatus
from fi_async.background.keeper import Keeper
from fi_async.background.line import OfferLine
from fi_async.background.offers import Offer, Statistics, offer_ids
from fi_async.background.sinks import Outlet, SinkLike
from fi_async.wire.preflight import case_of

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

OnFull = Literal["drop", "wait"]
StreamOffers = Callable[[AsyncIterator[Offer]], AsyncGenerator[Outcome]]

_AHEAD: Final = 512  # outcomes that may wait for a slow sink, before the engine waits for it too
_LAST_WORDS: Final = 2.0  # seconds that a sink may take to close

_log = logging.getLogger("fi_async.background")


@dataclass(slots=True)
class _Running:
    """An offer that the engine has, and what is known of its outcomes."""

    offer: Offer
    left: int
    failed: bool = False
    delivered: bool = True


class BackgroundQueue:
    """Takes cases from request handlers at once, and has them evaluated behind them; see `AsyncEvaluator.background`.

    Attributes:
        last_error: What the sink raised last; None if it never did.
        error: What ended the queue early, such as a refused key pair; None if nothing did. Leaving raises it.
    """

    def __init__(
        self,
        stream: StreamOffers,
        templates: int,
        sink: SinkLike,
        *,
        line: OfferLine,
        keeper: Keeper | None,
        on_full: OnFull,
        clock: Callable[[], float],
    ) -> None:
        self.last_error: Exception | None = None
        self.error: Exception | None = None
        self._stream = stream
        self._templates = templates
        self._outlet = Outlet(sink)
        self._line = line
        self._keeper = keeper
        self._on_full = on_full
        self._clock = clock
        self._ids = offer_ids(clock(), "" if keeper is None else keeper.spool.last)
        self._running: dict[int, _Running] = {}
        self._settled = asyncio.Event()
        self._done = self._failed = self._kept = self._cut_off = self._sink_errors = 0
        self._is_sink_down = False
        self.begun = asyncio.Event()

    def __repr__(self) -> str:
        told = self.statistics()
        return (
            f"<BackgroundQueue waiting={told.waiting} running={told.running} done={told.done} dropped={told.dropped}>"
        )

    def offer(self, case: Inputs | Case) -> bool:
        """Tell whether a case was taken: at once, and from any thread. A full or closed queue drops it.

        With a spool it is on disk a few milliseconds later; `put` waits for that.

        Args:
            case: Inputs by key, or a Case. Its inputs may change afterwards: the queue has a copy of the dict.

        Raises:
            InvalidCaseError: It is neither, or its inputs are no dict.
        """
        return self._line.push(self._offered(case))

    async def put(self, case: Inputs | Case) -> bool:
        """Tell whether a case was taken; with a spool, once it is on disk. Call it in the queue's event loop.

        If the queue is full, `on_full` says whether this waits for room, or drops the case.

        Args:
            case: As of `offer`.

        Raises:
            InvalidCaseError: As `offer`.
            OSError: The spool could not be written. The case is evaluated all the same.
        """
        offer = self._offered(case)
        while self._on_full == "wait" and await self._line.room():
            if self._line.push(offer, patient=True):
                break
        else:
            if not self._line.push(offer):
                return False
        if self._keeper is not None:
            await self._keeper.durable(offer.offer_id)
        return True

    def _offered(self, case: Inputs | Case) -> Offer:
        given = case_of(case)
        if not isinstance(given.inputs, Mapping):
            raise InvalidCaseError(f"inputs must be a dict of inputs by key, not {type(given.inputs).__name__}")
        return Offer(dict(given.inputs), given.id, next(self._ids), self._clock())

    async def drained(self, timeout: float | None = None) -> bool:
        """Tell whether the outcomes of all cases are with the sink; wait for that up to `timeout` seconds.

        Args:
            timeout: None waits as long as it takes.
        """
        with anyio.move_on_after(timeout):
            while self._unsettled and self.error is None:
                self._settled.clear()
                await self._settled.wait()
        return not (self._unsettled or self._kept or self._cut_off)

    @property
    def _unsettled(self) -> int:
        return self._line.backlog + self._line.queued + len(self._running)

    def statistics(self) -> Statistics:
        """Return what the queue has done so far, from any thread."""
        line, keeper = self._line, self._keeper
        return Statistics(
            offered=line.offered,
            replayed=0 if keeper is None else keeper.spool.backlog,
            dropped=line.dropped + self._cut_off,
            waiting=line.backlog + line.queued,
            running=len(self._running),
            done=self._done,
            failed=self._failed,
            kept=self._kept,
            cut_off=self._cut_off,
            sink_errors=self._sink_errors,
            spool_errors=0 if keeper is None else keeper.errors,
        )

    # Behind the handlers

    async def drive(self) -> None:
        """Evaluate what is offered until the line is closed and empty. What was begun is ended, whatever happens."""
        try:
            await self._outlet.open()
            async with anyio.create_task_group() as keeping:
                if self._keeper is not None:
                    keeping.start_soon(self._keeper.run)
                outcomes, taken = anyio.create_memory_object_stream[Outcome](_AHEAD)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._evaluate, outcomes)
                    tasks.start_soon(self._deliver, taken)
                keeping.cancel_scope.cancel()
        finally:
            await self._end()

    async def _feed(self) -> AsyncGenerator[Offer]:
        self.begun.set()
        index = 0
        async with aclosing(self._line.offers()) as offers:
            async for offer in offers:
                self._running[index] = _Running(offer, self._templates)
                yield offer
                index += 1

    async def _evaluate(self, ended: MemoryObjectSendStream[Outcome]) -> None:
        with ended:
            try:
                async with aclosing(self._stream(self._feed())) as outcomes:
                    async for outcome in outcomes:
                        await ended.send(outcome)
            except Exception as error:  # noqa: BLE001  # an application must not end with its evaluations
                self.error = error
                self._line.close()
                self._settled.set()
                # No words of its: the server's may quote an input.
                _log.error("the queue has ended, and takes no more cases: %s; see its error", type(error).__name__)

    async def _deliver(self, ended: MemoryObjectReceiveStream[Outcome]) -> None:
        with ended:
            async for first in ended:
                batch = [first]
                with suppress(anyio.WouldBlock, anyio.EndOfStream):
                    while len(batch) < self._outlet.batch:
                        batch.append(ended.receive_nowait())
                error = await self._outlet.write([self._with_offer(outcome) for outcome in batch])
                self._note(error, len(batch))
                for outcome in batch:
                    self._settle(outcome, delivered=error is None)

    def _with_offer(self, outcome: Outcome) -> Outcome:
        offer = self._running[outcome.index].offer
        return outcome if outcome.case is offer else replace(outcome, case=offer)  # an invalid one may have none

    def _note(self, error: Exception | None, count: int) -> None:
        if error is not None:
            self.last_error = error
            self._sink_errors += count
            if not self._is_sink_down:  # once until it works again; and no words of its: they may hold inputs
                _log.warning("the sink raised %s; see last_error", type(error).__name__)
        self._is_sink_down = error is not None

    def _settle(self, outcome: Outcome, *, delivered: bool) -> None:
        running = self._running[outcome.index]
        running.left -= 1
        running.failed |= outcome.status is not OutcomeStatus.SCORED
        running.delivered &= delivered
        if running.left:
            return
        del self._running[outcome.index]
        self._done += 1
        self._failed += running.failed
        if self._keeper is not None and running.delivered:
            self._keeper.acknowledge(running.offer.offer_id)
        self._settled.set()

    async def _end(self) -> None:
        self._line.close()
        with anyio.CancelScope(shield=True):
            if self._keeper is not None:
                await self._keeper.finish()
            rest = [*self._line.rest(), *(running.offer for running in self._running.values())]
            self._kept = self._line.backlog
            if self._keeper is not None:
                self._kept += sum(map(self._keeper.has, rest))
            self._cut_off = self._line.backlog + len(rest) - self._kept
            self._line.backlog = 0
            self._running.clear()
            self._settled.set()
            try:
                with anyio.move_on_after(_LAST_WORDS):
                    await self._outlet.close()
            finally:
                self._outlet.leave()
