"""How far those who labelled the same cases agree, and what most of them say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fi_async.reports.estimators import Estimate
from fi_async.reports.labels import LabelKind
from fi_async.reports.reliability import Level, cohen_kappa, krippendorff_alpha

_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class RatedCase:
    """What several people said of one case.

    Attributes:
        said: By the name of each.
        weight: How many cases of the run it stands for.
    """

    said: Mapping[str, Any]
    weight: float

    def majority(self, kind: LabelKind) -> Any:
        """Return what more of them said than anything else, of scores their mean; None if they are divided."""
        if kind == "scores":
            return math.fsum(self.said.values()) / len(self.said)
        first, *others = Counter(self.said.values()).most_common(_TWO)
        return None if others and others[0][1] == first[1] else first[0]


def between(cases: Sequence[RatedCase], kind: LabelKind, confidence: float) -> Estimate:
    """Return how far people agree on the cases that several labelled: kappa of two people, else alpha.

    Args:
        cases: Of all people.
        kind: What the labels are; scores have alpha alone.
        confidence: Of the interval, between 0 and 1.
    """
    shared = [case for case in cases if len(case.said) >= _TWO]
    people = list(dict.fromkeys(name for case in cases for name in case.said))
    if not shared:
        return Estimate(None, None, 0, "no case was labelled by two people")
    if is_of_two(people, kind):
        one, other = people
        return weighted_kappa([(case.said[one], case.said[other], case.weight) for case in shared], confidence)
    units = [tuple(case.said.values()) for case in shared]
    return weighted_alpha(units, [case.weight for case in shared], kind, confidence)


def is_of_two(people: Sequence[str], kind: LabelKind) -> bool:
    """Return True if the agreement between people is told by Cohen's kappa, else by Krippendorff's alpha."""
    return len(people) == _TWO and kind != "scores"


def weighted_kappa(pairs: Sequence[tuple[Hashable, Hashable, float]], confidence: float) -> Estimate:
    """Return Cohen's kappa of two who labelled the same cases: what each said, and how many cases each stands for."""
    weights = [weight for *_, weight in pairs]
    total = math.fsum(weights)
    counted: dict[tuple[Hashable, Hashable], float] = {}
    for one, other, weight in pairs:
        counted[one, other] = counted.get((one, other), 0.0) + weight * len(pairs) / total
    # Of how many equally weighted cases these tell as much (L. Kish, Survey Sampling, 1965).
    effective = total**2 / math.fsum(weight**2 for weight in weights)
    return cohen_kappa(counted, confidence, n=effective)


def weighted_alpha(
    units: Sequence[Sequence[Any]], weights: Sequence[float], kind: LabelKind, confidence: float
) -> Estimate:
    """Return Krippendorff's alpha of labels as they are, or of scores by their distances."""
    level: Level = "interval" if kind == "scores" else "nominal"
    return krippendorff_alpha(units, level, confidence, weights=weights)
