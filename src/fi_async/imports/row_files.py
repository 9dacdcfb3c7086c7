"""The rows of a file of another tool: JSON objects a line, or the elements of an array somewhere in a document."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from fi_async._errors import ConfigurationError
from fi_async.imports.json_stream import MOST_CHARACTERS, JsonReader, StreamError
from fi_async.reports.run_files import LINES
from fi_async.sources.files import NOT_UTF8, explained, refuse_utf16

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_LOOKED_AT: Final = 1_000_000  # bytes of a first line that tell what a file is


class RawRow(NamedTuple):
    """A row before anybody looked at what it means.

    Attributes:
        place: Where it stands.
        value: The JSON object; None if it cannot be read.
        fault: Why not.
    """

    place: str
    value: Any
    fault: str = ""


class RowFile:
    """The file of another tool. Its rows are the members of arrays at one of several paths, or its lines.

    Args:
        path: The file.
        paths: Where in a document its rows are, such as ("results", "results"); () for an array of them.
        kept: Keys beside the rows, at any object on the way to them, whose values are kept in `facts`.
        lines_only: True if it cannot be a document.

    Attributes:
        facts: What was kept so far, by key.
        read: How many rows were read.
    """

    def __init__(
        self, path: Path, paths: Collection[tuple[str, ...]], kept: Collection[str] = (), *, lines_only: bool = False
    ) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self.read = 0
        self._paths, self._kept, self._lines_only = paths, kept, lines_only
        self._found_rows = False

    def rows(self) -> Iterator[RawRow]:
        """Yield every row; one that cannot be read says why.

        Raises:
            ConfigurationError: The file is cut off, no JSON, or has no rows where they should be; the message says how
                many were read.
            OSError: It cannot be read.
        """
        with explained(str(self.path)), self.path.open("rb") as file:
            if self._lines_only or self._has_lines(file):
                yield from self._of_lines(file)
                return
            try:
                yield from self._of_document(JsonReader(file))
            except StreamError as error:
                raise self._refusal(str(error)) from None

    def _has_lines(self, file: BinaryIO) -> bool:
        """Tell whether the file has an object a line, and go back to its beginning."""
        first = file.readline(_LOOKED_AT).strip(_BLANK)
        second = file.readline(2)
        file.seek(0)
        refuse_utf16(str(self.path), first)
        if self.path.suffix.lower() in LINES:
            return True
        try:
            return bool(second) and isinstance(json.loads(first), dict)
        except (ValueError, RecursionError):
            return False

    def facts_beside_rows(self) -> None:
        """Read the whole document for `facts`, and pass over its rows; nothing of a file of lines.

        What is wrong with the document is for `rows` to say.

        Raises:
            OSError: It cannot be read.
        """
        with explained(str(self.path)), self.path.open("rb") as file, suppress(StreamError):
            if not self._lines_only and not self._has_lines(file):
                for _ in self._within(JsonReader(file), (), skips=True):
                    pass

    # Lines

    def _of_lines(self, file: BinaryIO) -> Iterator[RawRow]:
        for number in count(1):
            raw = file.readline(MOST_CHARACTERS + 1)
            if not raw:
                return
            if len(raw) > MOST_CHARACTERS:
                raise self._refusal(f"line {number} has more than {MOST_CHARACTERS:,} bytes")
            if not raw.strip(_BLANK):
                continue
            row = self._of_line(f"{self.path.name}, line {number}", raw)
            if row.fault and not raw.endswith(b"\n") and number > 1:
                raise self._refusal(f"its last line, {number}, is cut off ({row.fault})")
            yield from self._unpacked(row)

    def _unpacked(self, row: RawRow) -> Iterator[RawRow]:
        """Yield the row of a line; or the rows of a page of them, if it is one."""
        data = row.value.get("data") if isinstance(row.value, dict) and row.value.get("object") == "list" else None
        rows = (
            [_object(f"{row.place}[{at}]", each) for at, each in enumerate(data)] if isinstance(data, list) else [row]
        )
        if isinstance(data, list) and "has_more" in self._kept:
            self.facts["has_more"] = row.value.get("has_more")  # of the last page
        self.read += len(rows)
        yield from rows

    @staticmethod
    def _of_line(place: str, raw: bytes) -> RawRow:
        try:
            return _object(place, json.loads(raw.decode("utf-8-sig")))
        except UnicodeDecodeError:
            return RawRow(place, None, NOT_UTF8)
        except json.JSONDecodeError as error:
            return RawRow(place, None, f"not valid JSON ({error.msg}, column {error.colno})")
        except (ValueError, RecursionError):
            return RawRow(place, None, "not valid JSON (nested too deep, or too long a number)")

    # Documents

    def _of_document(self, reader: JsonReader) -> Iterator[RawRow]:
        if not reader.peek():
            raise self._refusal("it is empty")
        yield from self._within(reader, ())
        if not self._found_rows:
            wanted = " or ".join(repr(".".join(path)) for path in self._paths if path)
            raise self._refusal(f"there is no array {wanted} in it")
        if reader.peek():
            raise self._refusal("there is something behind the end of the document")

    def _within(self, reader: JsonReader, path: tuple[str, ...], *, skips: bool = False) -> Iterator[RawRow]:
        begin = reader.peek()
        if begin == "[" and path in self._paths and not skips:
            self._found_rows = True
            yield from self._elements(reader)
        elif begin == "{" and any(each[: len(path)] == path for each in self._paths):
            for key in reader.members():
                if key in self._kept:
                    self.facts[key] = reader.value()
                else:
                    yield from self._within(reader, (*path, key), skips=skips)
        else:
            reader.skip()

    def _elements(self, reader: JsonReader) -> Iterator[RawRow]:
        for at in reader.elements():
            place = f"{self.path.name}, row {at + 1}"
            text = reader.text()
            try:
                row = _object(place, json.loads(text))
            except (ValueError, RecursionError):
                row = RawRow(place, None, "not valid JSON")
            yield from self._unpacked(row)

    def _refusal(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}: {why}; {self.read:,} rows were read, and nothing is written")


def _object(place: str, value: Any) -> RawRow:
    if isinstance(value, dict):
        return RawRow(place, value)
    return RawRow(place, None, f"not a JSON object but a {type(value).__name__}")
