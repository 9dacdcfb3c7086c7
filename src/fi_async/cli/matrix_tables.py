"""What `fi-async compare` prints of three runs and more, and whether any is worse than the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fi_async.cli import errors, terminal
from fi_async.reports.matrix_figures import MatrixCase, RunDifference, short_score
from fi_async.reports.quality_gate import GateVerdict
from fi_async.reports.run_matrix import RunMatrix

_SHOWN: Final = 10
_NARROW: Final = 80  # columns of a terminal
_WIDE: Final = 96
_SLIM: Final = 66
_THIN: Final = 50
_STYLES: Final = {"worse": "red", "better": "green", "unclear": ""}
_OF_VERDICTS: Final = {GateVerdict.PASSED: "green", GateVerdict.BELOW: "red", GateVerdict.INCONCLUSIVE: "yellow"}
_CODES: Final = {
    GateVerdict.PASSED: errors.DONE,
    GateVerdict.BELOW: errors.BELOW,
    GateVerdict.INCONCLUSIVE: errors.INCONCLUSIVE,
}


class WorseVerdict:
    """Whether a run is worse than the baseline: what `--fail-if-worse` asks.

    Args:
        found: The runs compared.
        pending: How many evaluations of each run have not ended.

    Attributes:
        verdict: "below" if a run is worse; else "inconclusive" if that cannot be told of each; else "passed".
        doubts: Why not.
    """

    def __init__(self, found: RunMatrix, pending: Mapping[str, int]) -> None:
        self._worse = found.worse
        self.doubts = [f"{name} is not complete: {count:,} pending" for name, count in pending.items() if count]
        few = found.too_few
        self.doubts += [f"{each.run}, {each.template}: {_doubt(each, is_few=each in few)}" for each in found.untold]
        self.verdict = GateVerdict.INCONCLUSIVE if self.doubts else GateVerdict.PASSED
        if self._worse:
            self.verdict = GateVerdict.BELOW

    @property
    def code(self) -> int:
        """The exit code."""
        return _CODES[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        worse = [{"run": each.run, "template": each.template} for each in self._worse]
        return {"verdict": self.verdict.value, "worse": worse, "doubts": self.doubts}

    def show(self) -> None:
        """Print it."""
        console = terminal.stdout()
        console.print()
        for each in self._worse:
            said = f"{each.run} is worse: {each.template} {each.difference:+z.3f}, p {shown_p(each.adjusted_p)}"
            console.print(Text(terminal.printable(said), style="red"))
        for doubt in self.doubts:
            console.print(Text(terminal.printable(doubt), style="yellow"))
        console.print(Text.assemble("gate: ", (self.verdict.value, _OF_VERDICTS[self.verdict])))


def _doubt(each: RunDifference, *, is_few: bool) -> str:
    if not each.pairs:
        return f"not compared: {each.said}"
    if is_few:
        return f"too few cases to tell: not even if all {each.pairs + each.lost_scores:,} were worse, it would be"
    return f"{each.lost_scores:,} cases had a score and have none: with all of them worse, it would be"


def show_matrix(found: RunMatrix) -> None:
    """Print the differences, the cases on which the runs disagree most, and what was not compared."""
    console = terminal.stdout()
    sure = f"{100 * found.confidence:.4g}% for all {found.comparisons} comparisons together (Holm)"
    head = f"{len(found.names)} runs against {found.baseline}, paired by {found.paired_by}; {sure}\n"
    console.print(Text(terminal.printable(head.strip())), soft_wrap=True)
    console.print()
    console.print(_table(found, console.width))
    if cases := found.disagreements:
        console.print()
        console.print(_listed(cases, found))
    if left_out := [terminal.printable(said) for each in found.differences for said in _left_out(each)]:
        console.print()
        console.print(Text("\n".join(left_out), style="dim"))


def _table(found: RunMatrix, width: int) -> Table:
    """Return a row for each run below one for each template, in the columns that fit the terminal whole."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, int(width >= _WIDE)))
    table.add_column("template, run", overflow="fold", min_width=10)
    reach = f"{100 * found.confidence:.4g}% interval"
    headings = ["pairs", "mean", "change", reach, "better", "worse", "p", "verdict"]
    left_out = {name for names, least in (("mean", _WIDE), (f"pairs,{reach}", _SLIM), ("better,worse", _THIN))
                if width < least for name in names.split(",")}  # fmt: skip
    headings = [name for name in headings if name not in left_out]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=width >= _NARROW or heading != reach)
    for template, means in found.means.items():
        mean, n = means[found.names.index(found.baseline)]
        table.add_row(Text(terminal.printable(template), style="bold"))
        first: dict[str, RenderableType] = {"pairs": f"{n:,}", "mean": _number(mean), "change": "baseline"}
        table.add_row(f"  {terminal.printable(found.baseline)}", *(first.get(name, "") for name in headings))
        for each in (each for each in found.differences if each.template == template):
            cells = {**_cells(each), reach: _reach(each), "verdict": _verdict(each)}
            table.add_row(f"  {terminal.printable(each.run)}", *(cells[name] for name in headings))
    return table


def _verdict(each: RunDifference) -> Text:
    return Text(each.verdict if each.pairs else "", style=_STYLES[each.verdict])


def _cells(each: RunDifference) -> dict[str, RenderableType]:
    return {
        "pairs": f"{each.pairs:,}",
        "mean": _number(each.mean),
        "change": "-" if each.difference is None else f"{each.difference:+z.3f}",
        "better": f"{each.wins:,}",
        "worse": f"{each.losses:,}",
        "p": shown_p(each.adjusted_p),
    }


def _reach(each: RunDifference) -> str:
    return "-" if each.interval is None else f"{each.interval.low:+z.3f} to {each.interval.high:+z.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def shown_p(value: float | None) -> str:
    """Return a p value for people."""
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _listed(cases: Sequence[MatrixCase], found: RunMatrix) -> Group:
    """Return each case in a line, and what each run said below."""
    lines: list[RenderableType] = [Text(f"Runs disagree on {len(cases):,} of {len(found.cases):,}", style="bold")]
    for case in cases[:_SHOWN]:
        name, template = terminal.printable(case.name), terminal.printable(case.template)
        lines.append(Text.assemble(" ", name, "  ", (template, "dim")))
        said = Text()
        for run, score, change in zip(found.names, case.scores, case.changes, strict=True):
            style = {"+": "green", "-": "red"}.get(change, "")
            said.append(f"{'  ' if said else ''}{terminal.printable(run)} ", style="dim").append(
                short_score(score), style=style
            )
        lines.append(Padding(said, (0, 0, 0, 3)))
    if (more := len(cases) - _SHOWN) > 0:
        lines.append(Text(f" and {more:,} more: --html PATH shows all", style="dim"))
    return Group(*lines)


def _left_out(each: RunDifference) -> Iterator[str]:
    parts = [
        (each.only_baseline, "only in the baseline"),
        (each.only_run, f"only in {each.run}"),
        (each.unscored, "without a score in one or both"),
    ]
    said = [f"{count:,} {what}" for count, what in parts if count]
    if said:
        yield f"{each.template}, {each.run}: not compared: {', '.join(said)}"
    elif each.said:
        yield f"{each.template}, {each.run}: {each.said}"
    if said and each.pairs and each.said:
        yield f"{each.template}, {each.run}: {each.said}"
