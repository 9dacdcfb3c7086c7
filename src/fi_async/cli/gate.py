"""`fi-async gate`: whether a run is good enough, as an exit code, and in the forms that CI systems read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from fi_async._models import Outcome
from fi_async._run_url import RunUrl
from fi_async._spending import spent_words
from fi_async.cli import errors, terminal
from fi_async.cli.ci import write_junit, write_step_summary
from fi_async.cli.errors import UsageError
from fi_async.cli.options import GateFlags, refuse
from fi_async.cli.outputs import check_output
from fi_async.reports.conditions import Condition, parse_condition, require_share, require_template
from fi_async.reports.figures import cause_of
from fi_async.reports.label_conditions import LabelCondition, check_label_condition, label_conditions
from fi_async.reports.pairing import CaseScore, read_baseline, write_baseline
from fi_async.reports.quality_gate import (
    Check,
    GateResult,
    GateVerdict,
    Requirements,
    check_gate,
    doubts_of,
)
from fi_async.reports.run_files import BACKEND_NAMED, LINES, load_run, outcomes_of
from fi_async.reports.run_labels import NoLabelsError, RunLabels
from fi_async.reports.template_scores import TemplateScores, scores_by_template

_SHOWN: Final = 5
_CONFIDENCE: Final = 0.95
_BASELINE: Final = ".json"
_STYLES: Final = {GateVerdict.PASSED: "green", GateVerdict.BELOW: "red"}
_OF_BASELINES: Final = ("max_regressions", "tolerance", "by")
_CODES: Final = {
    GateVerdict.PASSED: errors.DONE,
    GateVerdict.BELOW: errors.BELOW,
    GateVerdict.INCONCLUSIVE: errors.INCONCLUSIVE,
    GateVerdict.INFRASTRUCTURE: errors.IMPOSSIBLE,
}


def gate_run(path: Path | RunUrl, flags: GateFlags) -> int:
    """Return the exit code of a run's verdict, after printing what was checked.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so, or it is no run.
    """
    asked = _asked(flags)
    _check_outputs(path, flags)
    with load_run(path) as run:
        labels, info, count = RunLabels.read(str(path), run), run.info, run.count()
    outcomes = labels.outcomes
    plain, labelled = label_conditions(asked.conditions, list_of(info.templates, outcomes))
    is_lines = isinstance(path, Path) and path.suffix.lower() in LINES
    check_labels_flag(labelled, flags.labels, has_file=not is_lines)
    asked = replace(asked, conditions=plain)
    is_named = info.source.get(BACKEND_NAMED)
    doubts = doubts_of(
        outcomes,
        is_all=count.is_all,
        is_named=is_named is not False or flags.backend is not None,
        takes_estimates=bool(is_named) or not is_lines or flags.backend is not None,
    )
    case_scores = [CaseScore.of(each) for each in outcomes]
    counted = scores_by_template(outcomes, info.templates, count.pending)
    _check_bounds(asked.conditions, counted)
    baseline = None if flags.baseline is None else _baseline(flags.baseline)
    found = check_gate(
        asked, counted, case_scores=case_scores, baseline=baseline, trouble=trouble_of(outcomes), doubts=doubts
    )
    checks = [*found.checks, *label_checks(labelled, labels, counted, asked, flags.labels)]
    found = replace(found, checks=checks, part=info.part)
    _report(found, str(path), flags)
    if flags.write_baseline and found.verdict is GateVerdict.PASSED:
        write_baseline(flags.write_baseline, case_scores)
    return exit_code(found)


def list_of(templates: Iterable[str], outcomes: Iterable[Outcome]) -> list[str]:
    """Return the names of a run's templates, each once."""
    return list(dict.fromkeys([*templates, *(each.template for each in outcomes)]))


def check_labels_flag(asked: Sequence[LabelCondition], labels: Path | RunUrl | None, *, has_file: bool) -> None:
    """Return if there may be labels for what asks for them, and nothing else does.

    Args:
        asked: The conditions that labels decide.
        labels: The file of --labels.
        has_file: True if a run's file may keep labels.

    Raises:
        UsageError: There can be none; or a file of them that nothing asks for.
    """
    if asked and labels is None and not has_file:
        raise UsageError(f"--min {asked[0]} needs labels: give --labels PATH")
    if labels is not None and not asked:
        raise UsageError("--labels needs --min 'TEMPLATE:true>=NUMBER' or 'TEMPLATE:kappa>=NUMBER'")


