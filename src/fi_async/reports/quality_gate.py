"""Whether a run is good enough: bounds for its metrics, its coverage, and what got worse since a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async._spending import Spending, judges_of
from fi_async.reports.compare import Comparison, compare
from fi_async.reports.conditions import Condition, require_template
from fi_async.reports.estimators import Estimate
from fi_async.reports.pairing import CaseScore, PairedBy
from fi_async.reports.statistics import Interval
from fi_async.reports.template_scores import NAMED, Average, TemplateScores, is_of_tries
from fi_async.sources.csv_files import UNCLOSED_QUOTE

_ESTIMATED: Final = (
    "its results are lexical estimates of the local backend, not the platform's judge: --backend local takes them"
)
_REGRESSIONS: Final = "regressions<="
_UNNAMED: Final = (
    "nobody named the backend, and without keys it was the local one: set FI_API_KEY and FI_SECRET_KEY, or give"
    " --backend local to mean it"
)
_TRIED: Final = (OutcomeStatus.FAILED, OutcomeStatus.STALLED)


class GateVerdict(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    BELOW = "below"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement, and whether it is met.

    Attributes:
        name: As the user wrote it, such as `groundedness>=0.9`.
        verdict: Passed, below or inconclusive.
        said: What was found.
        cases: Names of cases to look at.
    """

    name: str
    verdict: GateVerdict
    said: str
    cases: Sequence[str] = ()

    def more(self, shown: int) -> str:
        """Return what to say of the cases beyond the first so many: how many, where all of them are known."""
        left = len(self.cases) - shown
        is_cut = len(self.cases) == NAMED and not self.name.startswith(_REGRESSIONS)
        return "" if left <= 0 else "and more" if is_cut else f"and {left:,} more"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What was checked of a run, and the verdict.

    Attributes:
        checks: One for each condition, for the coverage, and for regressions.
        unserved: Why nothing could be scored at all; empty where something was.
        estimates: Templates with lexical estimates of the local backend among their results.
        doubts: Why no verdict can be given, whatever the checks found, and what to do; empty where one can.
        judges: What has to be said of judges of the user's that answered; empty if none did.
        spent: Tokens and dollars, as `Spending.as_dict` tells them.
        part: Which part of a run was looked at: "shard 3 of 8"; empty if it was all of it.
    """

    checks: Sequence[Check]
    unserved: str = ""
    estimates: Sequence[str] = ()
    doubts: Sequence[str] = ()
    judges: str = ""
    spent: Mapping[str, Any] = field(default_factory=lambda: Spending().as_dict())
    part: str = ""

    @property
    def verdict(self) -> GateVerdict:
        """Below if any check is; else infrastructure if nothing was scored; else inconclusive if any check is.

        With doubts it is inconclusive, unless nothing was scored.
        """
        found = {check.verdict for check in self.checks}
        if self.doubts:
            return GateVerdict.INFRASTRUCTURE if self.unserved else GateVerdict.INCONCLUSIVE
        if GateVerdict.BELOW in found:
            return GateVerdict.BELOW
        if self.unserved:
            return GateVerdict.INFRASTRUCTURE
        return GateVerdict.INCONCLUSIVE if GateVerdict.INCONCLUSIVE in found else GateVerdict.PASSED

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        return {
            "verdict": self.verdict.value,
            "checks": [{**asdict(check), "verdict": check.verdict.value} for check in self.checks],
            "unserved": self.unserved,
            "estimates": list(self.estimates),
            "doubts": list(self.doubts),
            "judges": self.judges,
            "part": self.part,
            **self.spent,
        }


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a run must reach.

    Attributes:
        conditions: Bounds for metrics.
        coverage: The share of cases that must have a score, per template; with it reached, the others are let go.
            None: what has no score may have had any, and the verdict must hold all the same.
        confidence: Of intervals that must lie on the right side of their bound; None to judge by the value alone.
        max_regressions: How many cases may be worse than in the baseline.
        tolerance: Scores that are lower by no more than this are not worse.
        by: What pairs cases with those of the baseline; None for ids if all cases have them, else inputs.
    """

    conditions: Sequence[Condition] = ()
    coverage: float | None = None
    confidence: float | None = None
    max_regressions: int = 0
    tolerance: float = 0.0
    by: PairedBy | None = None
    lower_is_better: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        lower = frozenset(each.template for each in self.conditions if each.lower_is_better)
        object.__setattr__(self, "lower_is_better", lower)


