"""From an HTTP reply to what it means: a result, where an evaluation stands, or a typed error.

Servers spell reply fields in snake_case, old ones in camelCase; both are read, the first is preferred.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    EvaluationError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async._models import EvalStatus

if TYPE_CHECKING:
    from fi_async._results import EvalResult

_CAMEL: Final = {
    "eval_status": "evalStatus",
    "eval_id": "evalId",
    "output_type": "outputType",
    "input_data": "inputData",
    "error_message": "errorMessage",
    "error_localizer": "errorLocalizer",
    "error_localizer_enabled": "errorLocalizerEnabled",
}
_SNAKE: Final = {camel: snake for snake, camel in _CAMEL.items()}
_THROTTLED: Final = "rate_limited"  # the reason of an evaluation that a plan's limit stopped
_UNKNOWN: Final = frozenset({"Evaluation not found", "Evaluation template not found"})  # said with a 400
_LONGEST_QUOTE: Final = 500
_REFUSALS: Final[Mapping[int, tuple[type[APIStatusError], str]]] = {
    401: (AuthenticationError, "the server does not accept the key pair"),
    403: (PermissionDeniedError, "the key pair may not do this"),
    404: (NotFoundError, "nothing is at this address; is fi_base_url right?"),
    429: (RateLimitError, "too many requests"),
    4: (APIStatusError, "the server refused the request"),
    5: (ServerError, "the server failed"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply.

    Attributes:
        headers: By lower-case name.
        content: The body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def request_id(self) -> str | None:
        """The server's id of the request."""
        return self.headers.get("x-request-id")

    @property
    def date(self) -> float | None:
        """When the server wrote it, by its own clock, in whole seconds since the epoch."""
        return _epoch(self.headers.get("date"))


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an evaluation stands: not done, done with a result, or failed with an error."""

    status: EvalStatus
    result: EvalResult | None = None
    error: EvaluationError | None = None

    @property
    def is_done(self) -> bool:
        """True once nothing will change any more."""
        return self.result is not None or self.error is not None


def read(reply: Reply) -> Any:
    """Return the `result` of a good reply.

    Raises:
        APIStatusError: The server refused the request; the subclass says how.
        ProtocolError: The reply is not the API's.
    """
    body = read_body(reply)
    if "result" not in body:
        raise _unreadable(reply, "has no result")
    return body["result"]


def read_body(reply: Reply) -> dict[str, Any]:
    """Return the whole JSON object of a good reply. Raises as `read` does."""
    if reply.status >= 400:
        raise _refusal(reply, _json_object(reply))
    if reply.status >= 300:
        to = reply.headers.get("location", "somewhere else")
        raise _unreadable(reply, f"is a redirect to {to}; redirects are not followed, as they would carry your keys")
    body = _json_object(reply)
    if body is None:
        raise _unreadable(reply, "is not a JSON object")
    if body.get("status") is False:
        raise _refusal(reply, body)
    return body


def _json_object(reply: Reply) -> dict[str, Any] | None:
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _unreadable(reply: Reply, what: str) -> ProtocolError:
    return ProtocolError(
        f"the reply {what}",
        status=reply.status,
        request_id=reply.request_id,
        server_message=_quote(reply, None),
    )


def _refusal(reply: Reply, body: Mapping[str, Any] | None) -> APIError:
    words = _quote(reply, body)
    facts = {
        "status": reply.status,
        "request_id": reply.request_id,
        "server_message": words,
        "code": (body or {}).get("code"),
    }
    if reply.status == 400:
        return _bad_request(words, body or {}, facts)
    if reply.status == 429:
        facts["retry_after"] = _retry_after(reply, body or {})
    kind, meaning = _REFUSALS.get(reply.status) or _REFUSALS[4 if reply.status < 500 else 5]
    return kind(f"{meaning}: {words}", **facts)


def _bad_request(words: str, body: Mapping[str, Any], facts: Mapping[str, Any]) -> APIStatusError:
    listed = body.get("errors") or body.get("details")
    fields = {
        str(name): [str(each) for each in messages] if isinstance(messages, list) else [str(messages)]
        for name, messages in (listed.items() if isinstance(listed, dict) else ())
        if name != "detail"  # the message of the whole request again
    }
    if words.rstrip(".") in _UNKNOWN:
        return NotFoundError(words, **facts)
    said = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in fields.items())
    return ValidationError(f"the server refused the request: {said or words}", fields=fields, **facts)


def _quote(reply: Reply, body: Mapping[str, Any] | None) -> str:
    """Return the server's words: its message, or what kind of page came instead."""
    for name in ("detail", "message", "error", "result"):
        said = (body or {}).get(name)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said:
            return said[:_LONGEST_QUOTE]
    kind = reply.headers.get("content-type", "no content type").split(";")[0]
    title = re.search(rb"<title>\s*([^<]{1,100}?)\s*</title>", reply.content, re.IGNORECASE)
    named = f" titled {title[1].decode(errors='replace')!r}" if title else ""
    return f"{len(reply.content)} bytes of {kind}{named}"


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that a refusal says to wait; None if it does not say."""
    return _retry_after(reply, _json_object(reply) or {})


def _retry_after(reply: Reply, body: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait: the header's, a date taken relative to the server's own, or the body's."""
    header = reply.headers.get("retry-after")
    inner = body.get("result")
    for said in (header, inner.get("retry_after") if isinstance(inner, dict) else None):
        try:
            seconds = float(said)  # type: ignore[arg-type]  # None and words end in the except
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    when, now = _epoch(header), reply.date
    return None if when is None or now is None else max(0.0, when - now)


