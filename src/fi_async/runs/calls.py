"""What a call of the client does with the engine: one batch, a gathered run, a stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from fi_async._errors import ConfigurationError, FiAsyncError
from fi_async._models import Case, Inputs, Outcome, Template, TemplateLike
from fi_async._settings import RunFile, RunOptions
from fi_async._shard import Shard
from fi_async._statistics import ClientStatistics, Counts, EndpointStatistics, client_statistics, endpoint_statistics
from fi_async.engine.intake import Intake, Question, configs_of, count_of, grouped, question
from fi_async.engine.lanes import RunLanes
from fi_async.engine.one_call import fetch_once
from fi_async.engine.routes import Party
from fi_async.engine.run import Run
from fi_async.engine.session import Session
from fi_async.engine.submissions import Started, score, start
from fi_async.pacing.slots import Slots
from fi_async.pacing.waiting import waiting_for
from fi_async.progress.displays import ProgressLike
from fi_async.progress.watch import watched
from fi_async.reports.report import Report
from fi_async.runs.case_reading import Cases, Reading, panel_of
from fi_async.wire import requests, responses
from fi_async.wire.preflight import rows_of
from fi_async.wire.templates import by_name, names_of

if TYPE_CHECKING:
    from fi_async._results import EvalResult
    from fi_async.journal.ledger import JournalLedger

TemplatesLike = TemplateLike | Sequence[TemplateLike]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of every case of a call, and how.

    Attributes:
        templates: One or several.
        options: What shapes the run.
        own_bound: True if the call set a concurrency of its own; else it shares the client's.
        eval_config: The template's parameters; by template name if there are several.
        fields: The other fields of the request.
        kept: The file that keeps the run, if one does.
        shard: Which of the cases are evaluated; None for all of them.
    """

    templates: TemplatesLike
    options: RunOptions
    own_bound: bool = False
    eval_config: Mapping[str, Any] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    kept: RunFile | None = None
    shard: Shard | None = None

    def options_in(self, session: Session) -> RunOptions:
        """Return what shapes the run, or this shard of it.

        Raises:
            ConfigurationError: A limit is too small to be divided among the shards.
        """
        if self.shard is None:
            return self.options
        return self.shard.options(self.options, is_shared=session.shares_limits)

    def slots_of(self, options: RunOptions) -> Slots | None:
        """Return the call's own places for requests under way; None if it shares the client's."""
        has_part = self.shard is not None and options.concurrency != "auto"
        return Slots(options.concurrency) if self.own_bound or has_part else None

    def expected(self, cases: Cases) -> int | None:
        """Return how many cases are to come, of a shard about; None if nobody knows."""
        count = count_of(cases)
        return count if count is None or self._takes_all else -(-count // (1 if self.shard is None else self.shard.of))

    def total(self, cases: Cases, asked: Sequence[Question]) -> int | None:
        """Return how many outcomes there will be; None if that is known only when all cases are read."""
        count = count_of(cases) if self._takes_all else None
        return None if count is None else count * len(asked)

    @property
    def _takes_all(self) -> bool:
        """True if all cases that come are the run's own: of a shard, those that its file holds."""
        return self.shard is None or (self.kept is not None and self.kept.held_only)

    async def questions(self, session: Session) -> Sequence[Question]:
        """Return what is asked of each case, and of whom; a name that nobody knows here is looked up once.

        Raises:
            ConfigurationError: Nobody answers a template, or not with these parameters.
            NotFoundError: The platform lists no such template.
        """
        given = by_name(self.templates)
        configs = configs_of(list(given), self.eval_config)
        routes = {name: session.backends.route(each, configs.get(name)) for name, each in given.items()}
        asked = [name for name, route in routes.items() if route.is_platform]
        found = {each.name: each for each in await find_templates(session, asked, self.options)} if asked else {}
        return [
            question(
                found[name] if route.is_platform else route.template,
                route,
                self.options,
                configs.get(name),
                **self.fields,
            )
            for name, route in routes.items()
        ]

    def lanes(self, session: Session, asked: Sequence[Question], **how: Any) -> RunLanes:
        """Return who answers, and over which lanes."""
        options = self.options_in(session)
        return Party(session, options, self.slots_of(options), shard=self.shard, **how).lanes(asked)

    def intake(self, asked: Sequence[Question], lanes: RunLanes) -> Intake:
        """Return what turns cases into works of one run."""
        shard = None if self._takes_all else self.shard
        return Intake(asked, lambda template, juror: lanes.of(template, juror).context, self.options, shard)

    def run(self, session: Session, lanes: RunLanes, **how: Any) -> Run:
        """Return a run for this call."""
        run = Run(lanes, self.options, **how)
        session.runs.add(run)
        return run


async def list_templates(session: Session, options: RunOptions, *, refresh: bool = False) -> list[dict[str, Any]]:
    """Return the server's list of templates: asked for once, also by many at the same moment, or anew."""
    known = session.templates
    before = known.listed
    async with session.listing():
        # Whoever waited for another's list has a fresh one.
        if known.listed is None or (refresh and known.listed is before):
            known.learn(await fetch_once(session, requests.get_evals(), options, responses.listed_templates))
    return known.listed or []


async def find_templates(session: Session, names: Sequence[str], options: RunOptions) -> list[Template]:
    """Return the facts of some templates. Only a name that is not known costs a request: it may be new on the server.

    Raises:
        NotFoundError: The server lists no such template; the message suggests names that resemble it.
    """
    if session.templates.is_worth_listing(names, anyio.current_time()):
        await list_templates(session, options, refresh=True)
    return [session.templates.find(name) for name in names]


def statistics(session: Session, options: RunOptions, now: float, waiting_for: str | None) -> ClientStatistics:
    """Return what a client knows of the server.

    Args:
        session: The client's.
        options: What binds its requests, or those of one run.
        now: The time.
        waiting_for: What it waits for.

    Raises:
        ConfigurationError: The shared budget cannot be read.
    """
    return client_statistics(
        session.gate.statistics(now, session.terms(options)),
        concurrency=session.slots().statistics(),
        polling=session.polls.statistics(),
        waiting_for=waiting_for,
        endpoints=[_of_endpoint(each, options, now) for each in session.judges.values()],
    )


def _of_endpoint(judge: Session, options: RunOptions, now: float) -> EndpointStatistics:
    """Return what is known of an endpoint beside the platform: limits of the run are the platform's."""
    return endpoint_statistics(
        judge.name,
        judge.gate.statistics(now, judge.terms(replace(options, limits=()))),
        concurrency=judge.slots().statistics(),
        waiting_for=judge.waiting_for(now),
    )


async def evaluate(
    session: Session, ask: Ask, inputs: Inputs | Case | Sequence[Inputs | Case], *, is_async: bool
) -> list[EvalResult]:
    """Return the results of one batch, case by case, and for each case in the order of the templates.

    Raises:
        InvalidCaseError: A case cannot be sent; none was.
        FiAsyncError: The first failure among them; its `report` has the outcomes of all.
    """
    names_of(ask.templates)  # first: swapped arguments make odd inputs, too
    ask = replace(ask, options=replace(ask.options, repeats=1))  # samples are for those who ask for outcomes
    cases = rows_of(inputs)
    asked = await ask.questions(session)
    if is_async:
        _check_submitted(asked)
    lanes = ask.lanes(session, asked, is_planned=False)
    works = ask.intake(asked, lanes).works(cases)
    run = ask.run(session, lanes, panel=panel_of(asked))
    began = anyio.current_time()
    of_platform = {each.template.name for each in asked if each.route.is_platform}
    for group in grouped([work for work in works if work.parameters.template in of_platform], held=not is_async):
        run.add((start if is_async else score)(group, lanes.of(group[0].parameters.template).context))
    for work in works:
        if work.parameters.template not in of_platform:
            run.add(lanes.of_work(work).begin([work], "sync"))
    await run.drive()
    place = {(work.index, work.parameters.template): place for place, work in enumerate(works)}
    ended: list[Outcome | Started] = sorted(run.finished, key=lambda each: place[each.index, each.template])
    for each in ended:
        if each.error is not None:
            outcomes = [other for other in ended if isinstance(other, Outcome)]
            each.error.report = Report(outcomes, anyio.current_time() - began, run.context.counts)
            raise each.error
    return [each.result for each in ended if each.result is not None]


async def gather(session: Session, ask: Ask, cases: Cases, progress: ProgressLike = False) -> Report:
    """Return the outcomes of all cases. Raises only what no other case could escape; see `evaluate`."""
    began = anyio.current_time()
    asked = await ask.questions(session)
    async with _ledger(ask, session, asked, cases) as ledger:
        lanes = ask.lanes(session, asked, ledger=ledger, expected=ask.expected(cases))
        intake = ask.intake(asked, lanes)
        panel = panel_of(asked)
        reading = Reading(cases, intake, ledger, lanes.first.context.counts, panel)
        total = ask.total(cases, asked)

        def emit(ended: Outcome) -> None:
            run.finished.append(ended)
            run.release()
            seen(ended)

        run = ask.run(session, lanes, emit=emit, panel=panel)

        def report() -> Report:
            place = {question.template.name: place for place, question in enumerate(intake.questions)}
            ended = sorted(run.finished, key=lambda each: (each.index, place[each.template]))
            return Report(ended, anyio.current_time() - began, run.context.counts)

        try:
            async with watched(progress, total, run.standing, reading.stood()) as seen:
                await run.drive(reading.feed, reading.further())
        except FiAsyncError as error:
            error.report = report()
            raise
        for each in reading.unread():
            run.tell.ended(each)
            run.finished.append(each)
        return report()


@dataclass(slots=True)
class Handover:
    """Outcomes between a run and whoever takes them: each that is taken from `ready` is told to `release`.

    Attributes:
        counts: What the run asks of the server, as it goes.
        ready: Outcomes that wait to be taken.
        run: The run, once it has begun.
        driving: The task that drives it, once it has.
    """

    counts: Counts
    ready: deque[Outcome] = field(default_factory=deque)
    run: Run | None = None
    driving: asyncio.Task[Any] | None = None

    def release(self, taken: int) -> None:
        """Make room for others: the run may read and evaluate so many more."""
        if self.run is not None and taken:
            self.run.release(taken)

    def waiting_for(self, now: float) -> str | None:
        """Return what the run waits for; None if for nothing but replies, or for its outcomes to be taken."""
        return None if self.run is None else waiting_for(self.run.standing(now))


async def stream(
    session: Session, ask: Ask, cases: Cases, handover: Handover, progress: ProgressLike = False
) -> AsyncGenerator[None]:
    """Run, and yield whenever outcomes are ready. Cases are read no faster than outcomes are taken."""
    asked = await ask.questions(session)
    ready = handover.ready
    arrived = asyncio.Event()

    def emit(outcome: Outcome) -> None:
        seen(outcome)
        ready.append(outcome)
        arrived.set()

    async with _ledger(ask, session, asked, cases) as ledger:
        lanes = ask.lanes(session, asked, ledger=ledger, counts=handover.counts, expected=ask.expected(cases))
        panel = panel_of(asked)
        reading = Reading(cases, ask.intake(asked, lanes), ledger, handover.counts, panel)
        total = ask.total(cases, asked)
        run = handover.run = ask.run(session, lanes, emit=emit, panel=panel)
        async with watched(progress, total, run.standing, reading.stood()) as seen:
            # A task of its own, not a task group: a generator may be closed by another task than it began in, and a
            # task group must not. Whichever way the generator ends, the task has ended before it.
            driving = handover.driving = asyncio.create_task(run.drive(reading.feed, reading.further()))
            driving.add_done_callback(lambda _: arrived.set())
            try:
                while ready or not driving.done():
                    if ready:
                        yield
                    else:
                        await arrived.wait()
                        arrived.clear()
                await driving
            finally:
                driving.cancel()
                with anyio.CancelScope(shield=True):  # a scope that was cancelled cancels whatever waits in it, again
                    await asyncio.wait([driving])


def _check_submitted(asked: Sequence[Question]) -> None:
    """Return if all that is asked can be started now and asked for later.

    Raises:
        ConfigurationError: Somebody else than the platform answers, at once.
    """
    for each in asked:
        if not each.route.is_platform:
            raise ConfigurationError(
                f"{each.template.name} is not the platform's to answer, and only it takes evaluations to be asked for"
                " later: call evaluate() without is_async, or gather()"
            )


@asynccontextmanager
async def _ledger(
    ask: Ask, session: Session, asked: Sequence[Question], cases: Cases
) -> AsyncIterator[JournalLedger | None]:
    if ask.kept is None:
        yield None
        return
    from fi_async.journal.opening import open_ledger  # noqa: PLC0415  # and SQLite, for those who keep a run

    async with open_ledger(
        ask.kept, session, asked, ask.options, evaluations=ask.total(cases, asked), shard=ask.shard
    ) as ledger:
        yield ledger
