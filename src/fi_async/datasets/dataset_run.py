"""DatasetRun: evaluations of a dataset that go on on the platform, watched from here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, Self

import anyio

from fi_async._errors import APIConnectionError, APIError, DatasetError, FiAsyncError, StalledError
from fi_async._models import Template
from fi_async._public import public
from fi_async._settings import RunOptions, not_picklable
from fi_async._statistics import Counts
from fi_async.datasets.dataset_calls import PASSING, DatasetCalls, Pace, is_passing
from fi_async.datasets.row_outcomes import EvaluatedColumn, in_places, outcomes_of
from fi_async.engine.attempts import Context, Steps, ask
from fi_async.engine.dataset_steps import evaluations_listed, started
from fi_async.engine.outcomes import DENIED
from fi_async.engine.session import Session
from fi_async.reports.report import Report
from fi_async.wire import dataset_replies as replies
from fi_async.wire import dataset_requests as requests
from fi_async.wire.dataset_replies import ListedEvaluation

_LAST_LOOK: Final = 30.0  # seconds that reading what is there may take once a call is over


@public
@dataclass(frozen=True, slots=True)
class DatasetEvaluation:
    """An evaluation of a dataset: a column of verdicts on the platform.

    Attributes:
        name: The column's.
        template: The template's name.
        status: In the platform's words: Inactive, NotStarted, Running, Completed or Error.
        id: On the platform.
    """

    name: str
    template: str
    status: str
    id: str


@public
@dataclass(frozen=True, slots=True)
class DatasetProgress:
    """How far the evaluations of a dataset are, at one moment.

    Attributes:
        evaluations: How each stands.
        rows: How many rows the dataset had when the run was begun here.
        scored: How many cells have a verdict so far, by the evaluation's name, as the platform counts them: cells that
            failed are not among them. None where it does not say.
        elapsed_s: Seconds since the run was begun, or come back to.
    """

    evaluations: tuple[DatasetEvaluation, ...]
    rows: int
    scored: Mapping[str, int | None]
    elapsed_s: float
    is_done: bool = False


@public
class DatasetRun:
    """Evaluations of a dataset, on the platform. `await` it for the report, or iterate over its progress.

    They go on there whatever becomes of this program: `datasets.get(name)` and `attach()` come back to them from any
    other.

    Attributes:
        dataset_id: The dataset's id.
        names: The names of the evaluations: columns of the dataset.
        counts: What was asked of the server, as it goes.

    Example:
        >>> async def report_of(run):
        ...     async for progress in run:
        ...         print(progress.scored, "of", progress.rows)
        ...     return await run
    """

    def __init__(
        self,
        session: Session,
        options: RunOptions,
        dataset_id: str,
        evaluated: Sequence[tuple[ListedEvaluation, Template]],
        *,
        rows: int,
        counts: Counts | None = None,
    ) -> None:
        self.dataset_id = dataset_id
        self.names = tuple(listed.name for listed, _ in evaluated)
        self.counts = counts or Counts()
        self._session = session
        self._options = options
        self._listed = {listed.id: listed for listed, _ in evaluated}
        self._templates = {listed.id: template for listed, template in evaluated}
        self._rows = rows
        self._stopped: set[str] = set()
        self._counts_cells = True
        self._began = anyio.current_time()

    def __repr__(self) -> str:
        said = ", ".join(f"{each.name}: {each.status}" for each in self._listed.values())
        return f"<DatasetRun of {self.dataset_id} {said}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    def __await__(self) -> Generator[Any, Any, Report]:
        """Wait for the report, as `wait()`."""
        return self.wait().__await__()

    def __aiter__(self) -> AsyncIterator[DatasetProgress]:
        """Iterate over how far it is: each time it is asked, until all evaluations have ended."""
        return self._watched()

    @property
    def evaluations(self) -> tuple[DatasetEvaluation, ...]:
        """How each evaluation stood when last asked."""
        return tuple(_shown(each) for each in self._listed.values())

    async def wait(self) -> Report:
        """Return the report of all rows, once all evaluations have ended.

        Every row has an outcome for each evaluation; a cell that failed, or that says nothing that can be understood,
        is a failure. The inputs of an outcome are the row as the platform has it.

        Raises:
            StalledError: Nothing moved for the time of `timeout` (600 s where it is not given), or the timeout of the
                call is over. Its `report` has what is done, with the rest as stalled. The evaluations go on: waiting
                again costs nothing more.
            NotFoundError: The dataset is gone.
            APIError: The server could not be asked.
        """
        async for _ in self._watched():
            pass
        return await self.report()

    async def status(self) -> DatasetProgress:
        """Ask once how far the evaluations are.

        Raises:
            DatasetError: One of them is not there any more.
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        return await self._status(self._calls())

    async def report(self) -> Report:
        """Return the outcomes as they are now: rows that are not evaluated yet are stalled.

        Raises:
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        return await self._report(self._calls())

    async def stop(self) -> None:
        """Stop the evaluations: rows that they have not come to end without a verdict. Those that ended stay.

        Raises:
            APIError: The server could not be asked.
        """

        def stopping(eval_id: str, context: Context) -> Steps[str]:
            return ask(requests.stop(self.dataset_id, eval_id), replies.done, context)

        calls = self._calls()
        await self._status(calls)
        under_way = [each.id for each in self._listed.values() if not each.is_done]
        await calls.conduct(*(lambda context, each=each: stopping(each, context) for each in under_way))
        self._stopped |= set(under_way)

    async def retry_failed(self) -> Self:
        """Have the rows without a verdict evaluated again, and return this run to wait for.

        Raises:
            DatasetError: An evaluation is under way, or not there any more.
            APIError, AmbiguousError: They could not be started, or nobody knows.
        """
        calls = self._calls()
        await self._status(calls)
        before = list(self._listed.values())
        if busy := [each.name for each in before if each.is_started and not each.is_done]:
            raise DatasetError(
                f"the evaluation {busy[0]!r} is under way: wait for it, or stop it, and then have the rest evaluated",
                dataset_id=self.dataset_id,
            )
        await calls.one(lambda context: started(self.dataset_id, before, context, failed_only=True))
        self._stopped.clear()
        self._began = anyio.current_time()
        return self

    def _calls(self, options: RunOptions | None = None) -> DatasetCalls:
        return DatasetCalls(self._session, options or self._options, self.counts)

    async def _watched(self) -> AsyncIterator[DatasetProgress]:
        calls = self._calls()
        pace = Pace(calls)
        before: object = None
        ended, trouble = 0, None
        while True:
            try:
                progress = await self._status(calls)
            except PASSING as error:
                if not is_passing(error):
                    raise
                trouble = error  # they go on without us: what was in the way of knowing may pass
            else:
                yield progress
                if progress.is_done:
                    return
                if (said := (progress.evaluations, progress.scored)) != before:
                    pace.moved()
                before = said
            if await pace.rest():
                continue
            # The platform's own count may stand still while cells are filled: the table tells.
            now = await self._ended_cells() if anyio.current_time() < calls.deadline else ended
            if now <= ended:
                raise await self._stalled(pace) from trouble
            ended = now
            pace.moved()

    async def _status(self, calls: DatasetCalls) -> DatasetProgress:
        listed = await calls.one(lambda context: evaluations_listed(self.dataset_id, context))
        found = {each.id: each for each in listed if each.id in self._listed}
        if gone := [each.name for each in self._listed.values() if each.id not in found]:
            raise DatasetError(
                f"the dataset has no evaluation {gone[0]!r} any more: somebody deleted it", dataset_id=self.dataset_id
            )
        self._listed = {identity: found[identity] for identity in self._listed}
        is_done = all(each.is_done for each in self._listed.values())
        scored = {} if is_done else await self._scored(calls)
        return DatasetProgress(
            self.evaluations,
            self._rows,
            {each.name: scored.get(each.id) for each in self._listed.values()},
            anyio.current_time() - self._began,
            is_done,
        )

    async def _scored(self, calls: DatasetCalls) -> Mapping[str, int]:
        """Return how many cells have a verdict, as far as the platform says: nothing depends on it."""
        if not self._counts_cells:
            return {}
        try:
            return await calls.fetch(requests.statistics(self.dataset_id), replies.cells_scored)
        except (*DENIED, APIConnectionError):
            raise
        except APIError:
            self._counts_cells = False
            return {}

    async def _ended_cells(self) -> int:
        """Return how many cells have come to an end; 0 if nobody can tell."""
        try:
            report = await self._report(self._calls(self._unbounded()))
        except PASSING:
            return 0
        return sum(1 for outcome in report.outcomes if not isinstance(outcome.error, StalledError))

    def _unbounded(self) -> RunOptions:
        """Return options for a last look, when a call is over."""
        return replace(self._options, timeout=replace(self._options.timeout, call=_LAST_LOOK))

    async def _report(self, calls: DatasetCalls) -> Report:
        columns, rows, first = await calls.table(self.dataset_id)
        evaluated = [
            EvaluatedColumn(each, self._templates[each.id], each.id in self._stopped) for each in self._listed.values()
        ]
        outcomes = outcomes_of(in_places(self.dataset_id, rows), columns, evaluated, first.reply, self.dataset_id)
        self._rows = len(rows)
        return Report(outcomes, anyio.current_time() - self._began, self.counts)

    async def _stalled(self, pace: Pace) -> StalledError:
        said = ", ".join(f"{each.name!r} is {each.status}" for each in self._listed.values() if not each.is_done)
        error = StalledError(
            f"not done after {pace.age:.3g} s: {said}. They go on on the platform: wait again, or come back by"
            f" datasets.get(id={self.dataset_id!r}) and attach()",
            dataset_id=self.dataset_id,
        )
        with suppress(FiAsyncError):  # what is there is told, if it can be read
            error.report = await self._report(self._calls(self._unbounded()))
        return error


def _shown(listed: ListedEvaluation) -> DatasetEvaluation:
    return DatasetEvaluation(listed.name, listed.template, listed.status, listed.id)