@lru_cache(maxsize=64)  # the replies of one second say the same
def _epoch(header: str | None) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # slow to import: with the first reply

    try:
        when = parsedate_to_datetime(header or "")
        return None if when.tzinfo is None else when.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def started(result: Any, reply: Reply, rows: int) -> list[EvalResult]:
    """Return the items of a `new-eval/` reply, in the order of the rows that were sent.

    Those of a sync call carry outputs; those of an async one carry ids to poll.

    Raises:
        ProtocolError: There are not as many items as rows, so that none can be told whose it is.
    """
    items = [item for group in _listed(result) for item in _listed(group.get("evaluations", [group]))]
    if len(items) != rows:
        raise _unreadable(reply, f"names {len(items)} evaluations for {rows} rows")
    return [_result(_unwrapped(item), reply) for item in items]


def listed_templates(reply: Reply) -> list[dict[str, Any]]:
    """Return the items of `get-evals/`.

    Raises:
        ProtocolError: The reply is no list.
        APIStatusError: The server refused the request.
    """
    result = read(reply)
    if not isinstance(result, list):
        raise _unreadable(reply, "does not list templates")
    return [dict(each) for each in _listed(result)]


def _unwrapped(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item itself where a server put it inside {"eval_status", "result"}."""
    inner = item.get("result")
    return inner if isinstance(inner, dict) else item


def progress(result: Any, reply: Reply) -> Progress:
    """Return where an evaluation stands, from the reply to `new-eval/?eval_id=`.

    A failed *sync* verdict is stored as "failed" with a value and no error: that is a result.

    Raises:
        ProtocolError: The reply does not say.
    """
    if not isinstance(result, dict):
        raise _unreadable(reply, "does not say where the evaluation stands")
    outer = _snake(result)
    try:
        status = EvalStatus(str(outer.get("eval_status")).lower())
    except ValueError:
        raise _unreadable(reply, f"has the unknown eval_status {outer.get('eval_status')!r}") from None
    if status in (EvalStatus.PENDING, EvalStatus.PROCESSING):
        return Progress(status)
    record = outer.get("result")
    record = _snake(record) if isinstance(record, dict) else {}
    words = record.get("error_message")
    value = _value(record)
    if value is not None and (status is EvalStatus.COMPLETED or not words):
        return Progress(EvalStatus.COMPLETED, _result(record, reply))
    words = str(words or "the evaluation ended without a value")
    error = EvaluationError(
        f"the evaluation failed on the server: {words[:_LONGEST_QUOTE]}",
        eval_id=record.get("eval_id"),
        request_id=reply.request_id,
        server_message=words,
        throttled=_THROTTLED in words or None,
    )
    return Progress(EvalStatus.FAILED, error=error)


def _result(item: Mapping[str, Any], reply: Reply) -> EvalResult:
    # Half of what importing this package would take: so it is imported with the first result.
    from pydantic import ValidationError as WrongType  # noqa: PLC0415

    from fi_async._results import EvalResult  # noqa: PLC0415

    item = _snake(item)
    output_type = item.get("output_type")
    try:
        return EvalResult(
            name=item.get("name") or "",
            output=_typed(_value(item), output_type, reply),
            reason=item.get("reason"),
            runtime=item.get("runtime"),
            output_type=output_type,
            eval_id=item.get("eval_id"),
            model=item.get("model"),
            error_localizer_enabled=item.get("error_localizer_enabled"),
            error_localizer=item.get("error_localizer"),
            backend=item.get("backend") or "cloud",
            estimate=bool(item.get("estimate")),
            request_id=reply.request_id,
        )
    except WrongType as error:
        field = error.errors(include_input=False)[0]["loc"][0]
        raise _unreadable(reply, f"gives the field {field} in another type") from None


def _value(record: Mapping[str, Any]) -> Any:
    """Return the verdict: posts call it output, polls value."""
    output = record.get("output")
    return record.get("value") if output is None else output


def _typed(value: Any, output_type: str | None, reply: Reply) -> Any:
    """Return an output in its own type: polls give numbers, lists and dicts as text (Python's repr)."""
    if isinstance(value, bool) and output_type in (None, "", "Pass/Fail"):
        return "Passed" if value else "Failed"
    if output_type in ("score", "numeric") and value is not None:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise _unreadable(reply, f"gives a {output_type} that is no number")
        return number
    if output_type == "choices" and isinstance(value, str) and value[:1] in ("[", "{"):
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return value


def _snake(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in today's spelling; where both are given, today's wins."""
    return {
        _SNAKE.get(name, name): value
        for name, value in record.items()
        if name not in _SNAKE or _SNAKE[name] not in record
    }


def _listed(value: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def both_spellings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a poll's body with each field under its new and its old name, at every level of the envelope.

    So loops written for old servers (`evalStatus`) and for new ones (`eval_status`) both find theirs.
    """
    spelled: dict[str, Any] = {}
    for name, value in body.items():
        # What the user sent comes back as they sent it: only the envelope is spelled twice.
        both = both_spellings(value) if name == "result" and isinstance(value, dict) else value
        spelled[name] = both
        other = _CAMEL.get(name) or _SNAKE.get(name)
        if other and other not in body:
            spelled[other] = both
    return spelled
