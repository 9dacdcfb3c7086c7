"""Outcomes as JSON text, and back: what a journal keeps of an outcome is all of it but the case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from fi_async import _errors
from fi_async._errors import FiAsyncError, InvalidCaseError
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async._results import EvalResult, Usage
from fi_async.panels.shape import Seat

_ASCII: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)
_COUNTS: Final = ("attempts", "ambiguous", "possible_duplicates", "eval_id")  # left out where there is nothing
_JUDGE: Final = "judge"
_REUSED: Final = "reused"
_FACTS: Final = ("backend", "latency_s", *_COUNTS)


def to_text(value: Any) -> str:
    """Return a value as JSON text that a file takes: what has no JSON form is written as its `str()`."""
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:  # half of a surrogate pair, which JSON can name and UTF-8 cannot hold
        return _ASCII.encode(value)


def storable(text: str) -> str:
    """Return a text that a file takes: half of a surrogate pair, which UTF-8 cannot hold, becomes what names it."""
    return text.encode("utf-8", "backslashreplace").decode()


def encode(outcome: Outcome) -> str:
    """Return an outcome as JSON text, without its case, index and template."""
    body: dict[str, Any] = {
        "status": outcome.status.value,
        "backend": outcome.backend,
        "latency_s": outcome.latency_s,
    }
    for name in _COUNTS:
        if value := getattr(outcome, name):
            body[name] = value
    if outcome.origin == _REUSED and (outcome.backend == _JUDGE or outcome.cost is not None):
        # What it cost, another run has paid.
        body["origin"] = _REUSED
    if outcome.result is None and outcome.cost is not None:
        body["cost"] = outcome.cost
    if outcome.result is None and outcome.usage is not None:
        body["usage"] = outcome.usage.model_dump(exclude_defaults=True)
    if outcome.result is not None:
        body["result"] = outcome.result.model_dump(exclude_defaults=True, exclude_computed_fields=True)
    if outcome.error is not None:
        body["error"] = _plain(outcome.error)
    return to_text(body)


def added(body: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of an outcome that counts, too, what others of the same work took: tokens and dollars."""
    paid = [_paid(each) for each in (body, *others)]
    found = {**body, **({} if body.get("result") is None else {"result": dict(body["result"])})}
    into = found.get("result") or found
    if usages := [Usage.model_validate(each["usage"]) for each in paid if each.get("usage") is not None]:
        into["usage"] = reduce(add, usages).model_dump(exclude_defaults=True)
    if costs := [Decimal(repr(each["cost"])) for each in paid if each.get("cost") is not None]:
        into["cost"] = float(sum(costs))
    return found


def _paid(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return where a body tells what its outcome took; nothing if another run paid for it."""
    if body.get("origin") == _REUSED:
        return {}
    result: Mapping[str, Any] | None = body.get("result")
    return body if result is None else result


def decode(text: str, index: int, case: Case, name: str, origin: str = "replayed") -> Outcome:
    """Return the outcome that `encode` made this text of, `name` being that of its seat.

    A verdict of a judge that was reused from another run stays so.

    Raises:
        ValueError: The text is none.
    """
    try:
        body = json.loads(text)
        result = body.get("result")
        error = body.get("error")
        paid = body if result is None else result
        seat = Seat.of(name)
        return Outcome(
            index=index,
            case=case,
            template=seat.template,
            sample=seat.sample,
            juror=seat.juror,
            status=OutcomeStatus(body["status"]),
            result=None if result is None else EvalResult.model_validate(result),
            error=None if error is None else _rebuilt(error),
            usage=None if paid.get("usage") is None else Usage.model_validate(paid["usage"]),
            cost=paid.get("cost"),
            origin=_REUSED if body.get("origin") == _REUSED and origin != "duplicate" else origin,  # type: ignore[arg-type]  # one of ours
            **{name: body[name] for name in _FACTS if name in body},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an outcome: {type(error).__name__}") from error


def refusal(index: int, first: int) -> InvalidCaseError:
    """Return why the case at this position is refused, the first of its equals standing at another."""
    return InvalidCaseError(f"case {index}: it equals case {first}: leave one out, or evaluate both once", index=index)


def _plain(error: BaseException) -> dict[str, Any]:
    facts = {name: value for name, value in vars(error).items() if name not in ("message", "report")}
    body: dict[str, Any] = {"type": type(error).__name__, "message": getattr(error, "message", str(error))}
    if facts:
        body["facts"] = facts
    if isinstance(error.__cause__, FiAsyncError):
        body["cause"] = _plain(error.__cause__)
    return body


def _rebuilt(body: Mapping[str, Any]) -> FiAsyncError:
    facts = dict(body.get("facts", {}))
    if isinstance(facts.get("usage"), dict):
        facts["usage"] = Usage.model_validate(facts["usage"])
    error = kind_of(str(body["type"]))(str(body["message"]), **facts)
    if "cause" in body:
        error.__cause__ = _rebuilt(body["cause"])
    return error


def kind_of(name: str) -> type[FiAsyncError]:
    """Return the error of ours that has this name; the base of all if none has."""
    kind = getattr(_errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, FiAsyncError) else FiAsyncError
