"""The comparison of two runs as one HTML file that opens offline: what got worse first, then what got better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async._spending import Answerers, Spending, judges_of
from fi_async.journal.records import OutcomeRecord
from fi_async.reports.compare import Comparison, TemplateComparison
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
from fi_async.reports.pairing import CaseScore, Pair
from fi_async.reports.run_files import ReadableRun

KINDS: Final = ("worse", "better", "no score")
_COMPARISON: Final = PageLayout("comparison", "compare.html", ("changes.js", "compare.js"))

_Texts = Mapping[tuple[str, int], tuple[str, Mapping[str, str]]]
"""By template and position: why a case ended as it did, and its inputs."""


def write_comparison(path: Path, found: Comparison, before: ReadableRun, after: ReadableRun) -> None:
    """Write a comparison to a file: a page that needs no network and no other file, below 5 MB.

    Of many changes, the texts of the smallest are left out; the page says so.

    Args:
        path: The file; one that is there is replaced.
        found: The comparison.
        before: The first of its runs.
        after: The second.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(render_comparison(found, before, after), encoding="utf-8", errors="replace")


def render_comparison(found: Comparison, before: ReadableRun, after: ReadableRun) -> str:
    """Return a comparison as HTML.

    Args:
        found: The comparison.
        before: The first of its runs.
        after: The second.
    """
    rows = ChangedRows(found, before.records(), after.records())
    facts: dict[str, Any] = {
        "paired_by": found.paired_by,
        "confidence": found.confidence,
        "estimate": rows.estimate,
        "judges": judges_of(name for took in rows.took for name in took.answerers.names()),
        "templates": [{"name": each.template, **each.numbers()} for each in found.templates],
        "runs": [
            {
                "name": run.info.name,
                "pending": run.count().pending,
                "facts": facts_of(run.info, list(took.backends), took.spending.words()),
            }
            for run, took in zip((before, after), rows.took, strict=True)
        ],
        "rows": {"templates": rows.templates, "kinds": KINDS, "all": rows.all},
    }
    return render_page(_COMPARISON, f"{before.info.name} → {after.info.name}", facts, rows)


@dataclass(frozen=True, slots=True)
class _Change:
    kind: int
    pair: Pair

    @property
    def gain(self) -> float | None:
        before, after = self.pair.before.score, self.pair.after.score
        return None if before is None or after is None else after - before

    @property
    def rank(self) -> tuple[int, float]:
        # Of those without a score in one of the two, what had one comes first.
        return self.kind, -abs(self.gain) if self.gain is not None else float(self.pair.before.score is None)


@dataclass(slots=True)
class RunEffort:
    """Who answered in one of the runs, and what that took.

    Attributes:
        spending: Tokens and dollars.
        answerers: Who was asked, with models.
        backends: Who was asked, without.
    """

    spending: Spending = field(default_factory=Spending)
    answerers: Answerers = field(default_factory=Answerers)
    backends: dict[str, None] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.spending.add(outcome)
        self.answerers.add(outcome)
        self.backends[outcome.backend] = None


class ChangedRows:
    """The rows of a comparison's page.

    Args:
        found: The comparison.
        before: The records of its first run, to look up what was evaluated and why it ended so.
        after: Those of the second.

    Attributes:
        all: How many cases changed; of very many the page has the greatest changes.
        estimate: Whether any score of the two runs is a lexical estimate.
        took: Who answered in each, and what that took.
    """

    def __init__(self, found: Comparison, before: Iterable[OutcomeRecord], after: Iterable[OutcomeRecord]) -> None:
        self.templates = [each.template for each in found.templates]
        self.words: dict[str, int] = {"": 0}
        changes = [change for each in found.templates for change in _changes(each)]
        self.all = len(changes)
        self._changes = sorted(changes, key=lambda change: change.rank)[:MOST_ROWS]
        self.estimate = False
        self.took = RunEffort(), RunEffort()
        self._before = self._texts_of([change.pair.before for change in self._changes], before, self.took[0])
        self._after = self._texts_of([change.pair.after for change in self._changes], after, self.took[1])

    def _texts_of(self, scores: Iterable[CaseScore], records: Iterable[OutcomeRecord], took: RunEffort) -> _Texts:
        found: dict[tuple[str, int], Any] = dict.fromkeys(map(_place, scores), ("", {}))
        for record in records:
            outcome = record.outcome
            took.add(outcome)
            self.estimate = self.estimate or (outcome.result is not None and outcome.result.estimate)
            if (place := (outcome.template, outcome.index)) in found:
                found[place] = clipped(why(outcome)), texts(outcome.case.inputs)
        return found

    def __len__(self) -> int:
        return len(self._changes)

    def columns(self) -> PackedLines:
        """Return the numbers of the rows, as one line with a list for each column."""
        pairs = [change.pair for change in self._changes]
        columns = {
            "index": [pair.after.index for pair in pairs],
            "template": [self.templates.index(pair.after.template) for pair in pairs],
            "kind": [change.kind for change in self._changes],
            "gain": [None if change.gain is None else float(f"{change.gain:.6g}") for change in self._changes],
            "before": [self._word(pair.before) for pair in pairs],
            "after": [self._word(pair.after) for pair in pairs],
        }
        return pack([ENCODER.encode({**columns, "words": list(self.words)})])

    def _word(self, score: CaseScore) -> int:
        return self.words.setdefault(said_of(score), len(self.words))

    def ids(self, most: int, /) -> PackedLines:
        """Return the ids that fit into so many bytes: a line with the row's number and its id."""
        named = [(row, change.pair.after.id) for row, change in enumerate(self._changes)]
        return pack([ENCODER.encode([row, clipped(own)]) for row, own in named if own is not None], most)

    def reasons(self, most: int, /) -> PackedLines:
        """Return what fits of why the cases ended as they did: a line for each row, before and after."""
        lines = (ENCODER.encode([was[0], now[0]]) for was, now in self._texts())
        return pack(lines, most, len(self))

    def inputs(self, most: int, /) -> PackedLines:
        """Return what fits of the inputs by key: a line with the row's number, before and after."""
        lines = (ENCODER.encode([row, [was[1], now[1]]]) for row, (was, now) in enumerate(self._texts()))
        return pack(lines, most, len(self))

    def _texts(self) -> Iterator[tuple[tuple[str, Mapping[str, str]], tuple[str, Mapping[str, str]]]]:
        for change in self._changes:
            yield self._before[_place(change.pair.before)], self._after[_place(change.pair.after)]


def _changes(each: TemplateComparison) -> Iterator[_Change]:
    of_one = [pair for pair in each.unscored if (pair.before.score is None) is not (pair.after.score is None)]
    for kind, pairs in enumerate[Sequence[Pair]]((each.lost, each.won, of_one)):
        yield from (_Change(kind, pair) for pair in pairs)


def _place(score: CaseScore) -> tuple[str, int]:
    return score.template, score.index


def said_of(score: CaseScore) -> str:
    """Return what a run said of a case, in a word; or that it has no number, and why."""
    if score.passed is not None:
        return "passed" if score.passed else "failed"
    if score.score is not None:
        return f"{score.score:.4g}"
    return "no number" if score.status is OutcomeStatus.SCORED else f"no score: {score.status}"
