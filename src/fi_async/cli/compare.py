"""`fi-async compare`: two runs against each other, as tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from fi_async.cli import errors, terminal
from fi_async.cli.options import CompareFlags
from fi_async.runs.compare import Comparison, TemplateComparison, compare
from fi_async.runs.loading import load, outcomes_of
from fi_async.runs.marks import Mark, Pair

_SHOWN: Final = 10


def compare_runs(before: Path, after: Path, flags: CompareFlags) -> int:
    """Return 0 after printing what changed between two runs, for better or for worse.

    Raises:
        ConfigurationError: One is no run.
    """
    with load(before) as one, load(after) as other:
        found = compare(
            outcomes_of(one),
            outcomes_of(other),
            by=flags.by,
            tolerance=flags.tolerance,
            lower_is_better=flags.lower_is_better or (),
            confidence=flags.confidence,
        )
    if flags.json:
        print(json.dumps({"before": str(before), "after": str(after), **found.as_dict()}, indent=2))
    else:
        _show(found, str(before), str(after))
    return errors.DONE


def _show(found: Comparison, before: str, after: str) -> None:
    console = terminal.stdout()
    console.print(Text(f"{before} -> {after}, paired by {found.paired_by}\n"))
    console.print(_table(found))
    lost = [pair for each in found.templates for pair in each.lost]
    won = [pair for each in found.templates for pair in each.won]
    for heading, pairs, style in (("Worse", lost, "red"), ("Better", won, "green")):
        if pairs:
            console.print()
            console.print(_listed(heading, pairs, style))
    if left_out := [text for each in found.templates if (text := _left_out(each, before, after))]:
        console.print()
        console.print(Text("\n".join(left_out), style="dim"))


def _table(found: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("template", overflow="fold")
    headings = ("pairs", "before", "after", f"change ({found.confidence:.4g} interval)", "better", "worse", "p")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=heading != headings[3])
    for each in found.templates:
        table.add_row(
            each.template,
            f"{each.pairs:,}",
            _number(each.before),
            _number(each.after),
            _change(each),
            f"{len(each.won):,}",
            f"{len(each.lost):,}",
            _p(each.p_value),
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _change(each: TemplateComparison) -> str:
    if each.difference is None:
        return "-"
    if each.interval is None:
        return f"{each.difference:+.3f}"
    return f"{each.difference:+.3f} ({each.interval.low:+.3f} to {each.interval.high:+.3f})"


def _p(value: float | None) -> str:
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _listed(heading: str, pairs: Sequence[Pair], style: str) -> Table:
    table = Table(box=None, title=f"{heading} ({len(pairs):,})", title_justify="left", title_style="bold")
    for column in ("case", "template", "score", "reason"):
        table.add_column(column, overflow="fold", header_style="dim")
    for pair in pairs[:_SHOWN]:
        scores = f"{_of(pair.before)} -> {_of(pair.after)}"
        reason = terminal.printable(pair.after.reason or "")
        table.add_row(
            Text(terminal.printable(pair.after.name)),
            Text(pair.after.template),
            Text(scores, style=style),
            Text(reason),
        )
    if (more := len(pairs) - _SHOWN) > 0:
        table.add_row(Text(f"and {more:,} more: --json lists all", style="dim"))
    return table


def _of(mark: Mark) -> str:
    if mark.passed is not None:
        return "passed" if mark.passed else "failed"
    return "-" if mark.score is None else f"{mark.score:.4g}"


def _left_out(each: TemplateComparison, before: str, after: str) -> str:
    parts = [
        (each.only_before, f"only in {before}"),
        (each.only_after, f"only in {after}"),
        (len(each.unscored), "without a score in one or both"),
    ]
    said = [f"{count:,} {what}" for count, what in parts if count]
    return f"{each.template}: not compared: {', '.join(said)}" if said else ""
