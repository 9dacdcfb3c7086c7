"""A run that is judged while it goes on: `fi-async run --min`, and `--fail-fast`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from fi_async._models import Outcome, OutcomeStatus, Template
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags
from fi_async.reports.conditions import parse_condition, require_share, require_template
from fi_async.reports.early_stopping import EarlyStopping
from fi_async.reports.quality_gate import GateResult, Requirements, check_gate, doubts_of
from fi_async.reports.template_scores import TemplateScores
from fi_async.sources.rows import Source, TableCase


def _asked(flags: RunFlags, templates: Sequence[str], known: Mapping[str, Template]) -> Requirements | None:
    """Return what a run is to reach; None if nothing is asked of it.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so.
    """
    conditions = [parse_condition(text) for text in flags.min or ()]
    for condition in conditions:
        require_template(f"--min {condition}", condition.template, templates)
        flags.check_tries(condition)
        if condition.template in known and known[condition.template].output_type == "Pass/Fail":
            require_share(condition)
    wanted = bool(conditions) or flags.coverage is not None
    if flags.fail_fast and not wanted:
        raise UsageError("--fail-fast stops at a verdict: give --min or --coverage")
    if flags.error_rate is not None and not flags.fail_fast:
        raise UsageError("--error-rate says how early --fail-fast may stop: give --fail-fast too")
    return Requirements(conditions, flags.coverage) if wanted else None


class LiveGate:
    """Counts the outcomes of a run, and says whether it is good enough.

    Args:
        asked: What it is to reach.
        templates: The names of the run's templates.
        watch: Stops the run early, if asked for.
    """

    def __init__(self, asked: Requirements, templates: Sequence[str], watch: EarlyStopping | None) -> None:
        self._asked, self._watch = asked, watch
        self._scores = watch.scores if watch else {name: TemplateScores(name) for name in templates}
        self.stopped = False
        self._doubts: dict[str, None] = {}

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome, and return True if no more are needed."""
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
        return check_gate(self._asked, self._scores, trouble=trouble, doubts=doubts)


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
    if asked is None or not flags.fail_fast:
        return LiveGate(asked, templates, None) if asked else None
    rows = source.count()
    if rows is None:
        raise UsageError("--fail-fast has to know how many rows there are: give a file instead of stdin")
    return LiveGate(asked, templates, EarlyStopping(asked, templates, rows, flags.error_rate or 0.0))


def in_random_order(rows: Iterable[TableCase]) -> tuple[list[TableCase], list[int]]:
    """Return rows in an order that is random and the same each time, and the place that each had."""
    found = list(rows)
    order = Random(0).sample(range(len(found)), len(found))  # noqa: S311  # nothing is secret here
    return [found[place] for place in order], order
