"""From a cell of a dataset to a verdict, to why there is none, or to that it is not there yet.

A cell that says neither is never a verdict: it is an error of its row alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from fi_async._errors import EvaluationError, FiAsyncError, ProtocolError
from fi_async._models import Template
from fi_async.wire import verdicts
from fi_async.wire.responses import Reply, unreadable

if TYPE_CHECKING:
    from fi_async._results import EvalResult

Pending = Literal["pending"]
"""What a cell is whose row is not evaluated yet."""

_PENDING: Final = frozenset({"running", "not_started", "notstarted", "queued", "pending", "processing"})
_THROTTLED: Final = "rate_limited"
_LONGEST_QUOTE: Final = 500
_VERDICTS: Final = frozenset({"Passed", "Failed"})
_TWO: Final = "Pass/Fail"
_NO_WORDS: Final = "no reason given"


def verdict_of(cell: Any, reason_cell: Any, template: Template, reply: Reply) -> EvalResult | FiAsyncError | Pending:
    """Return what the cell of an evaluation says of its row.

    Args:
        cell: As the table has it; None if the row has none.
        reason_cell: That of the column of reasons.
        template: The evaluation's.
        reply: The page that it stands on.
    """
    if cell is None:
        return "pending"
    record = cell if isinstance(cell, dict) else {}
    infos = record.get("value_infos")
    infos = infos if isinstance(infos, dict) else {}
    status = str(record.get("status")).strip().lower()
    if status in _PENDING:
        return "pending"
    value = record.get("cell_value")
    is_blank = value is None or (isinstance(value, str) and value.strip().lower() in ("", "error"))
    if status == "error" or (status == "pass" and is_blank):
        return _failed(_words(infos, reason_cell), reply)
    try:
        if status != "pass":
            raise unreadable(reply, f"has a cell of the unknown status {record.get('status')!r:.40}")
        return _result(value, infos, reason_cell, template, reply)
    except ProtocolError as error:
        return error


def _result(value: Any, infos: Mapping[str, Any], reason_cell: Any, template: Template, reply: Reply) -> EvalResult:
    """Return the result of a cell.

    Raises:
        ProtocolError: Its value is none that the template gives.
    """
    said = infos.get("output")
    kind = said if isinstance(said, str) and said else template.output_type
    if template.output_type and (kind == _TWO) is not (template.output_type == _TWO):
        raise unreadable(reply, f"has a cell that is called {kind!r:.40}, of a template that gives none")
    if isinstance(value, bool) and kind != _TWO:
        raise unreadable(reply, f"has a cell that is a bool, and no {kind or 'verdict'}")
    fields = {
        "name": template.name,
        "output": value,
        "output_type": kind,
        "reason": infos.get("reason") or _shown(reason_cell),
        **{name: infos[name] for name in ("runtime", "model", "estimate") if infos.get(name, "") != ""},
    }
    result = verdicts.of_cell(reply, fields, template.name)
    if not _is_of(kind, result.output, template):
        raise unreadable(reply, f"has a cell that is no {kind or 'verdict'}")
    return result


def _is_of(kind: str, output: Any, template: Template) -> bool:
    """Tell whether an output is one that a kind of template gives."""
    if kind in (_TWO, ""):
        return isinstance(output, str) and output in _VERDICTS
    if kind == "choices":
        labels = output.get("choice") if isinstance(output, dict) else output
        labels = labels if isinstance(labels, list) else [labels]
        known = template.choices if template.system else ()
        return bool(labels) and all(
            isinstance(label, str) and bool(label.strip()) and (not known or label in known) for label in labels
        )
    return isinstance(output, str | int | float | dict | list) and not isinstance(output, bool)


def _failed(words: str, reply: Reply) -> EvaluationError:
    return EvaluationError(
        f"the evaluation failed on the server: {words[:_LONGEST_QUOTE]}",
        request_id=reply.request_id,
        server_message=words,
        throttled=_THROTTLED in words or None,
    )


def _words(infos: Mapping[str, Any], reason_cell: Any) -> str:
    said = infos.get("reason")
    return said if isinstance(said, str) and said else _shown(reason_cell) or _NO_WORDS


def _shown(cell: Any) -> str | None:
    value = cell.get("cell_value") if isinstance(cell, dict) else None
    return value if isinstance(value, str) and value else None


def text_of(cell: Any) -> str | None:
    """Return the text of a cell of the rows that were uploaded; None for a blank one."""
    value = cell.get("cell_value") if isinstance(cell, dict) else None
    if value is None or isinstance(value, str):
        return value or None
    return str(value)
