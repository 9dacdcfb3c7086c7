"""Workers of a run in a database, started and restarted by Ray; cases from its datasets, and outcomes as one.

The run lives in the database, and so do its leases, limits and results. Ray places processes and starts them again: it
holds nothing that a killed driver, worker or machine could take along.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Unpack

from fi_async._errors import APIConnectionError, ConfigurationError, FiAsyncError, JournalError
from fi_async._extras import need
from fi_async._models import Case, Inputs, TemplateLike
from fi_async._run_url import RunUrl
from fi_async._settings import RunFile, RunKeywords
from fi_async.evaluator import AsyncEvaluator
from fi_async.reports.outcome_tables import arrow_schema, flat
from fi_async.runs.calls import TemplatesLike
from fi_async.runs.loading import LoadReport
from fi_async.runs.workers import WorkReport
from fi_async.sources import cases_from
from fi_async.store.run_workers import SharedStanding, shared_standing
from fi_async.store.store_counts import count_run
from fi_async.store.store_reader import facts, open_run

MakeEvaluator = Callable[[], AsyncEvaluator]
"""Makes the client of a worker, on the worker's machine: it is pickled by Ray."""

_EXTRA: Final = "fi-async[ray]"
_TURN: Final = 1.0  # seconds between two looks at the workers
_SHOWN_EACH: Final = 5.0  # seconds between two lines of progress
_SHARE: Final = 20.0  # times as long as the count of a run takes, at least, between two
_DRAIN: Final = 15.0  # seconds that workers may take to their end once they are told to
_ROWS: Final = 1_000  # outcomes in a block of a dataset, at most about


@dataclass(frozen=True, slots=True)
class RayReport:
    """What became of a run that workers of Ray worked on.

    Attributes:
        run: The run's URL, without a password.
        statuses: How many evaluations of the run have ended, by status, whoever made them.
        pending: How many have not.
        workers: What each worker says that came to its end; those that were killed say nothing.
        wall_s: Seconds it took.
    """

    run: str
    statuses: Mapping[str, int]
    pending: int
    workers: Sequence[WorkReport]
    wall_s: float

    @property
    def is_complete(self) -> bool:
        """True if nothing is left to do."""
        return not self.pending


def work(
    run: str,
    workers: int = 1,
    *,
    eval_templates: Sequence[TemplateLike] = (),
    evaluator: MakeEvaluator = AsyncEvaluator,
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    restarts: int = 16,
    lease: float | None = None,
    patience: float = 300.0,
    progress: bool = True,
    **options: Unpack[RunKeywords],
) -> RayReport:
    """Return how a run in a database stands, once nothing is left to do for anybody. Ray starts the workers.

    Each worker is a task of Ray's. One that is killed, or whose machine is lost, is started again, on another machine
    if need be; what it had is done by others as soon as its lease has ended. What it may have paid twice is counted.
    Ray is taken as it is initialised, or else begun on this machine.

    Args:
        run: The URL of a PostgreSQL database that ends in the run's name, as all workers reach it.
        workers: How many.
        eval_templates: The functions and Criteria that the run was loaded with.
        evaluator: Makes each worker's client, such as `lambda: AsyncEvaluator(backends=[Judge(...), "cloud"])`. Keys
            come from the environment of the worker's machine, unless it finds them elsewhere.
        num_cpus: That each worker takes of its machine; a fraction where it mostly waits.
        num_gpus: Likewise.
        resources: Others that it takes, by name, so that it is placed where they are.
        restarts: How often each worker may be started again.
        lease: Seconds that a worker may be silent before others take over; None for the usual.
        patience: Seconds that nobody may be at work although there is something to do, or that the
            database may be away.
        progress: Print how far the run is, every few seconds.
        **options: In place of those that the run was loaded with: see RunOptions. Of each worker.

    Raises:
        ConfigurationError: Ray is not installed, the run asks for what is not given, or no machine of the cluster can
            have such a worker within the `patience`.
        JournalError: The database cannot be used, or has no such run.
        FiAsyncError: The key pair was refused; or the run is not done, and workers reached no server, or were lost more
            often than they may be started again.
    """
    ray = need("ray", _EXTRA, "fi_async.integrations.ray")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigurationError(f"workers must be a whole number from 1, not {workers!r}")
    kept = RunFile(run) if lease is None else RunFile(run, lease=lease)
    if kept.store is None:
        raise ConfigurationError("work() needs the URL of a database that ends in the run's name")
    shared_standing(kept.store)  # so that a wrong URL is told here, and once
    if not ray.is_initialized():
        ray.init()
    task = ray.remote(_work).options(
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        resources=dict(resources or {}),
        max_retries=restarts,
        name="fi_async.work",
    )
    given = _Given(kept, tuple(eval_templates), evaluator, dict(options))
    crew = _Crew(ray, kept.store, patience, progress)
    try:
        crew.refs = [task.remote(given) for _ in range(workers)]
        return crew.watch()
    finally:
        crew.end()


