"""A run that is judged while it goes on: `fi-async run --min`, and `--fail-fast`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from fi_async._models import Outcome, OutcomeStatus, Template
from fi_async._run_url import RunUrl
from fi_async.cli.errors import UsageError
from fi_async.cli.gate import check_labels_flag, label_checks
from fi_async.cli.options import RunFlags
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.records import OutcomeRecord
from fi_async.reports.conditions import parse_condition, require_share, require_template
from fi_async.reports.early_stopping import EarlyStopping
from fi_async.reports.label_conditions import LabelCondition, label_conditions
from fi_async.reports.quality_gate import Check, GateResult, Requirements, check_gate, doubts_of
from fi_async.reports.run_labels import RunLabels
from fi_async.reports.template_scores import TemplateScores
from fi_async.sources.rows import Source, TableCase


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a run is to reach: by what the judge says, and by what labels tell."""

    required: Requirements
    labelled: Sequence[LabelCondition]


def _asked(flags: RunFlags, templates: Sequence[str], known: Mapping[str, Template]) -> _Asked | None:
    """Return what a run is to reach; None if nothing is asked of it.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so.
    """
    conditions, labelled = label_conditions([parse_condition(text) for text in flags.min or ()], templates)
    for condition in conditions:
        require_template(f"--min {condition}", condition.template, templates)
        flags.check_tries(condition)
        if condition.template in known and known[condition.template].output_type == "Pass/Fail":
            require_share(condition)
    check_labels_flag(labelled, flags.labels, has_file=flags.run is not None)
    wanted = bool(conditions or labelled) or flags.coverage is not None
    if flags.fail_fast and not wanted:
        raise UsageError("--fail-fast stops at a verdict: give --min or --coverage")
    if flags.fail_fast and labelled:
        raise UsageError(f"--min {labelled[0]} is told by all results of a run: leave --fail-fast out")
    if flags.error_rate is not None and not flags.fail_fast:
        raise UsageError("--error-rate says how early --fail-fast may stop: give --fail-fast too")
    if flags.confidence is not None and not (conditions or labelled):
        raise UsageError("--confidence is of the intervals that must reach --min: give --min too")
    if flags.confidence is not None and flags.fail_fast:
        raise UsageError("--confidence is told by all results of a run: leave --fail-fast out")
    return _Asked(Requirements(conditions, flags.coverage, flags.confidence), labelled) if wanted else None


class LabelledRun:
    """What labels tell of a run that has just ended.

    Args:
        conditions: Those that labels decide.
        labels: The file of --labels, in place of those that the run's file keeps.
        run: What keeps the run; without it, its outcomes are kept here.
    """

    def __init__(self, conditions: Sequence[LabelCondition], labels: Path | None, run: Path | RunUrl | None) -> None:
        self._conditions, self._labels, self._run = conditions, labels, run
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, if nobody else does."""
        if self._conditions and self._run is None:
            self._outcomes.append(outcome)

    def checks(self, counted: Mapping[str, TemplateScores], asked: Requirements) -> list[Check]:
        """Return whether what labels tell meets the conditions.

        Raises:
            ConfigurationError: A label cannot be used.
            JournalError: The run's file cannot be read.
        """
        if not self._conditions:
            return []
        if self._run is None:
            in_order = sorted(self._outcomes, key=lambda each: each.index)
            run = RunLabels("the run", [OutcomeRecord("", each, 0.0) for each in in_order], KeptLabels())
        else:
            run = RunLabels.of(self._run)
        return label_checks(self._conditions, run, counted, asked, self._labels)


class LiveGate:
    """Counts the outcomes of a run, and says whether it is good enough.

    Args:
        asked: What it is to reach.
        templates: The names of the run's templates.
        watch: Stops the run early, if asked for.
        labelled: Says what labels tell of it.
    """

    def __init__(
        self, asked: Requirements, templates: Sequence[str], watch: EarlyStopping | None, labelled: LabelledRun
    ) -> None:
        self._asked, self._watch, self._labelled = asked, watch, labelled
        self._scores = watch.scores if watch else {name: TemplateScores(name) for name in templates}
        self.stopped = False
        self._doubts: dict[str, None] = {}

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome, and return True if no more are needed."""
        self._labelled.add(outcome)
        if outcome.status is OutcomeStatus.INVALID:
            self._doubts.update(dict.fromkeys(doubts_of([outcome])))
        if self._watch is None:
            self._scores[outcome.template].add(outcome)
            return False
        self.stopped = self._watch.add(outcome)
        return self.stopped

    def verdict(self, trouble: str, *, is_named: bool = True) -> GateResult:
        """Return the verdict over what was counted.

        Args:
            trouble: What kept cases from being scored.
            is_named: False if nobody named the backend.
        """
        doubts = [*self._doubts, *doubts_of((), is_named=is_named)]
        if self._watch is not None and self.stopped:
            return self._watch.result(trouble, doubts)
        found = check_gate(self._asked, self._scores, trouble=trouble, doubts=doubts)
        return replace(found, checks=[*found.checks, *self._labelled.checks(self._scores, self._asked)])


def live_gate_of(
    flags: RunFlags, templates: Sequence[str], known: Mapping[str, Template], source: Source
) -> LiveGate | None:
    """Return who judges a run; None if nothing is asked of it.

    Args:
        flags: Of the command.
        templates: The names of the run's templates.
        known: The facts of those that need no request.
        source: The rows.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so, or it is to stop early and the rows cannot be counted.
    """
    asked = _asked(flags, templates, known)
    if asked is None:
        return None
    labelled = LabelledRun(asked.labelled, flags.labels, flags.run)
    if not flags.fail_fast:
        return LiveGate(asked.required, templates, None, labelled)
    if flags.shard is not None:
        raise UsageError("--fail-fast has to know how many rows there are, and a shard knows its own at its end")
    rows = source.count()
    if rows is None:
        raise UsageError("--fail-fast has to know how many rows there are: give a file instead of stdin")
    watch = EarlyStopping(asked.required, templates, rows, flags.error_rate or 0.0)
    return LiveGate(asked.required, templates, watch, labelled)


def in_random_order(rows: Iterable[TableCase]) -> tuple[list[TableCase], list[int]]:
    """Return rows in an order that is random and the same each time, and the place that each had."""
    found = list(rows)
    order = Random(0).sample(range(len(found)), len(found))  # noqa: S311  # nothing is secret here
    return [found[place] for place in order], order
