"""Switches from short texts and JSON, for the command line and the control route.

    quota      "300/10s"  "50/min"  "1000/day"
    latency    "2"  "2~0.8" (lognormal: median ~ sigma)
    faults     "503=0.05"  "502_after=0.01"  "reset_before=0.02"  "slow=0.1:5" (probability : seconds late)
               "gets=off" (none of them on GET)

Every error is a ValueError that repeats the text and shows a right one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from fi_async.local.switches import Faults, Lognormal, Quota, Switches

_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_QUOTA = re.compile(r"(\d{1,18})\s*/\s*(\d+(?:\.\d+)?)?\s*([a-z]+)")
_AFTER = "_after"


def parse_quota(text: str) -> Quota:
    """Return the quota that a text such as `300/10s` or `50/min` names."""
    match = _QUOTA.fullmatch(text.strip())
    if match is None or match[3] not in _SECONDS:
        raise ValueError(f"{text!r} is not a quota; write it as 300/10s, 50/min or 1000/day")
    return Quota(int(match[1]), float(match[2] or 1) * _SECONDS[match[3]])


def parse_latency(text: str) -> float | Lognormal:
    """Return the seconds, or the distribution of them, that a text such as `2` or `2~0.8` names."""
    median, tilde, sigma = text.partition("~")
    try:
        return Lognormal(float(median), float(sigma)) if tilde else float(median)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a latency; write it as 2, or 2~0.8 for lognormal") from error


def parse_faults(texts: Iterable[str]) -> Faults:
    """Return the faults that texts such as `503=0.05` or `slow=0.1:5` name, a kind each."""
    changes: dict[str, Any] = {"status": {}, "status_after": {}}
    for text in texts:
        kind, _, amount = (part.strip() for part in str(text).partition("="))
        try:
            _add_fault(changes, kind, amount)
        except ValueError as error:
            kinds = ", ".join(("a status such as 503", "502_after", *_PLAIN_KINDS, "slow"))
            message = f"{text!r} is not a fault; write it as 503=0.05, slow=0.1:5 or gets=off; there are {kinds}"
            raise ValueError(message) from error
    return Faults(**changes)


def _add_fault(changes: dict[str, Any], kind: str, amount: str) -> None:
    if kind.isdigit():
        changes["status"][int(kind)] = float(amount)
    elif kind.endswith(_AFTER) and kind.removesuffix(_AFTER).isdigit():
        changes["status_after"][int(kind.removesuffix(_AFTER))] = float(amount)
    elif kind == "slow":
        probability, _, seconds = amount.partition(":")
        changes["slow"] = (float(probability), float(seconds))
    elif kind in _PLAIN_KINDS:
        changes[kind] = float(amount)
    elif kind == "gets" and amount in ("on", "off"):
        changes["gets"] = amount == "on"
    else:
        raise ValueError(kind)


def parse_switches(changes: Mapping[str, Any], base: Switches | None = None) -> Switches:
    """Return the switches with these fields changed, each given as its own type or as its text or JSON.

    Lists of texts are taken for `evaluations`, `projects`, `own_templates` and `faults`, for the latter an
    object of amounts by kind too; they replace what there was. Null is taken for what can be None.

    Example:
        >>> parse_switches({"latency": "2~0.8", "evaluations": ["50/min"]}).latency
        Lognormal(median=2.0, sigma=0.8)

    Raises:
        ValueError: A field is unknown, or its value is none it can have.
    """
    base = Switches() if base is None else base
    known = [field.name for field in fields(Switches)]
    if unknown := [name for name in changes if name not in known]:
        raise ValueError(f"there is no switch {unknown[0]!r}; there are {', '.join(known)}")
    return base.replace(**{name: _READERS.get(name, _as_it_is)(value) for name, value in changes.items()})


def _as_it_is(value: Any) -> Any:
    return value


def _text_or_value(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: parse(value) if isinstance(value, str) else value


def _several(collect: Callable[[Iterable[Any]], Any]) -> Callable[[Any], Any]:
    """Return what reads a list, or one text in place of a list of one; anything else is for `Switches` to refuse."""

    def read(value: Any) -> Any:
        items = [value] if isinstance(value, str) else value
        return collect(items) if isinstance(items, list | tuple | set | frozenset) else value

    return read


def _texts(value: Any) -> Any:
    return [f"{kind}={amount}" for kind, amount in value.items()] if isinstance(value, Mapping) else value


def _quotas(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(_text_or_value(parse_quota), items))


_PLAIN_KINDS = ("html_500", "reset_before", "reset_after", "cut_json", "fail", "stuck")
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "latency": _text_or_value(parse_latency),
    "requests": _text_or_value(parse_quota),
    "evaluations": _several(_quotas),
    "faults": lambda value: _several(parse_faults)(_texts(value)),
    "projects": _several(frozenset),
    "own_templates": _several(frozenset),
}
