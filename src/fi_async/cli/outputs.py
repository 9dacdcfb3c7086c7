"""Where outcomes are written: JSONL, CSV, ParquetWriter or SQLite, by the file's extension."""

from __future__ import annotations

import csv
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fi_async._extras import need
from fi_async._models import Outcome
from fi_async.cli.errors import ImpossibleError, UsageError
from fi_async.journal.schema import is_run
from fi_async.reports.outcome_tables import COLUMNS, arrow_schema, flat, inert
from fi_async.reports.run_files import BACKEND_NAMED, SHARD
from fi_async.sources.workbooks import WORKBOOKS

_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_ROWS_OF_A_GROUP: Final = 1000
_RUN: Final = "that is the file of a run, which keeps more than its outcomes"
_SQL_TYPES: Final = {int: "INTEGER", float: "REAL", bool: "INTEGER", str: "TEXT"}


_OTHERS: Final = WORKBOOKS | {".tsv"}
"""Extensions that promise another form than any that is written."""


def check_output(flag: str, path: Path, *inputs: Path) -> None:
    """Return if a file may be written there, or replaced, by a command that reads these inputs.

    Raises:
        UsageError: It is a directory, or in none; one of the inputs, or among the files of one; or a run's file.
    """
    if flag == "--out" and path.suffix.lower() in _OTHERS:
        raise UsageError(f"{flag} {path}: {path.suffix} is not written: name a .csv, .jsonl, .parquet or .sqlite file")
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise UsageError(f"{flag} {path}: {what}")
    for each in inputs:
        if path.exists() and each.exists() and path.samefile(each):
            raise UsageError(f"{flag} {path}: that is the input")
        if each.is_dir() and path.suffix == ".json" and path.parent.samefile(each):
            raise UsageError(f"{flag} {path}: the .json files there are the input: name another place or extension")
    if path.is_file() and is_run(path):
        raise UsageError(f"{flag} {path}: {_RUN}")


class OutputFile:
    """Writes outcomes to a file, each as it comes; to nothing if there is no path.

    A file that is there already is kept until the first outcome comes: a run that could not begin costs nothing.

    Args:
        path: The file; None for none.
        source: The file the rows come from, if it is one.
        run: The file that keeps the run, if one does.
        facts: What each line of JSONL says of its run, as `run_facts` returns it.

    Raises:
        UsageError: The path is that of the input or of a run, a directory, or in a directory that does not exist; or
            what is there is no database.
        ConfigurationError: The format needs a library that is not installed.
        ImpossibleError: It cannot be opened, as `write` and leaving raise where it cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        source: Path | None = None,
        run: Path | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = path
        self._facts = {} if facts is None else {"run": dict(facts)}
        self._writer: OutputWriter | None = None
        if path is None:
            return
        if run is not None and path.resolve() == run.resolve():
            raise UsageError(f"--out {path}: {_RUN}")
        check_output("--out", path, *([] if source is None else [source]))
        with self._explained():
            self._writer = _WRITERS.get(path.suffix.lower(), JsonlWriter)(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with self._explained():
                writer.close()

    def write(self, outcome: Outcome) -> None:
        """Write one outcome."""
        if self._writer is not None:
            with self._explained():
                self._writer.write({**outcome.to_dict(), **self._facts})

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Name the file in what goes wrong with it, and leave it as it is then."""
        try:
            yield
        except BrokenPipeError:
            raise  # nothing is wrong with a pipe that its reader has left
        except (OSError, sqlite3.Error) as error:
            writer, self._writer = self._writer, None
            if writer is not None:
                with suppress(Exception):  # of a file that is half written, there is nothing to add
                    writer.close()
            raise ImpossibleError(f"--out {self._path}: {getattr(error, 'strerror', None) or error}") from error


def run_facts(evaluations: int | None, *, is_named: bool, shard: Sequence[int] | None = None) -> dict[str, Any]:
    """Return what each line says of its run, so that whoever reads them can tell whether all are there.

    Args:
        evaluations: How many outcomes the run will have; None if nobody knows.
        is_named: False if nobody named the backend.
        shard: Which part of a run it is, and of how many; None if it is all of it.
    """
    return {"evaluations": evaluations, BACKEND_NAMED: is_named, **({} if shard is None else {SHARD: list(shard)})}