def check_gate(
    required: Requirements,
    templates: Mapping[str, TemplateScores],
    *,
    case_scores: Sequence[CaseScore] = (),
    baseline: Sequence[CaseScore] | None = None,
    trouble: str = "",
    doubts: Sequence[str] = (),
) -> GateResult:
    """Return the verdict over a run.

    Args:
        required: What the run must reach.
        templates: The run's scores by template: see `scores_by_template`.
        case_scores: The run's scores case by case; needed with a baseline only.
        baseline: The scores of the run that it must not be worse than.
        trouble: What kept cases from being scored, to be named where none was.
        doubts: Why no verdict can be given.

    Raises:
        ConfigurationError: A condition names a template that the run does not have.
    """
    for condition in required.conditions:
        require_template(f"--min {condition}", condition.template, templates)
    checks = [check_condition(each, templates[each.template], required) for each in required.conditions]
    if required.coverage is not None:
        checks += [check_coverage(required.coverage, scores) for scores in templates.values()]
    if baseline is not None:
        found = compare(
            baseline,
            case_scores,
            by=required.by,
            tolerance=required.tolerance,
            lower_is_better=required.lower_is_better,
        )
        checks.append(_regressions(required, templates, found))
    return gate_result(checks, templates, trouble, doubts)


def gate_result(
    checks: Sequence[Check], templates: Mapping[str, TemplateScores], trouble: str = "", doubts: Sequence[str] = ()
) -> GateResult:
    """Return the verdict of checks that were made of these scores.

    Args:
        checks: What was checked.
        templates: The run's scores by template.
        trouble: What kept cases from being scored, to be named where none was.
        doubts: Why no verdict can be given.
    """
    estimates = [name for name, scores in templates.items() if scores.estimate]
    spending, names = Spending(), []
    for scores in templates.values():
        spending.include(scores.spending)
        names += scores.answerers.names()
    unserved = _unserved(templates, trouble)
    return GateResult(checks, unserved, estimates, doubts, judges_of(names), spending.as_dict())


def doubts_of(
    outcomes: Iterable[Outcome], *, is_all: bool = True, is_named: bool = True, takes_estimates: bool = True
) -> list[str]:
    """Return why no verdict can be given on a run, each with what to do about it; nothing if one can.

    Args:
        outcomes: Of the run; those that were invalid suffice, if no estimate can be among the others.
        is_all: False if it was stopped before all its cases were read.
        is_named: False if nobody named the backend, and for want of a key pair it was the local one.
        takes_estimates: False if nobody said that lexical estimates are good enough.
    """
    found = {} if is_all else {"it was stopped before all its cases were read: go on with it": None}
    for outcome in outcomes:
        if outcome.status is OutcomeStatus.INVALID:
            message = outcome.error.message if outcome.error else ""
            if UNCLOSED_QUOTE in message:
                found[f"{message}: how many rows it swallowed is not known"] = None
        elif is_named and not takes_estimates and outcome.result is not None and outcome.result.estimate:
            found[_ESTIMATED] = None
    return [*found, *([] if is_named else [_UNNAMED])]


def check_coverage(least: float, scores: TemplateScores) -> Check:
    """Return whether enough cases of a template have a score; inconclusive if not."""
    said = f"{scores.scored:,} of {scores.total:,} cases have a score ({scores.coverage:.1%})"
    if scores.pending:
        said += f", {scores.pending:,} have not ended"
    enough = GateVerdict.PASSED if scores.coverage >= least else GateVerdict.INCONCLUSIVE
    return Check(f"{scores.template} coverage>={least:.15g}", enough, said)


def check_condition(
    condition: Condition, scores: TemplateScores, required: Requirements, *, ended: bool = True
) -> Check:
    """Return whether the scores of a template meet a condition.

    Args:
        condition: The bound.
        scores: Those of its template.
        required: What the run must reach: its coverage and its confidence are used.
        ended: False while more cases are to come: then none is let go.
    """
    name, average = scores.average(condition.metric)
    covered = min(scores.coverage, average.coverage) if is_of_tries(name) else scores.coverage
    let_go = ended and required.coverage is not None and covered >= required.coverage
    reach = _interval(average, required.confidence) if let_go else average.reach(required.confidence)
    decided = None if reach is None else condition.holds_throughout(reach)
    verdict = GateVerdict.INCONCLUSIVE if decided is None else GateVerdict.PASSED if decided else GateVerdict.BELOW
    label = {"pass_rate": "pass rate", "mean": "mean score"}.get(name, name)
    if average.value is None:
        return Check(str(condition), verdict, f"no case has {_of_none(label)}")
    missing = 0 if let_go else average.missing
    spread = _spread(condition, reach, missing, required.confidence)
    said = f"{label} {condition.shown(average.value)} of {average.n:,} cases{spread}"
    return Check(str(condition), verdict, said, () if verdict is GateVerdict.PASSED else _worst(condition, scores))


