"""What the samples of a run's cases tell of its judge: counted as outcomes pass by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from fi_async._models import Outcome
from fi_async.panels.combining import what_said
from fi_async.reports.repeats import pass_at_k, pass_hat_k, tries_of, variance_components

_NAMED: Final = 20
_MOST_K: Final = 10
_SHOWN: Final = 5


class RepeatTally:
    """Counts the samples of the cases of one template. Memory is that of the different scores that cases have."""

    def __init__(self) -> None:
        self._scores: Counter[tuple[float, ...]] = Counter()
        self._tries: Counter[tuple[int, int]] = Counter()
        self._flipped: list[str] = []
        self._flips = self._cases = self._samples = self._unscored = 0

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; one without samples is none."""
        if not outcome.samples:
            return
        self._cases += 1
        self._samples += len(outcome.samples)
        self._unscored += sum(each.result is None for each in outcome.samples)
        scores = tuple(sorted(each.score for each in outcome.samples_at_first if each.score is not None))
        if scores:
            self._scores[scores] += 1
        if tries := tries_of(outcome):
            self._tries[tries] += 1
        if len({what_said(each) for each in outcome.samples if each.result is not None}) > 1:
            self._flips += 1
            if len(self._flipped) < _NAMED:
                self._flipped.append(outcome.case.id or f"case {outcome.index}")

    def as_dict(self) -> dict[str, Any] | None:
        """Return it in plain values, ready for JSON; None where there are no samples.

        `variance` tells how the variance of one score is shared: `judge` between the samples of a case, `between` the
        cases, and `judge_share`, the judge's part; `error` is the standard error of the mean, by case. `pass^k` and
        `pass@k` are means over cases, for each k that all of them have samples for. All of these are of the samples
        that each case has at first. `flips` counts the cases whose samples differ in verdict, in label, or in which
        side of 0.5 they are on; `flipped` names the first of them.
        """
        if not self._cases:
            return None
        fewest = min((n for _, n in self._tries), default=0)
        told: dict[str, Any] = {
            "cases": self._cases,
            "samples": self._samples,
            "unscored": self._unscored,
            "variance": self._variance(),
        }
        for name, of_case in (("pass^k", pass_hat_k), ("pass@k", pass_at_k)):
            total = self._tries.total()
            told[name] = {
                str(k): sum(cases * of_case(passes, n, k) for (passes, n), cases in self._tries.items()) / total
                for k in range(1, min(fewest, _MOST_K) + 1)
            }
        return {**told, "flips": self._flips, "flipped": list(self._flipped)}

    def _variance(self) -> dict[str, float] | None:
        groups = [scores for scores, cases in self._scores.items() for _ in range(cases)]
        try:
            found = variance_components(groups)
        except ValueError:  # too few of them
            return None
        told = {name: value for name, value in asdict(found).items() if name in ("mean", "judge", "between", "error")}
        return {**told, "judge_share": found.judge_share}


def repeat_words(told: Mapping[str, Any]) -> list[str]:
    """Return for people what `RepeatTally.as_dict` tells."""
    words = [f"{told['samples']:,} samples of {told['cases']:,} cases"]
    if told["unscored"]:
        words.append(f"{told['unscored']:,} without a score")
    if told["variance"] is not None:
        words.append(f"{told['variance']['judge_share']:.0%} of the variance is the judge's")
    if k := max(map(int, told["pass^k"]), default=0):
        words += [f"pass^{k} {told['pass^k'][str(k)]:.3f}", f"pass@{k} {told['pass@k'][str(k)]:.3f}"]
    more = told["flips"] - _SHOWN
    named = f": {', '.join(told['flipped'][:_SHOWN])}{f' and {more:,} more' if more > 0 else ''}"
    words.append(f"{told['flips']:,} flip{named if told['flips'] else ''}")
    return words
