"""Values as JSON has them: the one place that knows what dates, numbers, arrays and cells of every library become.

| given, at any depth                                    | becomes                                             |
|--------------------------------------------------------|-----------------------------------------------------|
| text, numbers, booleans, None, lists, dicts            | themselves; tuples and other sequences lists        |
| NaN, NaT, NA of any library                            | None                                                |
| dates, times, timestamps                               | ISO 8601 text                                       |
| time spans                                             | ISO 8601 text, such as P1DT2H                       |
| Decimals, fractions, UUIDs, paths                      | text, with all their digits                         |
| enum members                                           | their value                                         |
| bytes                                                  | the text that they are in UTF-8                     |
| arrays, series, scalars of numpy, pandas, Arrow, polars | lists of values, and values; frames lists of rows   |
| dataclasses, pydantic models                           | dicts                                               |

Imports no library: their values are known by their types.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

_DEEPEST: Final = 100  # lists and dicts within each other; every writer of JSON takes as many
_MOST_BITS: Final = 14_000  # of a whole number: Python writes no longer one as text
_PLAIN: Final = frozenset({str, bool, type(None)})
_NOTHING: Final = frozenset({"NAType", "NaTType"})  # pandas' own; it may not even be installed
_MOST_PLACES: Final = 40  # a Decimal beyond is written with its exponent
# What the arrays, series and scalars of libraries are turned into values by, the first that a type has.
_METHODS: Final = ("to_pylist", "to_dicts", "as_py", "to_list", "tolist", "item")
_GREATEST_WHOLE: Final = 1e22  # an id that is a greater float keeps its exponent

Otherwise = Callable[[Any, str], Any]


class NotPlainError(ValueError):
    """A value has no JSON form; the message says what it is, or holds: "is a set with no JSON form"."""


def plain(value: Any) -> Any:
    """Return a value as JSON has it: text, numbers, booleans, None, lists, and dicts by text.

    Raises:
        NotPlainError: There is no such form.
    """

    def refuse(each: Any, why: str) -> Any:
        raise NotPlainError(f"{'is' if each is value else 'holds'} {why}")

    return _walk(value, (), refuse)


def shown(value: Any) -> Any:
    """Return a value as JSON has it, whatever it is: what has no such form becomes its `str()`, or its type's name."""
    return _walk(value, (), _described)


def shown_inputs(inputs: Any) -> Any:
    """Return inputs as `shown` does; most are text by text already."""
    if type(inputs) is dict and all(type(key) is type(each) is str for key, each in inputs.items()):
        return inputs
    return shown(inputs)


def as_text(value: Any) -> str | None:
    """Return a value as the text that is sent: a string as it is, anything richer as its JSON; None if it is missing.

    Raises:
        NotPlainError: It has no JSON form.
    """
    if type(value) is str:
        return value
    try:  # most of what is no text is what JSON knows at once
        written = json.dumps(value, ensure_ascii=False, allow_nan=False) if isinstance(value, dict | list) else None
    except (TypeError, ValueError, RecursionError):
        written = None
    if written is None:
        value = plain(value)
        if value is None or isinstance(value, str):
            return value
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return written