class OutputWriter(ABC):
    """Writes one format. Made before the run, so that it can refuse the path; what is there stays until `write`."""

    @abstractmethod
    def __init__(self, path: Path) -> None: ...

    @abstractmethod
    def write(self, outcome: dict[str, Any]) -> None:
        """Write an outcome's dict."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


class JsonlWriter(OutputWriter):
    """One JSON object a line, each written at once."""

    def __init__(self, path: Path) -> None:
        self._replaces = path.is_file()  # a pipe or a device has nothing to replace
        # A lone half of a surrogate pair, which JSON can name and UTF-8 cannot, is written as JSON names it.
        self._file = path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace", newline="")
        self._begun = False

    def write(self, outcome: dict[str, Any]) -> None:
        """Write a line."""
        if not self._begun:
            self._begun = True
            if self._replaces:
                self._file.truncate(0)
            self._begin()
        self._line(outcome)

    def _begin(self) -> None:
        """Write what comes before the first line."""

    def _line(self, outcome: dict[str, Any]) -> None:
        self._file.write(_JSON.encode(outcome) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CsvWriter(JsonlWriter):
    """One row a line, each written at once, after a header.

    Text that a spreadsheet would run as a formula gets an apostrophe before it: answers are written by strangers.
    """

    def _begin(self) -> None:
        self._rows = csv.writer(self._file)  # lines end in CR LF, as RFC 4180 has it
        self._rows.writerow(COLUMNS)

    def _line(self, outcome: dict[str, Any]) -> None:
        self._rows.writerow([inert(cell) for cell in flat(outcome).values()])


class ParquetWriter(OutputWriter):
    """A table in groups of rows. It can be read once the run has ended, by an interrupt too."""

    def __init__(self, path: Path) -> None:
        self._arrow = need("pyarrow", "fi-async[parquet]", f"--out {path}")
        self._parquet = need("pyarrow.parquet", "fi-async[parquet]", f"--out {path}")
        self._schema = arrow_schema(self._arrow)
        self._stream = path.open("ab")
        self._file: Any = None
        self._rows: list[dict[str, Any]] = []

    def write(self, outcome: dict[str, Any]) -> None:
        """Keep a row, and write a group of them when it is full."""
        if self._file is None:
            self._stream.seek(0)
            self._stream.truncate()
            self._file = self._parquet.ParquetWriter(self._stream, self._schema)
        self._rows.append(flat(outcome))
        if len(self._rows) >= _ROWS_OF_A_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        self._file.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        """Write what is left, and the footer."""
        with self._stream:
            if self._file is not None:
                if self._rows:
                    self._write_group()
                self._file.close()


class SqliteWriter(OutputWriter):
    """The table `outcomes`, each row committed at once; other tables of the database stay."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._begun = False
        try:
            # Commits without waiting for the disk: they survive the program, if not a power cut.
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise UsageError(f"--out {path}: {error}") from error

    def write(self, outcome: dict[str, Any]) -> None:
        """Insert a row."""
        if not self._begun:
            self._begun = True
            columns = ", ".join(f'"{name}" {_SQL_TYPES[kind]}' for name, kind in COLUMNS.items())
            self._database.execute("DROP TABLE IF EXISTS outcomes")
            self._database.execute(f"CREATE TABLE outcomes ({columns})")
        places = ", ".join("?" * len(COLUMNS))
        self._database.execute(f"INSERT INTO outcomes VALUES ({places})", list(flat(outcome).values()))  # noqa: S608  # our own text

    def close(self) -> None:
        """Close the database."""
        self._database.close()


_WRITERS: Final[dict[str, type[OutputWriter]]] = {
    ".csv": CsvWriter,
    ".parquet": ParquetWriter,
    ".sqlite": SqliteWriter,
    ".sqlite3": SqliteWriter,
    ".db": SqliteWriter,
}
