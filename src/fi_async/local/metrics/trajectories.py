"""What an agent did, against what it should have done: steps, actions, tool calls.

Steps and actions are a JSON array, or a text that separates them with commas; tool calls are a JSON array only.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

Call = tuple[Hashable, Hashable]
"""The name of a tool and its arguments, such that equal calls are equal."""


def _steps(value: Any) -> list[Any]:
    """The items of the JSON array, any other JSON value as the only one, or the parts between a text's commas."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else [value]


def step_count(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the steps number `expected_steps`, or else are from `min_steps` to `max_steps`, both included."""
    count = len(_steps(inputs["output"]))
    expected, low, high = (params.get(name) for name in ("expected_steps", "min_steps", "max_steps"))
    if expected is not None:
        ok, told = count == expected, f"{'==' if count == expected else '!='} expected {expected}"
    elif low is not None and high is not None:
        ok = low <= count <= high
        told = f"{'in' if ok else 'outside'} [{low},{high}]"
    elif low is not None:
        ok, told = count >= low, f"{'>=' if count >= low else '<'} {low}"
    elif high is not None:
        ok, told = count <= high, f"{'<=' if count <= high else '>'} {high}"
    else:
        reason = "At least one of expected_steps, min_steps, or max_steps must be provided"
        return pass_or_fail(ok=False, reason=reason)
    return pass_or_fail(ok=ok, reason=f"Steps: {count} {told}")


def _actions(value: Any) -> list[Any]:
    """The names of the actions; of an object its "name", else its "action", else all of it."""
    return [
        step.get("name", step.get("action", str(step))) if isinstance(step, dict) else str(step)
        for step in _steps(value)
    ]


def trajectory_match(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """How far the actions match, by `mode`.

    "strict" (the default): 1 when they are the same, else the length of the common beginning / the longer length.
    "unordered": distinct actions in both / in either. "subset": the share of the expected ones that were done.
    "superset": the share of the done ones that were expected. Any other mode scores 0.
    The reasons list actions in alphabetical order; the platform's in any.
    """
    actual, expected = _actions(inputs["output"]), _actions(inputs["expected"])
    mode = str(params.get("mode", "strict")).lower()
    if not expected:
        return Verdict(float(not actual), "No expected actions")
    match = _MODES.get(mode)
    return Verdict(0.0, f"Unknown mode: {mode}") if match is None else match(actual, expected)


def _unordered(actual: list[Any], expected: list[Any]) -> Verdict:
    done, wanted = set(actual), set(expected)
    shared, either = len(done & wanted), len(done | wanted)
    return Verdict(shared / either, f"Unordered: {shared}/{either}")


def _subset(actual: list[Any], expected: list[Any]) -> Verdict:
    wanted = set(expected)
    if missing := wanted.difference(actual):
        return Verdict(1.0 - len(missing) / len(wanted), f"Subset: missing {_set(missing)}")
    return Verdict(1.0, "All expected found")


def _superset(actual: list[Any], expected: list[Any]) -> Verdict:
    done = set(actual)
    if extra := done.difference(expected):
        return Verdict(1.0 - len(extra) / len(done), f"Superset: extra {_set(extra)}")
    return Verdict(1.0, "All actual within expected")


def _strict(actual: list[Any], expected: list[Any]) -> Verdict:
    if actual == expected:
        return Verdict(1.0, f"Strict match: {len(expected)} actions")
    pairs = enumerate(zip(actual, expected, strict=False))
    common = next((place for place, (a, b) in pairs if a != b), min(len(actual), len(expected)))
    score = common / max(len(actual), len(expected))
    return Verdict(score, f"Strict: {common}/{len(expected)} prefix match")


_MODES: Final[Mapping[str, Callable[[list[Any], list[Any]], Verdict]]] = MappingProxyType(
    {"strict": _strict, "unordered": _unordered, "subset": _subset, "superset": _superset}
)


def _set(actions: set[Any]) -> str:
    return f"{{{', '.join(sorted(map(repr, actions)))}}}"


def tool_call_accuracy(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 for each call with the name and the arguments of an expected one, 0.5 for one with its name only, / all.

    All is the greater number, of the calls or of the expected. Each call takes the first expected one that is left
    and that it matches best, in the order of the calls. A call is {"name", "arguments"}, or that under "function";
    arguments may be an object, or its JSON text. What is not a call is passed over.
    """
    actual, expected = _calls(inputs["output"]), _calls(inputs["expected"])
    if not expected and not actual:
        return Verdict(1.0, "No tool calls expected or made")
    if not expected:
        return Verdict(0.0, f"No calls expected but {len(actual)} made")
    if not actual:
        return Verdict(0.0, f"{len(expected)} calls expected but none made")
    exact, named = _matches(actual, expected)
    score = (exact + (named - exact) * 0.5) / max(len(expected), len(actual))
    found = f"{exact}/{len(expected)} exact, {named} name matches"
    reason = f"Tool Call Accuracy: {score:.3f} ({found}, {len(actual)} actual vs {len(expected)} expected)"
    return Verdict(score, reason)


def _matches(actual: list[Call], expected: list[Call]) -> tuple[int, int]:
    """How many calls match exactly, and how many by name, the exact ones among them."""
    by_call: defaultdict[Call, deque[int]] = defaultdict(deque)
    by_name: defaultdict[Hashable, deque[int]] = defaultdict(deque)
    for place, call in enumerate(expected):
        by_call[call].append(place)
        by_name[call[0]].append(place)
    used: set[int] = set()
    exact = 0
    for call in actual:
        same, alike = by_call[call], by_name[call[0]]
        for places in (same, alike):
            while places and places[0] in used:
                places.popleft()
        if same:
            exact += 1
        if alike:
            used.add((same or alike)[0])
    return exact, len(used)


def _calls(value: Any) -> list[Call]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        return []
    calls = [item for item in items if isinstance(item, dict)]
    calls = [call["function"] if isinstance(call.get("function"), dict) else call for call in calls]
    return [(_frozen(call.get("name", "")), _frozen(_arguments(call.get("arguments", {})))) for call in calls]


def _arguments(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _frozen(value: Any) -> Hashable:
    """What is equal, and so can be looked up, when the JSON value is: 1, 1.0 and true are, as in Python."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(each)) for key, each in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    frozen: Hashable = value
    return frozen


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (step_count, trajectory_match, tool_call_accuracy)}
)
