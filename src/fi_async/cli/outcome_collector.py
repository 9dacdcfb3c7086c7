"""Takes the outcomes of a run as they come, and at its end those that only its file has."""

from __future__ import annotations

from array import array
from collections.abc import Generator
from dataclasses import dataclass, field, replace

from fi_async._errors import JournalError
from fi_async._models import Case, Outcome
from fi_async._settings import RunFile
from fi_async.cli.outputs import OutputFile
from fi_async.cli.totals import RunTotals
from fi_async.journal.records import RunCount
from fi_async.sources.rows import Source, TableCase
from fi_async.store.run_workers import standing_of
from fi_async.store.store_counts import count_run
from fi_async.store.store_reader import open_run


@dataclass(frozen=True, slots=True)
class NotedSource(Source):
    """Rows whose cases go through a database, and come back without what the table says of them.

    Attributes:
        odd: Rows that cannot be read, or are odd, by their positions: memory grows with these, and by 8 bytes a row.
        lines: Where each row stands; -1 where that is no number after the name that the others have.
        within: That name.
    """

    odd: dict[int, TableCase] = field(default_factory=dict)
    lines: array[int] = field(default_factory=lambda: array("q"))
    within: list[str] = field(default_factory=list)

    def rows(self) -> Generator[TableCase]:
        """Yield the cases, one at a time, and take note of what there is to say of them."""
        self.lines[:] = array("q")
        for index, case in enumerate(Source.rows(self)):
            within, _, line = case.place.rpartition(" ")
            self.within[:] = self.within or [within]
            self.lines.append(int(line) if line.isdecimal() and within == self.within[0] else -1)
            if case.fault is not None or case.remark:
                self.odd[index] = case
            yield case

    def row(self, case: Case, index: int) -> TableCase:
        """Return the row that a case is of, as far as it is known."""
        if index in self.odd:
            return self.odd[index]
        line = self.lines[index] if index < len(self.lines) else -1
        place = f"{self.name}, case {index}" if line < 0 else f"{self.within[0]} {line}"
        return TableCase(case.inputs, case.id, case.inputs, place)


class OutcomeCollector:
    """Counts and writes the outcomes of a run, each as it comes.

    Args:
        totals: Where they are counted.
        sink: Where they are written.
        source: The rows of the run.
        is_kept: True if the run is kept, and may have outcomes that did not come: a bit for each that came is kept, to
            tell.
    """

    def __init__(self, totals: RunTotals, sink: OutputFile, source: Source, *, is_kept: bool) -> None:
        self.totals = totals
        self._sink = sink
        self._source = source
        self._came: dict[str, bytearray] | None = {name: bytearray() for name in totals.templates} if is_kept else None

    def take(self, outcome: Outcome) -> None:
        """Count an outcome, and write it."""
        if self._came is not None:
            came, (place, bit) = self._came[outcome.template], divmod(outcome.index, 8)
            came.extend(bytes(max(0, place + 1 - len(came))))
            came[place] |= 1 << bit
        if isinstance(self._source, NotedSource):
            outcome = replace(outcome, case=self._source.row(outcome.case, outcome.index))
        self._sink.write(outcome)
        self.totals.add(outcome)

    def has(self, outcome: Outcome) -> bool:
        """Tell whether it came; of a run that is kept."""
        place, bit = divmod(outcome.index, 8)
        came = (self._came or {}).get(outcome.template, b"")
        return place < len(came) and bool(came[place] & 1 << bit)


def take_rest(taken: OutcomeCollector, kept: RunFile, source: Source) -> None:
    """Take what is kept of a run beyond what came before it was stopped, and count what has not ended.

    Args:
        taken: What came.
        kept: Where it is kept.
        source: The rows of the run.
    """
    totals = taken.totals
    try:
        totals.whole = _count(kept)
        totals.is_all = totals.whole.is_all
        if totals.done >= totals.whole.done:
            return
        view = open_run(kept.store or kept.file)
    except JournalError:  # stopped before there was a run
        return
    with view:
        rows = source.placed() if source.is_stored else iter(())
        at, row = -1, TableCase({})
        for record in view.records():
            outcome = record.outcome
            while at < outcome.index:  # both are in input order
                at, row = next(rows, (outcome.index, _as_row(outcome.case, source.name, outcome.index)))
            if not taken.has(outcome):
                origin = "replayed" if record.ended_at < view.info.passes[-1] else outcome.origin
                taken.take(replace(outcome, case=row, origin=origin))


def _count(kept: RunFile) -> RunCount:
    if kept.store is None:
        with open_run(kept.file) as view:
            return view.count()
    counted, reader = count_run(kept.store)
    with counted:
        return counted.count(is_running=standing_of(reader).is_running)


def _as_row(case: Case, source: str, index: int) -> TableCase:
    return TableCase(case.inputs, case.id, case.inputs, f"{source}, case {index}")
