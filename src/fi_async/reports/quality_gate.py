"""Whether a run is good enough: bounds for its metrics, its coverage, and what got worse since a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from fi_async._models import OutcomeStatus
from fi_async.reports.compare import Comparison, compare
from fi_async.reports.conditions import Condition, require_template
from fi_async.reports.pairing import CaseScore, PairedBy
from fi_async.reports.statistics import Interval
from fi_async.reports.template_scores import Average, TemplateScores

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


@dataclass(frozen=True, slots=True)
class GateResult:
    """What was checked of a run, and the verdict.

    Attributes:
        checks: One for each condition, for the coverage, and for regressions.
        unserved: Why nothing could be scored at all; empty where something was.
        estimates: Templates with lexical estimates of the local backend among their results.
    """

    checks: Sequence[Check]
    unserved: str = ""
    estimates: Sequence[str] = ()

    @property
    def verdict(self) -> GateVerdict:
        """Below if any check is; else infrastructure if nothing was scored; else inconclusive if any check is."""
        found = {check.verdict for check in self.checks}
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
) -> GateResult:
    """Return the verdict over a run.

    Args:
        required: What the run must reach.
        templates: The run's scores by template: see `scores_by_template`.
        case_scores: The run's scores case by case; needed with a baseline only.
        baseline: The scores of the run that it must not be worse than.
        trouble: What kept cases from being scored, to be named where none was.

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
    return gate_result(checks, templates, trouble)


def gate_result(checks: Sequence[Check], templates: Mapping[str, TemplateScores], trouble: str = "") -> GateResult:
    """Return the verdict of checks that were made of these scores.

    Args:
        checks: What was checked.
        templates: The run's scores by template.
        trouble: What kept cases from being scored, to be named where none was.
    """
    return GateResult(
        checks, _unserved(templates, trouble), [name for name, scores in templates.items() if scores.estimate]
    )


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
    let_go = ended and required.coverage is not None and scores.coverage >= required.coverage
    reach = _interval(average, required.confidence) if let_go else average.reach(required.confidence)
    decided = None if reach is None else condition.holds_throughout(reach)
    verdict = GateVerdict.INCONCLUSIVE if decided is None else GateVerdict.PASSED if decided else GateVerdict.BELOW
    label = "pass rate" if name == "pass_rate" else "mean score"
    if average.value is None:
        return Check(str(condition), verdict, f"no case has a {label}")
    missing = 0 if let_go else average.missing
    spread = _spread(condition, reach, missing, required.confidence)
    return Check(str(condition), verdict, f"{label} {condition.shown(average.value)} of {average.n:,} cases{spread}")


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
        f"regressions<={most}", verdict, said, [f"{each.name} ({each.template})" for each in (*lost, *unknown)]
    )


def _unserved(templates: Mapping[str, TemplateScores], trouble: str) -> str:
    """Return why nothing was scored, where servers or networks are to blame."""
    tried = sum(scores.statuses[status] for scores in templates.values() for status in _TRIED)
    if not tried or any(scores.scored for scores in templates.values()):
        return ""
    return f"none of {tried:,} evaluations has a score{': ' if trouble else ''}{trouble}"
