"""Two runs against each other, case by case: what got better, what got worse, and whether that may be chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Final

from fi_async._models import Outcome
from fi_async.reports.pairing import CaseScore, Pair, PairedBy, pair
from fi_async.reports.statistics import Interval, mcnemar, mean_interval

_IMAGINED: Final = (1.0, -1.0)
_ROUNDING: Final = 1e-9  # 0.8 - 0.75 is to be 0.05

IntervalOf = Callable[[Mapping[float, int], float], Interval | None]
"""Makes an interval for a mean of how often each value occurs, with a confidence."""


@dataclass(frozen=True, slots=True)
class TemplateComparison:
    """One template in two runs, over the pairs that have a score in both.

    Attributes:
        pairs: How many there are.
        before: The mean score of the first run; the pass rate, where scores are verdicts. None of no pairs.
        after: That of the second run.
        interval: Of `difference`, by a paired bootstrap; None where all pairs differ alike. Verdicts are given one
            imagined win and one imagined loss: else a change that was not seen would be taken for impossible
            (D. G. Bonett and R. M. Price, J. Educational and Behavioral Statistics 37 (2012) 479).
        p_value: McNemar's test of wins against losses (for scores: the sign test); None of no pairs.
        lost: Pairs that passed and do not pass, or whose score got worse; the worst first.
        won: Pairs that pass and did not, or whose score got better; the best first.
        ties: How many pairs are neither.
        unscored: Pairs left out, as one or both have no score.
        only_before: How many cases the second run does not have.
        only_after: How many cases the first run does not have.
        changes: How often each after - before occurs, what is imagined included.
        span: The greatest score of both runs - the least; 0 of no pairs.
    """

    template: str
    pairs: int
    before: float | None
    after: float | None
    interval: Interval | None
    p_value: float | None
    lost: Sequence[Pair]
    won: Sequence[Pair]
    ties: int
    unscored: Sequence[Pair]
    only_before: int
    only_after: int
    changes: Mapping[float, int]
    span: float

    @property
    def difference(self) -> float | None:
        """After - before."""
        return None if self.before is None or self.after is None else self.after - self.before

    def numbers(self) -> dict[str, Any]:
        """Return it in plain values, its cases counted."""
        return {
            "pairs": self.pairs,
            "before": self.before,
            "after": self.after,
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
            "p_value": self.p_value,
            "wins": len(self.won),
            "losses": len(self.lost),
            "ties": self.ties,
            "unscored": len(self.unscored),
            "only_before": self.only_before,
            "only_after": self.only_after,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, template by template.

    Attributes:
        paired_by: "id" or "inputs".
        confidence: Of the intervals.
        templates: In the order of the second run, then those that only the first has.
    """

    paired_by: PairedBy
    confidence: float
    templates: Sequence[TemplateComparison]

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        return {
            "paired_by": self.paired_by,
            "confidence": self.confidence,
            "templates": {
                each.template: {
                    **each.numbers(),
                    "lost": [asdict(pair) for pair in each.lost],
                    "won": [asdict(pair) for pair in each.won],
                }
                for each in self.templates
            },
        }


def compare(
    before: Iterable[Outcome | CaseScore],
    after: Iterable[Outcome | CaseScore],
    *,
    by: PairedBy | None = None,
    tolerance: float = 0.0,
    lower_is_better: Collection[str] = (),
    confidence: float = 0.95,
    interval_of: IntervalOf | None = mean_interval,
) -> Comparison:
    """Return two runs compared, case by case.

    A pair of cases has equal ids or equal inputs, whatever the judge, its parameters and the time.

    Args:
        before: The outcomes of the first run, such as `report.outcomes`, or its scores, such as those of a baseline.
        after: Those of the second.
        by: What pairs them. Omitted: ids if all cases have them, else inputs.
        tolerance: Scores that differ by no more than this are a tie. Verdicts have none.
        lower_is_better: Templates whose score is the better the lower.
        confidence: Of the intervals, between 0 and 1.
        interval_of: Makes them of the changes of the pairs; None for no intervals.
    """
    first, second = ([_score(each) for each in run] for run in (before, after))
    paired = pair(first, second, by)
    groups: dict[str, list[Pair]] = {each.template: [] for each in (*second, *first)}
    for each in paired.pairs:
        groups[each.after.template].append(each)
    alone = [Counter(each.template for each in scores) for scores in (paired.only_before, paired.only_after)]
    found = []
    for name, pairs in groups.items():
        counts = _PairCounts(tolerance, -1 if name in lower_is_better else 1)
        for each in pairs:
            counts.add(each)
        alone_in = (alone[0][name], alone[1][name])
        found.append(counts.compared(name, interval_of, confidence, alone_in))
    return Comparison(paired.by, confidence, found)


def _span(scores: Sequence[float]) -> float:
    return max(scores) - min(scores) if scores else 0.0


def _score(each: Outcome | CaseScore) -> CaseScore:
    return each if isinstance(each, CaseScore) else CaseScore.of(each)


class _PairCounts:
    """Counts the pairs of one template: those lost, those won, ties, and those without a score."""

    def __init__(self, tolerance: float, sign: int) -> None:
        self._tolerance, self._sign = tolerance, sign
        self._scored: list[tuple[float, float]] = []
        self._lost: list[tuple[float, Pair]] = []
        self._won: list[tuple[float, Pair]] = []
        self._unscored: list[Pair] = []
        self._verdicts = True

    def add(self, each: Pair) -> None:
        """Count a pair."""
        before, after = each.before.score, each.after.score
        if before is None or after is None:
            self._unscored.append(each)
            return
        self._scored.append((before, after))
        gain = self._sign * (after - before)
        verdicts = each.before.passed is not None and each.after.passed is not None
        self._verdicts = self._verdicts and verdicts
        if verdicts:
            gain = after - before
        if abs(gain) > (0.0 if verdicts else self._tolerance + _ROUNDING):
            (self._won if gain > 0 else self._lost).append((gain, each))

    def compared(
        self, name: str, interval_of: IntervalOf | None, confidence: float, alone: tuple[int, int]
    ) -> TemplateComparison:
        """Return what the counted pairs come to; `alone` counts the cases that one of the runs lacks."""
        scored, lost, won = self._scored, self._lost, self._won
        changes = Counter(after - before for before, after in scored)
        if scored and self._verdicts:
            changes.update(_IMAGINED)
        return TemplateComparison(
            template=name,
            pairs=len(scored),
            before=fmean(before for before, _ in scored) if scored else None,
            after=fmean(after for _, after in scored) if scored else None,
            interval=None if interval_of is None else interval_of(changes, confidence),
            p_value=mcnemar(len(lost), len(won)) if scored else None,
            lost=[each for _, each in sorted(lost, key=lambda item: item[0])],
            won=[each for _, each in sorted(won, key=lambda item: -item[0])],
            ties=len(scored) - len(lost) - len(won),
            unscored=self._unscored,
            only_before=alone[0],
            only_after=alone[1],
            changes=changes,
            span=_span([score for pair in scored for score in pair]),
        )