@dataclass(frozen=True)
class _Given:
    """What a worker is told. Its repr, which Ray may log, has neither the URL nor anything of the user's."""

    kept: RunFile = field(repr=False)
    templates: Sequence[TemplateLike] = field(repr=False)
    make: MakeEvaluator = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)


def _work(given: _Given) -> WorkReport:
    """Work on the run until it is done: in a process of Ray's."""

    async def work() -> WorkReport:
        async with given.make() as ev:
            return await ev.work(given.kept, given.templates, **given.options)

    return asyncio.run(work())


@dataclass(slots=True)
class _Crew:
    """The workers of a run, as the driver sees them."""

    ray: Any
    url: RunUrl
    patience: float
    shows: bool
    refs: list[Any] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _done: list[WorkReport] = field(default_factory=list)
    _failed: BaseException | None = None
    _shown_at: float = 0.0
    _shown_each: float = _SHOWN_EACH
    _at_work_at: float = field(default_factory=time.monotonic)

    def watch(self) -> RayReport:
        """Return once nobody works any more."""
        while self.refs:
            ended, self.refs = self.ray.wait(self.refs, num_returns=1, timeout=_TURN)
            for ref in ended:
                self._take(ref)
            if self.refs:
                self._look()
        report = self._report()
        if self._failed is not None and not report.is_complete:
            raise self._failed
        return report

    def _take(self, ref: Any) -> None:
        """Take what a worker came to. One that is lost, or whose machine reaches nobody, the others go on without."""
        errors = self.ray.exceptions
        try:
            self._done.append(self.ray.get(ref))
        except errors.RayTaskError as error:
            self._failed = _cause(error)
            if not isinstance(self._failed, APIConnectionError | JournalError):
                raise self._failed from None
        except errors.RayError as error:
            kind = type(error).__name__
            self._failed = FiAsyncError(
                f"{self.url}: workers are lost ({kind}), more often than restarts= allows; work() again goes on"
            )

    def _look(self) -> None:
        now = time.monotonic()
        is_shown = self.shows and now - self._shown_at >= self._shown_each
        try:
            standing = shared_standing(self.url)
            told = _told(standing, self.url) if is_shown else ""
        except JournalError:  # the workers wait for it as well
            if now - self._at_work_at > self.patience:
                raise
            if is_shown:
                self._show(now, "the database is away")
            return
        if is_shown:  # to count a large run takes the database a while: it is to have time for the workers
            self._shown_each = max(_SHOWN_EACH, _SHARE * (time.monotonic() - now))
        if standing.is_running:
            self._at_work_at = now
        elif now - self._at_work_at > self.patience:
            has = ", ".join(f"{name} {count:g}" for name, count in sorted(self.ray.cluster_resources().items()))
            raise ConfigurationError(
                f"no worker has been at work for {self.patience:g} s: ask for fewer workers, num_cpus, num_gpus or"
                f" resources, or wait longer for machines (patience=); the cluster has {has}"
            )
        if is_shown:
            self._show(now, told)

    def _show(self, now: float, text: str) -> None:
        print(f"fi_async: {text}", file=sys.stderr, flush=True)  # noqa: T201  # asked for
        self._shown_at = now

    def _report(self) -> RayReport:
        view, _ = count_run(self.url)
        with view:
            count = view.count()
        wall = time.monotonic() - self.began
        return RayReport(str(self.url), dict(count.statuses), count.pending, tuple(self._done), wall)

    def end(self) -> None:
        """Let no worker outlive this call: each may bring its requests under way to their end, for a bounded time."""
        refs, self.refs = self.refs, []
        if not refs:
            return
        for ref in refs:
            self.ray.cancel(ref)
        _, left = self.ray.wait(refs, num_returns=len(refs), timeout=_DRAIN)
        for ref in left:
            self.ray.cancel(ref, force=True)


