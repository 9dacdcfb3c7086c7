"""Reads amounts from short texts, and what stands for them in JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from fi_async.local.quantities import Lognormal, Quota

_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_QUOTA = re.compile(r"(\d{1,18})\s*/\s*(\d+(?:\.\d+)?)?\s*([a-z]+)")


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


def as_it_is(value: Any) -> Any:
    """Return what needs no reading."""
    return value


def text_or_value(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return what reads a text, and leaves anything else as it is."""
    return lambda value: parse(value) if isinstance(value, str) else value


def several(collect: Callable[[Iterable[Any]], Any]) -> Callable[[Any], Any]:
    """Return what reads a list, or one text in place of a list of one; anything else is for `Switches` to refuse."""

    def read(value: Any) -> Any:
        items = [value] if isinstance(value, str) else value
        return collect(items) if isinstance(items, list | tuple | set | frozenset) else value

    return read
