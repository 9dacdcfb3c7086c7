"""Several runs, compared with one of them: their figures, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import escape
from os.path import expanduser
from pathlib import Path

from fi_async._public import public
from fi_async.reports.matrix_figures import MatrixFigures, RunDifference
from fi_async.reports.run_files import ReadableRun


@public
@dataclass(frozen=True, slots=True)
class RunMatrix(MatrixFigures):
    """Several runs, compared with one of them. What `fi_async.compare_runs` returns.

    Attributes:
        names: Of the runs, in the order given.
        baseline: The name of the one that the others are compared with.
        paired_by: What makes cases of two runs the same: "id" or "inputs".
        confidence: With which all intervals hold together, and 1 - the risk that any verdict is wrong.
        comparisons: How many differences are told together: those with at least one pair.
        differences: One for each template and each run but the baseline.
        means: By template: for each run its mean score and how many cases it is of; the pass rate of verdicts.
        cases: Each case under each template: those first on which the runs disagree most.

    Example:
        >>> from fi_async import compare_runs
        >>> compare_runs([[], []], names=["old", "new"]).worse
        []
    """

    sources: Sequence[Callable[[], ReadableRun]] = field(default=(), repr=False, compare=False)

    def to_html(self, path: str | Path) -> None:
        """Write the matrix as a page that opens in any browser, offline; a file that is there is replaced.

        It holds the inputs of the cases, and stays below 5 MB: of very many cases it has those on which the runs
        disagree most, and says so.

        Raises:
            OSError: The file cannot be written.
        """
        from fi_async.reports.matrix_page import write_matrix  # noqa: PLC0415  # few matrices become pages

        with ExitStack() as opened:
            runs = [opened.enter_context(source()) for source in self.sources]
            write_matrix(Path(expanduser(path)), self, runs)  # noqa: PTH111  # a name nobody has stays

    def _repr_html_(self) -> str:
        heads = ("template", "run", "pairs", "mean", "difference", "interval", "p (Holm)", "verdict")
        head = "".join(f"<th>{each}</th>" for each in heads)
        rows = "".join(f"<tr>{''.join(map(_cell, _told(each)))}</tr>" for each in self.differences)
        said = escape(str(self).partition("\n")[0])
        return f"<p>{said}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _told(each: RunDifference) -> tuple[str, ...]:
    reach = "" if each.interval is None else f"{each.interval.low:+z.3f} to {each.interval.high:+z.3f}"
    if each.difference is None or each.mean is None:
        return each.template, each.run, "0", "", "", "", "", f"not compared: {each.said}"
    numbers = f"{each.mean:.3f}", f"{each.difference:+z.3f}", reach, f"{each.adjusted_p:.3f}"
    return each.template, each.run, f"{each.pairs:,}", *numbers, each.verdict


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"
