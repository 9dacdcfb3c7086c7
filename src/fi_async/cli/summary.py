"""The tables that show a run in numbers, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, get_args

from rich.table import Table
from rich.text import Text

from fi_async._models import Origin, OutcomeStatus
from fi_async._spending import cost_cell, dollars, is_own, judges_of
from fi_async.cli import terminal
from fi_async.cli.totals import SHOWN_CAUSES, RunTotals
from fi_async.reports.panel_tally import panel_lines

if TYPE_CHECKING:
    from rich.console import Console

    from fi_async._spending import Spending


def show(totals: RunTotals, wall_s: float, console: Console) -> None:
    """Print the run as tables: a row per template, the counts, and why some cases have no score."""
    told = [*_filled(totals), *_panels(totals), *_judges(totals)]
    parts: list[Table | Text] = [_templates(totals, console), *told, _counts(totals, wall_s)]
    if totals.causes:
        parts.append(_causes(totals))
    for part in parts:
        console.print(part)
        console.print()


def show_next(totals: RunTotals, commands: Mapping[str, str], console: Console) -> None:
    """Print the first cases without a score, the lowest with a few words of each, and the commands that come next.

    Args:
        totals: Of the run.
        commands: What each is for, and the command.
        console: Where to.
    """
    if totals.unscored:
        more = totals.done - totals.scored - len(totals.unscored)
        names = ", ".join(totals.unscored) + (f" and {more:,} more" if more > 0 else "")
        console.print(Text.assemble(("no score: ", "red"), names))
    for score, _, name, words in totals.lowest:
        console.print(Text.assemble(("lowest: ", "dim"), f"{score:.3g} {name}", (f"  {words}", "dim")))
    for what, command in commands.items():
        console.print(Text.assemble((f"{what}: ", "dim"), command), soft_wrap=True)


def _templates(totals: RunTotals, console: Console) -> Table:
    table = terminal.table_for(console)
    table.add_column("template", overflow="fold")
    for heading in ("n", "mean score", "pass rate"):
        table.add_column(heading, justify="right", no_wrap=True)
    by = {name: of.answerers.names() for name, of in totals.templates.items()}
    tells_who = any(map(is_own, by.values()))
    if tells_who:
        for heading in ("tokens", "cost"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("answered by", overflow="fold")
    for name, of in totals.templates.items():
        label = Text(name).append("  estimate", style="yellow") if of.estimate else Text(name)
        cells = [f"{of.n:,}", _number(of.mean_score, ".3f"), _number(of.pass_rate, ".1%")]
        if tells_who:
            cells += [*_spent(of.spending), terminal.printable(", ".join(by[name]))]
        table.add_row(label, *cells)
    return table


def _spent(spending: Spending) -> tuple[str, str]:
    """Return the tokens and the dollars."""
    tokens = spending.tokens
    return "-" if tokens is None else f"{tokens.total:,}", cost_cell(spending.dollars, spending.unknown)


def _judges(totals: RunTotals) -> list[Text]:
    """Return what has to be said of judges; nothing if there is none."""
    said = judges_of(name for of in totals.templates.values() for name in of.answerers.names())
    return [Text(terminal.printable(said), style="yellow")] if said else []


def _filled(totals: RunTotals) -> list[Text]:
    """Return which keys were taken from others; what some cases have and others have not stands out."""
    lines = [
        (f"{name}: {key!r} was taken from {source!r} in {count:,} of {of.n:,} scored cases", count < of.n)
        for name, of in totals.templates.items()
        for (key, source), count in of.filled.items()
    ]
    return [Text(terminal.printable(said), style="yellow" if is_some else "dim") for said, is_some in lines]


def _panels(totals: RunTotals) -> list[Text]:
    """Return what samples and votes tell of each template; nothing where there are none."""
    return [
        Text("\n".join([terminal.printable(name), *map(terminal.printable, lines)]))
        for name, of in totals.templates.items()
        if (lines := panel_lines(of.panels.as_dict()))
    ]


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def _counts(totals: RunTotals, wall_s: float) -> Table:
    """Return how the cases ended, and beside it what that took."""
    effort = [
        ("coverage", f"{totals.coverage:.1%}"),
        ("wall", f"{wall_s:,.1f} s"),
        ("requests", f"{totals.counts.requests:,}"),
        ("retries", f"{totals.counts.retries:,}"),
        ("throttled", f"{totals.counts.throttled:,}"),
        ("ambiguous", f"{totals.counts.ambiguous:,}"),
        ("possible duplicates", f"{totals.possible_duplicates:,}"),
        *((name, f"{count:,}") for name, count in _not_sent(totals).items() if count),
        *_money(totals.spending),
    ]
    table = Table(box=None, show_header=False, pad_edge=True)
    for _ in range(2):
        table.add_column(style="dim")
        table.add_column(justify="right")
    ended = [(status.value, totals.statuses[status]) for status in OutcomeStatus]
    if totals.pending or not totals.is_all:
        ended.append(("pending", totals.pending))
    for found, (label, value) in zip_longest(ended, effort):
        name, count = found or ("", 0)
        bad = count > 0 and name != OutcomeStatus.SCORED
        number = Text(f"{count:,}", style="red" if bad else "") if name else ""
        table.add_row(name, number, f"  {label}", value)
    return table


def _money(spending: Spending) -> list[tuple[str, str]]:
    """Return tokens and dollars, as far as any are known."""
    tokens, cost = spending.tokens, spending.dollars
    told = []
    if tokens is not None:
        told += [("tokens in", f"{tokens.input:,}"), ("tokens out", f"{tokens.output:,}")]
    if cost is not None:
        told.append(("cost", dollars(cost)))
    if spending.unknown:
        told.append(("unknown cost of", f"{spending.unknown:,}"))
    return told


def _not_sent(totals: RunTotals) -> dict[str, int]:
    """Return for how many cases nothing was sent, as a run's file had them, and how many it has beyond these."""
    return {**{origin: totals.origins[origin] for origin in get_args(Origin)[1:]}, "removed": totals.counts.removed}


def _causes(totals: RunTotals) -> Table:
    table = Table(box=None, title="No score because", title_justify="left", title_style="bold", show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for cause, count in totals.causes.most_common(SHOWN_CAUSES):
        kind, message = cause
        first = (f" (first: {terminal.printable(': '.join(filter(None, totals.first[cause])))})", "dim")
        table.add_row(f"{count:,} x", Text.assemble((kind, "red"), f": {terminal.printable(message)}", first))
    if (more := len(totals.causes) - SHOWN_CAUSES) > 0:
        table.add_row("", Text(f"and {more} more", style="dim"))
    return table
