"""Amounts that switches are made of: times, quotas, names; and what may be said of a wrong one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

LONGEST = 1e9
"""Seconds that anything may be told to take: 31 years. Beyond, sums of times stop being numbers."""

_SHORTEST_WINDOW = 1e-3
_GREATEST = 1e100  # neither infinite nor NaN, and no integer that is no float
_LONGEST_SHOWN = 100
_UNITS = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}


def require(condition: bool, message: str) -> None:
    """Raise a ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a number that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _GREATEST


def shown(value: object) -> str:
    """Return a value as a message repeats it: not all of a large one."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a {type(value).__name__} of many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def is_seconds(value: object) -> bool:
    """Whether anything may be told to take so long."""
    return is_number(value) and 0 <= value <= LONGEST


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is an integer, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_pairs(value: object) -> bool:
    """Whether these are texts by text."""
    return isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair)


def is_names(value: object) -> bool:
    """Whether this is a frozenset of texts."""
    return isinstance(value, frozenset) and all(isinstance(name, str) for name in value)


def require_probabilities(chances: Iterable[tuple[str, object]]) -> None:
    """Raise a ValueError unless these are probabilities of which at most one comes true."""
    total = 0.0
    for name, probability in chances:
        if not (is_number(probability) and 0 <= probability <= 1):
            raise ValueError(f"the probability of {name} is from 0 to 1, not {shown(probability)}")
        total += probability
    require(total <= 1 + 1e-9, f"the probabilities of faults sum to {total:g}, which is more than 1")


def require_statuses(statuses: Iterable[object]) -> None:
    """Raise a ValueError unless all of these are HTTP statuses of errors."""
    for status in statuses:
        require(is_whole(status) and 400 <= status <= 599, f"a fault's status is 400 to 599, not {shown(status)}")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `count` in each window of `window_seconds`, for each key pair.

    Windows are fixed and aligned to the epoch: those of 60 seconds are the minutes of UTC.
    """

    count: int
    window_seconds: float

    def __post_init__(self) -> None:
        require(is_whole(self.count) and self.count >= 0, f"a quota counts from 0 up, not {shown(self.count)}")
        require(
            is_number(self.window_seconds) and _SHORTEST_WINDOW <= self.window_seconds <= LONGEST,
            f"a quota's window lasts some seconds, not {shown(self.window_seconds)}",
        )

    def window(self, at: float) -> int:
        """Return the number of the window that the time `at` falls into."""
        return math.floor(at / self.window_seconds)

    def seconds_left(self, at: float) -> int:
        """Return the whole seconds from `at` to the end of its window, at least 1."""
        return max(1, math.ceil(self.ends(at) - at))

    def ends(self, at: float) -> float:
        """Return when the window that the time `at` falls into is over."""
        return (self.window(at) + 1) * self.window_seconds

    def __str__(self) -> str:
        """Read as the platform words it: `5 api requests per minute`."""
        unit = _UNITS.get(int(self.window_seconds)) if self.window_seconds == int(self.window_seconds) else None
        return f"{self.count} api requests per {unit or f'{self.window_seconds:g} seconds'}"


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Latencies that are mostly near `median` seconds, and sometimes much longer.

    `sigma` is the standard deviation of their logarithm: at 0.8, one in twenty takes more than 3.7 medians.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        require(is_seconds(self.median), f"a median is 0 seconds or more, not {shown(self.median)}")
        require(is_seconds(self.sigma), f"sigma is 0 or more, not {shown(self.sigma)}")
