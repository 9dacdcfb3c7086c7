"""Rows of any source as a dataset has them: text by column, in a first file and in parts after it."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from fi_async._errors import ConfigurationError, InvalidCaseError
from fi_async._values import NotPlainError, as_text
from fi_async.engine.intake import batches
from fi_async.sources import table_of
from fi_async.sources.rows import Shape, Source, TableCase
from fi_async.sources.tables import Items
from fi_async.wire.dataset_requests import MOST_BYTES
from fi_async.wire.preflight import case_of, text_of

FIRST_FILE: Final = MOST_BYTES - 2**20
"""Bytes of the file that a dataset is made of, at most: some are left for the form around it."""

LONGEST_CELL: Final = 131_072
"""Characters of a cell in a file, at most: longer ones the platform cannot read there, and go in parts."""

_READ_AT_ONCE: Final = 64
_ROWS_OF_A_PART: Final = 500
_BYTES_OF_A_PART: Final = 4 * 2**20
_AS_IT_IS: Final = Shape(id_column=None)
_ID: Final = "id"
_LONGEST_COLUMN: Final = 255  # characters


@dataclass(slots=True)
class UploadRows:
    """The rows of a source, as they are read.

    Args:
        source: Whatever `cases_from` takes, or an async iterable of dicts and Cases.
        first_file: Bytes of the first file, at most.

    Attributes:
        columns: Their names, as far as rows were read.
        stripped: How many cells begin or end in white space, which the platform cuts off.
        read: How many rows were read.
    """

    source: Any
    first_file: int = FIRST_FILE
    columns: dict[str, None] = field(default_factory=dict)
    stripped: int = 0
    read: int = 0
    _ahead: deque[dict[str, str]] = field(default_factory=deque)
    _rows: AsyncGenerator[dict[str, str]] | None = None

    async def first(self) -> tuple[bytes, list[dict[str, str]]]:
        """Return the first rows as a CSV file, and the rows in it: all, if they are not too many.

        Raises:
            InvalidCaseError: A row cannot be read, or a cell cannot be stored; the message says where.
            ConfigurationError: There are no rows, or a column's name is none.
        """
        held: list[dict[str, str]] = []
        size = 0
        self._rows = self._each()
        async for row in self._rows:
            held.append(row)
            size += _size(row)
            if size > self.first_file or _is_long(row):
                break
        if not held:
            raise ConfigurationError("the source holds no rows: there is no dataset to make")
        content, count = self._file(held)
        if not count:
            raise InvalidCaseError(
                f"the first row has a cell of more than {LONGEST_CELL:,} characters, or is longer than"
                f" {self.first_file:,} bytes, and a dataset is made of a file, which takes no such row: begin with"
                " another",
                index=0,
            )
        self._ahead = deque(held[count:])
        return content, held[:count]

    async def parts(self) -> AsyncGenerator[list[dict[str, str]]]:
        """Yield the rows that come after the first file, some at a time.

        Raises:
            InvalidCaseError: A row has a column that those of the first file have not; or as `first`.
        """
        known = frozenset(self.columns)
        part: list[dict[str, str]] = []
        size = 0
        async with aclosing(self._rest()) as rows:
            async for row in rows:
                if extra := next((column for column in row if column not in known), None):
                    raise InvalidCaseError(
                        f"a row has the column {extra!r}, which the rows of the first file have not: give all rows the"
                        " same columns",
                        field=extra,
                    )
                part.append(row)
                size += _size(row)
                if len(part) >= _ROWS_OF_A_PART or size >= _BYTES_OF_A_PART:
                    yield part
                    part, size = [], 0
        if part:
            yield part

    async def _rest(self) -> AsyncGenerator[dict[str, str]]:
        while self._ahead:
            yield self._ahead.popleft()
        rows = self._rows or self._each()
        async with aclosing(rows):
            async for row in rows:
                yield row

    async def skipping(self, count: int) -> AsyncGenerator[tuple[int, dict[str, str]]]:
        """Yield the first so many rows, with their places; `parts` gives the rest."""
        self._rows = self._each()
        for place in range(count):
            row = await anext(self._rows, None)
            if row is None:
                return
            yield place, row

    async def _each(self) -> AsyncGenerator[dict[str, str]]:
        async with aclosing(batches(_cases(self.source), _READ_AT_ONCE)) as read:
            async for batch in read:
                for item in batch:
                    yield self._text(_table_case(item, self.read))
                    self.read += 1

    def _text(self, case: TableCase) -> dict[str, str]:
        """Return a row as text by column.

        Raises:
            InvalidCaseError: It cannot be read, or a cell cannot be stored.
            ConfigurationError: A column's name is none.
        """
        place = case.place or f"row {self.read}"
        if case.problem is not None:
            raise InvalidCaseError(f"{place}: {case.problem}", index=self.read)
        cells = dict(case.inputs)
        if case.id is not None:
            cells.setdefault(_ID, case.id)
        row = {str(column): self._cell(place, str(column), value) for column, value in cells.items()}
        for column in row:
            if column not in self.columns:
                _check_column(column, self.columns)
                self.columns[column] = None
        return row

    def _cell(self, place: str, column: str, value: Any) -> str:
        if _is_missing(value):
            return ""
        try:
            text = text_of(column, value)
        except InvalidCaseError as error:
            raise InvalidCaseError(f"{place}: {error.message}", field=column, index=self.read) from None
        if text != text.strip():
            self.stripped += 1
        return text

    def _file(self, rows: list[dict[str, str]]) -> tuple[bytes, int]:
        """Return as many of the rows as go into a file, and their number."""
        text = io.StringIO(newline="")
        # Quoted throughout, so that the platform has no doubt what separates cells.
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(list(self.columns))
        content = [text.getvalue().encode()]
        size, count = len(content[0]), 0
        for row in rows:
            text.seek(0)
            text.truncate()
            writer.writerow([row.get(column, "") for column in self.columns])
            line = text.getvalue().encode()
            if size + len(line) > self.first_file or _is_long(row):
                break
            content.append(line)
            size, count = size + len(line), count + 1
        return b"".join(content), count


def _cases(source: Any) -> Any:
    """Return what `batches` takes: a source of rows with all their columns, or an async iterable."""
    if isinstance(source, Source | AsyncIterable):
        return source
    return Source(table_of(source), _AS_IT_IS)


def _table_case(item: Any, index: int) -> TableCase:
    if isinstance(item, TableCase):
        return item
    record = next(_records(item, index))
    return _AS_IT_IS.row(record)


def _records(item: Any, index: int) -> Iterator[Any]:
    return Items([case_of(item, index)]).records()


def _is_missing(value: Any) -> bool:
    try:
        return as_text(value) is None
    except NotPlainError:
        return False


def _check_column(column: str, others: Mapping[str, None]) -> None:
    stripped = column.strip()
    if not stripped or len(column) > _LONGEST_COLUMN:
        raise ConfigurationError(
            f"a column is named {column[:40]!r}: give it a name of 1 to {_LONGEST_COLUMN} characters"
        )
    if stripped != column or any(stripped == other.strip() for other in others):
        raise ConfigurationError(
            f"the column {column!r} begins or ends in white space, which the platform cuts off, or differs from another"
            " by that alone: rename it"
        )


def _is_long(row: Mapping[str, str]) -> bool:
    """Tell whether a row cannot go in a file."""
    return any(len(text) > LONGEST_CELL for text in row.values())


def _size(row: Mapping[str, str]) -> int:
    return 2 + sum(3 + len(text.encode()) + text.count('"') for text in row.values())
