"""What a judge that errs says of the truth: the true pass rate and the true mean score behind its results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from fi_async.reports.statistics import Interval, student_quantile, wilson

Estimator = Literal["PPI++", "Rogan-Gladen"]
"""By what a true rate is told: labels of cases of the same run, or of cases from elsewhere."""

_DRAWS: Final = 4_000
_NEUTRAL: Final = 1 / 3  # J. Kerman, Electronic J. Statistics 5 (2011) 1450
_JEFFREYS: Final = 1 / 2
_FEWEST: Final = 2
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that a sample tells, and how sure it is.

    Attributes:
        value: The number; None if it cannot be told.
        interval: Of the value; None without one.
        n: How many cases it is told by.
        said: Why it cannot be told; empty if it can.
        unbiased: Of a true rate or mean, what to average over runs: its mean over many samples is the truth, while
            `value` is kept between 0 and 1, and so leans inward near them. It may be beyond both.
    """

    value: float | None
    interval: Interval | None = None
    n: int = 0
    said: str = ""
    unbiased: float | None = None


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How the verdicts of a judge and of people went together, each case counted by its weight.

    Attributes:
        tp: The sum of the weights where both passed a case.
        fn: Where only people did.
        fp: Where only the judge did.
        tn: Where neither did.
        squares: The sums of the squared weights in the same order; omitted: all weights are 1.
    """

    tp: float
    fn: float
    fp: float
    tn: float
    squares: tuple[float, float, float, float] | None = None

    @property
    def n(self) -> float:
        """The sum of all weights."""
        return self.tp + self.fn + self.fp + self.tn

    def rate(self, hits: Literal["tp", "fn", "fp", "tn"], others: Literal["tp", "fn", "fp", "tn"]) -> _Rate:
        """Return the share of one count among two, and of how many equally weighted cases it tells as much."""
        total = getattr(self, hits) + getattr(self, others)
        if not total:
            return _Rate(0.0, 0.0)
        names = ("tp", "fn", "fp", "tn")
        squares = self.squares or (self.tp, self.fn, self.fp, self.tn)
        spread = squares[names.index(hits)] + squares[names.index(others)]
        n = total * total / spread
        return _Rate(n * getattr(self, hits) / total, n)


@dataclass(frozen=True, slots=True)
class _Rate:
    """So many hits of so many, neither of them whole where weights differ."""

    hits: float
    n: float

    @property
    def value(self) -> float:
        return self.hits / self.n

    @property
    def variance(self) -> float:
        """Of the value, told without bias; of a single case the greatest that there is."""
        return self.value * (1 - self.value) / (self.n - 1) if self.n > 1 else 1 / 4

    def drawn(self, rng: Random, prior: float) -> float:
        return rng.betavariate(self.hits + prior, max(0.0, self.n - self.hits) + prior)


def share(hits: float, n: float, confidence: float = 0.95, *, cases: int | None = None) -> Estimate:
    """Return the share that `hits` are of `n`, with Wilson's interval; without a value of none.

    Args:
        hits: How many; no whole number where weights differ.
        n: Of how many.
        confidence: Of the interval, between 0 and 1.
        cases: How many cases were counted, where that is not `n`.
    """
    count = round(n) if cases is None else cases
    if not n:
        return Estimate(None, None, 0, "no such case among the labelled")
    return Estimate(hits / n, wilson(min(hits, n), n, confidence), count)


def ppi_rate(
    counts: VerdictCounts, passes: int, n: int, confidence: float = 0.95, *, seed: int = 0, draws: int = _DRAWS
) -> Estimate:
    """Return the true pass rate of a run whose judge gives verdicts, some cases of which are labelled: PPI++.

    Of verdicts, prediction-powered inference with its power-tuned weight (A. N. Angelopoulos, J. C. Duchi and
    T. Zrnic, 2023, arXiv 2311.01453) weighs the truth among the judge's passes and among its failures by how often
    the run has them: rate = p a + (1 - p) b. The interval draws p, a and b from their Beta distributions over the
    counts, with a neutral prior of 1/3 (J. Kerman, Electronic J. Statistics 5 (2011) 1450): the normal approximation
    of the paper does not hold for some dozens of labels.

    Args:
        counts: Of the labelled cases, drawn from the run: by chance, or with their weights.
        passes: How many cases of the run the judge passed, labelled ones included.
        n: How many it gave a verdict.
        confidence: Of the interval, between 0 and 1.
        seed: Of the draws.
        draws: How many are made.
    """
    truly, missed = counts.rate("tp", "fp"), counts.rate("fn", "tn")
    if not counts.n or n < 1:
        return Estimate(None, None, 0, "no labelled case has a verdict")
    judged = _Rate(passes, n)
    if truly.n and missed.n:
        value = judged.value * truly.value + (1 - judged.value) * missed.value
    else:  # the labelled tell nothing of one of the judge's verdicts: its results are no help, and the weight is 0
        value = (counts.tp + counts.fn) / counts.n

    def draw(rng: Random) -> float:
        p, a, b = (rate.drawn(rng, _NEUTRAL) for rate in (judged, truly, missed))
        return p * a + (1 - p) * b

    return Estimate(value, drawn_interval(draw, value, confidence, seed, draws), round(counts.n), unbiased=value)


def rogan_gladen(
    counts: VerdictCounts, passes: int, n: int, confidence: float = 0.95, *, seed: int = 0, draws: int = _DRAWS
) -> Estimate:
    """Return the true pass rate of a run by what a judge did with labelled cases from elsewhere.

    rate = (p + TNR - 1) / (TPR + TNR - 1), between 0 and 1 (W. J. Rogan and B. Gladen, American J. Epidemiology 107
    (1978) 71). The interval has the uncertainty of both samples (C. Lee et al., 2025, arXiv 2511.21140): p, TPR and TNR
    are drawn from their Beta distributions over the counts, with Jeffreys' prior.

    Kept between 0 and 1 it is nearest to the truth, and as often above it as below; its mean over runs leans inward
    near 0 and 1. `unbiased` is what to average: it may be beyond them, and is without the bias that a ratio has,
    to second order (by Taylor's series of the mean of a ratio; A. Stuart and J. K. Ord, Kendall's Advanced Theory of
    Statistics 1, 1994, 10.5).

    It has no value where the judge may be no better than chance, that is, where the interval of TPR + TNR begins at 1
    or below: the correction would divide by what may be nothing. So it has none without both kinds of labels.

    Args:
        counts: Of the labelled cases.
        passes: How many cases of the run the judge passed.
        n: How many it gave a verdict.
        confidence: Of the interval, between 0 and 1.
        seed: Of the draws.
        draws: How many are made.
    """
    tpr, tnr, judged = counts.rate("tp", "fn"), counts.rate("tn", "fp"), _Rate(passes, n)
    if n < 1 or not tpr.n or not tnr.n:
        missing = "no case of the run has a verdict" if n < 1 else "labels of both kinds are needed, passed and failed"
        return Estimate(None, None, 0, missing)
    least = _least_sum(tpr, tnr, confidence)
    if least <= 1:
        return Estimate(
            None,
            None,
            round(counts.n),
            f"the judge may be no better than chance: TPR + TNR is {tpr.value + tnr.value:.3g}, and may be {least:.3g},"
            " where more than 1 is needed: label more cases, or choose another judge",
        )

    def draw(rng: Random) -> float:
        return _within(_ratio(*(each.drawn(rng, _JEFFREYS) for each in (judged, tpr, tnr))))

    ratio = _ratio(judged.value, tpr.value, tnr.value)
    value = _within(ratio)
    interval = drawn_interval(draw, value, confidence, seed, draws)
    return Estimate(value, interval, round(counts.n), unbiased=_without_bias(ratio, tpr, tnr))


def _ratio(p: float, sensitivity: float, specificity: float) -> float:
    return (p + specificity - 1) / max(sensitivity + specificity - 1, 1e-9)


def _within(rate: float) -> float:
    return min(1.0, max(0.0, rate))


def _without_bias(ratio: float, tpr: _Rate, tnr: _Rate) -> float:
    """Return a ratio less what it leans by on average.

    With D = TPR + TNR - 1, the mean of (p + TNR - 1) / D is rate + (rate var(TPR) - (1 - rate) var(TNR)) / D^2 to
    second order, as TNR is in both. The variance of D is added to its square, twice: the next orders are least so, and
    a small D cannot blow it up.
    """
    square = (tpr.value + tnr.value - 1) ** 2 + 2 * (tpr.variance + tnr.variance)
    return ratio - (ratio * tpr.variance - (1 - ratio) * tnr.variance) / square


def _least_sum(tpr: _Rate, tnr: _Rate, confidence: float) -> float:
    """Return the lower end of an interval of TPR + TNR (R. G. Newcombe, Statistics in Medicine 17 (1998) 873)."""
    reaches = (each.value - wilson(min(each.hits, each.n), each.n, confidence).low for each in (tpr, tnr))
    return tpr.value + tnr.value - math.hypot(*reaches)


def drawn_interval(
    draw: Callable[[Random], float], value: float, confidence: float, seed: int, draws: int = _DRAWS
) -> Interval:
    """Return the interval that holds the middle of what is drawn, and the value itself."""
    rng = Random(seed)  # noqa: S311  # nothing is secret here
    found = sorted(draw(rng) for _ in range(draws))
    # The share of further draws below the k-th of n is k / (n + 1) on average.
    below = max(0, int((1 - confidence) / 2 * (draws + 1) + _ROUNDING) - 1)
    return Interval(min(found[below], value), max(found[-1 - below], value))


def ppi_mean(
    pairs: Sequence[tuple[float, float]],
    judged: Sequence[float],
    confidence: float = 0.95,
    *,
    weights: Sequence[float] | None = None,
) -> Estimate:
    """Return the true mean score of a run, some cases of which have a person's score: PPI++.

    The mean of weight x judge over the run, plus the mean of person - weight x judge over the labelled cases. The
    weight makes the variance least: covariance / variance of the judge's scores over the labelled, which comes to the
    power-tuned one of the paper, as these are cases of the run. Student's t takes the place of the normal quantile, as
    samples are small. Source: A. N. Angelopoulos, J. C. Duchi and T. Zrnic, 2023, arXiv 2311.01453.

    Args:
        pairs: The person's and the judge's score of each labelled case.
        judged: The judge's scores of all cases of the run, labelled ones included.
        confidence: Of the interval, between 0 and 1.
        weights: 1 / the probability of being drawn, of each labelled case (J. Hájek's estimator). Omitted: all alike.
    """
    n = len(pairs)
    if n < _FEWEST:
        return Estimate(None, None, n, "two labelled cases are needed at least")
    given = [1.0] * n if weights is None else list(weights)
    total = math.fsum(given)
    shares = [each / total for each in given]
    truth = math.fsum(w * y for w, (y, _) in zip(shares, pairs, strict=True))
    centre = math.fsum(w * f for w, (_, f) in zip(shares, pairs, strict=True))
    variance = math.fsum(w * (f - centre) ** 2 for w, (_, f) in zip(shares, pairs, strict=True))
    covariance = math.fsum(w * (f - centre) * (y - truth) for w, (y, f) in zip(shares, pairs, strict=True))
    tuned = covariance / variance if variance else 0.0
    mean = math.fsum(judged) / len(judged)
    value = truth + tuned * (mean - centre)
    squares = math.fsum(
        w * w * ((y - truth) - tuned * (f - centre)) ** 2 for w, (y, f) in zip(shares, pairs, strict=True)
    )
    # Two numbers are fitted to the labelled: their mean and the weight.
    freedom = max(1, n - 1 - bool(tuned))
    of_run = math.fsum((each - mean) ** 2 for each in judged) / len(judged) ** 2
    error = math.sqrt(squares * n / freedom + tuned**2 * of_run)
    reach = student_quantile((1 + confidence) / 2, freedom) * error
    return Estimate(value, Interval(value - reach, value + reach), n, unbiased=value)
