"""Requirements that labels by people decide: `groundedness:true>=0.9`, `groundedness:kappa>=0.6`, `kappa>=0.6`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fi_async._errors import ConfigurationError, instead
from fi_async.reports.agreement_figures import Agreement
from fi_async.reports.conditions import Condition, require_share, require_template
from fi_async.reports.estimators import Estimate
from fi_async.reports.quality_gate import Check, check_estimate

_MEASURES: Final[Mapping[str, str]] = {
    **{name: name for name in ("kappa", "alpha", "tpr", "tnr", "rate")},
    "true": "rate",
}


@dataclass(frozen=True, slots=True)
class LabelCondition:
    """A bound for what labels tell of a template.

    Attributes:
        condition: As it was written.
        template: The template; None where it is not named.
        measure: The field of `Agreement` that it is about.
    """

    condition: Condition
    template: str | None
    measure: str

    def __str__(self) -> str:
        return str(self.condition)


def label_condition(condition: Condition, templates: Collection[str]) -> LabelCondition | None:
    """Return what a condition asks of labels; None if it is one of what the judge says.

    Args:
        condition: As parsed: with `TEMPLATE:MEASURE`, or `MEASURE` alone, as its template.
        templates: Those of the run.

    Raises:
        ConfigurationError: It is about labels, and cannot be meant so.
    """
    subject = condition.template
    if subject in templates:
        return None
    template, colon, measure = subject.rpartition(":")
    if measure not in _MEASURES:
        if template in templates:
            raise ConfigurationError(f"--min {condition}: there is no {measure!r}{instead(measure, _MEASURES)}")
        return None
    if condition.metric is not None:
        raise ConfigurationError(f"--min {condition}: {measure} has no {condition.metric}: leave that out")
    if colon and template not in templates:
        require_template(f"--min {condition}", template, templates)
    if not -1 <= condition.bound <= 1 and _MEASURES[measure] != "rate":
        raise ConfigurationError(f"--min {condition}: {measure} is at most 1")
    return LabelCondition(condition, template or None, _MEASURES[measure])


def label_conditions(
    conditions: Sequence[Condition], templates: Collection[str]
) -> tuple[list[Condition], list[LabelCondition]]:
    """Return the conditions of what the judge says, and apart those that labels decide.

    Raises:
        ConfigurationError: As of `label_condition`.
    """
    found = [(each, label_condition(each, templates)) for each in conditions]
    return [each for each, asked in found if asked is None], [asked for _, asked in found if asked is not None]


def check_label_condition(
    asked: LabelCondition, found: Agreement, confidence: float | None, *, missing: int = 0
) -> Check:
    """Return whether what labels tell meets a condition; inconclusive if they do not tell it.

    Args:
        asked: The condition.
        found: How far the judge agrees with the labels.
        confidence: Of the interval, which must lie on the right side of the bound; None to judge by the value alone.
        missing: Cases without a score, which may all pass, or all fail; they matter to the true rate.

    Raises:
        ConfigurationError: A bound for a pass rate is not from 0 to 1.
    """
    is_rate = asked.measure == "rate"
    if is_rate and found.kind == "verdicts":
        require_share(asked.condition)
    estimate: Estimate = getattr(found, asked.measure)
    left = {"missing": missing, "scored": max(1, found.cases)} if is_rate else {}
    return check_estimate(asked.condition, estimate, confidence, **left)
