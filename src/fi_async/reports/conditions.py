"""A requirement as people write it: `groundedness>=0.9`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Final

from fi_async._errors import ConfigurationError, instead
from fi_async.reports.statistics import Interval
from fi_async.reports.template_scores import MetricName

_SHAPE: Final = re.compile(r"(?P<subject>[^<>=]+?)\s*(?P<operator>>=|<=|>|<|==?)\s*(?P<number>.*)")
_METRICS: Final[Mapping[str, MetricName]] = {".mean": "mean", ".pass_rate": "pass_rate"}
_TRIES: Final = re.compile(r"(?P<template>.+):(?P<kind>pass[@^])(?P<k>\d+)")
_MOST_TRIES: Final = 1_000
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {">=": ge, ">": gt, "<=": le, "<": lt}
_SAME: Final = 1e-9  # 0.1 + 0.2 is to be 0.3


@dataclass(frozen=True, slots=True)
class Condition:
    """A bound for a metric of a template.

    Attributes:
        template: The name of the template.
        metric: None for the pass rate of templates that give verdicts, and the mean score of others; "pass^3" for
            how probably three tries of a case all pass, "pass@3" for at least one of them.
        operator: ">=", ">", "<=" or "<".
        bound: What the metric is held against.
    """

    template: str
    metric: MetricName | str | None
    operator: str
    bound: float

    def __str__(self) -> str:
        mark = "" if self.metric is None else "." if self.metric in ("mean", "pass_rate") else ":"
        return f"{self.template}{mark}{self.metric or ''}{self.operator}{_written(self.bound)}"

    def holds(self, value: float) -> bool:
        """Return True if a value meets it; what differs by less than 1e-9 is equal."""
        if math.isclose(value, self.bound, rel_tol=0.0, abs_tol=_SAME):
            value = self.bound
        return _OPERATORS[self.operator](value, self.bound)

    def shown(self, value: float) -> str:
        """Return a value in four digits, or in as many as tell on which side of the bound it is."""
        texts = (f"{value:.{digits}g}" for digits in (4, 6, 8, 17))
        return next(text for text in texts if self.holds(float(text)) == self.holds(value))

    def holds_throughout(self, reach: Interval) -> bool | None:
        """Return True if all values in an interval meet it, False if none does, None if some do."""
        ends = self.holds(reach.low), self.holds(reach.high)
        return ends[0] if ends[0] == ends[1] else None

    @property
    def lower_is_better(self) -> bool:
        """True for an upper bound."""
        return self.operator in ("<", "<=")


def parse_condition(text: str) -> Condition:
    """Return the condition in a text: `TEMPLATE[.mean|.pass_rate|:pass^K|:pass@K] OP NUMBER`, OP being >=, >, <= or <.

    Raises:
        ConfigurationError: The text is no condition; the message says what to write instead.
    """
    found = _SHAPE.fullmatch(text.strip())
    metric: MetricName | str | None
    if found is None:
        raise ConfigurationError(
            f"--min {text}: write it as TEMPLATE>=NUMBER, in quotes, such as --min 'groundedness>=0.9'"
        )
    subject, operator = found["subject"], found["operator"]
    if operator not in _OPERATORS:
        raise ConfigurationError(f"--min {text}: {operator} is no bound; there are >=, >, <= and <")
    suffix = next((suffix for suffix in _METRICS if subject.endswith(suffix)), "")
    name, metric = subject.removesuffix(suffix), _METRICS.get(suffix)
    if tries := _TRIES.fullmatch(subject):
        name, metric = tries["template"], tries["kind"] + _tries(text, tries["k"])
    condition = Condition(name, metric, operator, _number(text, found["number"]))
    if condition.metric not in (None, "mean"):
        require_share(condition)
    return condition


def _tries(text: str, k: str) -> str:
    if not 1 <= len(k) <= len(str(_MOST_TRIES)) or not 1 <= int(k) <= _MOST_TRIES:
        raise ConfigurationError(f"--min {text}: k must be a whole number from 1 to {_MOST_TRIES:,}, not {k[:20]}")
    return str(int(k))


def require_share(condition: Condition) -> None:
    """Raise an error unless the bound is between 0 and 1: for a template of verdicts.

    Raises:
        ConfigurationError: It is not, so that no run could ever meet it, or miss it.
    """
    bound = condition.bound
    if not 0 <= bound <= 1:
        hint = f": write {bound / 100:g}" if 1 < bound <= 100 else ""
        labels = {"mean": "mean of verdicts", None: "pass rate", "pass_rate": "pass rate"}
        label = labels.get(condition.metric, condition.metric)
        raise ConfigurationError(f"--min {condition}: a {label} is from 0 to 1{hint}")


def _number(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(f"--min {text}: {number!r} is no number{_of_percent(number)}")
    return value


def _of_percent(number: str) -> str:
    share = number.removesuffix("%").strip()
    is_share = number.endswith("%") and share.replace(".", "", 1).isdecimal() and float(share) <= 100
    return f": write {float(share) / 100:g}" if is_share else ""


def _written(bound: float) -> str:
    """Return a number in 15 digits, which 0.1 + 0.2 has 1 of, or in as many as it takes to be that number."""
    short = f"{bound:.15g}"
    return short if float(short) == bound else repr(bound)


def require_template(flag: str, name: str, templates: Collection[str]) -> None:
    """Raise an error unless a template that a flag names is among those of a run.

    Raises:
        ConfigurationError: It is not; the message names one like it, or all.
    """
    if name not in templates:
        raise ConfigurationError(f"{flag}: the run has no template {name!r}{instead(name, templates)}")
