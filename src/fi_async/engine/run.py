"""The one engine: drives jobs, at most so many requests under way, in memory that does not grow with their number.

As many tasks as requests are under way send them; one more decides which comes next, and hands it to one that is idle:
see `ready_queue` and `backlog`. How a request goes out and comes back is in `dispatch`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import anyio

from fi_async._errors import APITimeoutError, ConfigurationError, JournalError
from fi_async._events import CaseEnded, emit, wants
from fi_async._models import Outcome
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Action, Context, Job, Requeue, Rest, Send
from fi_async.engine.backlog import Backlog
from fi_async.engine.dispatch import Dispatch, all_kept
from fi_async.engine.outcomes import cut_off
from fi_async.engine.ready_queue import Ready, ReadyQueue
from fi_async.engine.session import Session
from fi_async.engine.submissions import accept, fetch
from fi_async.engine.work import Arrival, Work
from fi_async.pacing.planner import Kind
from fi_async.pacing.ticket import Need, Ticket
from fi_async.pacing.waiting import Standing
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

T = TypeVar("T")
_RESOLUTION = 1e-6  # seconds: a loop's timers ring early by less, and what is due then must not wait for another
_EVALUATES = Need(post=True, rows=1)
Feed = Callable[[], AsyncGenerator[Sequence[Work | Job | Outcome | None]]]
"""Gives what to do, and outcomes; None for a case whose outcome will come with that of an equal one."""
Begin = Callable[[Sequence[Work], Kind], Job]
"""Makes a job of works, to be held or polled."""


class Run:
    """Drives jobs until all are done. What they end in is handed to `emit`, or kept in `finished`.

    Args:
        session: The client's.
        context: What the run's jobs share.
        options: `concurrency` bounds this run; `timeout.call` ends it.
        emit: Takes each outcome. Whoever takes one says so by `release`, and makes room for another.
        expected: How many items `feed` will give; None if nobody knows.
    """

    def __init__(
        self,
        session: Session,
        context: Context,
        options: RunOptions,
        *,
        emit: Callable[[Any], None] | None = None,
        expected: int | None = None,
    ) -> None:
        session.gate.keep_count_of(context.terms.limits)
        self.context = context
        self.finished: list[Any] = []
        self._session = session
        session.runs.add(self)
        self._gate = session.gate
        self._slots = context.terms.slots
        self._taker = emit or self._keep
        self._options = options
        self._queue = ReadyQueue(session.gate, context.terms)
        self._backlog = Backlog(context, options, expected)
        self._requests = Dispatch(session.transport, context)
        self._begin: Begin | None = None
        self._jobs: set[Job] = set()
        self._at_work = 0
        self._idle: list[asyncio.Future[tuple[Ready, Ticket]]] = []
        self._under_way: dict[Job, Ticket] = {}
        self._in_house = 0
        self._stopped = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._wake = self._changed.set
        self._has_room = asyncio.Event()

    def __repr__(self) -> str:
        under_way = f"{len(self._under_way)}/{self._slots.count}"
        return f"<Run under_way={under_way} {self._queue!r} waiting={len(self._backlog)} in_house={self._in_house}>"

    def standing(self, now: float) -> Standing:
        """Return how the run stands."""
        gets = self._queue.gets
        ready = gets + self._queue.posts + len(self._backlog)
        return Standing(
            ready=ready,
            obstacle=self._gate.obstacle(now, post=not gets, terms=self.context.terms) if ready else None,
            slots=self._slots.count,
            taken=len(self._under_way),
            is_capacity=self._slots.is_settled,
            polled=self._queue.polled,
            in_flight=self._at_work,
        )

    def add(self, job: Job) -> None:
        """Begin a job."""
        self._jobs.add(job)
        self._at_work += len(job.works)
        self._advance(job, None)

    def _remove(self, job: Job) -> None:
        self._jobs.discard(job)
        self._at_work -= len(job.works)

    def release(self, taken: int = 1) -> None:
        """Take note that outcomes were taken away, so that others may be made."""
        self._in_house -= taken
        self._has_room.set()

    async def drive(self, feed: Feed | None = None, begin: Begin | None = None) -> None:
        """Return once every job is done, and every work that `feed` gives; `begin` makes jobs of these.

        Whatever ends it early, no task and no request is left behind.

        Raises:
            AuthenticationError, PermissionDeniedError: The key pair was refused; all else was dropped.
            Exception: Whatever `feed` raised.
        """
        self._backlog.is_fed, self._begin = feed is not None, begin
        try:
            with anyio.move_on_after(self._options.timeout.call) as scope:
                await self._session.transport.open()
                async with anyio.create_task_group() as tasks:
                    try:
                        if feed is not None:
                            tasks.start_soon(self._feed, feed)
                        await self._dispatch(tasks)
                    finally:
                        await self._drain()
                        tasks.cancel_scope.cancel()
        finally:
            self._let_go()
            with anyio.CancelScope(shield=True), suppress(JournalError):
                await all_kept(self.context.ledger)
        if self._failure is not None:
            raise self._failure
        if scope.cancelled_caught:
            self._abandon()

    async def _drain(self) -> None:
        """Let requests under way come to their end, so that what they are paid for is kept, for a bounded time."""
        self._stopped = True
        with anyio.CancelScope(shield=True), anyio.move_on_after(self.context.ledger.drain):
            while self._requests.sent:
                self._changed.clear()
                await self._changed.wait()
        for scope in self._requests.sent.values():
            if scope is not None:
                scope.cancel()

    async def _feed(self, feed: Feed) -> None:
        try:
            async with aclosing(feed()) as given:
                async for items in given:
                    self._in_house += len(items)
                    self._backlog.came(len(items))
                    self._finish(items)
                    while self._stopped or self._in_house >= self._backlog.read_ahead():
                        self._has_room.clear()
                        await self._has_room.wait()
        except Exception as error:  # noqa: BLE001  # the user's own source: drive() raises it as it is
            self._failure = error
        finally:
            self._backlog.is_fed = False
            self._changed.set()

    async def _dispatch(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start requests as they become due, and wait until there may be another."""
        due = 0.0
        while (self._jobs or not self._backlog.is_done) and self._failure is None:
            self._changed.clear()
            now = anyio.current_time()
            now = due if 0.0 < due - now < _RESOLUTION else now
            for job in self._queue.due(now):
                self._advance(job, Arrival(now))
            try:
                while (leaving := self._next_leaving(now)) is not None:
                    self._under_way[leaving[0].job] = leaving[1]
                    if not self._hand(leaving):
                        tasks.start_soon(self._perform, *leaving)
            except ConfigurationError as error:  # the shared budget cannot be kept: drive() raises it
                self._fail(error)
                return
            due = self._next_time(now)
            await self._wait(due)

    def _hand(self, leaving: tuple[Ready, Ticket]) -> bool:
        """Return True if there was an idle task to send a request; those that were cancelled are idle no more."""
        while self._idle:
            handed = self._idle.pop()
            if not handed.done():
                handed.set_result(leaving)
                return True
        return False

    async def _wait(self, until: float) -> None:
        """Return once something changed, and by this time at the latest."""
        timer = asyncio.get_running_loop().call_at(until, self._changed.set) if until < math.inf else None
        self._gate.waiters.pass_on()
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _next_leaving(self, now: float) -> tuple[Ready, Ticket] | None:
        """Return the request that leaves next, if one may leave now; it may take works to be begun."""
        leaving = self._queue.take(now)
        if leaving is None and self._may_begin(now) and self._opens_at(now) <= now:
            assert self._begin is not None  # noqa: S101  # works come only from a feed
            self.add(self._begin(*self._backlog.take(now)))
            leaving = self._queue.take(now)
        return leaving

    def _may_begin(self, now: float) -> bool:
        return not self._queue.posts and self._backlog.may_begin(now, at_work=self._at_work)

    def _opens_at(self, now: float) -> float:
        return self._gate.opens_at(now, _EVALUATES, self.context.terms)

    def _next_time(self, now: float) -> float:
        """Return when something becomes due by the clock alone; infinity if nothing does.

        Whatever cannot leave now waits at the gate, which may open sooner.
        """
        opens = self._queue.next_at(now)
        is_waiting = bool(self._queue.gets or self._queue.posts)
        if self._may_begin(now):
            opens, is_waiting = min(opens, self._opens_at(now)), True
        if is_waiting:
            self._gate.waiters.wait(self._wake)
        return min(self._queue.due_at, opens)

    async def _perform(self, ready: Ready, ticket: Ticket) -> None:
        """Send a request, and then each that it is handed: a task for each would cost more than all of this."""
        while True:
            try:
                event = await self._requests.perform(ready, ticket)
            except Exception as error:  # noqa: BLE001  # a bug or a setting: drive() raises it as it is
                self._fail(error)
                return
            if event is not None:
                del self._under_way[ready.job]
                self._advance(ready.job, event)
            elif ready.job not in self._requests.sent:
                del self._under_way[ready.job]
                if not self._plan_anew(ready.job):
                    self._queue.put_back(ready)
            self._changed.set()
            handed: asyncio.Future[tuple[Ready, Ticket]] = asyncio.get_running_loop().create_future()
            self._idle.append(handed)
            ready, ticket = await handed

    def _plan_anew(self, job: Job) -> bool:
        """Return True if the works of a job were put back to wait for another plan, as more is known by now."""
        if self._begin is None or not job.works or any(work.attempt.eval_id is not None for work in job.works):
            return False
        job.steps.close()
        self._remove(job)
        self._backlog.put_back(job.works)
        return True

    def _advance(self, job: Job, event: Arrival | None) -> None:
        """Tell a job what happened, and take what it wants to do next."""
        try:
            while isinstance(action := job.steps.send(event), Requeue):  # type: ignore[arg-type]  # None begins it
                if self._plan_anew(job):
                    return
            self._take(job, action)
        except StopIteration as end:
            self._remove(job)
            self._finish(end.value)
        except Exception as error:  # noqa: BLE001  # a refused key pair ends all; drive() raises it
            self._fail(error)

    def _take(self, job: Job, action: Action) -> None:
        if isinstance(action, Rest):
            self._queue.rest(job, action.until)
        elif isinstance(action, Send):
            self._queue.put(Ready(anyio.current_time(), job, action))

    def _finish(self, items: Sequence[Job | Any]) -> None:
        """Take over the jobs and the works among these, and hand out what is finished."""
        for item in items:
            if isinstance(item, Job):
                self.add(item)
            elif isinstance(item, Work) and self._begin is None:
                self.add(accept([item], self.context))
            elif isinstance(item, Work):
                self._backlog.put(item)
            elif isinstance(item, Outcome):
                self.context.ledger.ended(item, self._emit)
            elif item is not None:
                self._emit(item)
        self._has_room.set()
        self._changed.set()

    def _emit(self, item: Any) -> None:
        """Hand out what is finished."""
        if isinstance(item, Outcome) and wants(self.context, CaseEnded):
            emit(self.context, CaseEnded(item.index, item.template, item.status))
        self._taker(item)

    def _keep(self, item: Any) -> None:
        self.finished.append(item)
        self.release()

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._changed.set()

    def _let_go(self) -> None:
        """Leave the gate: of this run's evaluations nobody will be told any more."""
        self._gate.waiters.forget(self._wake)
        now = anyio.current_time()
        for ticket in self._under_way.values():
            if not ticket.is_settled:  # its task was cancelled before it began
                ticket.lost(now)
        for job in self._jobs:
            for work in job.works:
                self._gate.canaries.let_go(work.attempt.canary, now)
        self._gate.waiters.pass_on()

    def _abandon(self) -> None:
        """Hand out an outcome for every work whose job ended with the call's time."""
        for job in self._jobs:
            job.steps.close()
            for work in job.works:
                self.context.ledger.dropped(cut_off(work, self.context, sent=job in self._requests.sent), self._emit)
        for work in self._backlog.clear():
            self.context.ledger.dropped(cut_off(work, self.context, sent=False), self._emit)
        self._jobs.clear()


async def fetch_once(session: Session, call: HttpCall, options: RunOptions, read: Callable[[Reply], T]) -> T:
    """Return what `read` makes of the reply to one call, retried as `options` say.

    Raises:
        APITimeoutError: There was none within the timeout of the call.
        FiAsyncError: Whatever `read` or the last attempt raised.
    """
    run = Run(session, session.context(options), options)
    run.add(fetch(call, read, run.context))
    await run.drive()
    if not run.finished:
        raise APITimeoutError("no reply within the timeout of the call")
    answer: T = run.finished[0]
    return answer
