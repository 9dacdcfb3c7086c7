"""Takes the outcomes of a run as they come, and at its end those that only its file has."""

from __future__ import annotations

from dataclasses import replace

from fi_async._errors import JournalError
from fi_async._models import Case, Outcome
from fi_async._settings import RunFile
from fi_async.cli.outputs import OutputFile
from fi_async.cli.totals import RunTotals
from fi_async.sources.rows import Source, TableCase
from fi_async.store.store_reader import open_run


class OutcomeCollector:
    """Counts and writes the outcomes of a run, each as it comes.

    Args:
        totals: Where they are counted.
        sink: Where they are written.
        is_kept: True if a file keeps the run, and may have outcomes that did not come: a bit for each that came is
            kept, to tell.
    """

    def __init__(self, totals: RunTotals, sink: OutputFile, *, is_kept: bool) -> None:
        self.totals = totals
        self._sink = sink
        self._came: dict[str, bytearray] | None = {name: bytearray() for name in totals.templates} if is_kept else None

    def take(self, outcome: Outcome) -> None:
        """Count an outcome, and write it."""
        if self._came is not None:
            came, (place, bit) = self._came[outcome.template], divmod(outcome.index, 8)
            came.extend(bytes(max(0, place + 1 - len(came))))
            came[place] |= 1 << bit
        self._sink.write(outcome)
        self.totals.add(outcome)

    def has(self, outcome: Outcome) -> bool:
        """Tell whether it came; of a run that is kept."""
        place, bit = divmod(outcome.index, 8)
        came = (self._came or {}).get(outcome.template, b"")
        return place < len(came) and bool(came[place] & 1 << bit)


def take_rest(taken: OutcomeCollector, kept: RunFile, source: Source) -> None:
    """Take what the file of a run has beyond what came before it was stopped, and count what has not ended.

    Args:
        taken: What came.
        kept: The file.
        source: The rows of the run.
    """
    totals = taken.totals
    try:
        view = open_run(kept.store or kept.file)
    except JournalError:  # stopped before there was a run
        return
    with view:
        totals.whole = view.count()
        totals.is_all = totals.whole.is_all
        if totals.done >= totals.whole.done:
            return
        rows = source.placed() if source.is_stored else iter(())
        at, row = -1, TableCase({})
        for record in view.records():
            outcome = record.outcome
            while at < outcome.index:  # both are in input order
                at, row = next(rows, (outcome.index, _as_row(outcome.case, source.name, outcome.index)))
            if not taken.has(outcome):
                origin = "replayed" if record.ended_at < view.info.passes[-1] else outcome.origin
                taken.take(replace(outcome, case=row, origin=origin))


def _as_row(case: Case, source: str, index: int) -> TableCase:
    return TableCase(case.inputs, case.id, case.inputs, f"{source}, case {index}")
