"""From the table of a dataset to outcomes: one for each row and evaluation, whatever its cell says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fi_async._errors import EvaluationError, FiAsyncError, StalledError
from fi_async._models import Outcome, OutcomeStatus, Template
from fi_async.sources.rows import TableCase
from fi_async.wire.dataset_cells import text_of, verdict_of
from fi_async.wire.dataset_replies import DatasetColumn, DatasetRow, ListedEvaluation
from fi_async.wire.responses import Reply, unreadable

if TYPE_CHECKING:
    from fi_async._results import EvalResult

_ID: Final = "id"
_TOKEN: Final = 3  # bytes


@dataclass(frozen=True, slots=True)
class EvaluatedColumn:
    """An evaluation of a dataset, and the facts of its template."""

    listed: ListedEvaluation
    template: Template
    was_stopped: bool = False


def row_id(dataset_id: str, place: int, token: int = 0) -> str:
    """Return the id of the row at a place: the server takes each id once, and the id tells the place.

    A UUID of version 8, whose bits are ours (RFC 9562, 5.8): 32 name the dataset, 24 the token, 48 the place.

    Args:
        dataset_id: The dataset.
        place: From 0, up to 2**48.
        token: From 0, up to 2**24: equal for requests that are about the same rows.
    """
    tokens = token.to_bytes(_TOKEN)
    return str(UUID(bytes=_mark(dataset_id) + tokens[:2] + b"\x80" + tokens[2:] + b"\x80\0" + place.to_bytes(6)))


def place_of(dataset_id: str, identity: str) -> int | None:
    """Return the place of a row that was given its id here; None of any other."""
    try:
        raw = UUID(identity).bytes
    except ValueError:
        return None
    is_ours = raw[:4] == _mark(dataset_id) and raw[6] == raw[8] == 0x80 and raw[9] == 0
    return int.from_bytes(raw[10:]) if is_ours else None


def _mark(dataset_id: str) -> bytes:
    return blake2b(dataset_id.encode(), digest_size=4).digest()


def in_places(dataset_id: str, rows: Sequence[DatasetRow]) -> list[DatasetRow]:
    """Return rows in the order of their source: those that we named go where their names say."""

    def place(row: DatasetRow) -> tuple[int, int, str]:
        told = place_of(dataset_id, row.id)
        return (row.order if told is None else told, row.order, row.id)

    return sorted(rows, key=place)


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
