"""How near numbers come to others: `output` are the predicted ones, `expected` the actual ones.

Both are JSON arrays of numbers, or texts that separate them with commas. What is -1 to 1 by its definition is
scaled to 0 to 1, so that 0.5 is no relation at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._lists import numbers
from fi_async.local.metrics._verdict import Metric, Verdict
from fi_async.local.metrics.classification import share

_TOO_FEW: Final = Verdict(0.0, "Need >= 2 paired values")


def _read(inputs: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    return numbers(inputs["output"]), numbers(inputs["expected"])


def _are_pairs(predicted: Sequence[float], actual: Sequence[float]) -> bool:
    return len(predicted) == len(actual) >= 2


def pearson_correlation(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """(r + 1) / 2 of the linear correlation r (Pearson 1895), which is 0 where the numbers of a side are all equal.

    Raises:
        ValueError: Something is not a finite number.
    """
    predicted, actual = _read(inputs)
    if not _are_pairs(predicted, actual):
        return _TOO_FEW
    size = len(actual)
    means = sum(predicted) / size, sum(actual) / size
    from_mean = [(x - means[0], y - means[1]) for x, y in zip(predicted, actual, strict=True)]
    scale = math.sqrt(sum(x**2 for x, _ in from_mean) * sum(y**2 for _, y in from_mean))
    r = sum(x * y for x, y in from_mean) / scale if scale else 0.0
    return Verdict(share((r + 1) / 2), f"Pearson r={r:.4f}")


def spearman_correlation(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """(rho + 1) / 2 of the correlation of ranks rho (Spearman 1904), 1 - 6 sum of d² / (n (n² - 1)).

    d is the difference of a pair's ranks; equal numbers share the mean of theirs. With such ties the formula is not
    the correlation of the ranks any more, but it is what the platform computes: numbers that are all equal have a rho
    of 0.5 with numbers that all differ.

    Raises:
        ValueError: Something is not a number.
    """
    predicted, actual = _read(inputs)
    if not _are_pairs(predicted, actual):
        return _TOO_FEW
    size = len(actual)
    apart = sum((x - y) ** 2 for x, y in zip(_ranks(predicted), _ranks(actual), strict=True))
    rho = 1 - 6 * apart / (size * (size**2 - 1))
    return Verdict(share((rho + 1) / 2), f"Spearman rho={rho:.4f}")


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1; equal ones have the mean of theirs."""
    ranks = [0.0] * len(values)
    before = 0
    for _, tied in groupby(sorted(range(len(values)), key=values.__getitem__), key=values.__getitem__):
        places = list(tied)
        for place in places:
            ranks[place] = before + (len(places) + 1) / 2
        before += len(places)
    return ranks


def r2_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """(R² + 1) / 2, at least 0, of the coefficient of determination R² = 1 - residual / total sum of squares.

    Where the actual numbers are all equal, R² is 1 if the predicted ones are the same, else 0.

    Raises:
        ValueError: Something is not a finite number.
    """
    predicted, actual = _read(inputs)
    if len(predicted) != len(actual):
        return Verdict(
            0.0,
            "R2 score requires the same number of predicted and actual values; "
            f"received {len(predicted)} predicted and {len(actual)} actual values.",
        )
    if len(actual) < 2:
        reason = f"R2 score requires at least 2 predicted/actual value pairs; received {len(actual)} pair."
        return Verdict(0.0, reason)
    mean = sum(actual) / len(actual)
    residual = sum((y - x) ** 2 for x, y in zip(predicted, actual, strict=True))
    total = sum((y - mean) ** 2 for y in actual)
    r2 = 1 - residual / total if total else float(not residual)
    return Verdict(share((r2 + 1) / 2), f"R2={r2:.4f}")


def rmse(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 / (1 + e) of the root e of the mean squared difference.

    Raises:
        ValueError: Something is not a finite number.
    """
    predicted, actual = _read(inputs)
    if len(predicted) != len(actual) or not actual:
        return Verdict(0.0, "Invalid input")
    error = math.sqrt(sum((y - x) ** 2 for x, y in zip(predicted, actual, strict=True)) / len(actual))
    return Verdict(share(1 / (1 + error)), f"RMSE={error:.4f}")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (pearson_correlation, spearman_correlation, r2_score, rmse)}
)
