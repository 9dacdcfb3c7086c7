"""Rows of JSONL and CSV files, and of directories of JSON files, one at a time, each with its line number."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from fi_async._errors import ConfigurationError
from fi_async.sources.rows import Record, distinct, is_stored

_LOOKED_AT: Final = 50  # rows of a table without a header that tell its columns
_LONGEST_CELL: Final = 2**31 - 1
_MANY_LINES: Final = 100  # in one cell
_NOT_UTF8: Final = "not valid UTF-8: save the file as UTF-8"


UNCLOSED_QUOTE: Final = "and never closed"
"""What the fault of a CSV row says whose quote swallowed the rest of the file."""


@dataclass(frozen=True, slots=True)
class Jsonl:
    """One JSON object a line. Without a path it is a stream, which can be read once."""

    name: str
    open: Callable[[], BinaryIO]
    path: Path | None = None
    has_header: bool = False

    def records(self) -> Iterator[Record]:
        """Yield every line that is not blank."""
        with self.open() as stream:
            for line, raw in enumerate(stream, 1):
                if raw.strip():
                    yield _json_record(f"{self.name}, line {line}", raw, is_first=line == 1)

    def columns(self) -> list[str] | None:
        """Return those of the first rows."""
        return _first_columns(self.records()) if is_stored(self.path) else None

    def count(self) -> int | None:
        """Return the number of lines that are not blank, by a pass over the file."""
        if not is_stored(self.path):
            return None
        with self.open() as stream:
            return sum(1 for line in stream if line.strip())


@dataclass(frozen=True, slots=True)
class JsonFiles:
    """A directory of .json files, by name: an object is a row, a list one of several."""

    name: str
    path: Path
    has_header: bool = False

    def records(self) -> Iterator[Record]:
        """Yield every object."""
        for file in json_files(self.path):
            yield from _json_records(f"{self.name.rstrip('/')}/{file.name}", file.read_bytes())

    def columns(self) -> list[str] | None:
        """Return those of the first objects."""
        return _first_columns(self.records())

    def count(self) -> int | None:
        """Return the number of objects, by a pass over the files."""
        return sum(1 for _ in self.records())


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma-separated, with a header."""

    name: str
    path: Path
    has_header: bool = True

    def records(self) -> Iterator[Record]:
        """Yield every row that is not empty."""
        with closing(_csv_rows(self.path)) as rows:
            columns = _header(self.name, rows)
            for line, cells, problem in rows:
                yield _csv_record(f"{self.name}, line {line}", columns, cells, problem)

    def columns(self) -> list[str] | None:
        """Return the header.

        Raises:
            ConfigurationError: There is none that can be used.
        """
        if not is_stored(self.path):
            return None
        with closing(_csv_rows(self.path)) as rows:
            return _header(self.name, rows)

    def count(self) -> int | None:
        """Return the number of rows that are not empty, by a pass over the file."""
        if not is_stored(self.path):
            return None
        return max(0, sum(1 for _ in _csv_rows(self.path)) - 1)


def json_files(directory: Path) -> list[Path]:
    """Return the .json files in a directory, by name."""
    return sorted(path for path in directory.glob("*.json") if path.is_file())


def _first_columns(records: Iterator[Record]) -> list[str] | None:
    rows = [record.values for record in islice(records, _LOOKED_AT) if record.values is not None]
    return list(dict.fromkeys(column for row in rows for column in row)) if rows else None


# JSON


def _json_record(place: str, raw: bytes, *, is_first: bool) -> Record:
    value = _parsed(place, raw.rstrip(), "utf-8-sig" if is_first else "utf-8")
    return value if isinstance(value, Record) else _object(place, value)


def _json_records(place: str, raw: bytes) -> Iterator[Record]:
    value = _parsed(place, raw, "utf-8-sig")
    if isinstance(value, Record):
        yield value
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield _object(f"{place}[{position}]", each)
    else:
        yield _object(place, value)


def _parsed(place: str, raw: bytes, encoding: str) -> Any:
    """Return the value, or a Record that says why there is none."""
    try:
        return json.loads(raw.decode(encoding), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        return Record(place, None, _NOT_UTF8, f"byte {error.start + 1}")
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        return Record(place, None, "not valid JSON", f"{error.msg}, {line}column {error.colno}")
    except (ValueError, RecursionError):
        return Record(place, None, "not valid JSON", "NaN, Infinity, or too large a number or nesting")


def _object(place: str, value: Any) -> Record:
    if isinstance(value, dict):
        return Record(place, value)
    return Record(place, None, f"not a JSON object but a {_JSON_NAMES[type(value)]}")


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


def _csv_rows(path: Path) -> Generator[CsvRow]:
    """Yield of every row that is not empty: the line it begins on, and its cells, or None; and what is wrong or odd."""
    csv.field_size_limit(_LONGEST_CELL)
    # What is no UTF-8 survives as lone surrogates, so that the row it is in can be named.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, strict=True)
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                is_unclosed = "unexpected end of data" in str(error)
                yield line, None, _unclosed(path, line) if is_unclosed else str(error)
            else:
                if cells is None:
                    return
                if cells:
                    longest = reader.line_num - line >= _MANY_LINES - 1 and max(
                        len(each.splitlines()) for each in cells
                    )
                    is_odd = longest and longest >= _MANY_LINES
                    yield line, cells, f"a cell of {longest:,} lines: is a quote before it left out?" if is_odd else ""
            line = reader.line_num + 1


def _unclosed(path: Path, first: int) -> str:
    """Return where the quote opens that the file ends in, in the row that begins on this line."""
    is_open, opened, before = False, first, ""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        for number, line in enumerate(islice(text, first - 1, None), first):
            for letter in line:
                if letter == '"' and (is_open or before in ("", ",", '"')):
                    opened = opened if is_open or before == '"' else number  # "" within quotes opens none
                    is_open = not is_open
                before = letter
            before = before if is_open else ""
    return f"a quote is opened in line {opened} {UNCLOSED_QUOTE}"


def _header(name: str, rows: Iterator[CsvRow]) -> list[str]:
    _, columns, problem = next(rows, (1, None, "the file is empty"))
    if not columns or not _is_text(columns):
        raise ConfigurationError(f"{name}: the first line must be the names of the columns: {problem or _NOT_UTF8}")
    return distinct(name, columns)


def _csv_record(place: str, columns: list[str], cells: list[str] | None, problem: str) -> Record:
    if cells is None:
        return Record(place, None, "not valid CSV", problem)
    if not _is_text(cells):
        return Record(place, None, _NOT_UTF8)
    if len(cells) > len(columns):
        counted = f"{len(cells)} instead of {len(columns)}"
        return Record(place, None, "more cells than the header has columns", counted)
    return Record(place, dict(zip(columns, cells, strict=False)), remark=problem)


def _is_text(cells: list[str]) -> bool:
    return all(cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell) for cell in cells)
