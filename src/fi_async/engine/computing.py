"""Functions at work: awaited in the event loop, or in threads or processes, each bounded in time.

Nothing that a function does reaches another case: what it raises, returns or keeps busy ends its own.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import anyio

from fi_async._events import FunctionCalled, FunctionReturned, emit, wants
from fi_async._threads import Crew, quick_switches
from fi_async.backends.functions import Function
from fi_async.engine.asked import Answered, Headway, awaited, compute, late
from fi_async.engine.attempts import Compute, Context, Job
from fi_async.engine.ready_queue import Ready
from fi_async.engine.work import Arrival
from fi_async.pacing.ticket import Ticket

if TYPE_CHECKING:
    from fi_async.engine.processes import Processes

_TURN: Final = 0.01  # seconds of work handed to a thread at once: the way there and back is a hundredth of it
_TURN_OF_PROCESS: Final = 0.05  # to a process that way is longer
_MOST: Final = 256  # cases at once, however quick: their outcomes come together
_BUSY: Final = 0.1  # of its time on a processor: many threads of such a function only stand in each other's way
_FILL: Final = 1.5  # processors that so many of them would keep busy are enough for one interpreter
_FEWEST: Final = 2
_GRACE: Final = 1.0  # seconds that a coroutine may take to end once it is cancelled
_numbers: Final = count(1)
_SHORT: Final = 2e-3  # seconds: what takes no longer is not judged by it


class Computing:
    """Performs what the jobs of one function, or of several quick ones, ask for.

    Args:
        context: What they share.

    Attributes:
        sent: The jobs that are computed at the moment.
    """

    def __init__(self, context: Context) -> None:
        self.sent: dict[Job, anyio.CancelScope | None] = {}
        self._context = context
        self._crew = Crew("fi_async function")
        self._processes: dict[str, Processes] = {}
        self._seconds: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()
        self._judged: set[str] = set()
        self._turns: dict[str, anyio.Semaphore] = {}

    async def open(self) -> None:
        """Be ready: it is."""

    def close(self) -> None:
        """Let go of idle threads and of all processes."""
        self._crew.close()
        for each in self._processes.values():
            each.close()

    def together(self, function: Function) -> int:
        """Return how many cases of a function go together, so that their way costs little: one while it is new."""
        name = function.template.name
        if function.is_async or name not in self._seconds:
            return 1
        turn = _TURN_OF_PROCESS if function.processes else _TURN
        return max(1, min(_MOST, int(turn / max(self._seconds[name], 1e-9))))

    def may_go(self, function: Function) -> bool:
        """Return True unless the function is new and under way, which tells how long it takes, and on what."""
        name = function.template.name
        if function.is_async or self._under_way[name] <= 0:
            return True
        return name in self._seconds if function.processes else name in self._judged

    def begun(self, function: Function) -> None:
        """Take note that a job of a function is under way."""
        self._under_way[function.template.name] += 1

    async def perform(self, ready: Ready, ticket: Ticket) -> Arrival:
        """Return what a function said of the cases of a job; of fewer than were asked where one took too long."""
        job, began, action = ready.job, ticket.issued_at, ready.send
        assert isinstance(action, Compute)  # noqa: S101  # what jobs of this lane ask for
        self.sent[job] = None
        name = action.function.template.name
        number = self._tell_called(job, name)
        try:
            with ticket:
                said = await self._said(action)
                now = anyio.current_time()
                ticket.answered(now, 200, None)
        finally:
            del self.sent[job]
            self._under_way[name] -= 1
            if number:
                emit(self._context, FunctionReturned(name, anyio.current_time() - began, number))
        mean = sum(each.seconds for each in said) / len(said)
        self._seconds[name] = mean if name not in self._seconds else 0.8 * self._seconds[name] + 0.2 * mean
        return Arrival(now, began, began - ready.since, said=said)

    def _tell_called(self, job: Job, name: str) -> int:
        """Return the number of a call that whoever listens was told of; 0 if nobody does."""
        if not wants(self._context, FunctionCalled):
            return 0
        number = next(_numbers)
        emit(self._context, FunctionCalled(name, tuple(work.index for work in job.works), self._context.run, number))
        return number

    async def _said(self, action: Compute) -> Sequence[Answered]:
        function, limit = action.function, self._context.timeout.longest_case
        if function.is_async:
            return [await self._awaited(function, action, limit)]
        if function.processes:
            return await self._processes_of(function).ask(action.cases, action.params, limit)
        turns = self._turns.get(function.template.name)
        if turns is None:
            return await self._in_thread(action, limit)
        async with turns:
            with quick_switches:
                return await self._in_thread(action, limit)

    async def _awaited(self, function: Function, action: Compute, limit: float | None) -> Answered:
        """Return what a coroutine function said, in a task of its own: it may cancel itself, or not let itself be."""
        began = anyio.current_time()
        answering = asyncio.create_task(awaited(function, action.cases[0], action.params))
        try:
            await asyncio.wait([answering], timeout=limit)
            seconds = anyio.current_time() - began
            if not answering.done():
                return Answered(late(function, limit), seconds)
        finally:
            if not answering.done():
                answering.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([answering], timeout=_GRACE)
        if answering.cancelled():
            return Answered(function.failure(asyncio.CancelledError()), seconds)
        return Answered(answering.result(), seconds)

    async def _in_thread(self, action: Compute, limit: float | None) -> Sequence[Answered]:
        """Return what a function said in a thread; what takes longer than its time is left to itself."""
        function, headway = action.function, Headway()
        headway.began = time.perf_counter()
        working = asyncio.ensure_future(
            self._crew.call(partial(compute, function, action.cases, action.params, headway))
        )
        wait = limit
        try:
            while not (await asyncio.wait([working], timeout=wait))[0]:
                assert limit is not None  # noqa: S101  # else there is nothing to wake up for
                wait = limit - (time.perf_counter() - headway.began)
                if wait <= 0:
                    self._judged.add(function.template.name)  # others need not wait for what waits itself
                    return [*headway.said, Answered(late(function, limit), limit)]
        finally:
            headway.is_over = True
            working.cancel()
        self._judge(function, headway)
        return headway.said

    def _judge(self, function: Function, headway: Headway) -> None:
        """Let no more threads of a function run at once than can, by what it does while no other of it runs."""
        name = function.template.name
        if name in self._judged or headway.seconds <= _SHORT:
            return
        self._judged.add(name)
        share = min(1.0, headway.on_processor / headway.seconds)
        if share > _BUSY:
            self._turns[name] = anyio.Semaphore(max(_FEWEST, math.ceil(_FILL / share)))

    def _processes_of(self, function: Function) -> Processes:
        from fi_async.engine.processes import Processes  # noqa: PLC0415  # multiprocessing: few functions want it

        name = function.template.name
        if name not in self._processes:
            self._processes[name] = Processes(function, function.processes)
        return self._processes[name]
