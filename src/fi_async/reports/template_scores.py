"""What the cases of one template come to: a pass rate and a mean score, and what missing cases could make of them."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fi_async._models import Outcome, OutcomeStatus
from fi_async._spending import Answerers, Spending
from fi_async.reports.repeats import pass_at_k, pass_hat_k, tries_of
from fi_async.reports.statistics import Interval, mean_interval, wilson

MetricName = Literal["pass_rate", "mean"]
"""The share of cases that passed, or their mean score."""

NAMED = 20
"""Cases of each sort that are named at most."""
_LOWEST, _HIGHEST = 0.0, 1.0  # what a score is between, unless one was seen beyond


@dataclass(slots=True)
class Average:
    """The average of the values of cases, and how sure it is: a pass rate or a mean score.

    A case without a score is missing: it is no zero, and no pass either. So there is the value over the cases that
    have one, and there are bounds that hold whatever the missing would have been.

    Attributes:
        counts: How often each value occurs.
        n: How many cases have one.
        total: How many should.
        verdicts: True if all values are verdicts, 1 for passed and 0 for failed.
        bounded: True if all values are from 0 to 1.
    """

    counts: Counter[float] = field(default_factory=Counter)
    n: int = 0
    total: int = 0
    verdicts: bool = True
    bounded: bool = True
    _sum: float = 0.0

    def add(self, value: float, *, verdict: bool, cases: int = 1) -> None:
        """Count the value of a case, or of several."""
        self.counts[value] += cases
        self.n += cases
        self._sum += cases * value
        self.verdicts = self.verdicts and verdict
        self.bounded = self.bounded and _LOWEST <= value <= _HIGHEST

    @property
    def value(self) -> float | None:
        """The mean of the values there are; None of none."""
        return self._sum / self.n if self.n else None

    @property
    def missing(self) -> int:
        """Cases without a value."""
        return self.total - self.n

    @property
    def coverage(self) -> float:
        """The share of cases that have a value, from 0 to 1; 1 of none."""
        return self.n / self.total if self.total else 1.0

    def bounds(self) -> Interval | None:
        """Return the value if every missing case were 0, and if every one were 1.

        None where missing cases are bound by nothing: a value beyond 0 and 1 was seen, or there is no case.
        """
        if not self.total or (self.missing and not self.bounded):
            return None
        return Interval(
            (self._sum + self.missing * _LOWEST) / self.total, (self._sum + self.missing * _HIGHEST) / self.total
        )

    def interval(self, confidence: float) -> Interval | None:
        """Return a confidence interval: Wilson's for verdicts, else the bootstrap's; None for too few values.

        Of equal scores the bootstrap knows nothing. Wilson's interval says how many others there may be at most: each
        of them may be as low as 0 or as high as 1.
        """
        if self.verdicts:
            return wilson(self.counts[_HIGHEST], self.n, confidence) if self.n else None
        if len(self.counts) > 1 or self.n < 2 or not self.bounded:
            return mean_interval(self.counts, confidence)
        [value], equal = self.counts, wilson(self.n, self.n, confidence).low
        return Interval(equal * value + (1 - equal) * _LOWEST, equal * value + (1 - equal) * _HIGHEST)

    def reach(self, confidence: float | None = None) -> Interval | None:
        """Return the bounds, widened to a confidence interval if one is asked for; None where there are none."""
        bounds = self.bounds()
        if confidence is None or bounds is None:
            return bounds
        worst, best = (self._filled(value).interval(confidence) for value in (_LOWEST, _HIGHEST))
        return Interval(worst.low, best.high) if worst and best else None

    def _filled(self, value: float) -> Average:
        return replace(self, counts=self.counts + Counter({value: self.missing}), n=self.total)


@dataclass(slots=True)
class TemplateScores:
    """The scores of one template, counted.

    Attributes:
        template: The name of the template.
        statuses: How many cases ended in each status.
        pending: How many cases have not ended.
        pass_rate: Over the cases with a verdict.
        mean: Over the cases with a score; a verdict is a score of 1 or 0.
        tries: How many cases passed so many of so many samples; without repeats each is its only one.
        estimate: True if any result is a lexical estimate of the local backend.
        lowest: The cases with the lowest scores, a few: the score, the position and the name of each.
        highest: The same of the highest; the scores with the other sign.
        spending: What its cases took of judges.
        answerers: Who was asked.
    """

    template: str
    statuses: Counter[OutcomeStatus] = field(default_factory=Counter)
    pending: int = 0
    pass_rate: Average = field(default_factory=Average)
    mean: Average = field(default_factory=Average)
    tries: Counter[tuple[int, int]] = field(default_factory=Counter)
    estimate: bool = False
    lowest: list[tuple[float, int, str]] = field(default_factory=list)
    highest: list[tuple[float, int, str]] = field(default_factory=list)
    spending: Spending = field(default_factory=Spending)
    answerers: Answerers = field(default_factory=Answerers)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome of this template."""
        self.statuses[outcome.status] += 1
        self.spending.add(outcome)
        self.answerers.add(outcome)
        self._count_cases()
        # Samples that come to no verdict, as they do not agree, are tries as others are.
        if outcome.status is not OutcomeStatus.CANCELLED and (tries := tries_of(outcome)):
            self.tries[tries] += 1
        if outcome.result is None:
            return
        self.estimate = self.estimate or outcome.result.estimate
        score, passed, share = outcome.result.score, outcome.result.passed, outcome.pass_share
        if share is not None:
            self.pass_rate.add(share, verdict=passed is not None)
        if score is not None:
            self.mean.add(score, verdict=passed is not None)
            name = outcome.case.id or f"case {outcome.index}"
            for few, sign in ((self.lowest, 1), (self.highest, -1)):
                insort(few, (sign * score, outcome.index, name))
                del few[NAMED:]

    def expect(self, total: int) -> None:
        """Set how many cases there will be: those that have not ended are pending."""
        self.pending = max(0, total - self.statuses.total())
        self._count_cases()

    def _count_cases(self) -> None:
        self.pass_rate.total = self.mean.total = self.statuses.total() + self.pending

    @property
    def total(self) -> int:
        """All cases, the pending ones too."""
        return self.mean.total

    @property
    def scored(self) -> int:
        """Those that have a result."""
        return self.statuses[OutcomeStatus.SCORED]

    @property
    def coverage(self) -> float:
        """Scored / all, from 0 to 1; 1 of none."""
        return self.scored / self.total if self.total else 1.0

    def average(self, name: MetricName | str | None = None) -> tuple[MetricName | str, Average]:
        """Return an average and its name; unnamed, the pass rate if there are verdicts, else the mean score.

        "pass^3" and "pass@3" are averages over cases too: one with fewer samples than that is missing.
        """
        if name is None:
            name = "pass_rate" if self.pass_rate.n else "mean"
        if name in ("pass_rate", "mean"):
            return name, self.pass_rate if name == "pass_rate" else self.mean
        found = Average(total=self.total)
        for tries, cases in self.tries.items():
            value = _of_tries(tries, name)
            if value is not None:
                found.add(value, verdict=tries[1] == 1, cases=cases)
        return name, found

    def as_dict(self, confidence: float = 0.95) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        return {
            "total": self.total,
            "scored": self.scored,
            "pending": self.pending,
            "coverage": self.coverage,
            "estimate": self.estimate,
            "pass_rate": _plain(self.pass_rate, confidence),
            "mean": _plain(self.mean, confidence),
        }


