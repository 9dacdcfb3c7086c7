"""What repeated judging tells: how much of the variance is the judge's, and how often k tries pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from fi_async._models import Outcome

_THRESHOLD: Final = 0.5
_FEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """How the variance of repeated scores is shared between cases and judge.

    Attributes:
        cases: How many cases there are.
        samples: How many scores they have together.
        mean: Of all scores.
        judge: The variance between the scores of one case: the judge's.
        between: The variance between the cases themselves; 0 where it would be below.
        error: The standard error of the mean of the cases' means.
    """

    cases: int
    samples: int
    mean: float
    judge: float
    between: float
    error: float

    @property
    def judge_share(self) -> float:
        """The judge's part of the variance of one score, from 0 to 1; 0 if scores do not differ."""
        total = self.judge + self.between
        return self.judge / total if total else 0.0


def variance_components(groups: Sequence[Sequence[float]]) -> VarianceComponents:
    """Return a one-way analysis of variance of the scores of each case, also where some have more than others.

    The variance between cases is (MSB - MSW) / k, k being the scores of a case: of different numbers, the mean that
    the method of moments asks for (S. R. Searle, G. Casella and C. E. McCulloch, Variance Components, 1992, 3.6).
    Repeats do not make cases independent: the error of the mean is that of the cases' means (E. Miller, 2024,
    arXiv 2411.00640).

    Args:
        groups: The scores of each case. Cases without a score are left out.

    Raises:
        ValueError: There are fewer than two cases, or none has two scores.
    """
    groups = [group for group in groups if group]
    sizes, means = [len(group) for group in groups], [fmean(group) for group in groups]
    cases, samples = len(groups), sum(sizes)
    if cases < _FEWEST or samples == cases:
        raise ValueError(f"{cases} cases with {samples} scores: give two cases at least, and one with two scores")
    mean = math.fsum(value for group in groups for value in group) / samples
    inner = math.fsum((value - centre) ** 2 for group, centre in zip(groups, means, strict=True) for value in group) / (
        samples - cases
    )
    outer = math.fsum(size * (centre - mean) ** 2 for size, centre in zip(sizes, means, strict=True)) / (cases - 1)
    k = (samples - sum(size * size for size in sizes) / samples) / (cases - 1)
    centre = fmean(means)
    error = math.sqrt(math.fsum((each - centre) ** 2 for each in means) / (cases - 1) / cases)
    return VarianceComponents(cases, samples, mean, inner, max(0.0, (outer - inner) / k), error)


def pass_at_k(passes: int, n: int, k: int) -> float:
    """Return how probably at least one of k tries of a case passes, of which `passes` of `n` did, without bias.

    1 - C(n - passes, k) / C(n, k); M. Chen et al., 2021, arXiv 2107.03374.

    Raises:
        ValueError: There are fewer than k tries, or the numbers cannot be.
    """
    _check(passes, n, k)
    return 1 - math.comb(n - passes, k) / math.comb(n, k)


def pass_hat_k(passes: int, n: int, k: int) -> float:
    """Return how probably all of k tries of a case pass, of which `passes` of `n` did, without bias: pass^k.

    C(passes, k) / C(n, k); S. Yao et al., 2024, arXiv 2406.12045.

    Raises:
        ValueError: There are fewer than k tries, or the numbers cannot be.
    """
    _check(passes, n, k)
    return math.comb(passes, k) / math.comb(n, k)


def _check(passes: int, n: int, k: int) -> None:
    if not 0 <= passes <= n or not 1 <= k <= n:
        raise ValueError(f"{passes} passes of {n}, k {k}: give 0 <= passes <= n, and k from 1 to n")


def has_passed(outcome: Outcome) -> bool | None:
    """Return True if an outcome passed, or its score reaches 0.5; None without verdict and score."""
    if outcome.passed is not None:
        return outcome.passed
    return None if outcome.score is None else outcome.score >= _THRESHOLD


def tries_of(outcome: Outcome) -> tuple[int, int] | None:
    """Return how many of the samples of a case passed, and how many were scored; None if none can pass.

    A case that was evaluated once is its only sample. Samples that were asked for because others did not agree tell
    nothing without bias, and are left out.
    """
    passed = [has_passed(each) for each in outcome.samples_at_first or (outcome,)]
    told = [each for each in passed if each is not None]
    return (sum(told), len(told)) if told else None
