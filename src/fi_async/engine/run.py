"""The one engine: drives jobs, at most so many requests under way, in memory that does not grow with their number.

As many tasks as requests are under way send them; one more decides which comes next, and hands it to one that is idle:
see `lineup` and `backlog`. How a request goes out and comes back is in `exchange`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import anyio

from fi_async._errors import APITimeoutError, JournalError
from fi_async._models import Outcome
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Action, Context, Event, Hold, Job, Rest, Send, Work
from fi_async.engine.backlog import Backlog
from fi_async.engine.dispatch import Exchange, all_kept
from fi_async.engine.outcomes import cut_off
from fi_async.engine.ready_queue import Lineup, Ready
from fi_async.engine.session import Session
from fi_async.engine.slots import Slots
from fi_async.engine.submissions import fetch
from fi_async.pacing.planner import Kind
from fi_async.pacing.waiting import Standing
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

T = TypeVar("T")
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
        slots: Slots of this run's own; None to share the session's.
        emit: Takes each outcome. Whoever takes one says so by `release`, and makes room for another.
        expected: How many items `feed` will give; None if nobody knows.
    """

    def __init__(
        self,
        session: Session,
        context: Context,
        options: RunOptions,
        *,
        slots: Slots | None = None,
        emit: Callable[[Any], None] | None = None,
        expected: int | None = None,
    ) -> None:
        if options.limits:
            session.gate.keep_to(options.limits)
        self.context = context
        self.finished: list[Any] = []
        self._session = session
        session.runs.add(self)
        self._slots = slots or session.slots()
        self._emit = emit or self._keep
        self._options = options
        self._lineup = Lineup(session.gate)
        self._backlog = Backlog(context, options, self._slots, expected)
        self._exchange = Exchange(session.transport, context, self._slots)
        self._begin: Begin | None = None
        self._jobs: set[Job] = set()
        self._at_work = 0
        self._idle: list[asyncio.Future[Ready]] = []
        self._under_way: set[Job] = set()
        self._in_house = 0
        self._stopped = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()

    def __repr__(self) -> str:
        under_way = f"{len(self._under_way)}/{self._slots.count}"
        return f"<Run under_way={under_way} {self._lineup!r} waiting={len(self._backlog)} in_house={self._in_house}>"

    def standing(self, now: float) -> Standing:
        """Return how the run stands."""
        gets = self._lineup.gets
        ready = gets + self._lineup.posts + len(self._backlog)
        return Standing(
            ready=ready,
            obstacle=self._session.gate.obstacle(now, post=not gets) if ready else None,
            slots=self._slots.count,
            taken=len(self._under_way),
            is_capacity=self._slots.is_settled,
            polled=self._lineup.polled,
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
            self._recall_canary()
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
            while self._exchange.sent:
                self._changed.clear()
                await self._changed.wait()
        for scope in self._exchange.sent.values():
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
        while (self._jobs or not self._backlog.is_done) and self._failure is None:
            self._changed.clear()
            now = anyio.current_time()
            for job in self._lineup.due(now):
                self._advance(job, Event(now))
            while len(self._under_way) < self._slots.count and (ready := self._next_ready(now)):
                self._under_way.add(ready.job)
                if not self._hand(ready):
                    tasks.start_soon(self._perform, ready)
            await self._wait(self._next_time(now))

    def _hand(self, ready: Ready) -> bool:
        """Tell whether there was an idle task to send a request; those that were cancelled are idle no more."""
        while self._idle:
            handed = self._idle.pop()
            if not handed.done():
                handed.set_result(ready)
                return True
        return False

    async def _wait(self, until: float) -> None:
        """Return once something changed, and by this time at the latest."""
        timer = asyncio.get_running_loop().call_at(until, self._changed.set) if until < math.inf else None
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _next_ready(self, now: float) -> Ready | None:
        """Return the request that leaves next, if one may leave now; it may take works to be begun."""
        ready = self._lineup.take(now)
        if ready is None and self._may_begin(now) and self._session.gate.opens_at(now, post=True) <= now:
            assert self._begin is not None  # noqa: S101  # works come only from a feed
            self.add(self._begin(*self._backlog.take(now, unsent=self._unsent)))
            ready = self._lineup.take(now)
        return ready

    def _may_begin(self, now: float) -> bool:
        return not self._lineup.has_new and self._backlog.may_begin(now, at_work=self._at_work, unsent=self._unsent)

    @property
    def _unsent(self) -> int:
        """How many requests have a slot or wait for one, and have not left."""
        return len(self._under_way) - len(self._exchange.sent)

    def _next_time(self, now: float) -> float:
        """Return when something becomes due by the clock alone; infinity if nothing does."""
        times = [self._lineup.due_at]
        if len(self._under_way) < self._slots.count:
            times.append(self._lineup.next_at(now))
            if self._may_begin(now):
                times.append(self._session.gate.opens_at(now, post=True))
        return min(times)

    async def _perform(self, ready: Ready) -> None:
        """Send a request, and then each that it is handed: a task for each would cost more than all of this."""
        while True:
            try:
                event = await self._exchange.perform(ready)
            except Exception as error:  # noqa: BLE001  # a bug or a setting: drive() raises it as it is
                self._fail(error)
                return
            if event is not None:
                self._under_way.discard(ready.job)
                self._advance(ready.job, event)
            elif ready.job not in self._exchange.sent:
                self._put_back(ready)
            self._changed.set()
            handed: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
            self._idle.append(handed)
            ready = await handed

    def _put_back(self, ready: Ready) -> None:
        """Take back a request that could not leave; works that never left wait for another plan, as more is known."""
        job = ready.job
        self._under_way.discard(job)
        if self._begin is None or not ready.is_post or not job.works or any(work.attempts for work in job.works):
            self._lineup.put_back(ready)
        else:
            job.steps.close()
            self._remove(job)
            self._backlog.put_back(job.works)

    def _advance(self, job: Job, event: Event | None) -> None:
        """Tell a job what happened, and take what it wants to do next."""
        try:
            while isinstance(action := job.steps.send(event), Hold):  # type: ignore[arg-type]  # None begins it
                self._session.gate.hold(action.until, server_until=action.server_until)
            self._take(job, action)
        except StopIteration as end:
            self._remove(job)
            self._finish(end.value)
        except Exception as error:  # noqa: BLE001  # a refused key pair ends all; drive() raises it
            self._fail(error)

    def _take(self, job: Job, action: Action) -> None:
        if isinstance(action, Rest):
            self._lineup.rest(job, action.until)
        elif isinstance(action, Send):
            self._lineup.put(Ready(anyio.current_time(), job, action))

    def _finish(self, items: Sequence[Job | Any]) -> None:
        """Take over the jobs and the works among these, and hand out what is finished."""
        for item in items:
            if isinstance(item, Job):
                self.add(item)
            elif isinstance(item, Work):
                self._backlog.put(item)
            elif isinstance(item, Outcome):
                self.context.ledger.ended(item, self._emit)
            elif item is not None:
                self._emit(item)
        self._has_room.set()
        self._changed.set()

    def _keep(self, item: Any) -> None:
        self.finished.append(item)
        self.release()

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._changed.set()

    def _recall_canary(self) -> None:
        """Let another run of the client send one: this run's will not come back."""
        if any(work.is_canary for job in self._jobs for work in job.works):
            self._session.gate.lost(anyio.current_time())

    def _abandon(self) -> None:
        """Hand out an outcome for every work whose job ended with the call's time."""
        for job in self._jobs:
            job.steps.close()
            for work in job.works:
                self.context.ledger.dropped(cut_off(work, self.context, sent=job in self._exchange.sent), self._emit)
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
