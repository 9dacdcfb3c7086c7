"""Rows of a table as cases: columns renamed, constants added, an id taken, so many of them, or a sample."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs

_ID: Final = "id"  # taken for the id where there is such a column; any other has to be there


class TableRow(NamedTuple):
    """A row as its table has it.

    Attributes:
        place: Where it stands, such as "answers.csv, line 3".
        values: Its cells by column; None if it cannot be read.
        fault: Why it cannot be read; None if it can.
        detail: Where in the row, if known.
        id: The case's own, if it had one without any column.
        is_of_table: False for one of a program's own dicts, which have no columns by chance.
        remark: What is odd about it, although it can be read.
        refused: Why it cannot be sent, by template, where that is known without looking at its values.
        position: Where it stands in its source, if not where it comes: see `TableCase`.
    """

    place: str
    values: Inputs | None
    fault: str | None = None
    detail: str = ""
    id: str | None = None
    is_of_table: bool = True
    remark: str = ""
    refused: Mapping[str, str] = {}
    position: int | None = None


class Table(Protocol):
    """Somewhere that rows are read from, one at a time."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def path(self) -> Path | None:
        """The file or directory; None if it is neither."""

    @property
    def has_header(self) -> bool:
        """True if every row has the same columns, known before the first is read."""

    def records(self) -> Iterator[TableRow]:
        """Yield every row; one that cannot be read says why."""

    def columns(self) -> list[str] | None:
        """Return the columns, as far as they are known before all is read; None if they are not."""

    def count(self) -> int | None:
        """Return the number of rows; None if that is not known before all is read."""


@dataclass(frozen=True, slots=True)
class TableCase(Case):
    """A case that knows where it stands in its table. One that cannot be read goes through a run too, as invalid.

    Attributes:
        given: The row as the table has it; None if it cannot be read.
        place: As of TableRow.
        fault: As of TableRow.
        detail: As of TableRow.
        is_of_table: As of TableRow. Columns that no template takes are then left out, whatever `extra_keys` says.
        remark: As of TableRow.
        refused: As of TableRow.
        position: Where it stands in its source, from 0, if other cases of that are left out; None: where it comes.
    """

    given: Inputs | None = None
    place: str = ""
    fault: str | None = None
    detail: str = ""
    is_of_table: bool = True
    remark: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    position: int | None = None

    @property
    def problem(self) -> str | None:
        """Why it cannot be read, and where in the row; None if it can."""
        return f"{self.fault} ({self.detail})" if self.fault and self.detail else self.fault


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows become cases.

    Args:
        mapping: The column that each key is taken from, where its name is another; the column itself is left out.
        constants: Keys that every case has, with their values; they come before a column of that name.
        id_column: The column that holds the case's id; it is no input. None: there is none.
        limit: Read so many rows, and no more.
        sample: Take so many of these, drawn at random, in the order of the table.
        seed: Of that draw: the same seed draws the same rows.
        extra_columns: What a column that no template takes does to its row: as of `extra_keys`.

    Raises:
        ConfigurationError: A number is out of its range.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    constants: Inputs = field(default_factory=dict)
    id_column: str | None = _ID
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    extra_columns: Literal["ignore", "forbid"] = "ignore"

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("sample", self.sample)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigurationError(f"{name} must be a whole number from 1, not {value!r}")

    def rows(self, records: Iterator[TableRow]) -> Generator[TableCase]:
        """Yield the cases of a table's rows. A sample is read to its end before the first comes."""
        taken: Iterable[TableRow] = islice(records, self.limit)
        if self.sample is not None:
            taken = reservoir(taken, self.sample, self.seed)
        for record in taken:
            yield self.row(record)

    def row(self, record: TableRow) -> TableCase:
        """Return the case that a row makes."""
        place, values, fault, detail, own_id, is_of_table, remark, refused, position = record
        if values is None:
            return TableCase({}, own_id, None, place, fault, detail, position=position)
        consumed = {self.id_column, *self.mapping.values()}.difference(self.mapping)
        inputs = {
            column: value for column, value in values.items() if column not in consumed and column not in self.mapping
        }
        inputs |= {key: values[column] for key, column in self.mapping.items() if column in values}
        inputs |= self.constants
        if self.id_column is not None and (found := values.get(self.id_column)) is not None:
            own_id = None if found == "" else found  # an empty cell of a CSV names nothing
        is_of_table = is_of_table and self.extra_columns == "ignore"
        return TableCase(
            inputs, own_id, values, place, is_of_table=is_of_table, remark=remark, refused=refused, position=position
        )

    def wanted(self) -> dict[str | None, str]:
        """Return the columns that have to be there, by the key each is for; that of the id by None."""
        wanted: dict[str | None, str] = dict(self.mapping.items())
        if self.id_column not in (None, _ID):
            wanted[None] = str(self.id_column)
        return wanted

    def count(self, rows: int | None) -> int | None:
        """Return how many cases so many rows make."""
        return None if rows is None else min(bound for bound in (rows, self.limit, self.sample) if bound is not None)


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and how its rows become cases."""

    table: Table
    shape: Shape = field(default_factory=Shape)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.table.name

    @property
    def path(self) -> Path | None:
        """The file or directory; None if it is neither."""
        return self.table.path

    @property
    def is_stored(self) -> bool:
        """As of `is_stored`."""
        return is_stored(self.path)

    def __iter__(self) -> Iterator[TableCase]:
        return self.rows()

    def __repr__(self) -> str:
        return f"<cases of {self.name}>"

    def rows(self) -> Generator[TableCase]:
        """Yield the cases, one at a time."""
        return self.shape.rows(self.table.records())

    def placed(self) -> Iterator[tuple[int, TableCase]]:
        """Yield the cases, each with its position in the source."""
        for place, case in enumerate(self.rows()):
            yield place if case.position is None else case.position, case

    def count(self) -> int | None:
        """Return the number of cases; None if it is not known before all is read."""
        return self.shape.count(self.table.count())


def is_stored(path: Path | None) -> bool:
    """Tell whether a path can be read more than once, and reading does not wait for anybody."""
    return path is not None and (path.is_file() or path.is_dir())


def distinct(name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns of a table.

    Raises:
        ConfigurationError: Two have the same name: which one a key is to be taken from, nobody can tell.
    """
    found = list(columns)
    if twice := [column for column in found if found.count(column) > 1]:
        raise ConfigurationError(f"{name}: two columns are named {twice[0]!r}: rename one")
    return found


def reservoir(items: Iterable[Any], size: int, seed: int) -> list[Any]:
    """Return `size` of the items, each as likely as any other, in their order; all if there are no more.

    Holds no more than that in memory. Algorithm R: Vitter, "Random Sampling with a Reservoir", ACM TOMS 11 (1985).
    """
    rng = random.Random(seed)  # noqa: S311  # a sample, not a secret
    kept: list[tuple[int, Any]] = []
    for position, item in enumerate(items):
        if position < size:
            kept.append((position, item))
        # random() alone is the same for a seed in every version of Python.
        elif (place := int(rng.random() * (position + 1))) < size:
            kept[place] = (position, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]
