"""How far raters agree beyond chance: (kappa + 1) / 2, so that chance scores 0.5."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict
from fi_async.local.metrics.classification import of_labels, share


def _kappa(observed: float, by_chance: float) -> float:
    """The agreement beyond chance; where chance alone explains it all: 1 if it is complete, else 0."""
    if by_chance >= 1.0:
        return 1.0 if observed == 1.0 else 0.0
    return (observed - by_chance) / (1 - by_chance)


@of_labels
def cohen_kappa(predicted: Sequence[str], true: Sequence[str], _params: Mapping[str, Any]) -> Verdict:
    """(kappa + 1) / 2 of two raters' labels (Cohen 1960), given and compared as those of `accuracy` are."""
    number = len(true)
    observed = sum(a == b for a, b in zip(predicted, true, strict=True)) / number
    ours, theirs = Counter(predicted), Counter(true)
    by_chance = sum((ours[label] / number) * (theirs[label] / number) for label in sorted({*ours, *theirs}))
    kappa = _kappa(observed, by_chance)
    score = (kappa + 1) / 2
    return Verdict(score, f"Cohen's Kappa: {kappa:.4f}, normalized={score:.4f}")


def fleiss_kappa(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """(kappa + 1) / 2 of any number of raters (Fleiss 1971).

    `output` is a JSON array with a row for each subject: how many raters chose each category.

    Raises:
        TypeError: A row is not a list of numbers.
        IndexError: A row has fewer categories than the first.
    """
    matrix = inputs["output"]
    if isinstance(matrix, str):
        try:
            matrix = json.loads(matrix)
        except ValueError:
            return Verdict(0.0, "Cannot parse matrix")
    if not isinstance(matrix, list) or not matrix:
        return Verdict(0.0, "Invalid matrix")
    subjects, categories, raters = len(matrix), len(matrix[0]), sum(matrix[0])
    if not categories or not raters:
        return Verdict(0.0, "Empty matrix")
    if any(sum(row) != raters for row in matrix):
        return Verdict(0.0, "Each row must have the same total rater count")
    of_subject = [sum(count * (count - 1) for count in row) / (raters * (raters - 1)) for row in matrix if raters > 1]
    of_category = [sum(row[place] for row in matrix) / (subjects * raters) for place in range(categories)]
    kappa = _kappa(sum(of_subject) / subjects, sum(each**2 for each in of_category))
    return Verdict(share((kappa + 1) / 2), f"Fleiss Kappa: {kappa:.4f}")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType({"cohen_kappa": cohen_kappa, "fleiss_kappa": fleiss_kappa})