def is_of_tries(metric: str) -> bool:
    """Return True for pass^k and pass@k: a case with a score may have no value of these, for want of samples."""
    return metric.startswith(("pass^", "pass@"))


def value_of(outcome: Outcome, metric: MetricName | str | None) -> float | None:
    """Return what an outcome adds to a metric of its template; None if nothing."""
    if metric == "mean":
        return outcome.score
    if metric in (None, "pass_rate"):
        return outcome.score if outcome.pass_share is None else outcome.pass_share
    tries = None if outcome.status is OutcomeStatus.CANCELLED else tries_of(outcome)
    return None if tries is None or metric is None else _of_tries(tries, metric)


def _of_tries(tries: tuple[int, int], metric: str) -> float | None:
    """Return pass^k or pass@k of a case; None if it has fewer than k samples."""
    (passes, n), k = tries, int(metric[len("pass^") :])
    if n < k:
        return None
    return pass_hat_k(passes, n, k) if metric.startswith("pass^") else pass_at_k(passes, n, k)


def _plain(average: Average, confidence: float) -> dict[str, Any] | None:
    if not average.n:
        return None
    interval, bounds = average.interval(confidence), average.bounds()
    return {
        "value": average.value,
        "n": average.n,
        "confidence": confidence,
        "interval": [interval.low, interval.high] if interval else None,
        "bounds": [bounds.low, bounds.high] if bounds else None,
    }


def scores_by_template(
    outcomes: Iterable[Outcome], templates: Iterable[str] = (), pending: int = 0
) -> dict[str, TemplateScores]:
    """Return the scores of each template, by its name.

    Args:
        outcomes: Of one run.
        templates: All names of the run, those without an outcome so far too.
        pending: Outcomes that have not come. Each case has one under each template, which tells whose they are.
    """
    found = {name: TemplateScores(name) for name in templates}
    for outcome in outcomes:
        found.setdefault(outcome.template, TemplateScores(outcome.template)).add(outcome)
    ended = sum(scores.total for scores in found.values())
    for scores in found.values() if pending else ():
        scores.expect(-(-(ended + pending) // len(found)))
    return found
