"""Whether a run is good enough: bounds for its metrics, its coverage, and what got worse since a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async.reports.compare import Comparison, compare_marks
from fi_async.reports.conditions import Condition, check_template
from fi_async.reports.marks import Mark, PairedBy
from fi_async.reports.samples import Metric, Sample
from fi_async.reports.statistics import Interval
from fi_async.sources.files import UNCLOSED_QUOTE

_ESTIMATED: Final = (
    "its results are lexical estimates of the local backend, not the platform's judge: --backend local takes them"
)
_UNNAMED: Final = (
    "nobody named the backend, and without keys it was the local one: set FI_API_KEY and FI_SECRET_KEY, or give"
    " --backend local to mean it"
)
_TRIED: Final = (OutcomeStatus.FAILED, OutcomeStatus.STALLED)


class Verdict(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    BELOW = "below"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked for.

    Attributes:
        name: As the user wrote it, such as `groundedness>=0.9`.
        verdict: Passed, below or inconclusive.
        said: What was found.
        cases: Names of cases to look at.
    """

    name: str
    verdict: Verdict
    said: str
    cases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """All that was asked for, and the verdict.

    Attributes:
        checks: One for each condition, for the coverage, and for regressions.
        unserved: Why nothing could be scored at all; empty where something was.
        estimates: Templates with lexical estimates of the local backend among their results.
        doubts: Why no verdict can be given, whatever the checks found, and what to do; empty where one can.
    """

    checks: Sequence[Check]
    unserved: str = ""
    estimates: Sequence[str] = ()
    doubts: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """Below if any check is; else infrastructure if nothing was scored; else inconclusive if any check is.

        With doubts it is inconclusive, unless nothing was scored.
        """
        found = {check.verdict for check in self.checks}
        if self.doubts:
            return Verdict.INFRASTRUCTURE if self.unserved else Verdict.INCONCLUSIVE
        if Verdict.BELOW in found:
            return Verdict.BELOW
        if self.unserved:
            return Verdict.INFRASTRUCTURE
        return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in found else Verdict.PASSED

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        return {
            "verdict": self.verdict.value,
            "checks": [{**asdict(check), "verdict": check.verdict.value} for check in self.checks],
            "unserved": self.unserved,
            "estimates": list(self.estimates),
            "doubts": list(self.doubts),
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gate asks for.

    Attributes:
        conditions: Bounds for metrics.
        coverage: The share of cases that must have a score, per template; with it reached, the others are let go.
            None: what has no score may have had any, and the verdict must hold all the same.
        confidence: Of intervals that must lie on the right side of their bound; None to judge by the value alone.
        max_regressions: How many cases may be worse than in the baseline.
        tolerance: Scores that are lower by no more than this are not worse.
        by: What pairs cases with those of the baseline: see `pair`.
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


def gate(
    asked: Asked,
    samples: Mapping[str, Sample],
    *,
    marks: Sequence[Mark] = (),
    baseline: Sequence[Mark] | None = None,
    trouble: str = "",
    doubts: Sequence[str] = (),
) -> Gate:
    """Return the verdict over a run.

    Args:
        asked: What is asked for.
        samples: The run's cases by template, counted.
        marks: The run's marks; needed with a baseline only.
        baseline: The marks of the run that it must not be worse than.
        trouble: What kept cases from being scored, to be named where none was.
        doubts: Why no verdict can be given.

    Raises:
        ConfigurationError: A condition names a template that the run does not have.
    """
    for condition in asked.conditions:
        check_template(f"--min {condition}", condition.template, samples)
    checks = [judge(each, samples[each.template], asked) for each in asked.conditions]
    if asked.coverage is not None:
        checks += [check_coverage(asked.coverage, sample) for sample in samples.values()]
    if baseline is not None:
        found = compare_marks(
            baseline, marks, by=asked.by, tolerance=asked.tolerance, lower_is_better=asked.lower_is_better
        )
        checks.append(_regressions(asked, samples, found))
    return concluded(checks, samples, trouble, doubts)


def concluded(
    checks: Sequence[Check], samples: Mapping[str, Sample], trouble: str = "", doubts: Sequence[str] = ()
) -> Gate:
    """Return the verdict of checks that were made of these samples; `trouble` and `doubts` are as of `gate`."""
    estimates = [name for name, sample in samples.items() if sample.estimate]
    return Gate(checks, _unserved(samples, trouble), estimates, doubts)


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
                found[f"{message}: the rows behind it are not counted"] = None
        elif is_named and not takes_estimates and outcome.result is not None and outcome.result.estimate:
            found[_ESTIMATED] = None
    return [*found, *([] if is_named else [_UNNAMED])]


def check_coverage(least: float, sample: Sample) -> Check:
    """Return whether enough cases of a sample have a score; inconclusive if not."""
    said = f"{sample.scored:,} of {sample.total:,} cases have a score ({sample.coverage:.1%})"
    if sample.pending:
        said += f", {sample.pending:,} have not ended"
    enough = Verdict.PASSED if sample.coverage >= least else Verdict.INCONCLUSIVE
    return Check(f"{sample.template} coverage>={least:.15g}", enough, said)


def judge(condition: Condition, sample: Sample, asked: Asked, *, ended: bool = True) -> Check:
    """Return whether a sample meets a condition.

    Args:
        condition: The bound.
        sample: Of its template.
        asked: With the coverage and the confidence.
        ended: False while more cases are to come: then none is let go.
    """
    name, metric = sample.metric(condition.metric)
    let_go = ended and asked.coverage is not None and sample.coverage >= asked.coverage
    reach = _settled(metric, asked.confidence) if let_go else metric.reach(asked.confidence)
    decided = None if reach is None else condition.decide(reach)
    verdict = Verdict.INCONCLUSIVE if decided is None else Verdict.PASSED if decided else Verdict.BELOW
    label = "pass rate" if name == "pass_rate" else "mean score"
    if metric.value is None:
        return Check(str(condition), verdict, f"no case has a {label}")
    missing = 0 if let_go else metric.missing
    spread = _spread(condition, reach, missing, asked.confidence)
    said = f"{label} {condition.shown(metric.value)} of {metric.n:,} cases{spread}"
    return Check(str(condition), verdict, said, () if verdict is Verdict.PASSED else _worst(condition, sample))


def _worst(condition: Condition, sample: Sample) -> tuple[str, ...]:
    """Return the cases that do not meet a condition by themselves, the worst first: their names and scores."""
    sign, few = (-1, sample.highest) if condition.lower_is_better else (1, sample.lowest)
    return tuple(f"{name} ({sign * score:.4g})" for score, _, name in few if not condition.holds(sign * score))


def _settled(metric: Metric, confidence: float | None) -> Interval | None:
    if metric.value is None:
        return None
    return Interval(metric.value, metric.value) if confidence is None else metric.interval(confidence)


def _spread(condition: Condition, reach: Interval | None, missing: int, confidence: float | None) -> str:
    absent = f" ({missing:,} missing)" if missing else ""
    if reach is None:
        return f"; {'those missing may have any' if missing else 'too few different values for an interval'}{absent}"
    if reach.low == reach.high:
        return ""
    sure = "" if confidence is None else f" at {confidence:.4g} confidence"
    return f"; {condition.shown(reach.low)} to {condition.shown(reach.high)}{sure}{absent}"


def _regressions(asked: Asked, samples: Mapping[str, Sample], found: Comparison) -> Check:
    lost = [pair.after for each in found.templates for pair in each.lost]
    pairs = sum(each.pairs for each in found.templates)
    # A case that had a score and has none may be worse, unless the coverage lets it go.
    unknown = [
        pair.after
        for each in found.templates
        for pair in each.unscored
        if pair.before.score is not None
        if asked.coverage is None or samples[each.template].coverage < asked.coverage
    ]
    most = asked.max_regressions
    if len(lost) > most:
        verdict = Verdict.BELOW
    else:
        verdict = Verdict.PASSED if pairs and len(lost) + len(unknown) <= most else Verdict.INCONCLUSIVE
    said = f"{len(lost):,} of {pairs:,} cases got worse, paired by {found.paired_by}"
    if unknown:
        said += f"; {len(unknown):,} had a score and have none"
    if gone := sum(each.only_before for each in found.templates):
        said += f"; {gone:,} of the baseline are not in this run"
    return Check(
        f"regressions<={most}", verdict, said, [f"{each.name} ({each.template})" for each in (*lost, *unknown)]
    )


def _unserved(samples: Mapping[str, Sample], trouble: str) -> str:
    """Return why nothing was scored, where servers or networks are to blame."""
    tried = sum(sample.statuses[status] for sample in samples.values() for status in _TRIED)
    if not tried or any(sample.scored for sample in samples.values()):
        return ""
    return f"none of {tried:,} evaluations has a score{': ' if trouble else ''}{trouble}"
