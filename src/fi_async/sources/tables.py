"""Rows of Parquet files, of frames, of Hugging Face datasets and of any iterable, one at a time.

A cell that is missing (null, NaN, NaT) leaves its key out: frames have no other way to say that a row has no such
input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from fi_async._errors import ConfigurationError
from fi_async._extras import need
from fi_async._models import Case, Inputs
from fi_async._values import NotPlainError, plain
from fi_async.sources.rows import Table, TableCase, TableRow, distinct

_ROWS_AT_ONCE: Final = 256
_FRAME_LIBRARIES: Final = frozenset({"cudf", "modin", "narwhals", "pandas", "polars", "pyarrow"})
_FRAMES: Final = frozenset({"DataFrame", "LazyFrame", "Table"})


class HasColumns(Protocol):
    """A frame, as type checkers see it."""

    @property
    def columns(self) -> Any:
        """Its columns."""


class HasColumnNames(Protocol):
    """An Arrow table or a Hugging Face dataset, as type checkers see it."""

    @property
    def column_names(self) -> Any:
        """Its columns."""


def present(cells: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the cells that are not missing, as plain values; one that has no such form as it is."""
    found = ((column, _cell(value)) for column, value in cells)
    return {column: value for column, value in found if value is not None}


def _cell(value: Any) -> Any:
    try:
        return plain(value)
    except NotPlainError:
        return value  # preflight refuses it, if a template takes it


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file, a part of a row group at a time."""

    name: str
    path: Path
    has_header: bool = True

    def records(self) -> Iterator[TableRow]:
        """Yield every row, counted from 0.

        Raises:
            ConfigurationError: The file is damaged: what comes after, nobody can read.
        """
        position = 0
        with self._opened() as file:
            batches = file.iter_batches(batch_size=_ROWS_AT_ONCE)
            while True:
                try:
                    batch = next(batches, None)
                    rows = [] if batch is None else batch.to_pylist()
                except Exception as error:  # whatever a library makes of such bytes
                    raise ConfigurationError(f"{self.name}: damaged from row {position} on ({error})") from error
                for row in rows:
                    yield TableRow(f"{self.name}, row {position}", present(row.items()))
                    position += 1
                if batch is None:
                    return

    def columns(self) -> list[str] | None:
        """Return the columns of the schema."""
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def count(self) -> int | None:
        """Return the number of rows that the file says it has."""
        with self._opened() as file:
            return int(file.metadata.num_rows)

    def _opened(self) -> Any:
        parquet = need("pyarrow.parquet", "fi-async[parquet]", "reading Parquet")
        try:
            file = parquet.ParquetFile(self.path)
            names = file.schema_arrow.names
        except Exception as error:
            if getattr(error, "errno", None) is not None:
                raise  # the system's, and names the file; Arrow has no number of its own
            raise ConfigurationError(f"{self.name}: not a Parquet file ({error})") from error
        distinct(self.name, names)
        return file


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of any library that narwhals knows. A lazy one is collected first."""

    frame: Any
    name: str = "the frame"
    path: None = None
    has_header: bool = True

    def records(self) -> Iterator[TableRow]:
        """Yield every row, counted from 0, not by the frame's index."""
        narwhal = self._eager()
        columns = [str(column) for column in narwhal.columns]
        for position, cells in enumerate(narwhal.iter_rows(buffer_size=_ROWS_AT_ONCE)):
            yield TableRow(f"row {position}", present(zip(columns, cells, strict=True)))

    def columns(self) -> list[str] | None:
        """Return the columns."""
        return [str(column) for column in self._known().collect_schema().names()]

    def count(self) -> int | None:
        """Return the number of rows; None of a lazy frame, which would have to be collected."""
        known = self._known()
        return len(known) if hasattr(known, "iter_rows") else None

    def _known(self) -> Any:
        narwhals = need("narwhals", "fi-async[frames]", "reading a frame")
        try:
            return narwhals.from_native(self.frame)
        except narwhals.exceptions.DuplicateError as error:
            said = " ".join(str(error).split())
            raise ConfigurationError(f"{self.name}: two columns have one name: rename one ({said})") from error

    def _eager(self) -> Any:
        known = self._known()
        return known if hasattr(known, "iter_rows") else known.collect()


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A `datasets.Dataset`, or an iterable one."""

    dataset: Any
    name: str = "the dataset"
    path: None = None
    has_header: bool = True

    def records(self) -> Iterator[TableRow]:
        """Yield every row, counted from 0."""
        for position, row in enumerate(self._in_python()):
            if isinstance(row, Mapping):
                yield TableRow(f"row {position}", present(row.items()))
            else:  # of a transform of the caller's
                fault = f"the dataset's transform makes a {type(row).__name__} of it, not a dict of cells by column"
                yield TableRow(f"row {position}", None, fault)

    def _in_python(self) -> Iterable[Any]:
        """Return the dataset with rows that are dicts of values: in other formats they are frames, or of tensors."""
        rows: Iterable[Any] = self.dataset
        said = getattr(self.dataset, "format", None)
        if said is not None and said["type"] not in (None, "python", "custom"):  # a transform is the caller's wish
            rows = self.dataset.with_format(None, said["columns"], said["output_all_columns"])
        elif said is None and hasattr(self.dataset, "with_format"):  # an iterable one does not tell
            rows = self.dataset.with_format(None)
        return rows

    def columns(self) -> list[str] | None:
        """Return the columns; None if an iterable one does not know them."""
        names = self.dataset.column_names
        return None if names is None else list(names)

    def count(self) -> int | None:
        """Return the number of rows; None of an iterable one."""
        return len(self.dataset) if isinstance(self.dataset, Sized) else None


@dataclass(frozen=True, slots=True)
class Items:
    """Any iterable of dicts or Cases. None in a dict stays: preflight refuses it, and says so."""

    items: Iterable[Inputs | Case]
    name: str = "the cases"
    path: None = None
    has_header: bool = False

    def records(self) -> Iterator[TableRow]:
        """Yield every member, counted from 0."""
        for position, item in enumerate(self.items):
            case = item if isinstance(item, Case) else Case(item)
            if isinstance(case, TableCase) and case.fault is not None:
                yield TableRow(case.place, None, case.fault, case.detail)
            else:
                yield _record(f"case {position}", case)

    def columns(self) -> list[str] | None:
        """Return None: there are none before all is read."""

    def count(self) -> int | None:
        """Return the number of members, where it is known."""
        return len(self.items) if isinstance(self.items, Sized) else None


def _record(place: str, case: Case) -> TableRow:
    if not isinstance(case.inputs, Mapping):
        fault = f"not a dict of inputs by key, nor a Case of one, but {type(case.inputs).__name__}"
        return TableRow(place, None, fault, id=case.id)
    try:
        inputs = case.inputs if type(case.inputs) is dict else dict(case.inputs)
    except Exception as error:  # noqa: BLE001  # of a class of the user's: it ends this case, and not the run
        return TableRow(place, None, f"its inputs cannot be read ({type(error).__name__})", id=case.id)
    return TableRow(place, inputs, id=case.id, is_of_table=isinstance(case, TableCase) and case.is_of_table)


def in_memory(source: object) -> Table | None:
    """Return the table that a frame or a dataset is; None if it is neither. Imports no library.

    Raises:
        ConfigurationError: It is a dict of datasets; the message names its splits.
    """
    for cls in type(source).__mro__:
        library = cls.__module__.partition(".")[0]
        if library in _FRAME_LIBRARIES and cls.__name__ in _FRAMES:
            return Frame(source)
        if library == "datasets" and cls.__name__ in ("Dataset", "IterableDataset"):
            return HubDataset(source)
        if library == "datasets" and cls.__name__ in ("DatasetDict", "IterableDatasetDict"):
            splits = list(map(repr, source)) if isinstance(source, Mapping) else ["…"]
            raise ConfigurationError(
                f"choose one split of the dataset, such as dataset[{splits[0]}]; it has {', '.join(splits)}"
            )
    return None
