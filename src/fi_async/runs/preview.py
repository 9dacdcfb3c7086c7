"""What a run would take: the same decisions as a run's, with nothing sent."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from fi_async._models import Case, Inputs, Outcome
from fi_async._plan import RunPlan, TemplatePlan
from fi_async._settings import RunOptions
from fi_async.engine.intake import Intake, Question, batches
from fi_async.engine.lanes import Lane, RunLanes
from fi_async.engine.session import Session
from fi_async.engine.work import Work
from fi_async.pacing.accepted import MOST, AcceptedLimit
from fi_async.pacing.inspection import tolerance
from fi_async.pacing.lateness import Cost
from fi_async.pacing.planner import ASSUMED, LATE, Plan, Room, Situation, decide
from fi_async.pacing.ticket import Terms
from fi_async.panels.shape import PanelShape
from fi_async.runs.calls import Ask
from fi_async.runs.case_reading import Cases
from fi_async.wire.requests import Parameters, max_rows

_SHOWN: Final = 5


_Who = tuple[str, str | None]  # a template, and the juror that votes on it, if one does


@dataclass(slots=True)
class _Census:
    """The evaluations of a run, counted."""

    cases: int = 0
    sendable: Counter[_Who] = field(default_factory=Counter)
    keys: dict[str, int] = field(default_factory=dict)
    tokens: Counter[_Who] = field(default_factory=Counter)
    dollars: dict[_Who, float | None] = field(default_factory=dict)
    read: int = 0
    duplicates: int = 0
    invalid: int = 0
    because: list[str] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def add(self, case: Inputs | Case, intake: Intake, lanes: RunLanes) -> None:
        admitted = intake.admit(self.read, case)
        self.read += 1
        self.cases += bool(admitted)
        works = [each for each in admitted if isinstance(each, Work)]
        for work in works:
            self.sendable[_who(work.parameters)] += 1
            if work.row is not None:
                self.keys[work.parameters.template] = len(work.row.inputs)
            self._weigh(work, lanes)
        self._count_duplicate(works)
        refused = [each for each in admitted if isinstance(each, Outcome)]
        self.invalid += bool(refused)
        if len(self.because) < _SHOWN:
            self.because += dict.fromkeys(str(each.error) for each in refused)

    def _weigh(self, work: Work, lanes: RunLanes) -> None:
        """Add what a judge would take for a work."""
        who = _who(work.parameters)
        weigh = lanes.of(*who).weigh
        if weigh is not None:
            tokens, dollars = weigh(work)
            self.tokens[who] += tokens
            before = self.dollars.get(who, 0.0)
            self.dollars[who] = None if before is None or dollars is None else before + dollars

    def _count_duplicate(self, works: list[Work]) -> None:
        """Compare what would be sent. Only its hash is kept: memory is 60 bytes a case."""
        if not works:
            return
        sent = hash(tuple(tuple(sorted(work.row.inputs.items())) for work in works if work.row is not None))
        self.duplicates += sent in self._seen
        self._seen.add(sent)


def _who(parameters: Parameters) -> _Who:
    return parameters.template, parameters.juror


async def plan(session: Session, ask: Ask, cases: Cases, latency: float | None) -> RunPlan:
    """Return what a run would take. Sends nothing, but for the list of templates if a name is not known."""
    asked = await ask.questions(session)
    lanes = ask.lanes(session, asked)
    intake = ask.intake(asked, lanes)
    census = _Census()
    async with aclosing(batches(cases, 1)) as source:
        async for batch in source:
            for case in batch:
                census.add(case, intake, lanes)
    options = ask.options_in(session)
    base = _situation(session, options, session.terms(options, ask.slots_of(options)))
    situations: dict[str, Situation] = {}
    plans: list[TemplatePlan] = []
    others: list[tuple[Lane, TemplatePlan]] = []
    for question in intake.questions:
        name = question.template.name
        if not question.route.is_platform:
            for seat in question.seats:
                lane = lanes.of(*_who(seat.parameters))
                others.append((lane, _of_other(seat, question.shape, census, lane, latency)))
            continue
        known = session.latencies.get(name) if latency is None else latency
        keys = census.keys.get(name, len(question.template.required_keys))
        queue = session.queues.get(name)
        rate = None if queue is None or latency is not None else queue.rate
        situation = replace(
            base, allowed=max_rows(keys), remaining=census.sendable[name, None], latency=known, rate=rate
        )
        decided = decide(situation)
        situations[name], reckoned = _reckoned(situation, decided, session.polls.cost(name))
        of_platform = _of_template(name, reckoned, situations[name], is_given=latency is not None)
        why = f"{of_platform.why}{_samples(question.shape)}"
        plans.append(replace(of_platform, why=why, backend=session.connection.backend))
    seconds, limit = _whole(plans, situations) if plans else (0.0, "nothing")
    for lane in lanes:
        of_lane = [each for at, each in others if at is lane]
        evaluations = sum(each.evaluations for each in of_lane)
        took, bound = _of_endpoint(lane, evaluations, sum(each.tokens or 0 for each in of_lane), latency)
        if of_lane and (took > seconds or limit == "nothing"):
            seconds, limit = took, bound
    order = {question.template.name: place for place, question in enumerate(asked)}
    every = sorted([*plans, *(each for _, each in others)], key=lambda each: order[each.template])
    return RunPlan(census.cases, every, seconds / 60, limit, census.duplicates, census.invalid, census.because[:_SHOWN])


def _samples(shape: PanelShape) -> str:
    """Return what is to be said of repeats."""
    if not shape.is_repeated:
        return ""
    further = "" if shape.precision is None else f" at first, and up to {shape.most} where the verdict is not certain"
    return f", {shape.repeats} samples of each case{further}"


def _of_other(seat: Question, shape: PanelShape, census: _Census, lane: Lane, latency: float | None) -> TemplatePlan:
    """Return what a run would take of a judge, or of functions, whose time nobody knows beforehand."""
    who, route, name = _who(seat.parameters), seat.route, seat.template.name
    evaluations, tokens, samples = census.sendable[who], census.tokens[who], _samples(shape)
    if route.judge is None:
        assert route.function is not None  # noqa: S101  # one of the two answers
        return TemplatePlan(
            name, evaluations, 0, 0.0, "sync", 1, f"no request is sent{samples}", "processor", 0.0, "assumed",
            backend=route.function.backend,
        )  # fmt: skip
    seconds, limit = _of_endpoint(lane, evaluations, tokens, latency)
    return TemplatePlan(
        name, evaluations, evaluations, seconds / 60, "sync", 1, f"one request a case{samples}", limit,
        ASSUMED if latency is None else latency, "assumed" if latency is None else "given",
        backend="judge", model=route.judge.label, tokens=tokens, cost=census.dollars.get(who, 0.0),
    )  # fmt: skip


def _of_endpoint(lane: Lane, evaluations: int, tokens: int, latency: float | None) -> tuple[float, str]:
    """Return the seconds that an endpoint takes which is asked about one case a request, and what sets them."""
    if lane.weigh is None:
        return 0.0, "processor"
    each_takes = ASSUMED if latency is None else latency
    rounds = lane.context.terms.slots.room.rounds(evaluations)
    seconds, bound = each_takes * rounds, f"{lane.context.terms.slots.count} requests of {each_takes:g} s at once"
    amounts = {"requests": evaluations, "evaluations": evaluations, "tokens": tokens}
    for each in lane.context.gate.headroom(anyio.current_time(), lane.context.terms):
        wait, _ = each.last_of(amounts[each.of])
        if wait + each_takes > seconds:
            seconds, bound = wait + each_takes, str(each)
    return seconds, bound


def _situation(session: Session, options: RunOptions, terms: Terms) -> Situation:
    """Return what is the same for all templates."""
    return Situation(
        strategy=options.strategy,
        wanted=options.rows,
        limits=session.gate.headroom(anyio.current_time(), terms, options.limits),
        held=terms.slots.room,
        polled=Room(MOST, MOST) if options.strategy == "async" else AcceptedLimit().room(terms.slots.count),
        may_resubmit=options.retry_policy().may_resubmit,
        refused=session.gate.quota.learned is not None,
    )


def _reckoned(situation: Situation, plan: Plan, cost: Cost | None) -> tuple[Situation, Plan]:
    """Return the plan that a run would make, with what polls have cost in the runs before."""
    if plan.kind == "sync" or cost is None:
        return situation, plan
    # What was later than a schedule lets it be waited for a limit, whose time is reckoned by itself.
    late = min(cost.late / cost.evaluations, tolerance(situation.latency or ASSUMED))
    situation = replace(situation, polls=cost.polls / cost.evaluations, late=late)
    return situation, replace(decide(replace(situation, strategy="async")), why=plan.why)


def _of_template(name: str, plan: Plan, situation: Situation, *, is_given: bool) -> TemplatePlan:
    latency = ASSUMED if situation.latency is None else situation.latency
    is_polled = plan.kind == "async"
    return TemplatePlan(
        template=name,
        evaluations=situation.remaining,
        requests=plan.requests,
        minutes=plan.seconds / 60,
        strategy=plan.kind,
        rows=plan.rows,
        why=plan.why,
        limit=plan.bound,
        latency_s=latency,
        latency_is="assumed" if situation.latency is None else "given" if is_given else "learned",
        polls=situation.polls if is_polled else 0.0,
        late_s=(LATE * latency if situation.late is None else situation.late) if is_polled else 0.0,
        polls_are="assumed" if situation.late is None else "learned",
    )


def _whole(plans: list[TemplatePlan], situations: dict[str, Situation]) -> tuple[float, str]:
    """Return the seconds of all templates together, and what sets them: they share slots and limits."""
    free = [
        decide(replace(situations[each.template], strategy=each.strategy, wanted=each.rows, limits=()))
        for each in plans
    ]
    seconds, bound = sum(each.seconds for each in free), free[0].bound
    longest = max(plans, key=lambda each: each.minutes)
    if 60 * longest.minutes > seconds:
        seconds, bound = 60 * longest.minutes, longest.limit
    for limit in next(iter(situations.values())).limits:
        requests, evaluations = sum(each.requests for each in plans), sum(each.evaluations for each in plans)
        wait, _ = limit.last_of(requests if limit.of == "requests" else evaluations)
        wait += max(each.latency_s * (each.rows if each.strategy == "sync" else 1) for each in plans)
        if wait > seconds:
            seconds, bound = wait, str(limit)
    return seconds, bound
