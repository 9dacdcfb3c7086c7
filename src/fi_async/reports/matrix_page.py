"""Several runs in one HTML file that opens offline: their differences, and each case in each run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fi_async._spending import judges_of
from fi_async.journal.records import OutcomeRecord
from fi_async.reports.comparison_page import RunEffort, said_of
from fi_async.reports.html_page import (
    ENCODER,
    MOST_ROWS,
    PackedLines,
    PageLayout,
    clipped,
    facts_of,
    pack,
    render_page,
    texts,
    why,
)
from fi_async.reports.matrix_figures import MatrixCase, MatrixFigures
from fi_async.reports.run_files import ReadableRun

_MATRIX: Final = PageLayout("comparison", "matrix.html", ("matrix.js", "matrix_start.js"))
_MOST_CELLS: Final = 1_000_000
_MOST_BYTES_OF_CELLS: Final = 1_800_000  # deflated; the page is a third longer, and its texts need room too
_MOST_WITH_TEXTS: Final = 20_000  # rows; the page has no room for the texts of more
_MOST_DIFFERENCES: Final = 2_000
_LONGEST_NAME: Final = 300

_CaseTexts = tuple[str, Mapping[str, str]]
"""Why a case ended as it did, and its inputs."""


def write_matrix(path: Path, found: MatrixFigures, runs: Sequence[ReadableRun]) -> None:
    """Write a matrix to a file: a page that needs no network and no other file, below 5 MB.

    Of very many cases it has those on which the runs disagree most, and the texts of the first; the page says so.

    Args:
        path: The file; one that is there is replaced.
        found: The matrix.
        runs: Its runs, open, in its order.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(render_matrix(found, runs), encoding="utf-8", errors="replace")


