"""The one engine: drives jobs, at most so many requests under way, in memory that does not grow with their number.

Each request is a task of its own, and one task decides which comes next. Jobs that wait for a poll or a retry
are entries in a heap.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from fi_async._errors import APIConnectionError, APITimeoutError, FiAsyncError, JournalError
from fi_async._models import Outcome
from fi_async._report import Counts
from fi_async._settings import RunOptions
from fi_async.flow import Action, Context, Event, Hold, Job, Rest, Send, Work
from fi_async.jobs import fetch
from fi_async.outcomes import cut_off
from fi_async.pacing.accepted import MOST as ACCEPTED
from fi_async.pacing.planner import Kind, Plan, Room, Situation, decide
from fi_async.pacing.retry import NO_CAPACITY
from fi_async.pacing.waiting import Standing
from fi_async.protocol.requests import HttpCall, max_rows
from fi_async.protocol.responses import Reply
from fi_async.session import Session
from fi_async.slots import Slots

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

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
        self._waiting: dict[str, deque[Work]] = {}
        self._to_come, self._begun, self._at_work = expected, 0, 0
        self._plans: dict[str, Plan] = {}
        self._has_polled = False
        self._jobs: set[Job] = set()
        self._gets: deque[tuple[float, Job, Send]] = deque()
        self._posts: deque[tuple[float, Job, Send]] = deque()
        self._canaries: deque[tuple[float, Job, Send]] = deque()
        self._resting: list[tuple[float, int, Job]] = []
        self._order = count()
        self._under_way: set[Job] = set()
        self._sent: dict[Job, anyio.CancelScope] = {}
        self._in_house = 0
        self._feeding = self._stopped = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()

    def __repr__(self) -> str:
        ready = len(self._gets) + len(self._canaries) + len(self._posts)
        return (
            f"<Run under_way={len(self._under_way)}/{self._slots.count} ready={ready}"
            f" resting={len(self._resting)} in_house={self._in_house}>"
        )

    @property
    def counts(self) -> Counts:
        """What the run has asked of the server so far."""
        return self.context.counts

    def standing(self, now: float) -> Standing:
        """Return how the run stands."""
        posts = len(self._posts) + len(self._canaries) + sum(map(len, self._waiting.values()))
        gate = self._session.gate
        return Standing(
            ready=len(self._gets) + posts,
            obstacle=gate.obstacle(now, post=not self._gets) if self._gets or posts else None,
            slots=self._slots.count,
            taken=len(self._under_way),
            is_capacity=self._slots.is_settled,
            polled=sum(job.works[0].eval_id is not None for _, _, job in self._resting if job.works),
            in_flight=self._at_work,
        )

    def add(self, job: Job) -> None:
        """Begin a job."""
        self._jobs.add(job)
        self._at_work += len(job.works)
        self._advance(job, None)

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
        self._feeding, self._begin = feed is not None, begin
        try:
            with anyio.move_on_after(self._options.timeout.call) as scope:
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
                await self._kept()
        if self._failure is not None:
            raise self._failure
        if scope.cancelled_caught:
            self._abandon()

    async def _drain(self) -> None:
        """Let requests under way come to their end, so that what they are paid for is kept, for a bounded time."""
        self._stopped = True
        with anyio.CancelScope(shield=True), anyio.move_on_after(self.context.ledger.drain):
            while self._sent:
                self._changed.clear()
                await self._changed.wait()
        for scope in self._sent.values():
            scope.cancel()

    async def _kept(self) -> None:
        """Return once the ledger has kept, and handed out, all that it was told."""
        kept = self.context.ledger.kept()
        if kept is not None:
            await kept

    async def _feed(self, feed: Feed) -> None:
        try:
            async with aclosing(feed()) as given:
                async for items in given:
                    self._in_house += len(items)
                    self._to_come = None if self._to_come is None else self._to_come - len(items)
                    self._finish(items)
                    while self._stopped or not self._may_read():
                        self._has_room.clear()
                        await self._has_room.wait()
        except Exception as error:  # noqa: BLE001  # the user's own source: drive() raises it as it is
            self._failure = error
        finally:
            self._feeding = False
            self._changed.set()

    async def _dispatch(self, tasks: TaskGroup) -> None:
        """Start requests as they become due, and wait until there may be another."""
        while (self._jobs or self._waiting or self._feeding) and self._failure is None:
            self._changed.clear()
            now = anyio.current_time()
            while self._resting and self._resting[0][0] <= now:
                self._advance(heapq.heappop(self._resting)[2], Event(now))
            while len(self._under_way) < self._slots.count and (ready := self._next_ready(now)):
                self._under_way.add(ready[1])
                tasks.start_soon(self._perform, *ready)
            with anyio.move_on_at(self._next_time(now)):
                await self._changed.wait()

    def _next_ready(self, now: float) -> tuple[float, Job, Send] | None:
        """Return what may leave now: polls before new evaluations, as what ends makes room."""
        if self._gets and self._opens_at(now, self._gets[0][1], post=False) <= now:
            return self._gets.popleft()
        if self._canaries and self._opens_at(now, self._canaries[0][1], post=True) <= now:
            return self._canaries.popleft()
        if not self._posts and self._may_begin() and self._session.gate.opens_at(now, post=True) <= now:
            self._begin_next()
        if self._posts and self._opens_at(now, self._posts[0][1], post=True) <= now:
            return self._posts.popleft()
        return None

    def _opens_at(self, now: float, job: Job, *, post: bool) -> float:
        works = job.works
        is_canary = bool(works) and works[0].is_canary
        return self._session.gate.opens_at(now, post=post, rows=len(works), is_canary=is_canary)

    def _next_template(self) -> str:
        return min(self._waiting, key=lambda name: self._waiting[name][0].index)

    def _may_begin(self) -> bool:
        """Tell whether works wait that may begin: polled ones no more at once than the server was seen to work on."""
        if not self._waiting or self._options.strategy == "async":
            return bool(self._waiting)
        template = self._next_template()
        plan = self._plans.get(template)
        if plan is None or plan.kind == "sync" or self._at_work < self._room_between_polls(template).limit:
            return True
        return decide(self._situation(self._waiting[template][0], anyio.current_time())).kind == "sync"

    def _begin_next(self) -> None:
        """Make a job of the works that wait longest, as many as one request is to carry."""
        template = self._next_template()
        waiting = self._waiting[template]
        works = [waiting.popleft()]
        keys = _keys(works[0])
        now = anyio.current_time()
        plan = self._plans[template] = decide(self._situation(works[0], now))
        rows = min(plan.rows, self._session.gate.room(now))
        while waiting and len(works) < rows and _keys(waiting[0]) == keys:
            works.append(waiting.popleft())
        if not waiting:
            del self._waiting[template]
        self._begun += len(works)
        if plan.kind == "async":
            self._has_polled = True
            self.context.accepted.begin(now, self._slots.count, self.context.latencies.typical(template) or 0.0)
        assert self._begin is not None  # noqa: S101  # works come only from a feed
        self.add(self._begin(works, plan.kind))

    def _put_back(self, ready_at: float, job: Job, send: Send) -> None:
        """Take back a request that could not leave; works that never left wait for another plan, as more is known."""
        if self._begin is None or send.call.repeatable or not job.works or any(work.attempts for work in job.works):
            self._queue(job, send).appendleft((ready_at, job, send))
            return
        job.steps.close()
        self._jobs.discard(job)
        self._at_work -= len(job.works)
        self._begun -= len(job.works)
        self._waiting.setdefault(job.works[0].parameters.template, deque()).extendleft(reversed(job.works))

    def _situation(self, work: Work, now: float) -> Situation:
        """Return what the plan for the next request of the work's template is made from."""
        template = work.parameters.template
        remaining = 1 + sum(map(len, self._waiting.values()))
        if self._feeding:
            # Of a source that nobody counted, as much is to come as has come.
            remaining = max(remaining, self._begun) if self._to_come is None else remaining + self._to_come
        return Situation(
            strategy=self._options.strategy,
            wanted=self._options.rows,
            allowed=max_rows(len(_keys(work))),
            remaining=remaining,
            latency=self.context.latencies.typical(template),
            limits=self._session.gate.headroom(now, len(self._under_way) - len(self._sent)),
            held=self._slots.room,
            polled=self._room_between_polls(template),
            may_resubmit=self.context.policy.may_resubmit,
            refused=self._session.gate.quota.refusals > 0,
            polling=self._has_polled,
        )

    def _room_between_polls(self, template: str) -> Room:
        """Return how many evaluations the server can work on at once, as far as the run has seen."""
        if not self._has_polled and (self._slots.is_settled or self.context.latencies.is_queued(template)):
            return Room(self._slots.count, self._slots.count)  # requests that were held found it
        return self.context.accepted.room(self._slots.count)

    def _may_read(self) -> bool:
        """Tell whether there is room for another case: enough are read ahead for the next request of each slot."""
        if self._options.strategy == "async":
            return self._in_house < ACCEPTED
        rows, between_polls = 1, 0
        for template in self._waiting:
            if (plan := self._plans.get(template)) is not None:
                rows = max(rows, plan.rows)
                between_polls = self._room_between_polls(template).limit if plan.kind == "async" else between_polls
        return self._in_house < min(ACCEPTED, between_polls + 2 * self._slots.count * rows)

    def _next_time(self, now: float) -> float | None:
        """Return when something becomes due by the clock alone; None if nothing does."""
        times = [self._resting[0][0]] if self._resting else []
        if len(self._under_way) < self._slots.count:
            times += [
                self._opens_at(now, queue[0][1], post=is_post)
                for queue, is_post in ((self._gets, False), (self._canaries, True), (self._posts, True))
                if queue
            ]
            times += [self._session.gate.opens_at(now, post=True)] if not self._posts and self._may_begin() else []
        return min(times, default=None)

    async def _perform(self, ready_at: float, job: Job, send: Send) -> None:
        async with self._slots:
            now, post = anyio.current_time(), not send.call.repeatable
            if not self._leaves(now, job, post=post):
                self._under_way.discard(job)  # the gate closed while this waited for its turn
                self._put_back(ready_at, job, send)
                self._changed.set()
                return
            waited = now - ready_at
            timeout = self.context.timeout
            begins_now = None if timeout.longest_case is None else now + timeout.longest_case
            deadline = begins_now if send.deadline is None else send.deadline + waited
            reply = problem = None
            self._slots.started(now)
            try:
                with anyio.CancelScope(shield=self.context.ledger.drain > 0) as self._sent[job]:
                    if post and job.works:
                        self.context.ledger.intended(job.works)
                        await self._kept()
                    reply = await self._session.transport.send(send.call, timeout, deadline)
            except APIConnectionError as error:
                problem = error
            except Exception as error:  # noqa: BLE001  # a bug or a setting: drive() raises it as it is
                del self._sent[job]
                self._fail(error)
                return
            finally:
                timed_out = isinstance(problem, APITimeoutError)
                self._slots.ended(now, anyio.current_time(), reply, timed_out=timed_out)
        if self._sent[job].cancelled_caught:
            return  # cut off when the run ended: see _abandon()
        del self._sent[job]
        self._under_way.discard(job)
        ended_at = anyio.current_time()
        refused = reply is not None and reply.status == 429
        self._session.gate.answered(now, ended_at, None if reply is None else reply.date, refused=refused)
        self._advance(job, Event(ended_at, now, waited, reply, problem, self._was_crowded(now, ended_at, reply)))
        self._changed.set()

    def _leaves(self, now: float, job: Job, *, post: bool) -> bool:
        """Tell whether a request leaves now, and take note of it."""
        gate, rows = self._session.gate, len(job.works)
        try:
            if self._opens_at(now, job, post=post) > now or not gate.claim(now, post=post, rows=rows):
                return False
        except FiAsyncError as error:  # the shared budget cannot be kept: drive() raises it
            self._fail(error)
            return False
        if gate.left(now, post=post, rows=rows):
            job.works[0].is_canary = True
        return True

    def _was_crowded(self, sent_at: float, now: float, reply: Reply | None) -> bool:
        """Tell whether a request was refused because more were at work than the server takes, and fewer will be."""
        if reply is None or reply.status != NO_CAPACITY:
            return False
        self.context.accepted.refused(now)
        return self._slots.was_crowded(sent_at) or self.context.accepted.was_crowded(sent_at)

    def _advance(self, job: Job, event: Event | None) -> None:
        """Tell a job what happened, and take what it wants to do next."""
        try:
            while isinstance(action := job.steps.send(event), Hold):  # type: ignore[arg-type]  # None begins it
                self._session.gate.hold(action.until, server_until=action.server_until)
            self._take(job, action)
        except StopIteration as end:
            self._jobs.discard(job)
            self._at_work -= len(job.works)
            self._finish(end.value)
        except Exception as error:  # noqa: BLE001  # a refused key pair ends all; drive() raises it
            self._fail(error)

    def _take(self, job: Job, action: Action) -> None:
        if isinstance(action, Rest):
            heapq.heappush(self._resting, (action.until, next(self._order), job))
        elif isinstance(action, Send):
            self._queue(job, action).append((anyio.current_time(), job, action))

    def _queue(self, job: Job, send: Send) -> deque[tuple[float, Job, Send]]:
        if send.call.repeatable:
            return self._gets
        # All other evaluations wait for what becomes of a canary that is sent again.
        return self._canaries if job.works and job.works[0].is_canary else self._posts

    def _finish(self, items: Sequence[Job | Any]) -> None:
        """Take over the jobs and the works among these, and hand out what is finished."""
        for item in items:
            if isinstance(item, Job):
                self.add(item)
            elif isinstance(item, Work):
                self._waiting.setdefault(item.parameters.template, deque()).append(item)
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
            self._session.gate.quota.lost(anyio.current_time())

    def _abandon(self) -> None:
        """Hand out an outcome for every work whose job ended with the call's time."""
        for job in self._jobs:
            job.steps.close()
            for work in job.works:
                self.context.ledger.dropped(cut_off(work, self.context, sent=job in self._sent), self._emit)
        for waiting in self._waiting.values():
            for work in waiting:
                self.context.ledger.dropped(cut_off(work, self.context, sent=False), self._emit)
        self._jobs.clear()
        self._waiting.clear()


def _keys(work: Work) -> tuple[str, ...]:
    return () if work.row is None else tuple(work.row.inputs)


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
