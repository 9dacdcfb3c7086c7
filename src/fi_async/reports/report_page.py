"""The report of a run as one HTML file that opens offline, for whoever is handed it.

Its rows without a score come first, then the lowest scores: what is cut off at the end is what matters least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async.journal.records import OutcomeRecord, RunCount, RunInfo
from fi_async.reports.agreement_figures import Agreement
from fi_async.reports.figures import Figures, FiguresBuilder
from fi_async.reports.html_page import (
    ENCODER,
    MOST_ROWS,
    TELLING,
    PackedLines,
    PageLayout,
    clipped,
    facts_of,
    pack,
    render_page,
    telling_keys,
    texts,
    why,
)

STATUSES: Final = tuple(OutcomeStatus)
_REPORT: Final = PageLayout("report", "report.html", ("sections.js", "agreement.js", "cases.js", "report.js"))
_MOST_WORDS: Final = 2_000


def write_report(
    path: Path,
    info: RunInfo,
    records: Iterable[OutcomeRecord],
    count: RunCount | None = None,
    agreements: Sequence[Agreement] = (),
) -> None:
    """Write the report of a run to a file: a page that needs no network and no other file.

    It stays below 5 MB. Of a large run, the texts of those cases that scored best are left out; the page says so.

    Args:
        path: The file; one that is there is replaced.
        info: What the run is about.
        records: What has ended, in any order.
        count: Of the whole run; None if all of it has ended.
        agreements: How far the judges agree with people, by template.

    Raises:
        OSError: The file cannot be written.
    """
    text = render_report(info, records, count, agreements)
    path.write_text(text, encoding="utf-8", errors="replace")


def render_report(
    info: RunInfo,
    records: Iterable[OutcomeRecord],
    count: RunCount | None = None,
    agreements: Sequence[Agreement] = (),
) -> str:
    """Return the report of a run as HTML.

    Args:
        info: What the run is about.
        records: What has ended, in any order.
        count: Of the whole run; None if all of it has ended.
        agreements: How far the judges agree with people, by template.
    """
    builder, rows = FiguresBuilder(), ReportRows()
    for record in records:
        rows.add(record, builder.add(record))
    rows.order()
    figures = builder.figures(info.templates, count, info.passes)
    facts = {
        "run": facts_of(info, figures.backends, figures.spent),
        "figures": asdict(figures),
        "agreements": [_told(each) for each in agreements],
        "rows": {
            "templates": list(rows.templates),
            "words": list(rows.words),
            "statuses": list(STATUSES),
            "keys": rows.keys(),
        },
    }
    return render_page(_REPORT, info.name, facts, rows)


def figures_of(info: RunInfo, records: Iterable[OutcomeRecord], count: RunCount | None = None) -> Figures:
    """Return a run in numbers, as its page has them."""
    builder = FiguresBuilder()
    for record in records:
        builder.add(record)
    return builder.figures(info.templates, count, info.passes)


def _told(found: Agreement) -> Mapping[str, Any]:
    return {
        "template": found.template,
        "labelled": found.labelled,
        "people": len(found.people),
        "rows": found.rows(),
        "matrix": {person: dict(row) for person, row in found.matrix.items()},
        "notes": list(found.notes),
    }


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    template: int
    status: int
    score: float | None
    said: int
    latency_ms: int | None
    attempts: int
    cause: int | None
    text: str

    @property
    def rank(self) -> tuple[int, float, int]:
        """What rows are sorted by: those without a result, by score, and those that have no number."""
        if STATUSES[self.status] is not OutcomeStatus.SCORED:
            return 0, 0.0, self.index
        return (2, 0.0, self.index) if self.score is None else (1, self.score, self.index)


class ReportRows:
    """Collects the rows of a run; `columns` and the texts are packed once all are in."""

    def __init__(self) -> None:
        self.templates: dict[str, int] = {}
        self.words: dict[str, int] = {"": 0}
        self._rows: list[_Row] = []
        self._ids: dict[int, str] = {}
        self._inputs: dict[int, str] = {}
        self._keys: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: OutcomeRecord, cause: int | None) -> None:
        """Add a record, and the number of its cause if it has no score."""
        outcome, case = record.outcome, record.outcome.case
        if case.id is not None:
            self._ids[outcome.index] = clipped(case.id)
        if outcome.index not in self._inputs:
            self._inputs[outcome.index] = ENCODER.encode(texts(case.inputs))
            self._keys.update(telling_keys(case.inputs))
        score = outcome.score
        self._rows.append(
            _Row(
                index=outcome.index,
                template=self.templates.setdefault(outcome.template, len(self.templates)),
                status=STATUSES.index(outcome.status),
                score=None if score is None else float(f"{score:.6g}"),
                said=self._word(_said(outcome)),
                latency_ms=None if outcome.latency_s is None else round(outcome.latency_s * 1000),
                attempts=outcome.attempts,
                cause=cause,
                text=clipped(why(outcome)),
            )
        )

    def keys(self) -> list[str]:
        """Return the inputs that tell most of the cases: two at most, what was asked and what was said."""
        places = {key: place for place, keys in enumerate(TELLING) for key in keys}
        return sorted((key for key, _ in self._keys.most_common(2)), key=lambda key: places.get(key, 0))

    def _word(self, word: str) -> int:
        if word not in self.words and len(self.words) >= _MOST_WORDS:
            word = "(further labels)"
        return self.words.setdefault(word, len(self.words))

    def order(self) -> None:
        """Put the rows that matter most first, and drop what is beyond MOST_ROWS."""
        self._rows.sort(key=lambda row: row.rank)
        del self._rows[MOST_ROWS:]

    def columns(self) -> PackedLines:
        """Return the numbers of the rows, as one line with a list for each column."""
        names = ("index", "template", "status", "score", "said", "latency_ms", "attempts", "cause")
        columns = {name: [getattr(row, name) for row in self._rows] for name in names}
        return pack([ENCODER.encode(columns)])

    def ids(self, most: int) -> PackedLines:
        """Return the ids that fit into so many bytes: of each case a line with its position and its id."""
        lines = [ENCODER.encode([index, self._ids[index]]) for index in self._cases() if index in self._ids]
        return pack(lines, most)

    def reasons(self, most: int) -> PackedLines:
        """Return what fits of why the rows ended as they did: a line for each row."""
        return pack((ENCODER.encode(row.text) for row in self._rows), most, len(self._rows))

    def inputs(self, most: int) -> PackedLines:
        """Return what fits of the inputs: of each case a line with its position and its inputs by key."""
        cases = self._cases()
        return pack((f"[{index},{self._inputs[index]}]" for index in cases), most, len(cases))

    def _cases(self) -> list[int]:
        return list(dict.fromkeys(row.index for row in self._rows))


def _said(outcome: Outcome) -> str:
    if outcome.result is None:
        return ""
    if outcome.passed is not None:
        return "Passed" if outcome.passed else "Failed"
    return ", ".join(outcome.result.choices or ())[:80]
