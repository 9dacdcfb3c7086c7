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
from fi_async.cli import errors, terminal
from fi_async.cli.ci import write_junit, write_step_summary
from fi_async.cli.errors import UsageError
from fi_async.cli.options import GateFlags, refuse
from fi_async.cli.outputs import check_output
from fi_async.reports.agreement import agreement_of
from fi_async.reports.conditions import Condition, parse_condition, require_share, require_template
from fi_async.reports.figures import cause_of
from fi_async.reports.pairing import CaseScore, read_baseline, write_baseline
from fi_async.reports.quality_gate import (
    Check,
    GateResult,
    GateVerdict,
    Requirements,
    check_estimate,
    check_gate,
    doubts_of,
)
from fi_async.reports.run_files import BACKEND_NAMED, LINES, load_run, outcomes_of
from fi_async.reports.spending import spent_words
from fi_async.reports.template_scores import TemplateScores, scores_by_template

_SHOWN: Final = 5
_TRUE: Final = ":true"  # after a template: the rate that labels tell
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
    asked, corrected = _corrected(_asked(flags), flags.labels)
    _check_outputs(path, flags)
    with load_run(path) as run:
        outcomes, info, count = list(outcomes_of(run)), run.info, run.count()
    is_named = info.source.get(BACKEND_NAMED)
    is_lines = isinstance(path, Path) and path.suffix.lower() in LINES
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
    found = replace(found, checks=[*found.checks, *_true_rates(corrected, outcomes, counted, asked, flags.labels)])
    _report(found, str(path), flags)
    if flags.write_baseline and found.verdict is GateVerdict.PASSED:
        write_baseline(flags.write_baseline, case_scores)
    return exit_code(found)


def _corrected(asked: Requirements, labels: Path | None) -> tuple[Requirements, Sequence[Condition]]:
    """Return what is asked of the judge's results, and apart the bounds of true rates: `TEMPLATE:true`."""
    true = [each for each in asked.conditions if each.template.endswith(_TRUE)]
    if bool(true) != (labels is not None):
        what = (
            f"--min {true[0]} needs labels: give --labels PATH"
            if true
            else "--labels needs --min 'TEMPLATE:true>=NUMBER'"
        )
        raise UsageError(what)
    return replace(asked, conditions=[each for each in asked.conditions if each not in true]), true


def _true_rates(
    conditions: Sequence[Condition],
    outcomes: Sequence[Outcome],
    counted: Mapping[str, TemplateScores],
    asked: Requirements,
    labels: Path | None,
) -> list[Check]:
    checks = []
    for condition in conditions:
        name = condition.template.removesuffix(_TRUE)
        require_template(f"--min {condition}", name, counted)
        if labels is None:  # pragma: no cover  # refused before
            continue
        scores, confidence = counted[name], asked.confidence
        rate = agreement_of(outcomes, labels, name, confidence=confidence or _CONFIDENCE).rate
        let_go = asked.coverage is not None and scores.coverage >= asked.coverage
        missing = 0 if let_go else scores.total - scores.scored
        checks.append(check_estimate(condition, rate, confidence, missing=missing, scored=max(1, scores.scored)))
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


def _baseline(path: Path) -> list[CaseScore]:
    if path.suffix.lower() == _BASELINE and path.is_file():
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
    if flags.junit is not None:
        write_junit(flags.junit, found, name)
    write_step_summary(found, name)


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
            said.append(f"\n{listed(check.cases)}", style="dim")
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
    console.print(Text.assemble("gate: ", (found.verdict.value, _STYLES.get(found.verdict, "yellow"))))


def listed(cases: Sequence[str]) -> str:
    """Return the first of these names, and how many there are beyond them."""
    more = len(cases) - _SHOWN
    return f"{terminal.printable(', '.join(cases[:_SHOWN]))}{f' and {more:,} more' if more > 0 else ''}"
