"""Switches from short texts and JSON, for the command line and the control route.

    quota      "300/10s"  "50/min"  "1000/day"
    latency    "2"  "2~0.8" (lognormal: median ~ sigma)
    faults     "503=0.05"  "502_after=0.01"  "reset_before=0.02"  "slow=0.1:5" (probability : seconds late)
               "gets=off" (none of them on GET)

Every error is a ValueError that repeats the text and shows a right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from fi_async.local.chat.texts import parse_chat
from fi_async.local.reading import as_it_is, parse_latency, parse_quota, several, text_or_value
from fi_async.local.switches import Faults, Switches

_AFTER = "_after"


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
    object of amounts by kind too; they replace what there was. Null is taken for what can be None. `chat` takes an
    object of those of its switches that change, read likewise.

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
    read = {name: _READERS.get(name, as_it_is)(value) for name, value in changes.items()}
    if isinstance(chat := read.get("chat"), Mapping):
        read["chat"] = parse_chat(chat, base.chat)
    return base.replace(**read)


def _texts(value: Any) -> Any:
    return [f"{kind}={amount}" for kind, amount in value.items()] if isinstance(value, Mapping) else value


def _quotas(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(text_or_value(parse_quota), items))


_PLAIN_KINDS = (
    "html_500",
    "reset_before",
    "reset_after",
    "cut_json",
    "fail",
    "stuck",
    "dataset_fail",
    "dataset_stuck",
)
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "latency": text_or_value(parse_latency),
    "requests": text_or_value(parse_quota),
    "evaluations": several(_quotas),
    "faults": lambda value: several(parse_faults)(_texts(value)),
    "projects": several(frozenset),
    "own_templates": several(frozenset),
}
