"""What of a run one endpoint answers: works that wait, requests in line, its gate, and who performs what is asked.

Endpoints share a run and nothing else: one that is closed, slow or at its limit holds no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from fi_async._errors import FiAsyncError
from fi_async._events import RunStands
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Context, Job
from fi_async.engine.backlog import Backlog
from fi_async.engine.ready_queue import Ready, ReadyQueue
from fi_async.engine.work import Arrival, Work
from fi_async.engine.work_queue import WorkQueue
from fi_async.pacing.planner import Kind
from fi_async.pacing.purse import Purse
from fi_async.pacing.ticket import Need, Ticket
from fi_async.pacing.waiting import Standing

if TYPE_CHECKING:
    import anyio

_EVALUATES = Need(post=True, rows=1)
Begin = Callable[[Sequence[Work], Kind], Job]
"""Makes a job of works, to be held or polled."""

Weigh = Callable[[Work], tuple[int, float | None]]
"""Reckons the tokens and the dollars of a work; None for a price that nobody knows."""

FUNCTIONS: Final = "functions"
"""What those who listen know the lanes of functions as, all of them together."""


class Performer(Protocol):
    """Does what jobs ask for, and settles the ticket of each request.

    Attributes:
        sent: The jobs whose requests have left and are not answered, and what ends each request of a run that is kept.
    """

    sent: dict[Job, anyio.CancelScope | None]

    async def open(self) -> None:
        """Be ready."""

    async def perform(self, ready: Ready, ticket: Ticket) -> Arrival | None:
        """Return what happened to a request; None if it did not leave after all, or was ended."""

    def close(self) -> None:
        """Let go of what is this run's alone."""