def id_text(value: Any) -> str | None:
    """Return an id as text: a whole number without its fraction, whatever it was held as; None for what is missing.

    Raises:
        NotPlainError: It has no JSON form.
    """
    if value is None or type(value) is str:
        return value
    value = plain(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _GREATEST_WHOLE:
        value = int(value)  # a column of numbers with one that is missing is one of floats
    return as_text(value)


def _walk(value: Any, within: tuple[int, ...], otherwise: Otherwise) -> Any:
    """Return a value as JSON has it; `within` are the ids of what it stands in."""
    if type(value) in _PLAIN:
        return value
    try:
        found = _simple(value)
        members = list(found.items()) if isinstance(found, Mapping) else None
    except Exception as error:  # noqa: BLE001  # of a library, or of a class of the user's
        of_theirs = f"a {type(value).__name__} with no JSON form ({type(error).__name__})"
        return otherwise(value, str(error) if isinstance(error, NotPlainError) else of_theirs)
    if members is None and not isinstance(found, list):
        return found
    if id(value) in within or len(within) >= _DEEPEST:
        return otherwise(..., f"lists more than {_DEEPEST} deep, or within themselves")
    inner = (*within, id(value))
    if members is None:
        return [_walk(each, inner, otherwise) for each in found]
    return {_key(key, otherwise): _walk(each, inner, otherwise) for key, each in members}


def _key(key: Any, otherwise: Otherwise) -> str:
    """Return the key of a dict as JSON has it: as text."""
    if type(key) is str:
        return key
    found = _walk(key, (), otherwise)
    if isinstance(found, list | dict):
        found = otherwise(key, f"a dict with a {type(key).__name__} as key, with no JSON form")
    return found if isinstance(found, str) else json.dumps(found)


def _refuse(_: Any, why: str) -> Any:
    raise NotPlainError(why)


def _described(value: Any, _: str) -> str:
    if value is ...:
        return "…"
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # of a class of the user's
        return f"<{type(value).__name__}>"


def _simple(value: Any) -> Any:
    """Return what JSON knows, the members of a list or dict as they are.

    Raises:
        NotPlainError: There is no such form.
        Exception: Whatever a library or a class of the user's raises.
    """
    if type(value).__name__ in _NOTHING:  # before datetime, which NaT is one of
        return None
    if isinstance(value, Enum):
        return _walk(value.value, (), _refuse)
    if isinstance(value, str | int | float):
        return _of_builtin(value)
    form = next((form for types, form in _FORMS if isinstance(value, types)), _of_other)
    return form(value)


def _of_other(value: Any) -> Any:
    """Return a value of a library, or of a class of the user's."""
    kind = type(value)
    form = _BY_NAME.get((kind.__module__.partition(".")[0], kind.__name__))
    if form is not None:
        return form(value)
    if (method := next((name for name in _METHODS if hasattr(kind, name)), None)) is not None:
        return _of_library(value, method)
    if isinstance(value, Sequence):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    raise NotPlainError(f"a {kind.__name__} with no JSON form")


def _of_builtin(value: str | float) -> Any:
    """Return a string, a number or one of a subclass as what JSON writes, not as what a subclass calls itself."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise NotPlainError("a number of more digits than JSON is read with")
        return int.__int__(value)
    if math.isinf(value):
        raise NotPlainError("an infinite number, which JSON has no form for")
    return None if math.isnan(value) else float.__float__(value)


def _of_decimal(value: Decimal) -> Any:
    if value.is_nan():
        return None
    if value.is_infinite():
        raise NotPlainError("an infinite number, which JSON has no form for")
    return format(value, "f") if abs(value.adjusted()) <= _MOST_PLACES else str(value)


def _of_bytes(value: Any) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise NotPlainError("bytes that are no UTF-8") from None


def _of_span(value: timedelta) -> str:
    """Return a time span in ISO 8601: days, hours, minutes, seconds."""
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    parts = [f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count]
    if seconds or fraction or not (parts or value.days):
        parts.append(f"{seconds}{fraction}S")
    return f"{sign}P{f'{value.days}D' if value.days else ''}{'T' if parts else ''}{''.join(parts)}"


def _of_numpy_time(value: Any) -> Any:
    if value != value:  # noqa: PLR0124  # NaT is what differs from itself
        return None
    if type(value).__name__ == "datetime64" and "T" not in str(value):
        return str(value)  # a day, a month or a year
    micro = value.astype(f"{type(value).__name__}[us]")
    if micro == value:
        found = micro.item()
        return found if found is None else _simple(found)
    return str(value)  # finer than Python's own


def _of_library(value: Any, method: str) -> Any:
    """Return an array, a series or a scalar as values; what an array holds is looked at in turn."""
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") in ("M", "m") and getattr(value, "ndim", 0) == 1 and hasattr(value, "to_numpy"):
        return list(value)  # a series of pandas: its members know themselves
    if getattr(dtype, "kind", "") in ("M", "m"):
        return list(value) if value.ndim else _of_numpy_time(value[()])  # numpy would count nanoseconds
    found = getattr(value, method)()
    if type(found) is type(value) and not isinstance(found, list):
        return _of_builtin(float(value))  # a number of numpy's that Python has no type for
    return found if isinstance(found, list) else _walk(found, (), _refuse)


_BY_NAME: Final[Mapping[tuple[str, str], Callable[[Any], Any]]] = {
    ("numpy", "datetime64"): _of_numpy_time,
    ("numpy", "timedelta64"): _of_numpy_time,
    ("pandas", "DataFrame"): lambda value: value.to_dict("records"),
    ("pandas", "Interval"): str,
    ("pandas", "Period"): str,
}

# In this order: a type stands before those that it is one of.
_FORMS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    ((list, tuple), list),
    (Mapping, lambda value: value),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, _of_span),
    (Decimal, _of_decimal),
    ((UUID, Fraction), str),
    (os.PathLike, os.fspath),
    ((bytes, bytearray, memoryview), _of_bytes),
)
