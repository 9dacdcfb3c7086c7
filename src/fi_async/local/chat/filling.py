"""A value for any JSON schema, the same for the same case."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

_DEEPEST: Final = 24
_MOST_PARTS: Final = 5_000
_ENDLESS: Final = "the schema asks for values without end"
_SHALLOW: Final = 6
"""Below so many levels only what a schema requires is filled in: schemas may contain themselves."""


class UnfillableSchemaError(ValueError):
    """No value can be made for the schema."""


class SchemaFiller:
    """Makes values for the parts of a schema, each by a hash of the case and of where the value stands.

    Of a schema it heeds `type`, `enum`, `const`, `properties`, `required`, `items`, `minItems`, `maxItems`,
    `minimum`, `maximum`, the exclusive ones, `minLength`, `maxLength`, `anyOf`, `oneOf`, `allOf` and `$ref` within
    the schema. A number stands on one of the 101 points from `minimum` (or 0) to `maximum` (or 1, or one above); an
    integer is from `minimum` (or 0) to `maximum` (or 10 above).

    Args:
        schema: The whole schema, which references look into.
        case: What the values depend on.
    """

    def __init__(self, schema: Mapping[str, Any], case: str) -> None:
        self._schema = schema
        self._case = case.encode("utf-8", "surrogatepass")
        self._left = _MOST_PARTS

    def value(self) -> Any:
        """Return the value.

        Raises:
            UnfillableSchemaError: The schema has no values of finite depth, or refers to what it does not have.
        """
        return self._fill(self._schema, "", 0)

    def _number(self, path: str) -> int:
        digest = hashlib.sha256(path.encode("utf-8", "surrogatepass") + b"\n" + self._case).digest()
        return int.from_bytes(digest[:8])

    def _fill(self, schema: Any, path: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise UnfillableSchemaError(_ENDLESS)
        found = self._resolved(schema)
        number = self._number(path)
        if "const" in found:
            return found["const"]
        if isinstance(choices := found.get("enum"), list) and choices:
            return choices[number % len(choices)]
        if isinstance(ways := found.get("anyOf", found.get("oneOf")), list) and ways:
            return self._fill(_way(ways, number, depth), f"{path}|", depth + 1)
        kind, number = _type(found, number)
        if kind == "object":
            return self._object(found, path, depth)
        return self._array(found, path, depth) if kind == "array" else _simple(kind, found, number)

    def _resolved(self, schema: Any, links: int = 0) -> Mapping[str, Any]:
        """Return a part of the schema with its references followed, and what it is all of put together."""
        self._left -= 1
        if self._left < 0 or links > _DEEPEST:
            raise UnfillableSchemaError(_ENDLESS)
        found = schema if isinstance(schema, Mapping) else {}
        if isinstance(reference := found.get("$ref"), str):
            beside = {name: value for name, value in found.items() if name != "$ref"}
            return _joined(self._resolved(self._referred(reference), links + 1), beside)
        if isinstance(parts := found.get("allOf"), list):
            found = {name: value for name, value in found.items() if name != "allOf"}
            for part in parts:
                found = _joined(found, self._resolved(part, links + 1))
        return found

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._schema
        for name in reference.removeprefix("#").split("/")[1:]:
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise UnfillableSchemaError(f"the schema refers to {reference[:100]}, which it does not have")
        return found

    def _object(self, schema: Mapping[str, Any], path: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = schema.get("required")
        names = [name for name in properties if depth < _SHALLOW or (isinstance(required, list) and name in required)]
        return {name: self._fill(properties[name], f"{path}/{name}", depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], path: str, depth: int) -> list[Any]:
        items = self._resolved(schema.get("items"))
        choices = items.get("enum")
        least = _whole(schema.get("minItems"), 0)
        most = _whole(schema.get("maxItems"), max(least, 1) + 1)
        if isinstance(choices, list):
            most = min(most, max(least, len(choices)))
        first = least if depth >= _SHALLOW else min(max(least, 1), most)
        last = first if depth >= _SHALLOW else max(first, min(most, first + 2))
        count = first + self._number(path) % (last - first + 1)
        if isinstance(choices, list) and choices:  # one after the other, so that none is there twice
            start = self._number(f"{path}/0")
            return [choices[(start + place) % len(choices)] for place in range(count)]
        return [self._fill(items, f"{path}/{place}", depth + 1) for place in range(count)]


def _simple(kind: str, schema: Mapping[str, Any], number: int) -> Any:
    match kind:
        case "boolean":
            return number % 2 == 0
        case "integer":
            return _integer(schema, number)
        case "number":
            return _point(schema, number)
        case "null":
            return None
    return _sentence(schema, number)


def _joined(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    added = other if isinstance(other, Mapping) else {}
    both = {**one, **added}
    if isinstance(mine := one.get("properties"), dict) and isinstance(theirs := added.get("properties"), dict):
        both["properties"] = {**mine, **theirs}
    if isinstance(asked := one.get("required"), list) and isinstance(more := added.get("required"), list):
        both["required"] = [*asked, *more]
    return both


def _way(ways: list[Any], number: int, depth: int) -> Any:
    """Return one of several schemas; deep down one that ends there, if there is one."""
    ends = [way for way in ways if isinstance(way, Mapping) and way.get("type") == "null"]
    return ends[0] if depth >= _SHALLOW and ends else ways[number % len(ways)]


def _type(schema: Mapping[str, Any], number: int) -> tuple[str, int]:
    """Return the type, and what is left of the number once it has chosen one of several."""
    found = schema.get("type")
    if isinstance(found, list) and found:
        number, place = divmod(number, len(found))
        found = found[place]
    if isinstance(found, str):
        return found, number
    guesses = (("properties", "object"), ("items", "array"))
    return next((kind for name, kind in guesses if name in schema), "string"), number


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000 else default


def _bound(schema: Mapping[str, Any], name: str, exclusive: str) -> tuple[float | None, bool]:
    for each in (name, exclusive):
        value = schema.get(each)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
            return value, each == exclusive
    return None, False


def _integer(schema: Mapping[str, Any], number: int) -> int:
    low, above = _bound(schema, "minimum", "exclusiveMinimum")
    high, below = _bound(schema, "maximum", "exclusiveMaximum")
    last = None if high is None else math.ceil(high) - 1 if below else math.floor(high)
    if low is None:
        first = 0 if last is None or last >= 0 else last - 10
    else:
        first = math.floor(low) + 1 if above else math.ceil(low)
    last = first + 10 if last is None else last
    if last < first:
        raise UnfillableSchemaError(f"the schema has no integer from {first} to {last}")
    return first + number % (last - first + 1)


def _point(schema: Mapping[str, Any], number: int) -> float:
    low, above = _bound(schema, "minimum", "exclusiveMinimum")
    high, below = _bound(schema, "maximum", "exclusiveMaximum")
    if low is None:
        low = 0.0 if high is None or high > 0 else high - 1
    if high is None:
        high = 1.0 if low < 1 else low + 1
    if low > high or (low == high and (above or below)):
        raise UnfillableSchemaError(f"the schema has no number from {low:g} to {high:g}")
    first, last = int(above), 100 - int(below)
    place = first + number % (last - first + 1)
    value = low + (high - low) * place / 100
    return min(max(value, low), high)


def _sentence(schema: Mapping[str, Any], number: int) -> str:
    text = f"The test judge made up verdict {number % 10_000:04d} of this case."
    least, most = _whole(schema.get("minLength"), 0), _whole(schema.get("maxLength"), 1000)
    return text.ljust(least, ".")[:most]
