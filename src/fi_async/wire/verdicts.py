"""What the API says of evaluations: results, and where an evaluation stands.

A verdict that can be read is an outcome: what stands beside it (a reason, a runtime) in another type than it has is
read as text or left out, and logged without its value. A verdict that cannot be read, that nobody gave or that belongs
to another evaluation is a ProtocolError of this evaluation alone.
"""

from __future__ import annotations

import ast
import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fi_async._errors import EvaluationError, ProtocolError
from fi_async._models import EvalStatus
from fi_async.wire import responses
from fi_async.wire.responses import Reply, objects_of, snake, unreadable

if TYPE_CHECKING:
    from fi_async._results import EvalResult

_log: Final = logging.getLogger("fi_async")

_THROTTLED: Final = "rate_limited"  # the reason of an evaluation that a plan's limit stopped
_LONGEST_QUOTE: Final = 500
_LONGEST_NUMBER: Final = 400  # characters; longer ones are beyond any float
_VERDICTS: Final = {"True": "Passed", "False": "Failed"}  # as old servers say it, polls as text


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found: an evaluation under way, done with a result, or failed with an error."""

    status: EvalStatus
    result: EvalResult | None = None
    error: EvaluationError | None = None

    @property
    def is_done(self) -> bool:
        """True once nothing will change any more."""
        return self.result is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class _Record:
    """What a reply says of one evaluation, in today's spelling.

    Attributes:
        where: Its place in the reply's JSON.
        fields: By name.
        eval_id: The evaluation's id, if it is named.
    """

    reply: Reply
    where: str
    fields: Mapping[str, Any]
    eval_id: str | None

    def unreadable(self, what: str) -> ProtocolError:
        """Return the error of this evaluation."""
        return unreadable(self.reply, f"{what}, at {self.where}", eval_id=self.eval_id)

    def field(self, name: str, take: Callable[[Any], Any]) -> Any:
        """Return what a field says; None if it says nothing that can be taken."""
        value = self.fields.get(name)
        if value is None:
            return None
        taken = take(value)
        if taken is None or isinstance(taken, str) is not isinstance(value, str):
            how = "left out" if taken is None else "read as text" if isinstance(taken, str) else "read as a number"
            _log.debug("%s is a %s, and %s (request %s)", name, type(value).__name__, how, self.reply.request_id)
        return taken


def started(reply: Reply, template: str, rows: int, *, is_async: bool) -> list[EvalResult | ProtocolError]:
    """Return what the reply to a `new-eval/` POST says of each row, in the order of the rows that were sent.

    Items of a sync call carry outputs; those of an async one carry ids to poll. One that cannot be read is an error
    of its row alone.

    Raises:
        ProtocolError: There are not as many items as rows, so that none can be told whose it is; or the reply is not
            the API's.
        APIStatusError: The server refused the request.
    """
    result = responses.read(reply)
    items = [item for group in objects_of(result) for item in objects_of(group.get("evaluations", [group]))]
    if len(items) != rows:
        raise unreadable(reply, f"names {len(items)} evaluations for {rows} rows")
    fields = [snake(_unwrapped(item)) for item in items]
    records = [
        _Record(reply, f"evaluation {number} of {rows}", each, _text(each.get("eval_id")) or None)
        for number, each in enumerate(fields, start=1)
    ]
    times = Counter(record.eval_id for record in records)
    answers: list[EvalResult | ProtocolError] = []
    for record in records:
        try:
            if is_async and record.eval_id is None:
                raise record.unreadable("accepts an evaluation without naming its eval_id")
            if is_async and times[record.eval_id] > 1:
                raise record.unreadable("gives several evaluations one eval_id")
            answers.append(_result(record, template))
        except ProtocolError as error:
            answers.append(error)
    return answers


def polled(reply: Reply, eval_id: str, template: str = "") -> Polled:
    """Return where an evaluation stands, from the reply to `new-eval/?eval_id=`.

    A failed *sync* verdict is stored as "failed" with a value and no error: that is a result.

    Args:
        reply: The reply.
        eval_id: The id that was asked for: what another evaluation came to is never taken for this one's result.
        template: The template's name, if it is known.

    Raises:
        ProtocolError: The reply does not say, or is about another evaluation.
        APIStatusError: The server refused the request.
    """
    answer = responses.read(reply)
    if not isinstance(answer, dict):
        raise unreadable(reply, "does not say where the evaluation stands, at result")
    outer = snake(answer)
    try:
        status = EvalStatus(str(outer.get("eval_status")).strip().lower())
    except ValueError:
        said = _shown(outer.get("eval_status"))
        raise unreadable(reply, f"has the unknown eval_status {said}, at result", eval_id=eval_id) from None
    record = outer.get("result")
    record = snake(record) if isinstance(record, dict) else {}
    named = _hold_to_id(answer, reply, eval_id)
    if status in (EvalStatus.PENDING, EvalStatus.PROCESSING):
        return Polled(status)
    words = record.get("error_message")
    if _value(record) is not None and (status is EvalStatus.COMPLETED or not words):
        return Polled(EvalStatus.COMPLETED, _result(_Record(reply, "result.result", record, named), template))
    words = _text(words) or "the evaluation ended without a value"
    error = EvaluationError(
        f"the evaluation failed on the server: {words[:_LONGEST_QUOTE]}",
        eval_id=named,
        request_id=reply.request_id,
        server_message=words,
        throttled=_THROTTLED in words or None,
    )
    return Polled(EvalStatus.FAILED, error=error)


def of_cell(reply: Reply, fields: Mapping[str, Any], template: str) -> EvalResult:
    """Return the result that a cell of a dataset holds, its fields spelled as those of an evaluation.

    Raises:
        ProtocolError: Its output cannot be read, or nobody judged it.
    """
    return _result(_Record(reply, "a cell of the dataset", fields, None), template)


def whole_answer(reply: Reply, eval_id: str) -> dict[str, Any]:
    """Return a poll's whole body as the server wrote it.

    Raises:
        ProtocolError: It is about another evaluation than was asked for, or not the API's.
        APIStatusError: The server refused the request.
    """
    body = responses.read_body(reply)
    outer = body.get("result")
    _hold_to_id(outer if isinstance(outer, dict) else {}, reply, eval_id)
    return body


def _hold_to_id(answer: Mapping[str, Any], reply: Reply, eval_id: str) -> str:
    """Return the id that a poll's answer names, the one asked for if it names none.

    Raises:
        ProtocolError: It names another: the answer to what was asked is lost.
    """
    record = answer.get("result")
    named = _text(snake(record).get("eval_id")) if isinstance(record, dict) else None
    named = named or _text(snake(answer).get("eval_id")) or eval_id
    if not _is_same_id(named, eval_id):
        raise unreadable(reply, f"is about another evaluation, {_shown(named)}", lost=True, eval_id=eval_id)
    return named


def _unwrapped(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item itself where a server put it inside {"eval_status", "result"}."""
    inner = item.get("result")
    return inner if isinstance(inner, dict) else item