def label_checks(
    conditions: Sequence[LabelCondition],
    run: RunLabels,
    counted: Mapping[str, TemplateScores],
    asked: Requirements,
    labels: Path | RunUrl | None,
) -> list[Check]:
    """Return whether what labels tell of a run meets conditions; inconclusive where there are no labels.

    Args:
        conditions: Those that labels decide.
        run: The outcomes, and the labels that the run's file keeps.
        counted: The run's scores by template.
        asked: What else the run must reach: its coverage and its confidence are used.
        labels: The file of --labels, in place of those that are kept.

    Raises:
        ConfigurationError: A label cannot be used, or a condition names no template where there are several.
    """
    checks = []
    for each in conditions:
        try:
            found = run.agreement(each.template, labels=labels, confidence=asked.confidence or _CONFIDENCE)
        except NoLabelsError as error:
            checks.append(Check(str(each), GateVerdict.INCONCLUSIVE, error.message))
            continue
        scores = counted[found.template]
        let_go = asked.coverage is not None and scores.coverage >= asked.coverage
        missing = 0 if let_go else scores.total - scores.scored
        checks.append(check_label_condition(each, found, asked.confidence, missing=missing))
    return checks


def _check_bounds(conditions: Sequence[Condition], found: Mapping[str, TemplateScores]) -> None:
    for condition in conditions:
        require_template(f"--min {condition}", condition.template, found)
        _, average = found[condition.template].average(condition.metric)
        if average.n and average.verdicts:
            require_share(condition)


def exit_code(found: GateResult) -> int:
    """Return the exit code of a verdict."""
    return _CODES[found.verdict]


def _asked(flags: GateFlags) -> Requirements:
    if not (flags.min or flags.coverage is not None or flags.baseline or flags.write_baseline):
        raise UsageError("nothing to check: give --min, --coverage or --baseline, such as --min 'groundedness>=0.9'")
    if flags.baseline is None:
        refuse(flags, _OF_BASELINES, "is of what is worse than a baseline: give --baseline PATH too")
    return Requirements(
        conditions=[parse_condition(text) for text in flags.min or ()],
        coverage=flags.coverage,
        confidence=flags.confidence,
        max_regressions=flags.max_regressions or 0,
        tolerance=flags.tolerance,
        by=flags.by,
    )


def _check_outputs(run: Path | RunUrl, flags: GateFlags) -> None:
    """Return quietly if what is to be written can be: found out later, it would look like an outage."""
    for flag, target in {"--junit": flags.junit, "--write-baseline": flags.write_baseline}.items():
        if target is not None:
            check_output(flag, target, *([] if isinstance(run, RunUrl) else [run]))
    if flags.write_baseline is not None and flags.write_baseline.suffix.lower() != _BASELINE:
        raise UsageError(f"--write-baseline {flags.write_baseline}: its name must end in {_BASELINE}, to be known by")


def _baseline(path: Path | RunUrl) -> list[CaseScore]:
    if isinstance(path, Path) and path.suffix.lower() == _BASELINE and path.is_file():
        return read_baseline(path)
    with load_run(path) as run:
        return [CaseScore.of(each) for each in outcomes_of(run)]


def trouble_of(outcomes: Iterable[Outcome]) -> str:
    """Return the most frequent reason why cases have no score; empty if there is none."""
    causes = Counter(cause_of(each) for each in outcomes if each.error is not None)
    return next((f"{kind}: {message}" for (kind, message), _ in causes.most_common(1)), "")


def _report(found: GateResult, name: str, flags: GateFlags) -> None:
    if flags.json:
        print(json.dumps({"run": name, **found.as_dict()}, indent=2))
    else:
        show(found)
    named = f"{name}, {found.part}" if found.part else name
    if flags.junit is not None:
        write_junit(flags.junit, found, named)
    write_step_summary(found, named)


def show(found: GateResult) -> None:
    """Print the verdict, and what was found for each check."""
    console = terminal.stdout()
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for check in found.checks:
        verdict = Text(check.verdict, style=_STYLES.get(check.verdict, "yellow"))
        said = Text(check.said)
        if check.cases:
            said.append(f"\n{listed(check)}", style="dim")
        table.add_row(verdict, Text(terminal.printable(check.name)), said)
    if found.checks:
        console.print(table)
        console.print()
    if found.estimates:
        names = terminal.printable(", ".join(found.estimates))
        console.print(Text(f"{names}: lexical estimates, not the platform's judge", style="yellow"))
    if found.judges:
        console.print(Text(terminal.printable(found.judges), style="yellow"))
    if spent := spent_words(found.spent):
        console.print(Text(f"spent: {', '.join(spent)}", style="dim"))
    for doubt in found.doubts:
        console.print(Text(f"no verdict: {terminal.printable(doubt)}", style="yellow"))
    if found.unserved:
        console.print(Text(terminal.printable(found.unserved), style="red"))
    if found.part:
        console.print(Text(f"{found.part}: these are its cases alone", style="yellow"))
    console.print(Text.assemble("gate: ", (found.verdict.value, _STYLES.get(found.verdict, "yellow"))))


def listed(check: Check) -> str:
    """Return the first cases of a check, and how many there are beyond them."""
    return f"{terminal.printable(', '.join(check.cases[:_SHOWN]))} {check.more(_SHOWN)}".rstrip()