def _cause(error: Any) -> BaseException:
    """Return what a worker raised, as it raised it."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else FiAsyncError(f"a worker of Ray failed: {type(error).__name__}")


def _told(standing: SharedStanding, url: RunUrl) -> str:
    working = [each for each in standing.workers if each.state == "working"]
    view, _ = count_run(url)
    with view:
        count = view.count()
    ended = sum(count.statuses.values())
    rate = sum(each.rate for each in working)
    paused = ", paused" if standing.control.paused else ""
    return f"{ended:,} of {ended + count.pending:,} ended, {len(working)} at work{paused}, {rate:,.0f} a second"


def load(
    dataset: Any,
    eval_templates: TemplatesLike,
    *,
    run: str,
    mapping: Mapping[str, str] | None = None,
    constants: Inputs | None = None,
    id_column: str | None = "id",
    evaluator: MakeEvaluator = AsyncEvaluator,
    eval_config: Mapping[str, Any] | None = None,
    **options: Unpack[RunKeywords],
) -> LoadReport:
    """Return what came of putting the rows of a Ray dataset into a run in a database. Evaluates nothing.

    Few rows are in memory at a time. Columns that no template takes are left out. A case's place in the run is its
    row's in the dataset, as that hands its rows out.

    Args:
        dataset: A `ray.data.Dataset`.
        eval_templates: One or several; each case is evaluated under each.
        run: The URL of a PostgreSQL database that ends in the run's name.
        mapping: The column that each key is taken from, where its name is another: `{"output": "answer"}`.
        constants: Keys that every case has, with their values.
        id_column: The column that holds the case's id; None: there is none.
        evaluator: Makes the client that checks templates.
        eval_config: The template's parameters; with several templates, those of each by its name.
        **options: The keywords that shape the run: see RunOptions. They are kept with it, for its workers.

    Raises:
        ConfigurationError, NotFoundError: An option, a column or a template's name is wrong.
        JournalError: The database cannot be used, or somebody loads the run already.
    """

    def cases() -> Iterator[Case]:
        for batch in dataset.iter_batches(batch_format="pyarrow", batch_size=_ROWS, prefetch_batches=1):
            yield from cases_from(batch, mapping=mapping, constants=constants, id_column=id_column)

    async def put() -> LoadReport:
        async with evaluator() as ev:
            return await ev.load(cases(), eval_templates, run=run, eval_config=eval_config, **options)

    return asyncio.run(put())


def dataset(run: str) -> Any:
    """Return the outcomes of a run as a Ray dataset, a row each, in the order of the cases.

    One task reads them from the database and hands them on in blocks, as they are asked for: in bounded memory. The
    columns are those of `fi-async export`; `dataset(run).write_parquet(path)` writes them.

    Args:
        run: The URL of the run. Its state is that of the moment at which the dataset is executed.

    Raises:
        ConfigurationError: Ray is not installed, or the URL names no run.
        JournalError: The database cannot be read, or has no such run.
    """
    data = need("ray.data", _EXTRA, "fi_async.integrations.ray.dataset")
    kept = RunFile(run)
    if kept.store is None:
        raise ConfigurationError("dataset() needs the URL of a database that ends in the run's name")
    facts(kept.store)  # so that a wrong URL is told here
    url = kept.store

    def outcomes(_: Any) -> Iterator[Any]:  # not with the URL as an argument: Ray exports arguments, field by field
        yield from _outcomes(url)

    # One block of one row: the task that takes it makes all the blocks there are.
    return data.range(1, override_num_blocks=1).map_batches(outcomes, batch_format="pyarrow")


def _outcomes(url: RunUrl) -> Iterator[Any]:
    """Yield a run's outcomes in tables of Arrow, of so many places each.

    A task that Ray starts again begins anew, and of its blocks those count that are not there yet. So each has the same
    cases whenever it is made, although more of them may have ended by then.
    """
    arrow = need("pyarrow", _EXTRA, "fi_async.integrations.ray.dataset")
    schema = arrow_schema(arrow)
    with open_run(url) as view:
        places = max(1, _ROWS // len(view.info.templates))
        blocks = groupby((record.outcome for record in view.records()), key=lambda each: each.index // places)
        made = 0
        for number, outcomes in blocks:
            for _ in range(made, number):
                yield arrow.Table.from_pylist([], schema=schema)
            yield arrow.Table.from_pylist([flat(each.to_dict()) for each in outcomes], schema=schema)
            made = number + 1
        if not made:
            yield arrow.Table.from_pylist([], schema=schema)  # the columns are known of no outcomes, too
