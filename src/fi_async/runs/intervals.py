"""What numbers of a sample say of the whole: intervals at 95 % confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_Z: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """A lowest and a highest value, both included."""

    low: float
    high: float


def wilson(passes: int, n: int) -> Interval:
    """Return Wilson's score interval for the rate behind `passes` of `n`, `n` at least 1.

    Source: E. B. Wilson, JASA 22 (1927) 209.
    """
    rate, weight = passes / n, _Z * _Z / n
    centre = (rate + weight / 2) / (1 + weight)
    reach = _Z / (1 + weight) * math.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return Interval(0.0 if passes == 0 else centre - reach, 1.0 if passes == n else centre + reach)


def mean_interval(counts: Mapping[float, int]) -> Interval | None:
    """Return the normal interval for the mean of a sample; None for fewer than two values.

    Args:
        counts: How often each value occurs.
    """
    n = sum(counts.values())
    if n < 2:
        return None
    mean = math.fsum(value * count for value, count in counts.items()) / n
    variance = math.fsum(count * (value - mean) ** 2 for value, count in counts.items()) / (n - 1)
    reach = _Z * math.sqrt(variance / n)
    return Interval(max(mean - reach, min(counts)), min(mean + reach, max(counts)))
