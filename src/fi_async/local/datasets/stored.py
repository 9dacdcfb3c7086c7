"""What the server keeps of datasets, in memory: their columns, rows and evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from fi_async.local.results import EvaluationEnd
from fi_async.local.store import Evaluation
from fi_async.local.templates import TemplateFacts


def new_id() -> str:
    """Return an id as the API writes them."""
    return str(uuid4())


@dataclass(slots=True)
class StoredColumn:
    """A column of a dataset; `source_id` is the evaluation that fills it, if one does."""

    name: str
    data_type: str = "text"
    origin: str = "OTHERS"
    source_id: str | None = None
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class StoredRow:
    """A row of a dataset; its place in the list is its order.

    Attributes:
        cells: Text by the id of the column; None for a blank one.
    """

    cells: dict[str, str | None]
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class CellRun:
    """What one evaluation makes of one row: stopped ones end in no verdict."""

    evaluation: Evaluation
    stopped: bool = False
    ended: EvaluationEnd | None = None


@dataclass(slots=True)
class ColumnEvaluation:
    """An evaluation of all rows: the platform calls it a user evaluation.

    Attributes:
        mapping: The id of the column that each key of the template is taken from.
        runs: What was made of each row, by its id.
        is_ended: True once all of its rows have come to an end, until it is started again.
        stopped: True from when it was stopped until it is started again.
        updated_at: When it last changed, in seconds since the epoch.
    """

    name: str
    template: TemplateFacts
    mapping: Mapping[str, str]
    params: Mapping[str, Any]
    model: str | None
    error_localizer: bool
    column: StoredColumn
    reason_column: StoredColumn
    id: str
    runs: dict[str, CellRun] = field(default_factory=dict)
    is_started: bool = False
    is_ended: bool = False
    stopped: bool = False
    updated_at: float = 0.0


@dataclass(slots=True)
class StoredDataset:
    """A dataset.

    Attributes:
        filename: Of the file that it was made from.
        made_at: When the file came, in seconds since the epoch.
        ready_at: When its rows are there; infinite if they never will be.
        failure: Why they never are; None if nothing is wrong.
        pending: The file's columns and rows, until they are there.
    """

    owner: str
    name: str
    model_type: str
    filename: str
    made_at: float
    ready_at: float = math.inf
    failure: str | None = None
    pending: tuple[list[StoredColumn], list[StoredRow]] | None = None
    estimated: tuple[int, int] = (0, 0)
    columns: list[StoredColumn] = field(default_factory=list)
    rows: list[StoredRow] = field(default_factory=list)
    evaluations: dict[str, ColumnEvaluation] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    def settle(self, now: float) -> None:
        """Put the rows in their place, once they are made."""
        if self.pending is not None and now >= self.ready_at and self.failure is None:
            self.columns, self.rows = self.pending
            self.pending = None

    def column_named(self, name: str) -> StoredColumn | None:
        """Return the column of this name; None if there is none."""
        return next((column for column in self.columns if column.name == name), None)
