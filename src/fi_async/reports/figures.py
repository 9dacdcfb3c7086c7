"""A run in numbers: what its templates scored, what has no score and why, and how fast it went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fi_async._models import Outcome, OutcomeStatus
from fi_async._spending import Spending, judges_of
from fi_async.journal.records import OutcomeRecord, RunCount
from fi_async.reports.html_page import clipped
from fi_async.reports.panel_tally import PanelTally
from fi_async.reports.speed import Speed, Timeline
from fi_async.reports.statistics import Interval
from fi_async.reports.template_scores import TemplateScores

SummaryKind = Literal["rate", "mean", "labels", "none"]
"""What a template's results are summed up in: a pass rate, a mean score, counts of labels, or nothing."""

Cause = tuple[str, str]
"""The type and the message of why a case has no score, alike for all cases of the same trouble."""

_BINS: Final = 20
_CONFIDENCE: Final = 0.95
_NOT_OURS: Final = ("reused", "duplicate")  # what was paid for them is counted elsewhere
_PLACE: Final = re.compile(r"^(?:(?:[^:\n]*, )?(?:case|line|row) \d+: |[^:\n]*\[\d+\]: )")

MOST_CAUSES: Final = 200
"""Causes that are told apart; more would be one per case."""

OTHER: Final = ("other", "further causes")
"""What the further causes are counted as."""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """How many cases scored in a range, or chose a label."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class TemplateFigures:
    """What one template's cases come to.

    Attributes:
        all: Evaluations asked for, those without an outcome included.
        scored: Those with a result.
        kind: What `value` is.
        value: The pass rate or the mean score over the scored cases; None where there is none.
        interval: Of `value`, at 95 % confidence: what it may be on other cases of the same sort.
        bounds: Of `value`, had every case been scored: as the lowest and as the highest score. None where no
            score is lowest or highest.
        bars: How the results are distributed.
        answered_by: Who was asked, such as "judge gpt-5-mini".
        tokens: What its cases took of judges, by kind; None without one.
        cost: What these cost, in dollars; None if nobody knows.
        unknown_cost: Outcomes that a judge answered and whose cost nobody knows.
        repeats: What the samples of cases tell of the judge, as `RepeatTally` says it; None without repeats.
        jury: What the votes of jurors tell, as `JurorTally` says it; None without a jury.
    """

    name: str
    all: int
    scored: int
    kind: SummaryKind
    value: float | None
    interval: Interval | None
    bounds: Interval | None
    bars: Sequence[ChartBar]
    answered_by: Sequence[str] = ()
    tokens: Mapping[str, int] | None = None
    cost: float | None = None
    unknown_cost: int = 0
    repeats: Mapping[str, Any] | None = None
    jury: Mapping[str, Any] | None = None


@dataclass(slots=True)
class CauseFigures:
    """Cases that have no score for the same reason.

    Attributes:
        number: What the rows of the cases name it by, from 0.
        first: The position of the first of them, from 0.
    """

    number: int
    type: str
    message: str
    first: int
    count: int = 0
    statuses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in numbers.

    Attributes:
        cases: Sets of inputs.
        evaluations: Asked for; one for each case and template.
        statuses: How many ended in each status.
        pending: How many have no outcome.
        is_all: False if there may be more evaluations: the run was stopped before all its cases were read.
        estimate: True if lexical estimates of the local backend are among the results.
        origins: How many outcomes come from where.
        causes: The most frequent first.
        latency_s: Seconds from the first request to the outcome: the median, and the 95th and 99th percentile.
        timeline: How fast it went; None where it is not known when cases ended.
        judges: What has to be said of judges of the user's that answered; empty if none did.
        spent: What the run took of judges, for people: a text for each of tokens, dollars and what is not known.
        backends: Who was asked, without models.
    """

    cases: int
    evaluations: int
    statuses: Mapping[str, int]
    pending: int
    is_all: bool
    possible_duplicates: int
    estimate: bool
    origins: Mapping[str, int]
    templates: Sequence[TemplateFigures]
    causes: Sequence[CauseFigures]
    latency_s: Mapping[str, float]
    timeline: Timeline | None
    judges: str = ""
    spent: Sequence[str] = ()
    backends: Sequence[str] = ()


def cause_of(outcome: Outcome) -> Cause:
    """Return the cause of an outcome without a score."""
    if outcome.error is None:
        return outcome.status.value, ""
    message = outcome.error.message
    if outcome.status is OutcomeStatus.INVALID:
        # Where the case stands would make every message a cause of its own.
        message = _PLACE.sub("", message)
    return type(outcome.error).__name__, clipped(message)


