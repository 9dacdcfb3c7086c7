"""The one engine: drives jobs, at most so many requests under way, in memory that does not grow with their number.

As many tasks as requests are under way send them; one more decides which comes next, and hands it to one that is idle:
see `lanes`, `ready_queue` and `backlog`. How a request goes out and comes back is in `dispatch`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import anyio

from fi_async._errors import ConfigurationError, FiAsyncError
from fi_async._models import Outcome
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Action, Compute, Job, LaneOver, Requeue, Rest, Send
from fi_async.engine.dispatch import end_kept
from fi_async.engine.lanes import Lane, RunLanes
from fi_async.engine.outcomes import cut_off, not_begun
from fi_async.engine.ready_queue import Ready
from fi_async.engine.submissions import accept
from fi_async.engine.telling import Teller
from fi_async.engine.work import Arrival, Work
from fi_async.pacing.ticket import Ticket
from fi_async.pacing.waiting import Standing, together
from fi_async.panels.panel import Panel

_RESOLUTION = 1e-6  # seconds: a loop's timers ring early by less, and what is due then must not wait for another
_MOST_IN_HOUSE = 16_384  # items, of which one endpoint that is closed may hold all; about 2 kB of memory each
_Leaving = tuple[Lane, Ready, Ticket]
Feed = Callable[[], AsyncGenerator[Sequence[Work | Job | Outcome | None]]]
"""Gives what to do, and outcomes; None for a case whose outcome will come with that of an equal one."""


class Run:
    """Drives jobs until all are done. What they end in is handed to `emit`, or kept in `finished`.

    Args:
        lanes: Who answers what.
        options: `timeout.call` ends the run.
        emit: Takes each outcome. Whoever takes one says so by `release`, and makes room for another.
        panel: Makes one outcome of the evaluations of a case; None where each is an outcome.

    Attributes:
        tell: Tells whoever listens.
    """

    def __init__(
        self,
        lanes: RunLanes,
        options: RunOptions,
        *,
        emit: Callable[[Any], None] | None = None,
        panel: Panel | None = None,
    ) -> None:
        self.context = lanes.first.context
        self.finished: list[Any] = []
        self._lanes = lanes
        self.tell = Teller(lanes)
        for lane in lanes:
            lane.context.gate.keep_count_of(lane.context.terms.limits)
        self._taker = emit or self._keep
        self._panel = panel or Panel({})
        self._is_deepening = False
        self._options = options
        self._is_fed = False
        self._jobs: set[Job] = set()
        self._idle: list[asyncio.Future[_Leaving]] = []
        self._in_house = 0
        self._stopped = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._wake = self._changed.set
        self._has_room = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Run {list(self._lanes)} in_house={self._in_house}>"

    def standing(self, now: float) -> Standing:
        """Return how the run stands."""
        return together([lane.standing(now) for lane in self._lanes])

    def _lane_of(self, job: Job) -> Lane:
        return self._lanes.of_work(job.works[0]) if job.works else self._lanes.first

    def add(self, job: Job) -> None:
        """Begin a job."""
        self._jobs.add(job)
        self._lane_of(job).at_work += len(job.works)
        self._advance(job, None)

    def _remove(self, job: Job) -> None:
        self._jobs.discard(job)
        self._lane_of(job).at_work -= len(job.works)

    def release(self, taken: int = 1) -> None:
        """Take note that outcomes were taken away, so that others may be made; less than none, that others are held."""
        self._in_house -= taken
        self._has_room.set()

    async def drive(self, feed: Feed | None = None, further: Feed | None = None) -> None:
        """Return once every job is done, and every work that `feed` and `further` give.

        Whatever ends it early, no task and no request is left behind.

        Args:
            feed: Gives the cases.
            further: Gives what cases are worth beyond that, as soon as it is known, until no case is open.

        Raises:
            AuthenticationError, PermissionDeniedError: The key pair was refused; all else was dropped.
            Exception: Whatever `feed` raised.
        """
        with self.tell.run():
            await self._drive(feed, further)

    async def _drive(self, feed: Feed | None, further: Feed | None) -> None:
        self._set_fed(feed is not None)
        self._is_deepening = further is not None
        patience = self.context.ledger.drain
        try:
            with anyio.move_on_after(self._options.timeout.call) as scope:
                for lane in self._lanes:
                    await lane.requests.open()
                async with anyio.create_task_group() as tasks:
                    try:
                        if feed is not None:
                            tasks.start_soon(self._feed, feed)
                        if further is not None:
                            tasks.start_soon(self._deepen, further)
                        await self._dispatch(tasks)
                    finally:
                        await self._drain()
                        tasks.cancel_scope.cancel()
            patience = patience if scope.cancelled_caught else math.inf  # a store that is away is waited for
        finally:
            self._let_go()
            await end_kept(self.context.ledger, within=patience)
        if self._failure is not None:
            raise self._failure
        if scope.cancelled_caught:
            self._abandon()

    def _set_fed(self, is_fed: bool) -> None:
        self._is_fed = is_fed
        for lane in self._lanes:
            lane.backlog.is_fed = is_fed

    async def _drain(self) -> None:
        """Let requests under way come to their end, so that what they are paid for is kept, for a bounded time."""
        self._stopped = True
        sent = [lane.requests.sent for lane in self._lanes]
        with anyio.CancelScope(shield=True), anyio.move_on_after(self.context.ledger.drain):
            while any(sent):
                self._changed.clear()
                await self._changed.wait()
        for scope in filter(None, (scope for each in sent for scope in each.values())):
            scope.cancel()

    async def _feed(self, feed: Feed) -> None:
        try:
            async with aclosing(feed()) as given:
                async for items in given:
                    self._came(items)
                    self._finish(items)
                    while self._stopped or not self._is_hungry():
                        self._has_room.clear()
                        await self._has_room.wait()
        except Exception as error:  # noqa: BLE001  # the user's own source: drive() raises it as it is
            self._failure = error
        finally:
            self._set_fed(is_fed=False)
            self._changed.set()

    async def _deepen(self, further: Feed) -> None:
        """Take the further samples of cases that are begun: they come before others, and wait for nothing."""
        try:
            async with aclosing(further()) as given:
                async for items in given:
                    self._in_house += len(items)
                    self._finish(items)
        except Exception as error:  # noqa: BLE001  # of the run's file: drive() raises it as it is
            self._failure = self._failure or error
        finally:
            self._is_deepening = False
            self._changed.set()

    def _came(self, items: Sequence[Work | Job | Outcome | None]) -> None:
        """Take note of what was read: of each case, an item for each template."""
        self._in_house += len(items)
        templates = sum(lane.templates for lane in self._lanes)
        for lane in self._lanes:
            lane.backlog.came(len(items) * lane.templates // templates)

    def _is_hungry(self) -> bool:
        """Return True if an endpoint may soon have nothing to do, and the outcomes that were made are taken."""
        not_taken = self._in_house - sum(lane.in_house for lane in self._lanes)
        if len(self._lanes) > 1 and self._in_house >= _MOST_IN_HOUSE:
            return False
        return any(lane.in_house + not_taken < lane.backlog.read_ahead() for lane in self._lanes)

    async def _dispatch(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start requests as they become due, and wait until there may be another."""
        due = 0.0
        while self._goes_on():
            self._changed.clear()
            now = anyio.current_time()
            now = due if 0.0 < due - now < _RESOLUTION else now
            try:
                for lane in self._lanes:
                    self._dispatch_of(lane, now, tasks)
            except ConfigurationError as error:  # the shared budget cannot be kept: drive() raises it
                self._fail(error)
                return
            due = min(lane.next_time(now, self._wake) for lane in self._lanes)
            await self._wait(min(due, self.tell.stands(now)))

    def _goes_on(self) -> bool:
        """Return True as long as something is to be done, or may come."""
        has_works = any(len(lane.backlog) for lane in self._lanes)
        return self._failure is None and (self._is_fed or self._is_deepening or bool(self._jobs) or has_works)

    def _dispatch_of(self, lane: Lane, now: float, tasks: anyio.abc.TaskGroup) -> None:
        for job in lane.queue.due(now):
            self._advance(job, Arrival(now))
        while (leaving := lane.next_leaving(now, self.add)) is not None:
            lane.under_way[leaving[0].job] = leaving[1]
            if not self._hand((lane, *leaving)):
                tasks.start_soon(self._perform, lane, *leaving)

    def _hand(self, leaving: _Leaving) -> bool:
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
        for lane in self._lanes:
            lane.context.gate.waiters.pass_on()
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _perform(self, lane: Lane, ready: Ready, ticket: Ticket) -> None:
        """Send a request, and then each that it is handed: a task for each would cost more than all of this."""
        while True:
            try:
                event = await lane.requests.perform(ready, ticket)
            except Exception as error:  # noqa: BLE001  # a bug or a setting: drive() raises it as it is
                self._fail(error)
                return
            if event is not None:
                del lane.under_way[ready.job]
                self._advance(ready.job, event)
            elif ready.job not in lane.requests.sent:
                del lane.under_way[ready.job]
                if not self._plan_anew(ready.job):
                    lane.queue.put_back(ready)
            self._changed.set()
            handed: asyncio.Future[_Leaving] = asyncio.get_running_loop().create_future()
            self._idle.append(handed)
            lane, ready, ticket = await handed

    def _plan_anew(self, job: Job) -> bool:
        """Return True if the works of a job were put back to wait for another plan, as more is known by now."""
        if not self._lane_of(job).plan_anew(job):
            return False
        self._remove(job)
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
            self._finish(end.value, of=job)
        except Exception as error:  # noqa: BLE001  # a refused key pair ends all; drive() raises it
            self._fail(error)

    def _take(self, job: Job, action: Action) -> None:
        queue = self._lane_of(job).queue
        if isinstance(action, Rest):
            queue.rest(job, action.until)
        elif isinstance(action, Send | Compute):
            queue.put(Ready(anyio.current_time(), job, action))

    def _finish(self, items: Sequence[Job | Any], of: Job | None = None) -> None:
        """Take over the jobs and the works among these, and hand out what is finished.

        Args:
            items: What a job ended in, or what was read.
            of: The job; None for what was read.
        """
        are_new = of is None
        for item in items:
            if isinstance(item, Job):
                self._lane_of(item).in_house += len(item.works) * are_new
                self.add(item)
            elif isinstance(item, Work):
                self._put(item, is_new=are_new)
            elif isinstance(item, Outcome):
                self._lanes.of(item.template, item.juror).in_house -= not are_new
                self.context.ledger.ended(item, self._emit)
            elif isinstance(item, LaneOver):
                if of is not None:
                    self._end_lane(self._lane_of(of), item.error)
            elif item is not None:
                self._emit(item)
        self._has_room.set()
        self._changed.set()

    def _put(self, work: Work, *, is_new: bool) -> None:
        """Let a work wait for its turn, or start it anew at once where works come as jobs."""
        lane = self._lanes.of_work(work)
        lane.in_house += is_new
        if lane.over is not None:
            self._drop(not_begun(work, lane.context, lane.over))
        elif lane.is_planned:
            lane.backlog.put(work)
        else:
            self.add(accept([work], lane.context))

    def _end_lane(self, lane: Lane, error: FiAsyncError) -> None:
        """Begin no more works of a lane, and of its fellow jurors, and hand out those that wait: the others go on."""
        for each in self._lanes.beside(lane):
            each.over = each.over or error
            for work in each.backlog.clear():
                self._drop(not_begun(work, each.context, each.over))

    def _emit(self, item: Any) -> None:
        """Hand out what is finished: of a case with several evaluations, once all are in."""
        if isinstance(item, Outcome):
            item = self._panel.take(item)
        self.release() if item is None else self._hand_out(item)

    def _hand_out(self, item: Any) -> None:
        self.tell.ended(item)
        self._taker(item)

    def _keep(self, item: Any) -> None:
        self.finished.append(item)
        self.release()

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._changed.set()

    def _let_go(self) -> None:
        """Leave the gates: of this run's evaluations nobody will be told any more."""
        now = anyio.current_time()
        for lane in self._lanes:
            lane.let_go(now, self._wake)
            lane.requests.close()
        for job in self._jobs:
            canaries = self._lane_of(job).context.gate.canaries
            for work in job.works:
                canaries.let_go(work.attempt.canary, now)
        for lane in self._lanes:
            lane.context.gate.waiters.pass_on()

    def _abandon(self) -> None:
        """Hand out an outcome for every work whose job ended with the call's time."""
        for job in self._jobs:
            job.steps.close()
            lane = self._lane_of(job)
            for work in job.works:
                self._drop(cut_off(work, lane.context, sent=lane.is_remote and job in lane.requests.sent))
        for lane in self._lanes:
            for work in lane.backlog.clear():
                self._drop(cut_off(work, lane.context, sent=False))
        self._jobs.clear()
        for outcome in self._panel.rest():
            self._in_house += 1
            self._hand_out(outcome)

    def _drop(self, outcome: Outcome) -> None:
        self._lanes.of(outcome.template, outcome.juror).in_house -= 1
        self.context.ledger.dropped(outcome, self._emit)
