"""Rows of JSON, a line or an array of them or a directory of files, one at a time; and what files have in common."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from fi_async._errors import ConfigurationError
from fi_async.sources.rows import TableRow, is_stored

_LOOKED_AT: Final = 50  # rows of a table without a header that tell its columns
_BLANK: Final = b" \t\r\n\f\v"
_NO_LINE: Final = (b"", codecs.BOM_UTF8)
_CSV_HEADER: Final = re.compile(rb'(?:"?[A-Za-z_][\w .-]*"?[,;\t])+"?[A-Za-z_][\w .-]*"?')
_TOO_MUCH: Final = "NaN, Infinity, or too large a number or nesting"
NOT_UTF8: Final = "not valid UTF-8: save the file as UTF-8"


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
            ConfigurationError: It is not UTF-8 but UTF-16, it begins as an array and is none; a stream begins as a CSV.
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
        if self.path is None and _CSV_HEADER.fullmatch(opening):
            raise ConfigurationError(
                f"{self.name}: begins as a CSV, and is read as JSON, an object a line: write it to a file .csv"
            )
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
            raise ConfigurationError(f"{self.name}: {NOT_UTF8}") from None
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
        return TableRow(place, None, NOT_UTF8, f"byte {error.start + 1}")
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
