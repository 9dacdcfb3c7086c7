"""From the table of a dataset to outcomes: one for each row and evaluation, whatever its cell says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from fi_async._errors import EvaluationError, FiAsyncError, StalledError
from fi_async._models import Outcome, OutcomeStatus, Template
from fi_async.sources.rows import TableCase
from fi_async.wire.dataset_cells import text_of, verdict_of
from fi_async.wire.dataset_replies import DatasetColumn, DatasetRow, ListedEvaluation
from fi_async.wire.responses import Reply, unreadable

if TYPE_CHECKING:
    from fi_async._results import EvalResult

_ID: Final = "id"


@dataclass(frozen=True, slots=True)
class EvaluatedColumn:
    """An evaluation of a dataset, and the facts of its template."""

    listed: ListedEvaluation
    template: Template
    was_stopped: bool = False


def row_id(dataset_id: str, place: int) -> str:
    """Return the id of the row at a place: always the same, so that the server takes it once."""
    try:
        within = UUID(dataset_id)
    except ValueError:
        within = uuid5(NAMESPACE_URL, dataset_id)
    return str(uuid5(within, f"row {place}"))


def in_places(dataset_id: str, rows: Sequence[DatasetRow]) -> list[DatasetRow]:
    """Return rows in the order of their source: those that we named go where their names say."""
    places = {row_id(dataset_id, place): place for place in range(len(rows))}
    return sorted(rows, key=lambda row: (places.get(row.id, row.order), row.order, row.id))


def cells_of(row: DatasetRow, columns: Sequence[DatasetColumn]) -> dict[str, str]:
    """Return the cells of a row that were uploaded, by column; blank ones are left out."""
    texts = ((column.name, text_of(row.cells.get(column.id))) for column in columns if column.is_given)
    return {name: text for name, text in texts if text is not None}


def outcomes_of(
    rows: Sequence[DatasetRow],
    columns: Sequence[DatasetColumn],
    evaluated: Sequence[EvaluatedColumn],
    reply: Reply,
    dataset_id: str,
) -> list[Outcome]:
    """Return an outcome for each row and evaluation: row by row, and for each in the order of the evaluations.

    Args:
        rows: In their order.
        columns: Of the dataset.
        evaluated: What evaluates the rows.
        reply: One that the rows came with.
        dataset_id: The dataset.
    """
    found = {each.listed.id: _columns_of(each.listed.id, columns) for each in evaluated}
    outcomes = []
    for index, row in enumerate(rows):
        inputs = cells_of(row, columns)
        others = {name: text for name, text in inputs.items() if name != _ID}
        case = TableCase(others, inputs.get(_ID), inputs, f"row {index}")
        for each in evaluated:
            verdicts, reasons = found[each.listed.id]
            said: EvalResult | FiAsyncError | str
            if len(verdicts) == 1:
                said = verdict_of(row.cells.get(verdicts[0]), _cell(row, reasons), each.template, reply)
            elif verdicts:
                said = unreadable(reply, f"has {len(verdicts)} columns of the evaluation {each.listed.name!r}")
            else:
                said = "pending"
            facts = {"index": index, "case": case, "backend": reply.backend}
            outcomes.append(_outcome(each, said, dataset_id, facts))
    return outcomes


def _columns_of(eval_id: str, columns: Sequence[DatasetColumn]) -> tuple[list[str], list[str]]:
    """Return the columns of an evaluation's verdicts, and of its reasons."""
    of_it = [column for column in columns if column.source_id == eval_id]
    reasons = [column.id for column in of_it if "reason" in column.origin]
    return [column.id for column in of_it if column.origin == "evaluation"], reasons


def _cell(row: DatasetRow, columns: Sequence[str]) -> Any:
    return row.cells.get(columns[0]) if columns else None


def _outcome(
    of: EvaluatedColumn, said: EvalResult | FiAsyncError | str, dataset_id: str, facts: Mapping[str, Any]
) -> Outcome:
    facts = {**facts, "template": of.template.name, "attempts": int(of.listed.is_started)}
    if isinstance(said, FiAsyncError):
        said.with_facts(dataset_id=dataset_id)
        return Outcome(**facts, status=OutcomeStatus.FAILED, error=said)
    if not isinstance(said, str):
        return Outcome(**facts, status=OutcomeStatus.SCORED, result=said)
    status, error = _without_verdict(of, dataset_id)
    return Outcome(**facts, status=status, error=error)


def _without_verdict(of: EvaluatedColumn, dataset_id: str) -> tuple[OutcomeStatus, FiAsyncError]:
    """Return how a row ends that the evaluation has not come to."""
    name, status = of.listed.name, of.listed.status
    if not of.listed.is_done:
        still = f"the evaluation {name!r} has not come to this row: it is {status}"
        return OutcomeStatus.STALLED, StalledError(still, dataset_id=dataset_id)
    if of.was_stopped:
        words = f"the evaluation {name!r} was stopped before it came to this row"
    else:
        words = f"the evaluation {name!r} has ended ({status}), and this row has no verdict"
    return OutcomeStatus.FAILED, EvaluationError(words, dataset_id=dataset_id)
