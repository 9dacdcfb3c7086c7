"""Runs one evaluation as the platform's engine does: refuses blank inputs, checks params, scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from fi_async._catalogue import rows
from fi_async.local import bounded
from fi_async.local.metrics import METRICS, Verdict
from fi_async.local.metrics.availability import why_not

_KINDS: Final[Mapping[str, tuple[type[Any], tuple[type[Any], ...], str]]] = {
    "integer": (int, (int, str), "an integer"),
    "number": (float, (int, float, str), "a number"),
    "string": (str, (str,), "a string"),
}
"""Of each type of a schema: what makes one, out of which types, and its name in a fault."""


class BlankInputError(Exception):
    """An input is blank, which the platform refuses; the text is that of a failed evaluation."""


class EngineError(Exception):
    """The evaluation could not be scored; the text is what the platform's engine says."""


def supported() -> frozenset[str]:
    """The names of the templates that `run_evaluator` knows."""
    return frozenset(METRICS)


def check_params(name: str, params: Mapping[str, Any]) -> list[str]:
    """What the platform finds wrong with the params: the first fault only, or nothing."""
    try:
        _with_schema(name, params)
    except ValueError as error:
        return [str(error)]
    return []


def run_evaluator(
    name: str, inputs: Mapping[str, Any], params: Mapping[str, Any], *, allow_network: bool = False
) -> Verdict:
    """The verdict of one evaluation.

    Raises:
        BlankInputError: An input is blank.
        EngineError: The template is not supported here or not as things are, an input is missing, or the metric failed
            on it.
    """
    if why := why_not(name, allow_network=allow_network):
        raise EngineError(f"The local backend cannot evaluate {name}: {why}.")
    if name not in METRICS:
        raise EngineError(f"The local backend has no evaluator for {name}.")
    check_inputs(name, inputs)
    try:
        return bounded.verdict_of(METRICS[name], name, inputs, _with_schema(name, params), allow_network=allow_network)
    except Exception as error:
        raise EngineError(f"Code eval input validation failed: Runtime error: {error}") from error


def check_inputs(name: str, inputs: Mapping[str, Any]) -> None:
    """Return if the engine takes these inputs.

    Raises:
        BlankInputError: One is blank.
        EngineError: One is missing.
    """
    _require_keys(rows()[name], inputs)
    _refuse_blank(inputs)


def _require_keys(row: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    required = row["required_keys"]
    if missing := [key for key in required if key not in inputs]:
        optional = [key for key in row.get("optional_keys", []) if key not in required]
        raise EngineError(
            f"Missing required input(s) for eval: {', '.join(missing)}. "
            f"Required keys: {required}. Optional keys: {optional}."
        )


def _refuse_blank(inputs: Mapping[str, Any]) -> None:
    for key in sorted(inputs):
        try:
            blank = _is_blank(inputs[key])
        except RecursionError:  # nested too deep to be looked into: the platform answers 500 here too
            blank = True
        if blank:
            raise BlankInputError(f"No input received for '{key}'. Please check your input.")


def _is_blank(value: Any) -> bool:
    """Whether nothing is in the value, nor, when it is the JSON of one, in what that holds.

    Blank are "", white space, null, and the lists and objects of blank values only: "[]", '[""]', '{"a": {}}'.
    """
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            return not value.strip()
        return parsed != value and _is_blank(parsed)
    if isinstance(value, Mapping):
        return all(map(_is_blank, value.values()))
    if isinstance(value, list):
        return all(map(_is_blank, value))
    return value is None


def _with_schema(name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The params as the template's function_params_schema reads them; ValueError says what is wrong.

    Templates without a schema take any params.
    """
    schema: Mapping[str, Mapping[str, Any]] = rows().get(name, {}).get("function_params_schema") or {}
    if not schema:
        return params
    if unknown := sorted(set(params) - set(schema)):
        raise ValueError(f"Unknown function params: {', '.join(unknown)}")
    return {param: _param(param, params.get(param, rule.get("default")), rule) for param, rule in schema.items()}


def _param(name: str, value: Any, rule: Mapping[str, Any]) -> Any:
    """The value as the rule's type and within its range; a blank string, from a form's empty field, is the default."""
    if isinstance(value, str) and not value.strip():
        value = rule.get("default")
    if value is None:
        if rule.get("required") and not rule.get("nullable"):
            raise ValueError(f"{name} is required")
        return None
    value = _converted(name, value, rule["type"])
    if "minimum" in rule and value < rule["minimum"]:
        raise ValueError(f"{name} must be >= {rule['minimum']}")
    if "maximum" in rule and value > rule["maximum"]:
        raise ValueError(f"{name} must be <= {rule['maximum']}")
    return value


def _converted(name: str, value: Any, kind: str) -> Any:
    """The value as the type; a number may come as a string of one, but a boolean is none."""
    convert, accepted, described = _KINDS[kind]
    if isinstance(value, accepted) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return convert(value)
    raise ValueError(f"{name} must be {described}")
