"""Who answers what of a call, and over which lanes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fi_async._settings import Limit, RunOptions
from fi_async._shard import Shard
from fi_async._statistics import Counts
from fi_async.backends.chosen import Answerer
from fi_async.backends.functions import ExactFunction, Function
from fi_async.engine.attempts import Context, Forgetful, Job, Ledger
from fi_async.engine.dispatch import Dispatch
from fi_async.engine.intake import Question
from fi_async.engine.lanes import Lane, RunLanes
from fi_async.engine.one_call import platform_lane
from fi_async.engine.session import Session, run_numbers
from fi_async.engine.work import Work
from fi_async.engine.work_queue import WorkQueue
from fi_async.pacing.gate import Gate
from fi_async.pacing.latencies import Latencies
from fi_async.pacing.planner import Kind
from fi_async.pacing.polling import Completions
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Terms

if TYPE_CHECKING:
    from fi_async.backends.judge import Judge

_THREADS = 16  # of a function that waits for others; one that keeps a processor busy gets two
_EXACT = 2  # threads of the functions that are computed here: they keep a processor busy
_AWAITED = 64  # coroutines at once


@dataclass(frozen=True, slots=True)
class Party:
    """What all lanes of one call share.

    Attributes:
        session: The client's.
        options: What shapes the run.
        slots: The call's own places for requests under way; None to share the client's.
        counts: What the run asks of servers, as it goes.
        ledger: Who keeps what becomes of its works.
        is_planned: False if the works come as jobs.
        expected: How many cases are to come; None if nobody knows.
        run: The number of the run; None for a new one.
        shard: Which part of the run it is, if its judges' limits are to be divided; None if it is all of it.
    """

    session: Session
    options: RunOptions
    slots: Slots | None = None
    counts: Counts | None = None
    ledger: Ledger | None = None
    is_planned: bool = True
    expected: int | None = None
    run: int | None = None
    shard: Shard | None = None

    def lanes(self, asked: Sequence[Question]) -> RunLanes:
        """Return a lane for each endpoint that answers one of the questions, the platform's first if it has any.

        Raises:
            ConfigurationError: A judge cannot be asked so.
        """
        by_endpoint: dict[object, list[Question]] = {}
        repeats: Counter[object] = Counter()
        for each in asked:
            for seat in each.seats:
                endpoint = _endpoint(seat.route)
                by_endpoint.setdefault(endpoint, []).append(seat)
                repeats[endpoint] += each.shape.repeats
        counts, ledger = self.counts or Counts(), self.ledger or Forgetful()
        party = replace(self, counts=counts, ledger=ledger, run=next(run_numbers))
        found = {endpoint: party._lane(questions, repeats[endpoint]) for endpoint, questions in by_endpoint.items()}
        first = found.get(None) or next(iter(found.values()))
        routes = {
            (seat.template.name, seat.parameters.juror): found[_endpoint(seat.route)]
            for each in asked
            for seat in each.seats
        }
        names = tuple(each.template.name for each in asked)
        return RunLanes(first, {} if len(found) == 1 else routes, names, self.expected)

    def _lane(self, questions: Sequence[Question], works: int) -> Lane:
        """Return the lane of an endpoint, to which each case brings so many works."""
        route = questions[0].route
        if route.judge is not None:
            return self._judges_lane(route.judge, questions, works)
        if route.function is not None:
            functions = {each.template.name: each.route.function for each in questions if each.route.function}
            return self._functions_lane(functions, works)
        context = self.session.context(self.options, self.slots, counts=self.counts, ledger=self.ledger, run=self.run)
        return platform_lane(
            self.session,
            context,
            self.options,
            is_planned=self.is_planned,
            expected=None if self.expected is None else self.expected * works,
            templates=works,
        )

    def _functions_lane(self, functions: Mapping[str, Function], works: int) -> Lane:
        from fi_async.engine.computed import computed  # noqa: PLC0415  # as above
        from fi_async.engine.computing import Computing  # noqa: PLC0415  # not needed by who asks the cloud

        (first, *_) = functions.values()
        context = self._context(first.backend, Slots(_at_once(first, self.options)), Gate())
        computing = Computing(context)

        def begin(ready: Sequence[Work], _: Kind) -> Job:
            function = functions[ready[0].parameters.template]
            computing.begun(function)
            return computed(ready, context, function)

        queue = WorkQueue(
            context.terms.slots,
            together=lambda template: computing.together(functions[template]),
            may_go=lambda work: computing.may_go(functions[work.parameters.template]),
        )
        lane = self._simple_lane(context, computing, begin, queue, works)
        lane.is_remote = False
        return lane

    def _judges_lane(self, judge: Judge, questions: Sequence[Question], works: int) -> Lane:
        from fi_async.engine.judge_session import judging as judging_session  # noqa: PLC0415  # as above
        from fi_async.engine.judging import Judging, judged, tokens_used  # noqa: PLC0415  # as above
        from fi_async.wire.waits import wait_of  # noqa: PLC0415  # as above

        session = judging_session(self.session, judge)
        judge, limits, slots = self._part_of(judge)
        options = replace(self.options, limits=())
        base = session.context(options, slots, counts=self.counts, ledger=self.ledger, run=self.run)
        base = replace(base, terms=replace(base.terms, limits=limits))
        wall_clock = self.session.wall_clock
        context = replace(base, wait_of=lambda reply: wait_of(reply, wall_clock()), tokens_of=tokens_used)
        ledger = self.ledger or Forgetful()
        spent = math.fsum(ledger.spent(each.template.name, each.parameters.juror) for each in questions)
        judging = Judging(judge, session.known, wall_clock, spent)
        for each in questions:
            assert each.route.rubric is not None  # noqa: S101  # a judge has one for each template that it answers
            judging.rubrics[each.template.name] = each.route.rubric

        def begin(ready: Sequence[Work], _: Kind) -> Job:
            return judged(ready, context, judging)

        queue = WorkQueue(context.terms.slots, may_go=judging.may_begin)
        lane = self._simple_lane(context, Dispatch(session.transport, context), begin, queue, works)
        lane.weigh, lane.at, lane.purse = judging.weigh, session.name, judging.purse
        session.runs.add(lane)
        return lane

    def _part_of(self, judge: Judge) -> tuple[Judge, Sequence[Limit], Slots | None]:
        """Return the part of a judge that is this shard's: what it may spend, its limits, and places of its own."""
        if self.shard is None:
            return judge, (), None
        limits = () if self.session.permits is not None else self.shard.limits(judge.limits)
        slots = None if judge.concurrency == "auto" else Slots(max(1, self.shard.share_of(judge.concurrency)))
        bound = None if judge.max_cost is None else judge.max_cost / self.shard.of
        return replace(judge, max_cost=bound), limits, slots

    def _simple_lane(
        self,
        context: Context,
        requests: Any,
        begin: Callable[[Sequence[Work], Kind], Job],
        queue: WorkQueue,
        templates: int,
    ) -> Lane:
        return Lane(
            context,
            self.options,
            requests,
            begin=begin,
            is_planned=self.is_planned,
            backlog=queue,
            templates=templates,
        )

    def _context(self, backend: str, slots: Slots, gate: Gate) -> Context:
        session, options = self.session, self.options
        return Context(
            backend=backend,
            timeout=options.timeout,
            policy=options.retry_policy(),
            completions=Completions(None),
            latencies=Latencies(),
            gate=gate,
            rng=session.rng,
            on_event=session.on_event,
            terms=Terms(slots),
            counts=self.counts or Counts(),
            ledger=self.ledger or Forgetful(),
            run=self.run or 0,
        )


def _endpoint(route: Answerer) -> object:
    """Return what is the same for templates that share a lane; None for those of the platform."""
    if route.judge is not None:
        return route.judge.endpoint, route.judge.label  # jurors at one endpoint are asked each in its way
    if isinstance(route.function, ExactFunction):
        return ExactFunction
    return route.function


def _at_once(function: Function, options: RunOptions) -> int:
    if isinstance(function, ExactFunction):
        return _EXACT
    if function.processes:
        return function.processes
    if options.concurrency != "auto":
        return options.concurrency
    return _AWAITED if function.is_async else _THREADS
