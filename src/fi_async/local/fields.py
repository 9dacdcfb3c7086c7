"""Fields of a request body: what each may hold, and the message for what it may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fi_async.local.envelopes import Refused, invalid

REQUIRED = "This field is required."
UNKNOWN = "Unknown field."

_NOT_NULL = "This field may not be null."
# 1 and 1.0 are equal to True, 0 to False.
_TRUE = frozenset({"t", "y", "yes", "true", "on", "1", 1})
_FALSE = frozenset({"f", "n", "no", "false", "off", "0", 0})


class WrongValueError(ValueError):
    """A value that its field may not hold; its text is the message."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold. One without a `default` is required; `None` passes only if `nullable`."""

    check: Callable[[Any], Any]
    default: Any = ...
    nullable: bool = False


def clean(body: Any, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return the values of an object body.

    Raises:
        Refused: With the 400 that names every wrong, missing and unknown field.
    """
    content = as_object(body)
    values, messages = checked(content, fields)
    messages |= dict.fromkeys(sorted(content.keys() - fields.keys()), UNKNOWN)
    refuse_all(messages)
    return values


def as_object(body: Any) -> dict[str, Any]:
    """Return a body that is an object; refuse any other."""
    if body is None:
        raise Refused(invalid({"non_field_errors": ["No data provided"]}))
    if not isinstance(body, dict):
        raise Refused(invalid({"non_field_errors": [not_an_object(body)]}))
    return body


def not_an_object(value: Any) -> str:
    """Return the message about a value that should be an object with fields."""
    return f"Invalid data. Expected a dictionary, but got {type(value).__name__}."


def refuse_all(messages: Mapping[str, str], prefix: str = "") -> None:
    """Raise the 400 with these messages by field; without any, return."""
    if messages:
        raise Refused(invalid({f"{prefix}{name}": [message] for name, message in messages.items()}))


def checked(body: Mapping[str, Any], fields: Mapping[str, Field]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the right fields and the messages about the wrong ones."""
    values: dict[str, Any] = {}
    messages: dict[str, str] = {}
    for name, field in fields.items():
        try:
            values[name] = _value(body, name, field)
        except WrongValueError as wrong:
            messages[name] = str(wrong)
    return values, messages


def _value(body: Mapping[str, Any], name: str, field: Field) -> Any:
    if name not in body:
        if field.default is ...:
            raise WrongValueError(REQUIRED)
        return field.default
    value = body[name]
    if value is None:
        if not field.nullable:
            raise WrongValueError(_NOT_NULL)
        return None
    return field.check(value)


def text(value: Any) -> str:
    """Take a string, or a number as its text; the ends are stripped of space."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongValueError("Not a valid string.")
    stripped = str(value).strip()
    if "\0" in stripped:
        raise WrongValueError("Null characters are not allowed.")
    return stripped


def filled_text(value: Any) -> str:
    """Take text that is not blank."""
    stripped = text(value)
    if not stripped:
        raise WrongValueError("This field may not be blank.")
    return stripped


def boolean(value: Any) -> bool:
    """Take a boolean, or one of the words and numbers that stand for one."""
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, str | int | float):
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise WrongValueError("Must be a valid boolean.")


def dictionary(value: Any) -> dict[str, Any]:
    """Take a JSON object."""
    if not isinstance(value, dict):
        raise WrongValueError(f'Expected a dictionary of items but got type "{type(value).__name__}".')
    return value


def array(value: Any) -> list[Any]:
    """Take a JSON array."""
    if not isinstance(value, list):
        raise WrongValueError(f'Expected a list of items but got type "{type(value).__name__}".')
    return value