def _is_same_id(one: str, other: str) -> bool:
    """Tell whether two texts name one evaluation: a UUID may be written in several forms."""
    if one == other:
        return True
    try:
        return UUID(one) == UUID(other)
    except ValueError:
        return False


def _result(record: _Record, template: str) -> EvalResult:
    """Return the result that a record holds.

    Raises:
        ProtocolError: Its output cannot be read, nobody judged it, or it is another template's.
    """
    from fi_async._results import EvalResult  # noqa: PLC0415  # pydantic is slow to import: with the first result

    fields = record.fields
    name = record.field("name", _only_text) or ""
    if name and template and name != template:
        raise record.unreadable(f"is about another template, {_shown(name)}, not {template!r}")
    output = _value(fields)
    # As recorded, whoever judges says why or takes time: a platform without its judge says "Passed" to everything.
    if output is not None and all(key in fields and fields[key] is None for key in ("reason", "runtime")):
        raise record.unreadable("gives a verdict that nobody judged (its reason and its runtime are null)")
    output_type = record.field("output_type", _only_text)
    return EvalResult(
        name=name,
        output=_typed(output, output_type, record),
        reason=record.field("reason", _text),
        runtime=record.field("runtime", _milliseconds),
        output_type=output_type,
        eval_id=record.eval_id,
        model=record.field("model", _text),
        error_localizer_enabled=record.field("error_localizer_enabled", _flag),
        error_localizer=fields.get("error_localizer"),
        backend=record.reply.backend,
        estimate=record.field("estimate", _flag) or False,
        request_id=record.reply.request_id,
    )


def _text(value: Any) -> str | None:
    """Return a text, or what else stands in its place as text; None if that says nothing."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool) or (isinstance(value, list | dict) and not value):
        return None
    return json.dumps(value, ensure_ascii=False)


def _only_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _milliseconds(value: Any) -> float | None:
    return None if isinstance(value, bool) else _number(value)


def _number(value: Any) -> float | None:
    """Return a finite number, or a text of one, as such; None for anything else."""
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > _LONGEST_NUMBER):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _value(record: Mapping[str, Any]) -> Any:
    """Return the verdict: posts call it output, polls value."""
    output = record.get("output")
    return record.get("value") if output is None else output


def _typed(value: Any, output_type: str | None, record: _Record) -> Any:
    """Return an output in its own type: polls give numbers, lists and dicts as text (Python's repr).

    Where the type cannot be read, its form says it.
    """
    if output_type is None and isinstance(value, str) and record.fields.get("output_type") is not None:
        number = _number(value)
        return _literal(value) if number is None else number
    if output_type in ("score", "numeric") and value is not None:
        literal = _literal(value)
        if isinstance(literal, dict) and _number(literal.get("score")) is not None:
            return literal
        number = _number(value)
        if number is None:
            raise record.unreadable(f"gives a {output_type} that is no number")
        return number
    if output_type in (None, "", "Pass/Fail"):
        return _VERDICTS.get(str(value), value) if isinstance(value, bool | str) else value
    return _literal(value) if output_type == "choices" else value


def _literal(value: Any) -> Any:
    """Return the list or the dict that a text is the JSON or the repr of; any other value as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        for parse in (json.loads, ast.literal_eval):
            try:
                parsed = parse(value)
                return parsed if _is_shallow(parsed) else value
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return value


def _is_shallow(value: Any, depth: int = 2) -> bool:
    """Tell whether a value is what choices are: a list or a dict of texts and numbers, or of such lists and dicts."""
    if isinstance(value, list | dict):
        return depth > 0 and all(
            _is_shallow(each, depth - 1) for each in (value.values() if isinstance(value, dict) else value)
        )
    return value is None or isinstance(value, str | int | float)


def _shown(value: Any) -> str:
    return repr(value if value is None or isinstance(value, str) else type(value).__name__)[:100]
