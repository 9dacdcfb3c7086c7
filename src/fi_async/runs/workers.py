"""Works on a run that a store keeps, beside others: chunk after chunk through the one engine, until nothing is left."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio

from fi_async._errors import APIConnectionError, ConfigurationError, FiAsyncError, JournalError
from fi_async._models import Outcome, OutcomeStatus, TemplateLike
from fi_async._public import public
from fi_async._run_url import RunUrl
from fi_async._settings import RunFile
from fi_async._statistics import Counts
from fi_async.engine.attempts import Context
from fi_async.engine.intake import Intake, Question
from fi_async.engine.lanes import RunLanes
from fi_async.engine.postgres_budget import PostgresBudget
from fi_async.engine.run import Run
from fi_async.engine.session import Session
from fi_async.journal.keeping import Item
from fi_async.journal.opening import has_bound, limit_of_text, options_of
from fi_async.journal.records import RunInfo
from fi_async.pacing.waiting import Standing
from fi_async.panels.shape import PanelShape
from fi_async.progress.displays import ProgressLike
from fi_async.progress.watch import watched
from fi_async.runs.calls import Ask, Handover
from fi_async.runs.worker_checks import check_given, check_jurors, check_same
from fi_async.store.leases import LeaseLostError
from fi_async.store.worker_journal import WorkerJournal
from fi_async.store.worker_ledger import WorkerLedger, purses_of
from fi_async.wire.templates import by_name

_LOOK: Final = 0.5  # seconds between two looks whether there is something to do
_LONGEST_LOOK: Final = 5.0  # by and by, of a worker that finds nothing: a thousand of them are to leave others room
_SLOWER: Final = 1.2  # so that it notices late by a fifth of what it has waited, at most
_MOST_IN_VAIN: Final = 16  # cases that cannot reach a server, and none that could, end a worker
_MOST_LOST: Final = 3  # leases, one after the other without an outcome that was kept, end a worker
_SETTLING: Final = 600.0  # seconds that requests under way may take to their end when the run is changed
_FIELDS: Final = ("custom_eval_name", "error_localizer")
_log: Final = logging.getLogger("fi_async")

Taker = Callable[[Outcome], None]


@public
@dataclass(frozen=True, slots=True)
class WorkReport:
    """What one worker did for a run.

    Attributes:
        run: The run's URL, without a password.
        statuses: How many evaluations ended here, by status. Of a case with repeats or a jury that is what it comes to,
            told by the worker that ended the last of its samples and votes.
        counts: What it asked of servers.
        wall_s: Seconds it took.
        is_complete: True if the run had nothing left to do when it ended.
        fenced: How often it was silent for longer than its lease, and lost what it had to others.
        stopped: Why it took no more works, if it did not; empty else.
    """

    run: str
    statuses: Mapping[str, int]
    counts: Counts
    wall_s: float
    is_complete: bool
    fenced: int = 0
    stopped: str = ""

    @property
    def evaluations(self) -> int:
        """All that ended here."""
        return sum(self.statuses.values())


@dataclass(slots=True)
class RunWorker:
    """Works on one run, however often its lease is lost or its settings change.

    Args:
        session: The client's.
        kept: The run, and how it is worked on.
        templates: Functions and Criteria of the user's that the run asks; the platform's are known by name.
        given: Options in place of those that the run was loaded with, by name.
        take: Takes each outcome that ended here.

    Attributes:
        run: The engine's run, while one drives.
        handover: Says when outcomes are taken away; None where each is as soon as it is made.
        counts: What it asked of servers so far.
        over: Why it takes no more works, once it does not.
    """

    session: Session
    kept: RunFile
    templates: Sequence[TemplateLike] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    take: Taker = lambda _: None
    run: Run | None = None
    handover: Handover | None = None
    counts: Counts = field(default_factory=Counts)
    over: FiAsyncError | None = None
    _statuses: Counter[str] = field(default_factory=Counter)
    _fenced: int = 0
    _stopped: str = ""
    _is_complete: bool = False
    _ended: int = 0
    _lost_in_vain: int = 0
    _in_vain: int = 0
    _panels: Collection[str] = ()
    _failure: Exception | None = None
    _journal: WorkerJournal | None = None
    _scope: anyio.CancelScope | None = None
    _shared: Session | None = None
    _seen: Taker = lambda _: None
    _others: str = ""

    async def work(self, progress: ProgressLike = False) -> WorkReport:
        """Return once nothing is left to do, by this worker or by any other.

        Args:
            progress: Who is shown what ends here.

        Raises:
            ConfigurationError: The run asks for what is not given, or for other code, or was made on another server.
            JournalError: The store cannot be used, or has no such run.
            AuthenticationError, PermissionDeniedError: The key pair was refused.
        """
        url = self.kept.store
        if url is None:
            raise ConfigurationError("work() needs the URL of a database that ends in the run's name")
        began = anyio.current_time()
        concurrency = str(self.given.get("concurrency", "auto"))
        try:
            async with watched(progress, None, self.standing) as self._seen:
                while not await self._served(url, concurrency):
                    self._lost_lease(url)
            if self._failure is not None:
                raise self._failure
        finally:
            if self._shared is not None:
                with anyio.CancelScope(shield=True):
                    await self._shared.part()
        return WorkReport(
            run=str(url),
            statuses=dict(self._statuses),
            counts=self.counts,
            wall_s=anyio.current_time() - began,
            is_complete=self._is_complete,
            fenced=self._fenced,
            stopped=self._stopped,
        )

    def _lost_lease(self, url: RunUrl) -> None:
        """Take note of it; raise if this worker would go on so without end, and pay each time for what is not kept."""
        self._fenced += 1
        self._lost_in_vain += 1
        if self._lost_in_vain >= _MOST_LOST:
            raise JournalError(
                f"{url}: this worker was silent for longer than its lease of {self.kept.lease:g} s, {_MOST_LOST} times"
                " one after the other, and nothing that it did was kept: something holds up its event loop, such as a"
                " function of yours that blocks, or its machine. Find it, or give a longer lease"
            )

    async def _served(self, url: RunUrl, concurrency: str) -> bool:
        """Return True once nothing is left to do, and False if others took over what this worker had."""
        try:
            async with WorkerJournal(url, self.kept.lease, concurrency) as self._journal:
                await self._serve(self._journal)
        except LeaseLostError as error:
            _log.warning("%s: it goes on with what is left", error)
            return False
        return True

    async def _serve(self, journal: WorkerJournal) -> None:
        """Return once nothing is left to do; begin the engine's run anew whenever settings change."""
        while True:
            if (control := journal.control).paused:
                _log.warning("%s: it is paused: nothing leaves until fi-async control has it go on", journal.url)
                self._others = "fi-async control: the run is paused"
                await journal.changed(control)
                self._others = ""
                await journal.flush()
                continue
            if await self._drive(journal):
                await journal.flush()
                await journal.give_back()
                continue
            await journal.flush()
            standing = await journal.standing()
            if self._stopped or not standing.is_free:
                self._is_complete = standing.is_loaded and not standing.may_come and not self._stopped
                return

    async def _drive(self, journal: WorkerJournal) -> bool:
        """Return True if settings changed, and False once nothing is left to do."""
        await journal.read()
        control = journal.control
        ask = self._ask(journal)
        check_jurors(str(journal.url), journal.info, self.session)
        asked = await ask.questions(self.session)
        check_same(str(journal.url), journal.info, asked, self.session)
        asked = [
            replace(_with_most(each, control.max_cost), shape=PanelShape.read(was))
            for each, was in zip(asked, journal.info.questions, strict=True)
        ]
        self._panels = {each.template.name for each in asked if not each.shape.is_plain}
        session = self._sharing(journal.url, ask, asked)
        spent = await journal.spent() if has_bound(asked) else None
        ledger = WorkerLedger(journal, asked, drain=self.kept.drain, spent=spent, settled=self._settled)
        lanes = ask.lanes(session, asked, ledger=ledger, counts=self.counts, expected=_expected(journal.info))
        journal.purses = purses_of(asked, lanes.of)
        feeding = _Feeding(journal, ledger, lanes, ask, asked, self._wait)
        run = self.run = ask.run(session, lanes, emit=self._taken)
        if self.handover is not None:
            self.handover.run = run
        with anyio.CancelScope() as scope:
            self._scope = scope

            async def watch() -> None:
                await journal.changed(control)
                if not journal.has_failed:
                    ledger.drain = max(ledger.drain, _SETTLING)
                scope.cancel()

            watching = asyncio.create_task(watch())
            try:
                await run.drive(feeding.feed)
            finally:
                watching.cancel()
                self.run = None
        if self._failure is not None:
            raise self._failure
        self.over = next((lane.over for lane in lanes if lane.over is not None), self.over)
        self._stopped = "" if self.over is None else self.over.message
        return scope.cancelled_caught or feeding.is_outdated

    def _sharing(self, url: RunUrl, ask: Ask, asked: Sequence[Question]) -> Session:
        """Return a session that keeps to given limits together with all workers of this database."""
        judges = [seat.route.judge for each in asked for seat in each.seats]
        has_limits = ask.options.limits or any(judge and judge.limits for judge in judges)
        if not has_limits or self.session.shares_limits:
            return self.session
        if self._shared is None:
            connection = self.session.connection
            owner = f"{connection.base_url}\n{connection.keys[0]}"
            self._shared = self.session.with_permits(PostgresBudget(url.database, owner))
        return self._shared

    def _taken(self, ended: Outcome | None) -> None:
        kept = None if ended is None or ended.status is OutcomeStatus.CANCELLED else ended
        is_whole = kept is not None and kept.template not in self._panels
        if self.run is not None and (not is_whole or self.handover is None):
            self.run.release()
        if kept is not None:
            self._ended, self._lost_in_vain = self._ended + 1, 0
            if is_whole:
                self._tell(kept)
            self._look_whether_reached(kept)

    def _settled(self, whole: Outcome) -> None:
        """Hand out what a case comes to of which there are several evaluations."""
        if self.handover is not None and self.handover.run is not None:
            self.handover.run.release(-1)
        self._tell(whole)

    def _tell(self, outcome: Outcome) -> None:
        self._statuses[outcome.status.value] += 1
        self._seen(outcome)
        try:
            self.take(outcome)
        except Exception as error:  # noqa: BLE001  # the user's own: work() raises it as it is
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End this worker with an error, once what is under way has come to its end."""
        self._failure = self._failure or error
        if self._scope is not None:
            self._scope.cancel()

    def _look_whether_reached(self, outcome: Outcome) -> None:
        """End this worker if nothing of it ever reached a server: what it takes, others could do."""
        error = outcome.error
        if not isinstance(error, APIConnectionError) or error.sent:
            return
        self._in_vain += 1
        if self._in_vain >= max(_MOST_IN_VAIN, self._ended):
            what = f"no request of this worker reached a server, and {self._in_vain} cases failed for it"
            self._fail(APIConnectionError(f"{what}: {error.message}"))

    def standing(self, now: float) -> Standing:
        """Return how the engine's run stands."""
        stands = Standing() if self.run is None else self.run.standing(now)
        is_away = self._journal is not None and self._journal.is_away
        return replace(stands, others=self._others, held_by="the run's database, which is away" if is_away else "")

    def _wait(self, others: str) -> None:
        self._others = others

    def _ask(self, journal: WorkerJournal) -> Ask:
        """Return what is asked of each case: as the run says, with what is given here and set for all workers."""
        info, control = journal.info, journal.control
        given = dict(self.given)
        if control.concurrency is not None:
            given["concurrency"] = control.concurrency
        if control.limits is not None:
            given["limits"] = [limit_of_text(text) for text in control.limits]
        options = options_of(info.settings).with_given(**given)
        options = replace(options, timeout=replace(options.timeout, call=None))
        own = by_name(self.templates) if self.templates else {}
        check_given(str(journal.url), info, own)
        configs = {each["template"]: each["config"] for each in info.questions if each["config"]}
        first = info.questions[0]
        return Ask(
            [own.get(name, name) for name in info.templates],
            options,
            own_bound=True,
            eval_config=(configs if len(info.templates) > 1 else configs.get(info.templates[0])) or None,
            fields={name: first[name] for name in _FIELDS if first.get(name)},
            kept=self.kept,
        )


