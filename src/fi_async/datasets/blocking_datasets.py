"""Datasets for programs that don't await: each method blocks until it is done."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, Unpack

from fi_async._loop_thread import loop_thread
from fi_async._public import public
from fi_async._settings import RunKeywords, not_picklable
from fi_async.datasets.collection import DatasetInfo, Datasets
from fi_async.datasets.dataset import Dataset
from fi_async.datasets.dataset_run import DatasetEvaluation, DatasetProgress, DatasetRun
from fi_async.sources.callers import callers_cases
from fi_async.sources.rows import Shape, Source
from fi_async.sources.tables import Items

if TYPE_CHECKING:
    from fi_async._statistics import Counts
    from fi_async.reports.report import Report
    from fi_async.runs.calls import TemplatesLike

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _as_of(method: Callable[..., Any]) -> Callable[[_Method], _Method]:
    """Return a decorator that gives a method the words of the one that it waits for."""

    def decorate(function: _Method) -> _Method:
        function.__doc__ = inspect.getdoc(method)
        return function

    return decorate


@public
class BlockingDatasetRun:
    """Evaluations of a dataset, for programs that don't await; see `DatasetRun`."""

    def __init__(self, run: DatasetRun) -> None:
        self._run = run

    def __repr__(self) -> str:
        return repr(self._run)

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    def __iter__(self) -> Iterator[DatasetProgress]:
        """Iterate over how far it is, until all evaluations have ended."""
        watched = aiter(self._run)
        while (progress := loop_thread.run(_next, watched)) is not None:
            yield progress

    @property
    def dataset_id(self) -> str:
        """The dataset's id."""
        return self._run.dataset_id

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the evaluations: columns of the dataset."""
        return self._run.names

    @property
    def counts(self) -> Counts:
        """What was asked of the server, as it goes."""
        return self._run.counts

    @property
    def evaluations(self) -> tuple[DatasetEvaluation, ...]:
        """How each evaluation stood when last asked."""
        return self._run.evaluations

    @_as_of(DatasetRun.wait)
    def wait(self) -> Report:
        """Return the report of all rows, once all evaluations have ended."""
        return loop_thread.run(self._run.wait)

    @_as_of(DatasetRun.status)
    def status(self) -> DatasetProgress:
        """Ask once how far the evaluations are."""
        return loop_thread.run(self._run.status)

    @_as_of(DatasetRun.report)
    def report(self) -> Report:
        """Return the outcomes as they are now."""
        return loop_thread.run(self._run.report)

    @_as_of(DatasetRun.stop)
    def stop(self) -> None:
        """Stop the evaluations."""
        loop_thread.run(self._run.stop)

    @_as_of(DatasetRun.retry_failed)
    def retry_failed(self) -> Self:
        """Have the rows without a verdict evaluated again, and return this run to wait for."""
        loop_thread.run(self._run.retry_failed)
        return self


async def _next(watched: Any) -> DatasetProgress | None:
    return await anext(watched, None)


@public
class BlockingDataset:
    """Rows on the platform, for programs that don't await; see `Dataset`."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __repr__(self) -> str:
        return repr(self._dataset)

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    @property
    def id(self) -> str:
        """The dataset's id on the platform."""
        return self._dataset.id

    @property
    def name(self) -> str:
        """Its name."""
        return self._dataset.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the rows that were uploaded here, in words."""
        return self._dataset.remarks

    @_as_of(Dataset.evaluate)
    def evaluate(
        self,
        eval_templates: TemplatesLike,
        *,
        mapping: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        eval_config: Mapping[str, Any] | None = None,
        error_localizer: bool = False,
        **options: Unpack[RunKeywords],
    ) -> BlockingDatasetRun:
        """Have every row evaluated on the platform, and return the run to wait for."""

        async def evaluate() -> DatasetRun:
            return await self._dataset.evaluate(
                eval_templates,
                mapping=mapping,
                names=names,
                eval_config=eval_config,
                error_localizer=error_localizer,
                **options,
            )

        return BlockingDatasetRun(loop_thread.run(evaluate))

    @_as_of(Dataset.attach)
    def attach(self, *names: str, start: bool = False, **options: Unpack[RunKeywords]) -> BlockingDatasetRun:
        """Return the run of evaluations that the dataset has."""

        async def attach() -> DatasetRun:
            return await self._dataset.attach(*names, start=start, **options)

        return BlockingDatasetRun(loop_thread.run(attach))

    @_as_of(Dataset.evaluations)
    def evaluations(self) -> list[DatasetEvaluation]:
        """Return the evaluations of the dataset."""
        return loop_thread.run(self._dataset.evaluations)

    @_as_of(Dataset.count)
    def count(self) -> int:
        """Return the number of rows that the platform has."""
        return loop_thread.run(self._dataset.count)

    @_as_of(Dataset.columns)
    def columns(self) -> dict[str, str]:
        """Return the ids of the columns by their names."""
        return loop_thread.run(self._dataset.columns)

    @_as_of(Dataset.statistics)
    def statistics(self) -> list[dict[str, Any]]:
        """Return the platform's own aggregates of the evaluations."""
        return loop_thread.run(self._dataset.statistics)

    @_as_of(Dataset.add_rows)
    def add_rows(self, cases: Any) -> int:
        """Add rows, each once, and return how many."""
        read_here = _read_here(cases)
        return loop_thread.run_serving(read_here, self._dataset.add_rows, cases if read_here is None else read_here)

    @_as_of(Dataset.download)
    def download(self) -> str:
        """Return the dataset as CSV."""
        return loop_thread.run(self._dataset.download)

    @_as_of(Dataset.delete)
    def delete(self) -> None:
        """Delete the dataset."""
        loop_thread.run(self._dataset.delete)


