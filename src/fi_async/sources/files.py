"""Rows of JSONL and CSV files, and of directories of JSON files, one at a time, each with its line number."""

from __future__ import annotations

import codecs
import csv
import json
import logging
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from fi_async._errors import ConfigurationError
from fi_async.sources.rows import TableRow, distinct, is_stored

_log = logging.getLogger("fi_async.sources")

_LOOKED_AT: Final = 50  # rows of a table without a header that tell its columns
_MANY_LINES: Final = 200  # of a row of CSV: few texts are so long, and many rows are lost if a quote is missing
_LONGEST_CELL: Final = 2**31 - 1
_BLANK: Final = b" \t\r\n\f\v"
_NO_LINE: Final = (b"", codecs.BOM_UTF8)
_TOO_MUCH: Final = "NaN, Infinity, or too large a number or nesting"
_NOT_UTF8: Final = "not valid UTF-8: save the file as UTF-8"


@dataclass(frozen=True, slots=True)
class JsonTable:
    """One JSON object a line, or an array of them, or objects over several lines.

    Without a path it is a stream, which can be read once.
    """

    name: str
    open: Callable[[], BinaryIO]
    path: Path | None = None
    has_header: bool = False

    def records(self) -> Iterator[TableRow]:
        """Yield every line that is not blank, or every member of an array.

        Raises:
            ConfigurationError: It is not UTF-8 but UTF-16, it begins as an array and is none.
            OSError: It cannot be read.
        """
        with explained(self.name), self.open() as stream:
            lines = ((line, raw) for line, raw in enumerate(stream, 1) if raw.strip(_BLANK) not in _NO_LINE)
            head = list(islice(lines, 1))
            if self._is_document(head, lines):
                yield from self._of_document([*head, *lines])
            else:
                yield from map(self._of_line, chain(head, lines))

    def _is_document(self, head: list[tuple[int, bytes]], lines: Iterator[tuple[int, bytes]]) -> bool:
        """Tell whether a file, by its first line, is not one of an object a line, but an array or of longer objects.

        Only where that line leaves it open, the second is looked at, and then in `head` too: who writes a stream may
        wait for the outcome of the first.
        """
        opening = b"".join(raw for _, raw in head).removeprefix(codecs.BOM_UTF8).strip(_BLANK)
        refuse_utf16(self.name, opening)
        if not opening.startswith((b"[", b"{")):
            return False
        is_json = _is_json(opening)
        if opening.startswith(b"{") and is_json:
            return False
        head += islice(lines, 1)
        if opening.startswith(b"["):
            return len(head) == 1 or not is_json
        return len(head) > 1 and not _is_json(head[1][1])

    def _of_line(self, numbered: tuple[int, bytes]) -> TableRow:
        line, raw = numbered
        return _json_record(f"{self.name}, line {line}", raw, is_first=line == 1)

    def _of_document(self, lines: list[tuple[int, bytes]]) -> Iterator[TableRow]:
        """Yield the objects of an array, or of several lines each; line by line where it is neither."""
        text = b"".join(raw for _, raw in lines)
        try:
            values = _values_in(text.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ConfigurationError(f"{self.name}: {_NOT_UTF8}") from None
        except (ValueError, RecursionError) as error:
            if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                yield from map(self._of_line, lines)
                return
            said = f"{error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else _TOO_MUCH
            raise ConfigurationError(
                f"{self.name}: begins as a JSON array and is not valid JSON ({said}): mend it, or write one JSON object"
                " a line"
            ) from None
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        for position, value in enumerate(values):
            yield _object(f"{self.name}[{position}]", value)

    def columns(self) -> list[str] | None:
        """Return those of the first rows."""
        return _first_columns(self.records()) if is_stored(self.path) else None

    def count(self) -> int | None:
        """Return the number of rows, by a pass over the file."""
        if not is_stored(self.path):
            return None
        with explained(self.name), self.open() as stream:
            lines = ((line, raw) for line, raw in enumerate(stream, 1) if raw.strip(_BLANK) not in _NO_LINE)
            head = list(islice(lines, 1))
            if not self._is_document(head, lines):
                return len(head) + sum(1 for _ in lines)
        return sum(1 for _ in self.records())


@dataclass(frozen=True, slots=True)
class JsonFiles:
    """A directory of .json files, by name: an object is a row, a list one of several."""

    name: str
    path: Path
    has_header: bool = False

    def records(self) -> Iterator[TableRow]:
        """Yield every object; a file that cannot be read says why."""
        with explained(self.name):
            files = json_files(self.path)
        for file in files:
            place = f"{self.name.rstrip('/')}/{file.name}"
            try:
                raw = file.read_bytes()
            except OSError as error:
                yield TableRow(place, None, "cannot be read", error.strerror or type(error).__name__)
            else:
                yield from _json_records(place, raw)

    def columns(self) -> list[str] | None:
        """Return those of the first objects."""
        return _first_columns(self.records())

    def count(self) -> int | None:
        """Return the number of objects, by a pass over the files."""
        return sum(1 for _ in self.records())


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Comma-separated, with a header. A column without a name is nobody's, and left out."""

    name: str
    path: Path
    has_header: bool = True

    def records(self) -> Iterator[TableRow]:
        """Yield every row that is not empty.

        Raises:
            ConfigurationError: Its header cannot be used.
            OSError: It cannot be read.
        """
        with explained(self.name), closing(_csv_rows(self.name, self.path)) as rows:
            columns = _header(self.name, rows)
            for line, cells, problem in rows:
                self._remark(line, cells)
                yield _csv_record(f"{self.name}, line {line}", columns, cells, problem)

    def _remark(self, line: int, cells: list[str] | None) -> None:
        """Log a row of very many lines: two stray quotes far apart make one of all that is between them."""
        breaks = sum(cell.count("\n") for cell in cells or ())
        if breaks >= _MANY_LINES:
            _log.warning("%s, lines %d to %d are one row: is a quote missing?", self.name, line, line + breaks)

    def columns(self) -> list[str] | None:
        """Return the header.

        Raises:
            ConfigurationError: There is none that can be used.
        """
        if not is_stored(self.path):
            return None
        with explained(self.name), closing(_csv_rows(self.name, self.path)) as rows:
            return [column for column in _header(self.name, rows) if column]

    def count(self) -> int | None:
        """Return the number of rows that are not empty, by a pass over the file."""
        if not is_stored(self.path):
            return None
        with explained(self.name):
            return max(0, sum(1 for _ in _csv_rows(self.name, self.path)) - 1)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Name the file in what the system says of it.

    Raises:
        OSError: As the system did; its `filename` is what messages call the file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise OSError(f"{name}: {error}") from error
        raise OSError(error.errno, error.strerror, name) from error


def refuse_utf16(name: str, begin: bytes) -> None:
    """Return if a file does not begin as UTF-16 does.

    Raises:
        ConfigurationError: It does; the message says what makes UTF-8 of it.
    """
    is_marked = begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if is_marked or (len(begin) > 1 and b"\0" in begin[:2] and begin[:2] != b"\0\0"):
        raise ConfigurationError(
            f"{name}: UTF-16, as some Windows programs write: save it as UTF-8, such as with"
            f" iconv -f UTF-16 -t UTF-8 {name} > utf8{Path(name).suffix}"
        )


def json_files(directory: Path) -> list[Path]:
    """Return the .json files in a directory, by name."""
    return sorted(path for path in directory.glob("*.json") if path.is_file())


def _first_columns(records: Iterator[TableRow]) -> list[str] | None:
    rows = [record.values for record in islice(records, _LOOKED_AT) if record.values is not None]
    return list(dict.fromkeys(column for row in rows for column in row)) if rows else None


# JSON


def _json_record(place: str, raw: bytes, *, is_first: bool) -> TableRow:
    value = _parsed(place, raw.rstrip(), "utf-8-sig" if is_first else "utf-8")
    return value if isinstance(value, TableRow) else _object(place, value)


def _json_records(place: str, raw: bytes) -> Iterator[TableRow]:
    value = _parsed(place, raw, "utf-8-sig")
    if isinstance(value, TableRow):
        yield value
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield _object(f"{place}[{position}]", each)
    else:
        yield _object(place, value)


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _values_in(text: str) -> list[Any]:
    """Return the JSON values that a text has, one after the other."""
    values, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        else:
            value, at = _DECODER.raw_decode(text, at)
            values.append(value)
    return values


def _parsed(place: str, raw: bytes, encoding: str) -> Any:
    """Return the value, or a TableRow that says why there is none."""
    try:
        return _DECODER.decode(raw.decode(encoding))
    except UnicodeDecodeError as error:
        return TableRow(place, None, _NOT_UTF8, f"byte {error.start + 1}")
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        return TableRow(place, None, "not valid JSON", f"{error.msg}, {line}column {error.colno}")
    except (ValueError, RecursionError):
        return TableRow(place, None, "not valid JSON", _TOO_MUCH)


def _object(place: str, value: Any) -> TableRow:
    if isinstance(value, dict):
        return TableRow(place, value)
    return TableRow(place, None, f"not a JSON object but a {_JSON_NAMES[type(value)]}")


_JSON_NAMES: Final = {list: "list", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


# CSV


CsvRow = tuple[int, list[str] | None, str]


def _csv_rows(name: str, path: Path) -> Generator[CsvRow]:
    """Yield of every row that is not empty: the line it begins on, and its cells, or None and what is wrong.

    A quote that is never closed swallows what comes after it: each line of that is a row, and told.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with path.open("rb") as raw:
        refuse_utf16(name, raw.read(2))
    # What is no UTF-8 survives as lone surrogates, so that the row it is in can be named.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, strict=True)
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "unexpected end" in str(error):
                    yield from _swallowed(line, reader.line_num)
                else:
                    yield line, None, str(error)
            else:
                if cells is None:
                    return
                if cells:
                    yield line, cells, ""
            line = reader.line_num + 1


def _swallowed(first: int, last: int) -> Iterator[CsvRow]:
    yield first, None, "a quote that is opened is never closed"
    for line in range(first + 1, last + 1):
        yield line, None, f"swallowed by the quote that is opened in line {first} and never closed"


def _header(name: str, rows: Iterator[CsvRow]) -> list[str]:
    """Return the names of the columns; empty where one has none."""
    _, columns, problem = next(rows, (1, None, "the file is empty"))
    if not columns or not _is_text(columns):
        raise ConfigurationError(f"{name}: the first line must be the names of the columns: {problem or _NOT_UTF8}")
    columns = [column if column.strip() else "" for column in columns]
    distinct(name, filter(None, columns))
    return columns


def _csv_record(place: str, columns: list[str], cells: list[str] | None, problem: str) -> TableRow:
    if cells is None:
        return TableRow(place, None, "not valid CSV", problem)
    if not _is_text(cells):
        return TableRow(place, None, _NOT_UTF8)
    if any(cell.strip() for cell in cells[len(columns) :]):  # blank ones come of a comma at the end
        counted = f"{len(cells)} instead of {len(columns)}"
        return TableRow(place, None, "more cells than the header has columns", counted)
    return TableRow(place, {column: cell for column, cell in zip(columns, cells, strict=False) if column})


def _is_text(cells: list[str]) -> bool:
    return all(cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell) for cell in cells)