class FiguresBuilder:
    """Counts the records of a run; `figures` returns what they come to. Their order matters to `first` only."""

    def __init__(self) -> None:
        self._templates: dict[str, _TemplateCounts] = {}
        self._statuses: Counter[str] = Counter()
        self._origins: Counter[str] = Counter()
        self._indices: set[int] = set()
        self._causes: dict[Cause, CauseFigures] = {}
        self._speed = Speed()
        self._duplicates = 0
        self._spending = Spending()
        self._backends: dict[str, None] = {}
        self._estimate = False

    def add(self, record: OutcomeRecord) -> int | None:
        """Count a record; return the number of its cause, or None if it is scored."""
        outcome = record.outcome
        self._statuses[outcome.status.value] += 1
        self._origins[outcome.origin] += 1
        self._indices.add(outcome.index)
        self._duplicates += outcome.possible_duplicates * (outcome.origin not in _NOT_OURS)
        self._speed.add(record)
        self._spending.add(outcome)
        self._backends[outcome.backend] = None
        self._template(outcome.template).add(outcome)
        if outcome.result is not None:
            self._estimate = self._estimate or outcome.result.estimate
            return None
        return self._count_cause(outcome)

    def _template(self, name: str) -> _TemplateCounts:
        if name not in self._templates:
            self._templates[name] = _TemplateCounts(name)
        return self._templates[name]

    def _count_cause(self, outcome: Outcome) -> int:
        cause = cause_of(outcome)
        if cause not in self._causes and len(self._causes) >= MOST_CAUSES:
            cause = OTHER
        if cause not in self._causes:
            self._causes[cause] = CauseFigures(len(self._causes), *cause, first=outcome.index)
        found = self._causes[cause]
        found.count += 1
        found.statuses[outcome.status.value] = found.statuses.get(outcome.status.value, 0) + 1
        return found.number

    def figures(self, names: Sequence[str], count: RunCount | None = None, passes: Sequence[float] = ()) -> Figures:
        """Return what the records come to.

        Args:
            names: The run's templates, in the order to show them.
            count: Of the whole run; None if it is what was added.
            passes: When the run was begun, and each time it was gone on with, in seconds since the epoch.
        """
        ended = self._statuses.total()
        pending = 0 if count is None else count.pending
        names = list(dict.fromkeys([*names, *self._templates]))
        # Each case is evaluated under each template: what is pending is what each lacks.
        planned = -(-(ended + pending) // len(names)) if names and pending else 0
        return Figures(
            cases=max(len(self._indices), planned),
            evaluations=ended + pending,
            statuses={status.value: self._statuses[status.value] for status in OutcomeStatus},
            pending=pending,
            is_all=count is None or count.is_all,
            possible_duplicates=self._duplicates if count is None else count.possible_duplicates,
            estimate=self._estimate,
            origins=dict(self._origins),
            templates=[self._template(name).figures(planned) for name in names],
            causes=sorted(self._causes.values(), key=lambda cause: -cause.count),
            latency_s=self._speed.latency_s(),
            timeline=self._speed.timeline(passes),
            judges=judges_of(each for name in names for each in self._template(name).scores.answerers.names()),
            spent=self._spending.words(),
            backends=list(self._backends),
        )


class _TemplateCounts:
    def __init__(self, name: str) -> None:
        self.scores = TemplateScores(name)
        self.labels: Counter[str] = Counter()
        self.panels = PanelTally()

    def add(self, outcome: Outcome) -> None:
        self.scores.add(outcome)
        self.panels.add(outcome)
        if outcome.result is not None:
            self.labels.update(outcome.result.choices or ())

    def figures(self, planned: int) -> TemplateFigures:
        self.scores.expect(planned)
        name, average = self.scores.average()
        kind: SummaryKind = (
            "rate" if name == "pass_rate" else "mean" if average.n else "labels" if self.labels else "none"
        )
        return TemplateFigures(
            name=self.scores.template,
            all=self.scores.total,
            scored=self.scores.scored,
            kind=kind,
            value=average.value,
            interval=average.interval(_CONFIDENCE),
            bounds=average.bounds() if average.n and average.bounded else None,
            bars=_bars(average.counts, self.labels, kind if average.verdicts else "mean"),
            answered_by=self.scores.answerers.names(),
            **self.scores.spending.as_dict(),
            **self.panels.as_dict(),
        )


def _bars(scores: Counter[float], labels: Counter[str], kind: SummaryKind) -> list[ChartBar]:
    if kind == "rate":
        return [ChartBar("Passed", scores[1.0]), ChartBar("Failed", scores[0.0])]
    if labels:
        return [ChartBar(clipped(label), count) for label, count in labels.most_common(_BINS)]
    return _histogram(scores) if scores else []


def _histogram(scores: Mapping[float, int]) -> list[ChartBar]:
    """Return the scores in 20 ranges of one width, from 0 to 1 if all lie there, else from the least on."""
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        return [ChartBar(f"{low:g}", sum(scores.values()))]
    counts = [0] * _BINS
    for score, count in scores.items():
        # A score on an edge counts upward, also where its float falls short of the edge.
        counts[min(int((score - low) / (high - low) * _BINS + 1e-9), _BINS - 1)] += count
    edges = [low + (high - low) * number / _BINS for number in range(_BINS + 1)]
    return [ChartBar(f"{edges[n]:.3g} to {edges[n + 1]:.3g}", count) for n, count in enumerate(counts)]