@public
class BlockingDatasets:
    """The datasets of a key pair, for programs that don't await: what `Evaluator().datasets` is; see `Datasets`."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets

    def __repr__(self) -> str:
        return repr(self._datasets)

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    @_as_of(Datasets.create)
    def create(
        self,
        cases: Any,
        *,
        name: str,
        model_type: str = "GenerativeLLM",
        resume: bool = False,
        **options: Unpack[RunKeywords],
    ) -> BlockingDataset:
        """Make a dataset of rows, and return it once the platform has them all."""
        read_here = _read_here(cases)

        async def create() -> Dataset:
            given = cases if read_here is None else read_here
            return await self._datasets.create(given, name=name, model_type=model_type, resume=resume, **options)

        return BlockingDataset(loop_thread.run_serving(read_here, create))

    @_as_of(Datasets.get)
    def get(self, name: str | None = None, *, id: str | None = None) -> BlockingDataset:  # noqa: A002  # as of Execution
        """Return a dataset by its name, or by its id."""

        async def get() -> Dataset:
            return await self._datasets.get(name, id=id)

        return BlockingDataset(loop_thread.run(get))

    @_as_of(Datasets.list)
    def list(self, search: str = "") -> list[DatasetInfo]:
        """Return the datasets, those whose names contain a text or all."""
        return loop_thread.run(self._datasets.list, search)

    @_as_of(Datasets.delete)
    def delete(self, name: str | None = None, *, id: str | None = None) -> None:  # noqa: A002  # as of get
        """Delete a dataset, with its rows and evaluations."""

        async def delete() -> None:
            await self._datasets.delete(name, id=id)

        loop_thread.run(delete)


def _read_here(cases: Any) -> Any:
    """Return the rows that the thread of the caller has to read; None if any thread may read them."""
    found = callers_cases(cases)
    if found is None or isinstance(cases, Source):
        return found
    # With the keys that a table's rows have, so that all columns go up.
    return callers_cases(Source(Items(cases), Shape(id_column=None)))
