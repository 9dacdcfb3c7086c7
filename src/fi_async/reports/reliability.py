"""How far judges and people agree beyond chance: Cohen's kappa of two, Krippendorff's alpha of any number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate, product
from operator import mul
from random import Random
from typing import Any, Final, Literal

from fi_async.reports.estimators import Estimate, drawn_interval

Level = Literal["nominal", "ordinal", "interval"]
"""What values are: labels; ranks; or numbers whose distances count."""

_DRAWS: Final = 2_000
_DRAWS_OF_ALPHA: Final = 1_000
_MOST_WORK: Final = 1_000_000  # units x draws: above, fewer are drawn
_FEWEST_DRAWS: Final = 500
_IMAGINED: Final = 4 / 3  # units in all: 1/3 for each pair of verdicts
_PAIR: Final = 2
_MOST_LABELS: Final = 12  # of which each pair is imagined; of more, the lowest, the middle and the highest


def cohen_kappa(
    pairs: Mapping[tuple[Hashable, Hashable], float],
    confidence: float = 0.95,
    *,
    n: float | None = None,
    seed: int = 0,
    draws: int = _DRAWS,
) -> Estimate:
    """Return Cohen's kappa of two who labelled the same cases: 1 of full agreement, 0 of as much as chance brings.

    kappa = (agreement - agreement by chance) / (1 - agreement by chance); J. Cohen, Educational and Psychological
    Measurement 20 (1960) 37. The interval draws the shares of the pairs from their Dirichlet distribution, with a
    prior of 4/3 cases in all, as the normal approximation fails where agreement is high. If both give every case
    one label, kappa has no value.

    Args:
        pairs: How many cases, or how much weight, have each pair of labels.
        confidence: Of the interval, between 0 and 1.
        n: Of how many equally weighted cases these tell as much; omitted: their sum.
        seed: Of the draws.
        draws: How many are made.
    """
    total = math.fsum(pairs.values())
    labels = list(dict.fromkeys(label for pair in pairs for label in pair))
    if not total or len(labels) < _PAIR:
        return Estimate(None, None, round(total), "every case has the same label, of both" if total else "no case")
    cells = list(product(labels, labels))
    scale = (total if n is None else n) / total
    shapes = [scale * pairs.get(cell, 0.0) + _IMAGINED / len(cells) for cell in cells]
    value = _kappa(cells, [pairs.get(cell, 0.0) for cell in cells])

    def draw(rng: Random) -> float:
        return _kappa(cells, [rng.gammavariate(shape, 1.0) for shape in shapes])

    return Estimate(value, drawn_interval(draw, value, confidence, seed, draws), round(total))


def _kappa(cells: Sequence[tuple[Hashable, Hashable]], weights: Sequence[float]) -> float:
    rows: Counter[Hashable] = Counter()
    columns: Counter[Hashable] = Counter()
    total = agreed = 0.0
    for (row, column), weight in zip(cells, weights, strict=True):
        rows[row] += weight  # type: ignore[assignment]  # Counter is typed for whole numbers
        columns[column] += weight  # type: ignore[assignment]  # as above
        total += weight
        agreed += weight if row == column else 0.0
    chance = sum(rows[label] * columns[label] for label in rows) / total
    return (agreed - chance) / (total - chance) if total > chance else 1.0


def krippendorff_alpha(
    units: Sequence[Sequence[Any]],
    level: Level = "nominal",
    confidence: float = 0.95,
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    draws: int = _DRAWS_OF_ALPHA,
) -> Estimate:
    """Return Krippendorff's alpha: 1 of full agreement, 0 of as much as chance brings; below, of less.

    alpha = 1 - disagreement / disagreement by chance; K. Krippendorff, Computing Krippendorff's Alpha-Reliability
    (2011). The interval is that of a Bayesian bootstrap over units (D. B. Rubin, Annals of Statistics 9 (1981) 130),
    with imagined pairs of values that weigh 4/3 of a unit together: else disagreement that was not seen would be taken
    for impossible.

    Args:
        units: The values that each case was given, by any number of raters; None where one gave none. Cases with
            fewer than two values are left out.
        level: What the values are: labels (any that can be compared), or numbers that are ranks, or measures.
        confidence: Of the interval, between 0 and 1.
        weights: Of the units; omitted: all alike.
        seed: Of the draws.
        draws: How many are made; fewer of very many different units, 500 at least.
    """
    given = [1.0] * len(units) if weights is None else weights
    counted: Counter[tuple[Any, ...]] = Counter()
    squares = 0.0
    for unit, weight in zip(units, given, strict=True):
        values = tuple(sorted((each for each in unit if each is not None), key=_order))
        if len(values) >= _PAIR:
            counted[values] += weight  # type: ignore[assignment]  # Counter is typed for whole numbers
            squares += weight * weight
    known = sorted({value for unit in counted for value in unit}, key=_order)
    n = sum(len([each for each in unit if each is not None]) >= _PAIR for unit in units)
    if len(known) < _PAIR:
        return Estimate(None, None, n, "every value is the same" if n else "no case has two values")
    total = math.fsum(counted.values())
    scale = total / squares
    imagined = [tuple(sorted(pair, key=_order)) for pair in product(_spread(known), repeat=_PAIR)]
    shapes = {unit: scale * weight for unit, weight in counted.items()}
    for pair in imagined:
        shapes[pair] = shapes.get(pair, 0.0) + _IMAGINED / len(imagined)
    alpha = _Alpha(list(shapes), known, level)
    value = alpha.of([scale * counted[unit] for unit in shapes])

    def draw(rng: Random) -> float:
        return alpha.of([rng.gammavariate(shape, 1.0) for shape in shapes.values()], total * scale)

    draws = min(draws, max(_FEWEST_DRAWS, _MOST_WORK // len(shapes)))
    return Estimate(value, drawn_interval(draw, value, confidence, seed, draws), n)


def _order(value: Any) -> Any:
    """Return what values are sorted by: numbers by size, and labels of any type by their text."""
    return (0, value, "") if isinstance(value, int | float) else (1, 0, str(value))


def _spread(known: Sequence[Any]) -> Sequence[Any]:
    return known if len(known) <= _MOST_LABELS else [known[0], known[len(known) // 2], known[-1]]


class _Alpha:
    """Alpha of the same units under different weights."""

    def __init__(self, units: Sequence[tuple[Any, ...]], known: Sequence[Any], level: Level) -> None:
        self._level, self._values = level, known
        places = {value: place for place, value in enumerate(known)}
        self._units = [[places[value] for value in unit] for unit in units]
        self._within = self._disagreements(known) if level != "ordinal" else None

    def of(self, weights: Sequence[float], total: float | None = None) -> float:
        """Return alpha; the weights are scaled to a total, if one is given."""
        scale = 1.0 if total is None else total / math.fsum(weights)
        counts = [0.0] * len(self._values)
        for unit, weight in zip(self._units, weights, strict=True):
            for place in unit:
                counts[place] += scale * weight
        n = sum(counts)
        values = _middles(counts) if self._level == "ordinal" else self._values
        within = self._disagreements(values) if self._within is None else self._within
        seen = scale * sum(map(mul, weights, within))
        if self._level == "nominal":
            expected = n * n - sum(count * count for count in counts)
        else:
            mean = sum(map(mul, counts, values)) / n
            expected = 2 * n * sum(count * (value - mean) ** 2 for count, value in zip(counts, values, strict=True))
        return 1 - (n - 1) * seen / expected if expected > 0 else 1.0

    def _disagreements(self, values: Sequence[Any]) -> list[float]:
        """Return of each unit the disagreement of all its pairs, over the number of the others that each has."""
        if self._level == "nominal":
            return [
                (len(unit) ** 2 - sum(count * count for count in Counter(unit).values())) / (len(unit) - 1)
                for unit in self._units
            ]
        found = []
        for unit in self._units:
            first = values[unit[0]]  # distances are small beside the values themselves
            away = [values[place] - first for place in unit]
            squared = len(unit) * sum(each * each for each in away) - sum(away) ** 2
            found.append(2 * squared / (len(unit) - 1))
        return found


def _middles(counts: Sequence[float]) -> list[float]:
    """Return the middle rank of each value: the ordinal difference of two is how far these are apart."""
    return [up_to - count / 2 for up_to, count in zip(accumulate(counts), counts, strict=True)]
