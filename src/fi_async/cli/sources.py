"""Rows of JSONL and CSV files as cases, one at a time, each with its line number.

A row that cannot be read is a Row with a fault: it goes through the run as any other, and ends as invalid.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from fi_async._models import Case, Inputs
from fi_async.cli.errors import UsageError

STDIN: Final = "<stdin>"
_LOOKED_AT: Final = 50  # rows of a JSONL file that tell its columns
_LONGEST_CELL: Final = 2**31 - 1

Mapped = Mapping[str, str]
"""The column that each key is taken from, where its name is another."""


@dataclass(frozen=True, slots=True)
class Row(Case):
    """A case that knows where it stands in its file.

    Attributes:
        given: The row as the file has it; None if it cannot be read.
        line: The line it begins on, from 1.
        fault: Why it cannot be read; None if it can.
        detail: Where in the line, if known.
    """

    given: Inputs | None = None
    line: int = 0
    fault: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows.

    Attributes:
        name: As the user wrote it; "stdin" for that.
        path: None for stdin.
        is_csv: CSV with a header; else JSONL.
        mapped: See Mapped.
        limit: Read no more rows than this; None for all.
    """

    name: str
    path: Path | None
    is_csv: bool
    mapped: Mapped = field(default_factory=dict)
    limit: int | None = None

    @property
    def is_file(self) -> bool:
        """True if it can be read more than once, and reading does not wait for anybody."""
        return self.path is not None and self.path.is_file()

    def rows(self) -> Generator[Row]:
        """Yield every row, one at a time."""
        with self._opened() as stream:
            yield from islice(self._read(stream), self.limit)

    def count(self) -> int | None:
        """Return the number of rows, by a pass over the file; None if it cannot be read twice."""
        if not self.is_file:
            return None
        with self._opened() as stream:
            counted = _csv_rows(stream) if self.is_csv else (line for line in stream if line.strip())
            return sum(1 for _ in islice(counted, self.limit))

    def columns(self) -> list[str] | None:
        """Return the columns: a CSV's by its header, a JSONL's by its first rows; None if not known.

        Raises:
            UsageError: The CSV has no header that can be used.
        """
        if not self.is_file:
            return None
        with self._opened() as stream:
            if self.is_csv:
                return _header(self.name, _csv_rows(stream))
            rows = [row.given for row in islice(self._read(stream), _LOOKED_AT) if row.given is not None]
            return list(dict.fromkeys(column for row in rows for column in row)) if rows else None

    def _opened(self) -> BinaryIO:
        if self.path is not None:
            return self.path.open("rb")
        try:
            # Not sys.stdin's own buffer: a thread that waits in it would keep Python from ending.
            return open(sys.stdin.fileno(), "rb", closefd=False)
        except io.UnsupportedOperation:
            return sys.stdin.buffer

    def _read(self, stream: BinaryIO) -> Iterator[Row]:
        return _from_csv(self.name, stream, self.mapped) if self.is_csv else _from_jsonl(stream, self.mapped)


def source_of(file: str, limit: int | None) -> Source:
    """Return the source that the user named.

    Raises:
        UsageError: There is no such file, or its extension is not known.
    """
    if file == STDIN:
        return Source("stdin", None, is_csv=False, limit=limit)
    path = Path(file)
    if path.is_dir() or not path.exists():
        raise UsageError(f"{file}: {'a directory, not a file' if path.is_dir() else 'no such file'}")
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".csv"):
        hint = f" (jq -c '.[]' {file} makes one of a JSON array)" if kind == ".json" else ""
        raise UsageError(f"{file}: give a .csv file, or a .jsonl file with one JSON object a line{hint}")
    return Source(file, path, is_csv=kind == ".csv", limit=limit)


def _bad(line: int, fault: str, detail: str = "") -> Row:
    # None is no set of inputs: whoever admits cases to the run turns it away, and counts it.
    return Row(cast("Inputs", None), line=line, fault=fault, detail=detail)


def _good(values: Mapping[str, Any], line: int, mapped: Mapped) -> Row:
    inputs = {column: value for column, value in values.items() if column != "id" and column not in mapped}
    inputs |= {key: values[column] for key, column in mapped.items() if column in values}
    own_id = values.get("id")
    return Row(inputs, None if own_id is None else str(own_id), given=values, line=line)


# JSONL


def _from_jsonl(stream: BinaryIO, mapped: Mapped) -> Iterator[Row]:
    for line, raw in enumerate(stream, 1):
        if raw.strip():
            yield _json_row(raw, line, mapped)


def _json_row(raw: bytes, line: int, mapped: Mapped) -> Row:
    try:
        text = raw.rstrip().decode("utf-8-sig" if line == 1 else "utf-8")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        return _bad(line, "not valid UTF-8", f"byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return _bad(line, "not valid JSON", f"{error.msg}, column {error.colno}")
    except (ValueError, RecursionError):
        return _bad(line, "not valid JSON", "a number or a nesting beyond what JSON readers take")
    if not isinstance(value, dict):
        return _bad(line, f"not a JSON object but a {_JSON_NAMES[type(value)]}")
    return _good(value, line, mapped)


_JSON_NAMES: Final = {list: "list", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


# CSV


CsvRow = tuple[int, list[str] | None, str]


def _csv_rows(stream: BinaryIO) -> Iterator[CsvRow]:
    """Yield of every row that is not empty: the line it begins on, and its cells, or None and what is wrong."""
    csv.field_size_limit(_LONGEST_CELL)
    # What is no UTF-8 survives as lone surrogates, so that the row it is in can be named.
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, strict=True)
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield line, None, str(error)
            else:
                if cells is None:
                    return
                if cells:
                    yield line, cells, ""
            line = reader.line_num + 1


def _header(name: str, rows: Iterator[CsvRow]) -> list[str]:
    _, columns, problem = next(rows, (1, None, "the file is empty"))
    if not columns or not _is_text(columns):
        raise UsageError(f"{name}: the first line must be the names of the columns: {problem or 'not valid UTF-8'}")
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UsageError(f"{name}: the first line names the column {twice[0]!r} twice")
    return columns


def _from_csv(name: str, stream: BinaryIO, mapped: Mapped) -> Iterator[Row]:
    rows = _csv_rows(stream)
    columns = _header(name, rows)
    for line, cells, problem in rows:
        if cells is None:
            yield _bad(line, "not valid CSV", problem)
        elif not _is_text(cells):
            yield _bad(line, "not valid UTF-8")
        elif len(cells) > len(columns):
            yield _bad(line, "more cells than the header has columns", f"{len(cells)} instead of {len(columns)}")
        else:
            yield _good(dict(zip(columns, cells, strict=False)), line, mapped)


def _is_text(cells: list[str]) -> bool:
    return all(cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell) for cell in cells)