@dataclass(slots=True)
class _Feeding:
    """Chunk after chunk into the engine, so that it never runs dry at the end of one.

    Attributes:
        waits: Told what it waits for of others; nothing once it does not.
        is_outdated: True if the run was changed since this began, and nothing more is to be begun by what is known.
    """

    journal: WorkerJournal
    ledger: WorkerLedger
    lanes: RunLanes
    ask: Ask
    asked: Sequence[Question]
    waits: Callable[[str], None]
    is_outdated: bool = False

    async def feed(self) -> AsyncGenerator[Sequence[Item]]:
        """Yield what is to be done of each chunk, as it is claimed; end when there is nothing to claim any more."""
        intakes, pause = self._intakes(), _LOOK
        while not all(lane.over is not None for lane in self.lanes):
            chunk = self.ledger.next_further() or await self.journal.claim()
            if chunk is not None:
                pause = _LOOK
                self.waits("")
                if chunk.changes != self.ledger.changes:
                    self.is_outdated = True
                    return
                for items in self.ledger.items(chunk, intakes, self._context_of):
                    if items:
                        yield items
                    else:
                        await anyio.sleep(_LOOK)
                continue
            if self.ledger.dropped_cases:
                return
            if await self.ledger.may_deepen(within=_LOOK):
                continue
            standing = await self.journal.standing()
            if not standing.may_come:
                return
            if not standing.is_free:
                self.waits("what other workers hold, or whoever loads")
                await anyio.sleep(pause)
                pause = min(_SLOWER * pause, _LONGEST_LOOK)

    def _context_of(self, template: str, juror: str | None) -> Context:
        return self.lanes.of(template, juror).context

    def _intakes(self) -> Mapping[str, Intake]:
        """Return what turns cases into works, by template; what they lack, they lacked when they were loaded."""
        options = replace(self.ask.options, extra_keys="ignore")
        return {each.template.name: Intake([each], self._context_of, options) for each in self.asked}


def _with_most(question: Question, max_cost: float | None) -> Question:
    """Return a question whose judge may spend so much, if that was set for all workers."""
    if max_cost is None:
        return question
    judge, jurors = question.route.judge, [_with_most(each, max_cost) for each in question.jurors]
    if judge is None:
        return replace(question, jurors=jurors)
    return replace(question, route=replace(question.route, judge=replace(judge, max_cost=max_cost)))


def _expected(info: RunInfo) -> int | None:
    return info.evaluations and info.evaluations // len(info.templates)