class Lane:
    """What of one run goes to one endpoint.

    Args:
        context: What its jobs share.
        options: What shapes the run.
        requests: Performs what its jobs ask for.
        begin: Makes jobs of works.
        is_planned: False if the works come as jobs, made as their caller wants them.
        backlog: Where works wait; None to plan, with each, how a server of the platform's is asked.
        expected: How many works are to come; None if nobody knows.
        templates: How many works each case brings it: one for each template that it answers, times the samples.
        weigh: Reckons the tokens and dollars of a work; None where nobody counts them.
        is_remote: False if nothing leaves this machine, so that what is cut off was not paid for.

    Attributes:
        at_work: Works that are begun and not done.
        in_house: Works that came and whose outcomes are not made.
        at: Which endpoint it is, for messages; empty for the platform.
        purse: What may be spent there; None where nothing is paid here.
        over: Why it takes no more works, once it does not.
        under_way: The jobs whose requests are under way, and their tickets.
    """

    def __init__(
        self,
        context: Context,
        options: RunOptions,
        requests: Performer,
        *,
        begin: Begin,
        is_planned: bool = True,
        backlog: WorkQueue | None = None,
        expected: int | None = None,
        templates: int = 1,
        weigh: Weigh | None = None,
        is_remote: bool = True,
    ) -> None:
        self.context = context
        self.requests = requests
        self.begin = begin
        self.is_planned = is_planned
        self.templates = templates
        self.weigh = weigh
        self.is_remote = is_remote
        self.at = ""
        self.purse: Purse | None = None
        self.over: FiAsyncError | None = None
        self.backlog = Backlog(context, options, expected) if backlog is None else backlog
        self.queue = ReadyQueue(context.gate, context.terms, lambda: len(self.backlog))
        self.at_work = self.in_house = 0
        self.under_way: dict[Job, Ticket] = {}
        self._slots = context.terms.slots

    def __repr__(self) -> str:
        under_way = f"{len(self.under_way)}/{self._slots.count}"
        return f"<Lane {self.context.backend} under_way={under_way} {self.queue!r} waiting={len(self.backlog)}>"

    def next_leaving(self, now: float, add: Callable[[Job], None]) -> tuple[Ready, Ticket] | None:
        """Return the request that leaves next, if one may leave now; works are begun for it, if need be.

        Args:
            now: The time.
            add: Takes the job that was made of works.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
        """
        leaving = self.queue.take(now)
        if leaving is None and self._may_begin(now) and self._opens_at(now) <= now:
            add(self.begin(*self.backlog.take(now)))
            leaving = self.queue.take(now)
        return leaving

    def _may_begin(self, now: float) -> bool:
        return not self.queue.posts and self.backlog.may_begin(now, at_work=self.at_work)

    def _opens_at(self, now: float) -> float:
        return self.context.gate.opens_at(now, _EVALUATES, self.context.terms)

    def next_time(self, now: float, wake: Callable[[], None]) -> float:
        """Return when something becomes due by the clock alone; infinity if nothing does.

        Whatever cannot leave now waits at the gate, which may open sooner: then it calls `wake`.
        """
        opens = self.queue.next_at(now)
        is_waiting = bool(self.queue.gets or self.queue.posts)
        if self._may_begin(now):
            opens, is_waiting = min(opens, self._opens_at(now)), True
        if is_waiting:
            self.context.gate.waiters.wait(wake)
        return min(self.queue.due_at, opens)

    def plan_anew(self, job: Job) -> bool:
        """Return True if the works of a job wait again, for another plan, as more is known by now."""
        if not self.is_planned or not job.works or any(work.attempt.eval_id is not None for work in job.works):
            return False
        job.steps.close()
        self.backlog.put_back(job.works)
        return True

    def let_go(self, now: float, wake: Callable[[], None]) -> None:
        """Leave the gate: of what is under way nobody will tell it any more."""
        gate = self.context.gate
        gate.waiters.forget(wake)
        for ticket in self.under_way.values():
            if not ticket.is_settled:  # its task was cancelled before it began
                ticket.lost(now)
        gate.rest(now)

    def standing(self, now: float) -> Standing:
        """Return how it stands."""
        gets = self.queue.gets
        ready = gets + self.queue.posts + len(self.backlog)
        gate, terms = self.context.gate, self.context.terms
        obstacle = gate.obstacle(now, post=not gets, terms=terms, tokens=self.queue.tokens) if ready else None
        return Standing(
            ready=ready,
            obstacle=replace(obstacle, at=self.at) if obstacle is not None and self.at else obstacle,
            slots=self._slots.count,
            taken=len(self.under_way),
            is_capacity=self._slots.is_settled,
            polled=self.queue.polled,
            in_flight=self.at_work,
            at=self.at,
        )

    def stands(self, now: float) -> RunStands:
        """Return how it stands, for whoever listens."""
        context = self.context
        return RunStands(
            run=context.run,
            at=self.at if self.is_remote else FUNCTIONS,
            backend=context.backend,
            waiting=self.queue.gets + self.queue.posts + len(self.backlog),
            under_way=len(self.under_way),
            limit=self._slots.count,
            at_work=self.at_work,
            left=tuple(
                (each.of, each.seconds, max(0, each.left)) for each in context.gate.headroom(now, context.terms)
            ),
        )


class RunLanes:
    """The lanes of a run.

    Args:
        first: That of all templates that no other is named for.
        others: Those of other templates, and of jurors, by the names of both.
        templates: The names of all.
        cases: How many are to come; None if nobody knows.
    """

    def __init__(
        self,
        first: Lane,
        others: Mapping[tuple[str, str | None], Lane] | None = None,
        templates: tuple[str, ...] = (),
        cases: int | None = None,
    ) -> None:
        self.first = first
        self.templates, self.cases = templates, cases
        self._others = others or {}
        self._all = list(dict.fromkeys([first, *self._others.values()]))

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, template: str, juror: str | None = None) -> Lane:
        """Return the lane of a template, or of one of its jurors."""
        return self._others.get((template, juror), self.first)

    def beside(self, lane: Lane) -> list[Lane]:
        """Return a lane, and those of the jurors that vote with its own: without its votes, theirs decide nothing."""
        templates = {template for (template, juror), other in self._others.items() if juror and other is lane}
        return list(dict.fromkeys([lane, *(self._others[seat] for seat in self._others if seat[0] in templates)]))

    def of_work(self, work: Work) -> Lane:
        """Return the lane of a work."""
        return self.of(work.parameters.template, work.parameters.juror)
