"""Rows of CSV files, one at a time, each with its line number.

What separates cells is told by the header: a comma, or where it has none a semicolon or a tab, as spreadsheets write
where the comma is part of numbers. Excel's own first line, sep=;, says it too.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError
from fi_async.sources.files import NOT_UTF8, explained, refuse_utf16
from fi_async.sources.rows import TableRow, distinct, is_stored

_log = logging.getLogger("fi_async.sources")

UNCLOSED_QUOTE: Final = "and never closed"
"""What the fault of a row says whose quote swallowed the rest of the file."""
_MANY_LINES: Final = 100  # of a cell: few texts are so long, and many rows are lost if a quote is missing
_LONGEST_CELL: Final = 2**31 - 1
_TAB_SEPARATED: Final = ".tsv"
_SAID: Final = re.compile(rb'"?sep=([^\r\n])"?\r?\n', re.IGNORECASE)
_QUOTED: Final = re.compile(rb'"[^"]*"')
_BEGINNING: Final = 65_536


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Cells between commas, semicolons or tabs, with a header. A column without a name is nobody's, and left out."""

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
                if cells is not None and problem:
                    _log.warning("%s, line %d: %s", self.name, line, problem)
                yield _csv_record(f"{self.name}, line {line}", columns, cells, problem)

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


CsvRow = tuple[int, list[str] | None, str]


def _csv_rows(name: str, path: Path) -> Generator[CsvRow]:
    """Yield of every row that is not empty: the line it begins on, its cells or None, and what is wrong or odd.

    A quote that is never closed swallows what comes after it: each line of that is a row, and told.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with io.BufferedReader(path.open("rb", buffering=0), _BEGINNING) as raw:
        begin = raw.peek(_BEGINNING).removeprefix(codecs.BOM_UTF8)
        refuse_utf16(name, begin[:2])
        delimiter, skipped = _delimiter(begin, path)
        # What is no UTF-8 survives as lone surrogates, so that the row it is in can be named.
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        for _ in range(skipped):
            text.readline()
        reader = csv.reader(text, strict=True, delimiter=delimiter)
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "unexpected end" in str(error):
                    yield from _swallowed(path, line + skipped, reader.line_num + skipped, delimiter)
                else:
                    yield line + skipped, None, str(error)
            else:
                if cells is None:
                    return
                if cells:
                    yield line + skipped, cells, _oddity(cells, reader.line_num - line + 1)
            line = reader.line_num + 1


def _delimiter(begin: bytes, path: Path) -> tuple[str, int]:
    """Return what separates cells, by how a file begins, and how many lines say so and nothing else."""
    if said := _SAID.match(begin):
        return said[1].decode("latin-1"), 1
    if path.suffix.lower() == _TAB_SEPARATED:
        return "\t", 0
    header = _QUOTED.sub(b"", begin.partition(b"\n")[0])
    if b"," in header or not (b";" in header or b"\t" in header):
        return ",", 0
    return (";" if header.count(b";") >= header.count(b"\t") else "\t"), 0


def _oddity(cells: list[str], lines: int) -> str:
    """Return what is odd about a row of so many lines: two stray quotes far apart make one of all between them."""
    longest = max(len(each.splitlines()) for each in cells) if lines >= _MANY_LINES else 0
    return f"a cell of {longest:,} lines: is a quote before it left out?" if longest >= _MANY_LINES else ""


def _swallowed(path: Path, first: int, last: int, delimiter: str) -> Iterator[CsvRow]:
    opened = _opened_in(path, first, delimiter)
    yield first, None, f"a quote is opened in line {opened} {UNCLOSED_QUOTE}"
    for line in range(first + 1, last + 1):
        yield line, None, f"swallowed by the quote that is opened in line {opened}"


def _opened_in(path: Path, first: int, delimiter: str) -> int:
    """Return the line where the quote opens that the file ends in, in the row that begins on line `first`."""
    is_open, opened, before = False, first, ""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        for number, line in enumerate(islice(text, first - 1, None), first):
            for letter in line:
                if letter == '"' and (is_open or before in ("", delimiter, '"')):
                    opened = opened if is_open or before == '"' else number  # "" within quotes opens none
                    is_open = not is_open
                before = letter
            before = before if is_open else ""
    return opened


def _header(name: str, rows: Iterator[CsvRow]) -> list[str]:
    """Return the names of the columns; empty where one has none."""
    _, columns, problem = next(rows, (1, None, "the file is empty"))
    if not columns or not _is_text(columns):
        raise ConfigurationError(f"{name}: the first line must be the names of the columns: {problem or NOT_UTF8}")
    columns = [column if column.strip() else "" for column in columns]
    distinct(name, filter(None, columns))
    return columns


def _csv_record(place: str, columns: list[str], cells: list[str] | None, problem: str) -> TableRow:
    if cells is None:
        return TableRow(place, None, "not valid CSV", problem)
    if not _is_text(cells):
        return TableRow(place, None, NOT_UTF8)
    if any(cell.strip() for cell in cells[len(columns) :]):  # blank ones come of a comma at the end
        counted = f"{len(cells)} instead of {len(columns)}"
        return TableRow(place, None, "more cells than the header has columns", counted)
    named = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
    return TableRow(place, named, remark=problem)


def _is_text(cells: list[str]) -> bool:
    return all(cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell) for cell in cells)
