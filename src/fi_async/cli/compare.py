"""`fi-async compare`: runs against each other, as tables, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fi_async._run_url import RunUrl
from fi_async._spending import is_own, judges_of
from fi_async.cli import errors, terminal
from fi_async.cli.flag_kinds import named
from fi_async.cli.matrix_tables import WorseVerdict, show_matrix, shown_p
from fi_async.cli.options import CompareFlags
from fi_async.cli.outputs import check_output
from fi_async.reports.compare import Comparison, TemplateComparison, compare
from fi_async.reports.compare_many import checked_names, matrix_of, names_of
from fi_async.reports.comparison_page import RunEffort, write_comparison
from fi_async.reports.conditions import require_template
from fi_async.reports.matrix_page import write_matrix
from fi_async.reports.pairing import CaseScore, Pair
from fi_async.reports.run_files import ReadableRun, load_run, outcomes_of
from fi_async.reports.statistics import Interval

_SHOWN: Final = 10
_LONGEST: Final = 160  # characters of a reason
_NARROW: Final = 80  # columns of a terminal
_SLIM: Final = 54
_WIDE: Final = 96


def compare_files(paths: Sequence[Path | RunUrl], flags: CompareFlags) -> int:
    """Return the exit code after printing what changed between runs, for better or for worse.

    It is 0, unless `--fail-if-worse` asks whether any is worse than the baseline.

    Raises:
        ConfigurationError: One is no run, or none has a template or a name that was given.
        UsageError: The page cannot be where it is to be.
        OSError: It cannot be written.
    """
    if flags.html is not None:
        check_output("--html", flags.html, *(each for each in paths if isinstance(each, Path)))
    asked = _baseline(flags.baseline, paths)
    if len(paths) == 2 and asked is None:
        return _compare_two(paths[0], paths[1], flags)
    names = checked_names(names_of(paths), len(paths), asked)
    baseline = asked or names[0]
    if len(paths) > 2:
        return _compare_many(paths, names, baseline, flags)
    first = names.index(baseline)
    return _compare_two(paths[first], paths[1 - first], flags)


def _baseline(asked: str | None, paths: Sequence[Path | RunUrl]) -> str | None:
    """Return the name of the run that was asked for by its name, or by its path or URL."""
    return None if asked is None else dict(zip(paths, names_of(paths), strict=True)).get(named(asked), asked)


def _compare_two(before: Path | RunUrl, after: Path | RunUrl, flags: CompareFlags) -> int:
    with load_run(before) as one, load_run(after) as other:
        efforts = RunEffort(), RunEffort()
        scores = [list(_noted(run, effort)) for run, effort in zip((one, other), efforts, strict=True)]
        found = compare(*scores, **_options(flags))
        _check_templates(flags, [each.template for each in found.templates])
        verdict = None
        if flags.fail_if_worse:
            names = str(before), str(after) if after != before else f"{after} again"
            pending = {name: run.count().pending for name, run in zip(names, (one, other), strict=True)}
            runs = dict(zip(names, scores, strict=True))
            verdict = WorseVerdict(matrix_of(runs, names[0], **_options(flags)), pending)
        if flags.html is not None:
            write_comparison(flags.html, found, one, other)
    if flags.json:
        took = {name: _took(each) for name, each in zip(("before", "after"), efforts, strict=True)}
        told = {} if verdict is None else verdict.as_dict()
        print(
            json.dumps({"before": str(before), "after": str(after), "took": took, **found.as_dict(), **told}, indent=2)
        )
    else:
        _show(found, str(before), str(after))
        _show_efforts({str(before): efforts[0], str(after): efforts[1]})
        if verdict is not None:
            verdict.show()
    return errors.DONE if verdict is None else verdict.code


def _compare_many(paths: Sequence[Path | RunUrl], names: Sequence[str], baseline: str, flags: CompareFlags) -> int:
    with ExitStack() as opened:
        runs = [opened.enter_context(load_run(path)) for path in paths]
        efforts = {name: RunEffort() for name in names}
        scores = {name: list(_noted(run, efforts[name])) for name, run in zip(names, runs, strict=True)}
        found = matrix_of(scores, baseline, **_options(flags))
        _check_templates(flags, found.templates)
        pending = {name: run.count().pending for name, run in zip(names, runs, strict=True)}
        verdict = WorseVerdict(found, pending) if flags.fail_if_worse else None
        if flags.html is not None:
            write_matrix(flags.html, found, runs)
    if flags.json:
        files = dict(zip(names, map(str, paths), strict=True))
        took = {name: _took(each) for name, each in efforts.items()}
        told = {} if verdict is None else verdict.as_dict()
        print(json.dumps({"files": files, "took": took, **found.to_dict(), **told}, indent=2))
    else:
        show_matrix(found)
        _show_efforts(efforts)
        if verdict is not None:
            verdict.show()
    return errors.DONE if verdict is None else verdict.code


def _options(flags: CompareFlags) -> dict[str, Any]:
    return {
        "by": flags.by,
        "tolerance": flags.tolerance,
        "lower_is_better": flags.lower_is_better or (),
        "confidence": flags.confidence,
    }


def _check_templates(flags: CompareFlags, templates: Sequence[str]) -> None:
    for name in flags.lower_is_better or ():
        require_template(f"--lower-is-better {name}", name, templates)


def _noted(run: ReadableRun, effort: RunEffort) -> Iterator[CaseScore]:
    """Yield the scores of a run, and count what they took."""
    for outcome in outcomes_of(run):
        effort.add(outcome)
        yield CaseScore.of(outcome)


def _took(effort: RunEffort) -> dict[str, Any]:
    return {"answered_by": effort.answerers.names(), **effort.spending.as_dict()}


def _show_efforts(efforts: Mapping[str, RunEffort]) -> None:
    """Print who answered and what that took, where it is a judge or code of the user's."""
    console = terminal.stdout()
    for name, effort in efforts.items():
        if is_own(names := effort.answerers.names()):
            said = ", ".join([f"answered by {', '.join(names)}", *effort.spending.words()])
            console.print(Text(terminal.printable(f"{name}: {said}"), style="dim"), soft_wrap=True)
    if judges := judges_of(name for effort in efforts.values() for name in effort.answerers.names()):
        console.print(Text(terminal.printable(judges), style="yellow"))


