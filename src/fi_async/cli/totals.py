"""A run in numbers, kept as its outcomes pass by."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, get_args

from fi_async._errors import APIConnectionError
from fi_async._models import Origin, Outcome, OutcomeStatus
from fi_async._spending import Answerers, Spending
from fi_async._statistics import Counts
from fi_async.cli import terminal
from fi_async.journal.records import RunCount
from fi_async.reports import figures
from fi_async.reports.figures import MOST_CAUSES, OTHER, Cause
from fi_async.reports.html_page import telling_keys
from fi_async.reports.panel_tally import PanelTally
from fi_async.sources.rows import TableCase

_LONGEST: Final = 50  # characters of a case
SHOWN_CAUSES: Final = 5
"""Causes that a summary names."""

_SHOWN_CASES: Final = 5


@dataclass(slots=True)
class TemplateTotals:
    """What a template's scored cases sum up to, and what all of its cases took.

    Attributes:
        spending: Tokens and dollars.
        answerers: Who was asked.
        panels: What samples and votes tell.
        filled: How many scored cases lack a key, by the key and that from which it was filled.
    """

    n: int = 0
    scores: int = 0
    score_sum: float = 0.0
    verdicts: int = 0
    passes: float = 0
    estimate: bool = False
    spending: Spending = field(default_factory=Spending)
    answerers: Answerers = field(default_factory=Answerers)
    panels: PanelTally = field(default_factory=PanelTally)
    filled: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def mean_score(self) -> float | None:
        """The mean of those scores that are numbers; None if there are none."""
        return self.score_sum / self.scores if self.scores else None

    @property
    def pass_rate(self) -> float | None:
        """Passed / all verdicts; None if there are none."""
        return self.passes / self.verdicts if self.verdicts else None

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        self.spending.add(outcome)
        self.answerers.add(outcome)
        self.panels.add(outcome)
        if outcome.status is not OutcomeStatus.SCORED:
            return
        self.n += 1
        if outcome.score is not None:
            self.scores += 1
            self.score_sum += outcome.score
        if (share := outcome.pass_share) is not None:
            self.verdicts += 1
            self.passes += share
        if outcome.result is not None:
            self.estimate = self.estimate or outcome.result.estimate
            self.filled.update(outcome.result.filled.items())

    def as_dict(self) -> dict[str, Any]:
        """Return them in plain values, under the names that `Report.summary()` gives them."""
        return {
            "mean_score": self.mean_score,
            "pass_rate": self.pass_rate,
            "n": self.n,
            "answered_by": self.answerers.names(),
            **self.spending.as_dict(),
            "estimate": self.estimate,
            **self.panels.as_dict(),
        }


class RunTotals:
    """The numbers of a run so far. Memory does not grow with the number of its cases.

    Args:
        templates: The names of the run's templates.

    Attributes:
        expected: How many outcomes there were to be, of a run that was stopped; None if nobody knows.
        is_all: False if there may be more: the run was stopped before all its cases were read.
        whole: What the run's file counts, once the run has ended; None if no file keeps it.
        remarks: What is odd about rows that could be read.
        unscored: The names of the first cases without a score.
        spending: What the run took of judges.
        lowest: The cases with the lowest scores below 1, a few: the score, the position, the name and a few words.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        self.templates = {name: TemplateTotals() for name in templates}
        self.statuses: Counter[OutcomeStatus] = Counter()
        self.origins: Counter[Origin] = Counter()
        self.causes: Counter[Cause] = Counter()
        self.first: dict[Cause, tuple[str, str]] = {}
        self.counts = Counts()
        self.spending = Spending()
        self.expected: int | None = None
        self.is_all = True
        self.whole: RunCount | None = None
        self.remarks: Counter[str] = Counter()
        self.unscored: list[str] = []
        self.lowest: list[tuple[float, int, str, str]] = []
        self.cases = self.unreachable = self.reached = 0
        self.unreachable_because = self.unreachable_by = ""
        self._open: dict[int, int] = {}

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.statuses[outcome.status] += 1
        self.origins[outcome.origin] += 1
        self.spending.add(outcome)
        self.templates[outcome.template].add(outcome)
        self._count_case(outcome.index)
        if remark := row_of(outcome).remark:
            self.remarks[f"{place_of(outcome)}: {remark}"] += 1
        is_unreachable = never_left(outcome)
        if outcome.origin == "evaluated":
            self.unreachable += is_unreachable
            self.reached += not is_unreachable and outcome.status is not OutcomeStatus.INVALID
        if outcome.status is OutcomeStatus.SCORED:
            self._note_lowest(outcome)
            return
        if len(self.unscored) < _SHOWN_CASES:
            self.unscored.append(self._named(outcome))
        cause = cause_of(outcome)
        if is_unreachable:
            self.unreachable_because, self.unreachable_by = cause[1], outcome.backend
        if cause not in self.causes and len(self.causes) >= MOST_CAUSES:
            cause = OTHER
        self.causes[cause] += 1
        self.first.setdefault(cause, (place_of(outcome), row_of(outcome).detail))

    def _note_lowest(self, outcome: Outcome) -> None:
        score, few = outcome.score, self.lowest
        if score is not None and score < 1 and (len(few) < _SHOWN_CASES or score < few[-1][0]):
            insort(few, (score, outcome.index, self._named(outcome), _words(outcome)))
            del few[_SHOWN_CASES:]

    def _named(self, outcome: Outcome) -> str:
        """Return the name of a case, and of several templates which one it is about."""
        return f"{_name(outcome)} ({outcome.template})" if len(self.templates) > 1 else _name(outcome)

    def _count_case(self, index: int) -> None:
        left = self._open.pop(index, None)
        if left is None:
            self.cases += 1
            left = len(self.templates)
        if left > 1:
            self._open[index] = left - 1

    @property
    def done(self) -> int:
        """All outcomes."""
        return self.statuses.total()

    @property
    def scored(self) -> int:
        """Those with a score."""
        return self.statuses[OutcomeStatus.SCORED]

    @property
    def failed(self) -> int:
        """Those without one, for whatever reason."""
        return self.done - self.scored

    @property
    def evaluations(self) -> int:
        """All there are: those that have not ended too, as far as it is known."""
        return max(self.done, self.expected or 0, self.whole.evaluations if self.whole else 0)

    @property
    def pending(self) -> int:
        """Those that have not ended."""
        return self.evaluations - self.done

    @property
    def all_cases(self) -> int:
        """Sets of inputs, those too that have no outcome yet."""
        return max(self.cases, -(-self.evaluations // len(self.templates)))

    @property
    def possible_duplicates(self) -> int:
        """Requests sent again although the one before may have been evaluated: over all passes of a kept run."""
        return self.counts.possible_duplicates if self.whole is None else self.whole.possible_duplicates

    @property
    def coverage(self) -> float:
        """Scored / all, from 0 to 1; 1 of none."""
        return self.scored / self.evaluations if self.evaluations else 1.0

    @property
    def only_unreachable(self) -> bool:
        """True if there was something to send and no request ever reached a server."""
        return self.unreachable > 0 and not self.reached

    def as_dict(self, wall_s: float) -> dict[str, Any]:
        """Return the run in numbers, under the names that `Report.summary()` gives them."""
        return {
            "cases": self.all_cases,
            "evaluations": self.evaluations,
            "pending": self.pending,
            "is_all": self.is_all,
            **{status.value: self.statuses[status] for status in OutcomeStatus},
            **{origin: self.origins[origin] for origin in get_args(Origin)[1:]},
            "coverage": self.coverage,
            "wall_s": wall_s,
            **asdict(self.counts),
            "possible_duplicates": self.possible_duplicates,
            **self.spending.as_dict(),
            "templates": {name: of.as_dict() for name, of in self.templates.items()},
            "causes": [
                {"count": count, "error": kind, "message": message, "first": place, "detail": detail or None}
                for (kind, message), count in self.causes.most_common(SHOWN_CAUSES)
                for place, detail in (self.first[kind, message],)
            ],
        }


def _name(outcome: Outcome) -> str:
    return terminal.printable(outcome.case.id or place_of(outcome))


def _words(outcome: Outcome) -> str:
    """Return the first words of what a case is about: of its answer, if it has one."""
    inputs = outcome.case.inputs
    said = next((str(inputs[key]) for key in telling_keys(inputs)[::-1]), "")
    return terminal.printable(f"{said[:_LONGEST]}…" if len(said) > _LONGEST else said)


def place_of(outcome: Outcome) -> str:
    """Return where a case stands: file and line."""
    return row_of(outcome).place


def row_of(outcome: Outcome) -> TableCase:
    """Return the row that an outcome is about."""
    assert isinstance(outcome.case, TableCase)  # noqa: S101  # the run reads nothing but rows
    return outcome.case


def cause_of(outcome: Outcome) -> figures.Cause:
    """Return the type and the message of why a case has no score, alike for all cases of the same trouble."""
    fault = row_of(outcome).fault
    return figures.cause_of(outcome) if fault is None else ("UnreadableRow", fault)


def never_left(outcome: Outcome) -> bool:
    """Tell whether a case failed because its request could not even be sent."""
    return isinstance(outcome.error, APIConnectionError) and not outcome.error.sent
