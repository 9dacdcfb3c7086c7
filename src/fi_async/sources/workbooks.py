"""Rows of the first sheet of a workbook, as Excel and LibreOffice write them.

A cell that is empty, or holds an error such as #N/A, leaves its key out, as in a frame.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._extras import need
from fi_async.sources.files import explained
from fi_async.sources.rows import TableRow, distinct
from fi_async.sources.tables import present

_log = logging.getLogger("fi_async.sources")

WORKBOOKS: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
"""The extensions of workbooks that can be read."""

_EXACT: Final = 2**53  # above it a float tells no whole number from the next


@dataclass(frozen=True, slots=True)
class WorkbookTable:
    """The first visible sheet of a workbook. Its first row that is not empty has the names of the columns.

    A column without a name is nobody's, and left out.
    """

    name: str
    path: Path
    has_header: bool = True

    def records(self) -> Iterator[TableRow]:
        """Yield every row that is not empty, by the number that it has in the sheet.

        Raises:
            ConfigurationError: It is no workbook, is protected by a password, or its header cannot be used.
            OSError: It cannot be read.
        """
        chosen, others, rows = self._sheet()
        columns = self._header(rows)
        if others:
            _log.warning("%s: the sheet %r is read, and %s not", self.name, chosen, ", ".join(map(repr, others)))
        for number, cells in rows:
            named = ((column, _plain(cell)) for column, cell in zip(columns, cells, strict=False) if column)
            yield TableRow(f"{self.name}, row {number}", present(named))

    def columns(self) -> list[str] | None:
        """Return the header.

        Raises:
            ConfigurationError: As of `records`.
        """
        return [column for column in self._header(self._sheet()[2]) if column]

    def count(self) -> int | None:
        """Return the number of rows that are not empty, by reading the file."""
        return max(0, sum(1 for _ in self._sheet()[2]) - 1)

    def _sheet(self) -> tuple[str, list[str], Iterator[tuple[int, list[Any]]]]:
        """Return the name of the first sheet, those of others that have cells, and the rows that are not empty."""
        calamine = need("python_calamine", "fi-async[excel]", "reading a workbook")
        with explained(self.name):
            self.path.open("rb").close()  # the system says what it says of any file
        try:
            book = calamine.CalamineWorkbook.from_path(self.path)
            visible = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.typ == calamine.SheetTypeEnum.WorkSheet and sheet.visible == calamine.SheetVisibleEnum.Visible
            ]
            filled = [sheet for sheet in map(book.get_sheet_by_name, visible) if sheet.height]
            rows = filled[0].iter_rows() if filled else iter([])
        except calamine.PasswordError:
            raise ConfigurationError(
                f"{self.name}: it is protected by a password: save it without one, or as CSV UTF-8"
            ) from None
        except Exception as error:  # whatever a library makes of such bytes
            raise ConfigurationError(f"{self.name}: not a workbook that can be read ({error})") from error
        if not filled:
            raise self._empty()
        names = [sheet.name for sheet in filled]
        return names[0], names[1:], _numbered(rows)

    def _header(self, rows: Iterator[tuple[int, list[Any]]]) -> list[str]:
        """Return the names of the columns; empty where one has none."""
        _, cells = next(rows, (0, None))
        if cells is None:  # all that it has is blanks
            raise self._empty()
        columns = ["" if _is_empty(cell) else str(_plain(cell)) for cell in cells]
        distinct(self.name, filter(None, columns))
        return columns

    def _empty(self) -> ConfigurationError:
        return ConfigurationError(f"{self.name}: no sheet has a cell: the first row must be the names of the columns")


def _numbered(rows: Iterator[list[Any]]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the rows that are not empty, counted from 1 as the program shows them."""
    for number, cells in enumerate(rows, 1):
        if not all(map(_is_empty, cells)):
            yield number, cells


def _is_empty(cell: Any) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _plain(cell: Any) -> Any:
    """Return a cell as it is shown: workbooks have no whole numbers but by their looks. An empty one is missing."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    return None if _is_empty(cell) else cell
