"""Comparisons of two JSON values, each given as its text or as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

_MISSING: Final = object()


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def json_diff(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The share of the leaves of two JSON values that are equal and at the same place.

    A leaf is what is no object or list, an empty one of both, what only one of the two has, or a place where their
    types differ (1 and 1.0 do, and so do 1 and true), whatever stands below.
    """
    try:
        found, wanted = _parsed(inputs["output"]), _parsed(inputs["expected"])
    except (ValueError, RecursionError) as error:
        return Verdict(0.0, f"JSON parse error: {error}")
    leaves = list(_leaves(found, wanted))
    share = sum(leaves) / len(leaves)
    return Verdict(share, f"JSON Diff: {share:.4f} ({sum(leaves)}/{len(leaves)} matching)")


def _leaves(found: Any, wanted: Any) -> Iterator[bool]:
    """Whether each leaf is equal; without recursion, as values may be nested deep."""
    pairs = [(found, wanted)]
    while pairs:
        found, wanted = pairs.pop()
        if type(found) is not type(wanted):
            yield False
        elif isinstance(found, dict) and (found or wanted):
            pairs += [(found.get(key, _MISSING), wanted.get(key, _MISSING)) for key in {**found, **wanted}]
        elif isinstance(found, list) and (found or wanted):
            shared = min(len(found), len(wanted))
            pairs += zip(found, wanted, strict=False)
            pairs += [(each, _MISSING) for each in (*found[shared:], *wanted[shared:])]
        else:
            yield bool(found == wanted)


def json_scheme_validation(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when `actual_json` has the type of `expected_json`, and its keys with values of the same types.

    It may have further keys, and what is nested is not looked at. `validations` adds rules: `{"field": ...,
    "rule": "required"}` and `{"field": ..., "rule": "type", "value": "int"}`, with the names of Python's types. An
    `expected_json` that is no JSON asks for nothing. Several missing keys are named in the order of `expected_json`;
    the platform's order is that of a set.
    """
    try:
        found = _parsed(inputs["actual_json"])
    except ValueError as error:
        return pass_or_fail(ok=False, reason=f"actual_json is not valid JSON: {error}")
    try:
        wanted = _parsed(inputs["expected_json"])
    except ValueError:
        wanted = None
    fault = None if wanted is None else _difference(found, wanted)
    fault = fault or "; ".join(_broken_rules(found, params.get("validations") or []))
    return pass_or_fail(ok=not fault, reason=fault or "JSON validates against schema successfully")


def _type(value: Any) -> str:
    return type(value).__name__


def _difference(found: Any, wanted: Any) -> str | None:
    if type(found) is not type(wanted):
        return f"Type mismatch: expected {_type(wanted)}, got {_type(found)}"
    if not isinstance(wanted, dict):
        return None
    if missing := [key for key in wanted if key not in found]:
        return f"Missing keys: {', '.join(missing)}"
    mismatches = [
        f"{key}: expected {_type(value)}, got {_type(found[key])}"
        for key, value in wanted.items()
        if type(found[key]) is not type(value)
    ]
    return f"Type mismatches: {'; '.join(mismatches)}" if mismatches else None


def _broken_rules(found: Any, validations: Any) -> Iterator[str]:
    for validation in validations:
        if not isinstance(validation, dict) or not isinstance(found, dict):
            continue
        field, rule = validation.get("field"), validation.get("rule")
        if field and rule == "required" and field not in found:
            yield f"Required field '{field}' missing"
        elif field and rule == "type" and field in found:
            wanted = validation.get("value", "")
            if _type(found[field]) != wanted:
                yield f"Field '{field}' type mismatch: expected {wanted}, got {_type(found[field])}"


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (json_diff, json_scheme_validation)}
)
