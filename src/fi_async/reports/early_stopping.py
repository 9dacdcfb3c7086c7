"""When a verdict is certain before all cases are evaluated: for good, or up to a stated rate of error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fi_async._models import Outcome
from fi_async.reports.conditions import Condition
from fi_async.reports.quality_gate import (
    Check,
    GateResult,
    GateVerdict,
    Requirements,
    check_condition,
    check_coverage,
    gate_result,
)
from fi_async.reports.template_scores import TemplateScores, value_of

_BOLDNESS: Final = 0.5  # of what a bet may lose at most


class Evidence:
    """How much speaks against "the mean of all these values is at least `bound`", while they are drawn one by one.

    The values are from 0 to 1, and are drawn in random order, without replacement, from `total` that are fixed. A
    bet is placed on each before it is seen; its stake grows with every value that is lower than the claim allows.
    If the claim is true, the stake ever reaches 1 / `error_rate` with no greater probability than `error_rate`
    (Ville's inequality): so one may look after each value, and stop at will. Source: I. Waudby-Smith and
    A. Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024) 1, section 5.

    Args:
        total: How many values there are.
        bound: What their mean is claimed to be at least.
        error_rate: The probability of refuting a true claim, between 0 and 1; at 0 nothing is ever refuted.
    """

    def __init__(self, total: int, bound: float, error_rate: float) -> None:
        self._total, self._bound = total, bound
        self._needed = -math.log(error_rate) if error_rate else math.inf
        self._stake = 0.0  # its logarithm
        self._n = 0
        self._sum = self._squares = 0.0
        self.refuted = False

    def add(self, value: float) -> None:
        """Count the next value."""
        # What the mean of those not yet drawn is, if that of all is the bound.
        claimed = (self._total * self._bound - self._sum) / (self._total - self._n)
        if 0.0 < claimed < 1.0:
            self._stake += math.log1p(self._bet(claimed) * (claimed - value))
            self.refuted = self.refuted or self._stake >= self._needed
        self._n += 1
        self._sum += value
        self._squares += value * value

    def _bet(self, claimed: float) -> float:
        """Return the share of the stake to put on lower values: near what grows it fastest, by the values so far."""
        mean = (0.5 + self._sum) / (1 + self._n)
        variance = max((0.25 + self._squares) / (1 + self._n) - mean * mean, 1e-4)
        edge = claimed - mean
        return min(max(edge / (variance + edge * edge), 0.0), _BOLDNESS / (1.0 - claimed))


class _Claim:
    """A condition, tested from both sides; a case without a value counts against whichever side would win."""

    def __init__(self, condition: Condition, total: int, error_rate: float) -> None:
        self.template, self.metric = condition.template, condition.metric
        self._up = not condition.lower_is_better
        self._at_least = Evidence(total, condition.bound, error_rate)
        self._at_most = Evidence(total, 1 - condition.bound, error_rate)
        self._fits = 0 < condition.bound < 1

    def add(self, value: float | None) -> None:
        """Count the value of the next case; None where it has none."""
        self._fits = self._fits and (value is None or 0 <= value <= 1)
        if self._fits:
            self._at_least.add(1.0 if value is None else value)
            self._at_most.add(1.0 if value is None else 1.0 - value)

    @property
    def met(self) -> bool | None:
        """True if the condition is met, False if not, None if nobody knows."""
        if not self._fits or not (self._at_least.refuted or self._at_most.refuted):
            return None
        return self._up if self._at_most.refuted else not self._up


class EarlyStopping:
    """Follows a run, and finds when what is asked for is certain to be met, or not to be.

    Without an error rate that is when no case to come could change it, whatever their order. With one, cases must be
    in random order; each check gets its share of the rate, which so bounds the probability that any verdict is wrong.

    Args:
        required: What the run must reach.
        templates: All names of the run.
        cases: How many there are; each has an outcome under each template.
        error_rate: Between 0 and 1.
    """

    def __init__(self, required: Requirements, templates: Sequence[str], cases: int, error_rate: float = 0.0) -> None:
        self._required, self._cases, self._error_rate = required, cases, error_rate
        self.scores = {name: TemplateScores(name) for name in templates}
        for each in self.scores.values():
            each.expect(cases)
        coverage = [
            Condition(name, None, ">=", required.coverage) for name in templates if required.coverage is not None
        ]
        share = error_rate / (len(required.conditions) + len(coverage) or 1)
        self._claims = [_Claim(each, cases, share) for each in required.conditions]
        self._coverage = [_Claim(each, cases, share) for each in coverage]
        self._early: dict[str, dict[int, Outcome]] = {name: {} for name in templates}
        self._next = dict.fromkeys(templates, 0)

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome, and return True if the verdict is certain: the rest need not be evaluated."""
        scores = self.scores[outcome.template]
        scores.add(outcome)
        scores.expect(self._cases)
        if self._error_rate:
            self._draw(outcome)
        checks = self._checks()
        verdicts = {check.verdict for check in checks}
        return GateVerdict.BELOW in verdicts or verdicts == {GateVerdict.PASSED} or self._lacks_coverage()

    def result(self, trouble: str = "", doubts: Sequence[str] = ()) -> GateResult:
        """Return the verdict as it stands; `trouble` and `doubts` are as of `check_gate`."""
        return gate_result(self._checks(), self.scores, trouble, doubts)

    def _draw(self, outcome: Outcome) -> None:
        """Draw outcomes in the order of the cases: in that of their ends, quick ones would be favoured."""
        name, early = outcome.template, self._early[outcome.template]
        early[outcome.index] = outcome
        while (drawn := early.pop(self._next[name], None)) is not None:
            self._next[name] += 1
            for claim in self._claims:
                if claim.template == name:
                    claim.add(value_of(drawn, claim.metric))
            for claim in self._coverage:
                if claim.template == name:
                    claim.add(float(drawn.result is not None))

    def _checks(self) -> list[Check]:
        found = [
            check_condition(each, self.scores[each.template], self._required, ended=False)
            for each in self._required.conditions
        ]
        least = self._required.coverage
        if least is not None:
            found += [check_coverage(least, each) for each in self.scores.values()]
        return [self._settled(*each) for each in zip(found, (*self._claims, *self._coverage), strict=True)]

    def _settled(self, check: Check, claim: _Claim) -> Check:
        if check.verdict is not GateVerdict.INCONCLUSIVE or claim.met is None:
            return check
        no = GateVerdict.INCONCLUSIVE if claim in self._coverage else GateVerdict.BELOW
        said = f"{check.said}; certain up to an error rate of {self._error_rate:g}"
        return replace(check, verdict=GateVerdict.PASSED if claim.met else no, said=said)

    def _lacks_coverage(self) -> bool:
        """Return True if the coverage cannot be reached any more, or is not going to be."""
        least = self._required.coverage
        if least is None:
            return False
        reachable = ((each.scored + each.pending) / each.total >= least for each in self.scores.values())
        return not all(reachable) or any(claim.met is False for claim in self._coverage)