def _of_none(label: str) -> str:
    """Return what no case has; for pass^k, why."""
    if not is_of_tries(label):
        return f"a {label}"
    return f"{label}: that takes {label[len('pass^') :]} samples of each case with a score (repeats)"


def check_estimate(
    condition: Condition, found: Estimate, confidence: float | None, *, missing: int = 0, scored: int = 1
) -> Check:
    """Return whether what labels tell meets a condition; inconclusive if they do not tell it.

    Args:
        condition: The bound.
        found: What labels tell of the cases with a score.
        confidence: Of the interval, which must lie on the right side of the bound; None to judge by the value alone.
        missing: Cases without a score, which may all pass, or all fail.
        scored: Cases with one.
    """
    if found.value is None:
        return Check(str(condition), GateVerdict.INCONCLUSIVE, found.said or "labels of this kind do not tell it")
    reach = found.interval if confidence is not None and found.interval else Interval(found.value, found.value)
    known = scored / (scored + missing)
    reach = Interval(known * reach.low, known * reach.high + (1 - known))
    decided = condition.holds_throughout(reach)
    verdict = GateVerdict.INCONCLUSIVE if decided is None else GateVerdict.PASSED if decided else GateVerdict.BELOW
    said = f"{condition.shown(found.value)} by {found.n:,} labels{_spread(condition, reach, missing, confidence)}"
    return Check(str(condition), verdict, said)


def _worst(condition: Condition, scores: TemplateScores) -> tuple[str, ...]:
    """Return the cases that do not meet a condition by themselves, the worst first: their names and scores."""
    sign, few = (-1, scores.highest) if condition.lower_is_better else (1, scores.lowest)
    return tuple(f"{name} ({sign * score:.4g})" for score, _, name in few if not condition.holds(sign * score))


def _interval(average: Average, confidence: float | None) -> Interval | None:
    if average.value is None:
        return None
    return Interval(average.value, average.value) if confidence is None else average.interval(confidence)


def _spread(condition: Condition, reach: Interval | None, missing: int, confidence: float | None) -> str:
    absent = f" ({missing:,} missing)" if missing else ""
    if reach is None:
        return f"; {'those missing may have any' if missing else 'too few different values for an interval'}{absent}"
    if reach.low == reach.high:
        return ""
    sure = "" if confidence is None else f" at {confidence:.4g} confidence"
    return f"; {condition.shown(reach.low)} to {condition.shown(reach.high)}{sure}{absent}"


def _regressions(required: Requirements, templates: Mapping[str, TemplateScores], found: Comparison) -> Check:
    lost = [pair.after for each in found.templates for pair in each.lost]
    pairs = sum(each.pairs for each in found.templates)
    # A case that had a score and has none may be worse, unless the coverage lets it go.
    unknown = [
        pair.after
        for each in found.templates
        for pair in each.unscored
        if pair.before.score is not None
        if required.coverage is None or templates[each.template].coverage < required.coverage
    ]
    most = required.max_regressions
    if len(lost) > most:
        verdict = GateVerdict.BELOW
    else:
        verdict = GateVerdict.PASSED if pairs and len(lost) + len(unknown) <= most else GateVerdict.INCONCLUSIVE
    said = f"{len(lost):,} of {pairs:,} cases got worse, paired by {found.paired_by}"
    if unknown:
        said += f"; {len(unknown):,} had a score and have none"
    if gone := sum(each.only_before for each in found.templates):
        said += f"; {gone:,} of the baseline are not in this run"
    return Check(
        f"{_REGRESSIONS}{most}", verdict, said, [f"{each.name} ({each.template})" for each in (*lost, *unknown)]
    )


def _unserved(templates: Mapping[str, TemplateScores], trouble: str) -> str:
    """Return why nothing was scored, where servers or networks are to blame."""
    tried = sum(scores.statuses[status] for scores in templates.values() for status in _TRIED)
    if not tried or any(scores.scored for scores in templates.values()):
        return ""
    return f"none of {tried:,} evaluations has a score{': ' if trouble else ''}{trouble}"