def render_matrix(found: MatrixFigures, runs: Sequence[ReadableRun]) -> str:
    """Return a matrix as HTML.

    Args:
        found: The matrix.
        runs: Its runs, open, in its order.
    """
    templates = found.templates[: max(1, _MOST_DIFFERENCES // len(found.names))]
    rows = MatrixRows(found, templates, [run.records() for run in runs])
    names = [_name(name) for name in found.names]
    facts: dict[str, Any] = {
        "paired_by": found.paired_by,
        "confidence": found.confidence,
        "comparisons": found.comparisons,
        "estimate": rows.estimate,
        "judges": judges_of(name for took in rows.took for name in took.answerers.names()),
        "baseline": found.names.index(found.baseline),
        "means": [found.means[template] for template in templates],
        "differences": [
            {
                **each.to_dict(),
                "run": found.names.index(each.run),
                "template": templates.index(each.template),
            }
            for each in found.differences
            if each.template in templates
        ],
        "left_out": len(found.templates) - len(templates),
        "runs": [_facts_of_run(name, run, took) for name, run, took in zip(names, runs, rows.took, strict=True)],
        "rows": {"templates": [_name(each) for each in templates], "all": len(found.cases)},
    }
    return render_page(_MATRIX, ", ".join(names), facts, rows)


def _facts_of_run(name: str, run: ReadableRun, took: RunEffort) -> Mapping[str, Any]:
    told = facts_of(run.info, list(took.backends), took.spending.words())
    return {
        "name": name,
        "pending": run.count().pending,
        "facts": [(label, clipped(text)) for label, text in told],
    }


def _name(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


class MatrixRows:
    """The rows of a matrix' page: a case under a template each, with what every run said.

    Args:
        found: The matrix.
        templates: Those of its templates that the page has.
        records: Of each run, to look up what was evaluated and why it ended so.

    Attributes:
        estimate: Whether any score is a lexical estimate.
        took: Who answered in each run, and what that took.
    """

    def __init__(
        self, found: MatrixFigures, templates: Sequence[str], records: Sequence[Iterable[OutcomeRecord]]
    ) -> None:
        self._templates = {template: at for at, template in enumerate(templates)}
        self._words: dict[str, int] = {}
        self.estimate = False
        self.took = [RunEffort() for _ in records]
        most = min(MOST_ROWS, _MOST_CELLS // len(found.names))
        self._cases: Sequence[MatrixCase] = [case for case in found.cases if case.template in self._templates][:most]
        self._columns = self._fitted()
        with_texts = self._cases[:_MOST_WITH_TEXTS]
        self._texts = [self._texts_of(at, with_texts, each) for at, each in enumerate(records)]

    def _fitted(self) -> PackedLines:
        """Return the numbers of as many of the first rows as the page has room for."""
        while True:
            packed = self._packed()
            if len(packed.content) <= _MOST_BYTES_OF_CELLS or len(self._cases) <= 1:
                return packed
            self._cases = self._cases[: len(self._cases) // 2]

    def _packed(self) -> PackedLines:
        self._words = {}
        said = [[self._word(case, at) for case in self._cases] for at in range(len(self.took))]
        columns = {
            "index": [case.any_score.index for case in self._cases],
            "template": [self._templates[case.template] for case in self._cases],
            "spread": [None if case.spread is None else float(f"{case.spread:.6g}") for case in self._cases],
            "changes": [case.changes for case in self._cases],
            "said": said,
            "words": list(self._words),
        }
        return pack([ENCODER.encode(columns)])

    def _word(self, case: MatrixCase, at: int) -> int:
        score = case.scores[at]
        return self._words.setdefault("not in this run" if score is None else said_of(score), len(self._words))

    def _texts_of(
        self, at: int, cases: Sequence[MatrixCase], records: Iterable[OutcomeRecord]
    ) -> list[_CaseTexts | None]:
        """Return the texts of cases in a run, None where it lacks one; and take note of who answered."""
        places = {
            (score.template, score.index): row
            for row, case in enumerate(cases)
            if (score := case.scores[at]) is not None
        }
        found: list[_CaseTexts | None] = [None] * len(cases)
        for record in records:
            outcome = record.outcome
            self.took[at].add(outcome)
            self.estimate = self.estimate or (outcome.result is not None and outcome.result.estimate)
            if (row := places.get((outcome.template, outcome.index))) is not None:
                found[row] = clipped(why(outcome)), texts(outcome.case.inputs)
        return found

    def __len__(self) -> int:
        return len(self._cases)

    def columns(self) -> PackedLines:
        """Return the numbers of the rows, as one line with a list for each column."""
        return self._columns

    def ids(self, most: int, /) -> PackedLines:
        """Return the ids that fit into so many bytes: a line with the row's number and its id."""
        named = [(row, case.any_score.id) for row, case in enumerate(self._cases)]
        return pack([ENCODER.encode([row, clipped(own)]) for row, own in named if own is not None], most)

    def reasons(self, most: int, /) -> PackedLines:
        """Return what fits of why the cases ended as they did: a line for each row, a text for each run."""
        lines = (ENCODER.encode([each[0] if each else "" for each in row]) for row in self._rows())
        return pack(lines, most, len(self))

    def inputs(self, most: int, /) -> PackedLines:
        """Return what fits of the inputs: a line with the row's number, and by key a text, or one for each run."""
        lines = (ENCODER.encode([number, _inputs(row)]) for number, row in enumerate(self._rows()))
        return pack(lines, most, len(self))

    def _rows(self) -> Iterator[Sequence[_CaseTexts | None]]:
        return zip(*self._texts, strict=True)


def _inputs(row: Sequence[_CaseTexts | None]) -> Mapping[str, Any]:
    """Return the inputs of a case by key: one text where all runs that have the case have the same, else all texts."""
    has = [each[1] for each in row if each is not None]
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for inputs in has for key in inputs):
        values = [None if each is None else each[1].get(key) for each in row]
        same = {inputs.get(key) for inputs in has}
        found[key] = has[0][key] if len(same) == 1 else values
    return found