def _show(found: Comparison, before: str, after: str) -> None:
    console = terminal.stdout()
    console.print(Text(f"{before} -> {after}, paired by {found.paired_by}\n"))
    console.print(_table(found, console.width))
    lost = [pair for each in found.templates for pair in each.lost]
    won = [pair for each in found.templates for pair in each.won]
    for heading, pairs, style in (("Worse", lost, "red"), ("Better", won, "green")):
        if pairs:
            console.print()
            console.print(_listed(heading, pairs, style))
    if left_out := [text for each in found.templates if (text := _left_out(each, before, after))]:
        console.print()
        console.print(Text("\n".join(left_out), style="dim"))


def _table(found: Comparison, width: int) -> Table:
    """Return a row for each template, in the columns that fit the terminal whole."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, int(width >= _WIDE)))
    table.add_column("template", overflow="fold", min_width=10)
    columns: dict[str, Callable[[TemplateComparison], str]] = {
        "pairs": lambda each: f"{each.pairs:,}",
        "before": lambda each: _number(each.before),
        "after": lambda each: _number(each.after),
        "change": lambda each: "-" if each.difference is None else f"{each.difference:+z.3f}",
        f"{100 * found.confidence:.4g}% interval": lambda each: _interval(each.interval),
        "better": lambda each: f"{len(each.won):,}",
        "worse": lambda each: f"{len(each.lost):,}",
        "p": lambda each: shown_p(each.p_value),
    }
    if width < _NARROW:
        del columns["before"], columns["after"]
    if width < _SLIM:
        columns = {name: shown for name, shown in columns.items() if name != "pairs" and not name.endswith("interval")}
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=width >= _NARROW or not heading.endswith("interval"))
    for each in found.templates:
        table.add_row(terminal.printable(each.template), *(shown(each) for shown in columns.values()))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(value: Interval | None) -> str:
    return "-" if value is None else f"{value.low:+z.3f} to {value.high:+z.3f}"


def _listed(heading: str, pairs: Sequence[Pair], style: str) -> Group:
    """Return each case in a line, and its reason below: side by side there is no room for reasons."""
    lines: list[RenderableType] = [Text(f"{heading} ({len(pairs):,})", style="bold")]
    for pair in pairs[:_SHOWN]:
        scores = f"{_of(pair.before)} -> {_of(pair.after)}"
        name, template = terminal.printable(pair.after.name), terminal.printable(pair.after.template)
        lines.append(Text.assemble(" ", name, "  ", (template, "dim"), "  ", (scores, style)))
        if pair.after.reason:
            reason = _cut(terminal.printable(pair.after.reason))
            lines.append(Padding(Text(reason, style="dim"), (0, 0, 0, 3)))
    if (more := len(pairs) - _SHOWN) > 0:
        lines.append(Text(f" and {more:,} more: --html PATH shows all", style="dim"))
    return Group(*lines)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _of(case: CaseScore) -> str:
    if case.passed is not None:
        return "passed" if case.passed else "failed"
    return "-" if case.score is None else f"{case.score:.4g}"


def _left_out(each: TemplateComparison, before: str, after: str) -> str:
    parts = [
        (each.only_before, f"only in {before}"),
        (each.only_after, f"only in {after}"),
        (len(each.unscored), "without a score in one or both"),
    ]
    said = [f"{count:,} {what}" for count, what in parts if count]
    return f"{terminal.printable(each.template)}: not compared: {', '.join(said)}" if said else ""
