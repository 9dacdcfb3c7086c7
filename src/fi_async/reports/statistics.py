"""What numbers of a sample say of the whole: intervals for rates and means, and a test for pairs."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from statistics import NormalDist, fmean
from typing import Final

_NORMAL: Final = NormalDist()
_RESAMPLES: Final = 2_000
_MOST_RESAMPLED: Final = 300  # values; above, the closed form is as good and costs nothing
_MOST_EXACT: Final = 1_000  # discordant pairs

FEWEST_OF_T: Final = 10
"""Values that `skewed_t_interval` needs."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A lowest and a highest value, both included."""

    low: float
    high: float


def wilson(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for the rate behind `passes` of `n`.

    It holds for small samples and for rates near 0 and 1, where the textbook interval does not.
    Source: E. B. Wilson, JASA 22 (1927) 209.

    Raises:
        ValueError: There is no trial, or the numbers cannot be.
    """
    if not 0 <= passes <= n or n == 0:
        raise ValueError(f"{passes} passes of {n}: give 0 <= passes <= n, and n of at least 1")
    z = _quantile((1 + confidence) / 2)
    rate, weight = passes / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    low = 0.0 if passes == 0 else centre - reach
    high = 1.0 if passes == n else centre + reach
    return Interval(low, high)


def mean_interval(counts: Mapping[float, int], confidence: float = 0.95, *, seed: int = 0) -> Interval | None:
    """Return the bootstrap interval (BCa) for the mean of a sample; None of values that do not differ.

    Up to 300 values are resampled 2,000 times: bias-corrected and accelerated percentiles (B. Efron, JASA 82
    (1987) 171). Above that, it is the limit of the same interval in closed form, right to second order
    (P. Hall, The Bootstrap and Edgeworth Expansion, 1992, 3.10): mean + s/sqrt(n) * (z + a * (2 z^2 + 1)) with
    a = skewness / (6 sqrt(n)).

    For a paired bootstrap of the difference of two means, give the differences of the pairs: to resample
    pairs is to resample these. A bootstrap knows no value but those it saw: equal values tell it nothing.

    Args:
        counts: How often each value occurs.
        confidence: Of the interval, between 0 and 1.
        seed: Of the resampling; the same sample and seed give the same interval.
    """
    values = sorted(value for value, count in counts.items() if count)
    weights = [counts[value] for value in values]
    if len(values) < 2:
        return None
    moments = _moments(values, weights, sum(weights))
    if moments.n <= _MOST_RESAMPLED:
        return _resampled(values, weights, moments, confidence, seed)
    return _in_the_limit(moments, values, confidence)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of a sample: its size, its mean, the standard error of that, and Efron's acceleration."""

    n: int
    mean: float
    error: float
    acceleration: float


def _moments(values: list[float], weights: list[int], n: int) -> _Moments:
    mean = math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / n
    second, third = (
        math.fsum(weight * (value - mean) ** power for value, weight in zip(values, weights, strict=True)) / n
        for power in (2, 3)
    )
    cubed = second**1.5
    skewness = third / cubed if cubed else 0.0
    return _Moments(n, mean, math.sqrt(second / n), skewness / (6 * math.sqrt(n)))


def _resampled(values: list[float], weights: list[int], moments: _Moments, confidence: float, seed: int) -> Interval:
    draw, cumulative = Random(seed).choices, list(accumulate(weights))  # noqa: S311  # nothing is secret here
    means = sorted(fmean(draw(values, cum_weights=cumulative, k=moments.n)) for _ in range(_RESAMPLES))
    rounding = 1e-9 * (values[-1] - values[0])  # the same values in another order may have another mean
    below = (bisect_left(means, moments.mean - rounding) + bisect_right(means, moments.mean + rounding)) / 2
    bias = _quantile(min(max(below, 1), _RESAMPLES - 1) / _RESAMPLES)

    def end(z: float) -> float:
        shifted = bias + (bias + z) / (1 - moments.acceleration * (bias + z))
        return _within(values, _percentile(means, _NORMAL.cdf(shifted)))

    z = _quantile((1 + confidence) / 2)
    return Interval(end(-z), end(z))


def _within(values: list[float], mean: float) -> float:
    """Return a mean of resampled values, which lies among them but for rounding."""
    return min(max(mean, values[0]), values[-1])


def _percentile(ordered: list[float], share: float) -> float:
    """Return the value below which a share of these lies, between neighbours in proportion."""
    position = share * (len(ordered) - 1)
    at = min(int(position), len(ordered) - 2)
    return ordered[at] + (position - at) * (ordered[at + 1] - ordered[at])


def _in_the_limit(moments: _Moments, values: list[float], confidence: float) -> Interval:
    def end(z: float) -> float:
        return _within(values, moments.mean + moments.error * (z + moments.acceleration * (2 * z * z + 1)))

    z = _quantile((1 + confidence) / 2)
    return Interval(end(-z), end(z))


def _quantile(share: float) -> float:
    return _NORMAL.inv_cdf(share)


def skewed_t_interval(counts: Mapping[float, int], confidence: float = 0.95) -> Interval | None:
    """Return an interval for the mean of a sample in closed form; None of fewer than 10 values, or of equal ones.

    It is that of Student's t, corrected for skewness to second order (N. J. Johnson, JASA 73 (1978) 536; P. Hall, The
    Bootstrap and Edgeworth Expansion, 1992, 3.10): what a bootstrap of these values tends to, and unlike one it can be
    asked for a confidence near 1, as intervals that hold together need it.

    Args:
        counts: How often each value occurs.
        confidence: Of the interval, between 0 and 1.
    """
    values = sorted(value for value, count in counts.items() if count)
    weights = [counts[value] for value in values]
    n = sum(weights)
    if len(values) < 2 or n < FEWEST_OF_T:
        return None
    moments = _moments(values, weights, n)
    error, t = moments.error * math.sqrt(n / (n - 1)), student_quantile((1 + confidence) / 2, n - 1)

    # Of few values that lean far the correction would leave the mean itself out.
    lean = min(max(moments.acceleration * (2 * t * t + 1), -t / 2), t / 2)
    low, high = (_within(values, moments.mean + error * (at + lean)) for at in (-t, t))
    return Interval(low, high)


def student_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t, right to 0.1 % from five degrees of freedom on.

    Source: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = _quantile(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + math.fsum(term / math.pow(freedom, power) for power, term in enumerate(terms, 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that hold together, in their order: to take all below a level is wrong of any with that risk.

    Whatever depends on what. Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65.
    """
    adjusted, most = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = most
    return adjusted


def mcnemar(losses: int, wins: int) -> float:
    """Return how probable a split of changed pairs as uneven as this one is, if neither side is better: a p-value.

    Two-sided. Up to 1,000 changed pairs it is exact (binomial); above, chi-square with continuity correction.
    Source: Q. McNemar, Psychometrika 12 (1947) 153. On pairs of scores it is the sign test.
    """
    n, least = losses + wins, min(losses, wins)
    if n <= _MOST_EXACT:
        tail = sum(math.comb(n, k) for k in range(least + 1))
        return min(1.0, 2 * tail / (1 << n))
    return math.erfc((abs(losses - wins) - 1) / math.sqrt(2 * n)) if losses != wins else 1.0
