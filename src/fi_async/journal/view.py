"""What a run tells that is kept, also while another process writes it: how it stands, and the outcomes it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from fi_async._errors import FiAsyncError
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async.journal import encoding
from fi_async.journal.counting import CountedRun
from fi_async.journal.file_reader import FileReader
from fi_async.journal.gathered import Gathered, gathered, places, without_outcome
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.reading import Reader
from fi_async.journal.records import OutcomeRecord
from fi_async.panels.shape import Seat


class RunView(CountedRun):
    """A run as it is kept: its numbers, and its outcomes. Use it in `with`.

    Args:
        reader: Reads where it is kept; closed with this.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        super().__init__(reader)

    def held(self) -> int:
        """Return how many outcomes the cases have that the file holds, those included that are to come."""
        if not self._shapes:
            return super().held()
        with self._reader.explained():
            return len(places(self.past, self._reader.templates()))

    def _voted(self) -> Gathered | None:
        return self._gathered() if self._shapes else None

    def labels(self) -> KeptLabels:
        """Return what people said of its cases.

        Raises:
            JournalError: The file is damaged.
        """
        with self._reader.explained():
            return self._reader.labels()

    def records(self) -> Iterator[OutcomeRecord]:
        """Iterate over the outcomes in the order of the cases in the input.

        Raises:
            JournalError: The file is damaged; what came before is whole.
        """
        if self.past.is_in_order and not self._shapes:
            yield from (record for _, record in self._of_cases())
            return
        found = self._gathered().records
        order = {name: place for place, name in enumerate(self.info.templates)}
        last = len(order)
        yield from sorted(found, key=lambda each: (each.outcome.index, order.get(each.outcome.template, last)))

    def _gathered(self) -> Gathered:
        """Return the outcomes, in no order."""
        also = self.past.further_places()
        found = (record for n, each in self._of_cases() for record in (each, *elsewhere(each, also.get(n, ()))))
        return gathered(chain(found, self._refused()), self._shapes)

    def _of_cases(self) -> Iterator[tuple[int, OutcomeRecord]]:
        with self._reader.explained():
            for n, key, template, case_id, inputs, at, body in self._reader.outcomes():
                if self._counts(n):
                    case = Case(json.loads(inputs), case_id)
                    position = self.past.positions[n]
                    yield n, OutcomeRecord(key, encoding.decode(body, position, case, template, "evaluated"), at)

    def _refused(self) -> Iterator[OutcomeRecord]:
        """Yield the records of equal cases that were refused for that."""
        with self._reader.explained():
            for (n, position), case_id in self.past.refused.items():
                key, template, _, inputs = self._reader.case(n)
                error = encoding.refusal(position, self.past.positions[n])
                case, backend = Case(json.loads(inputs), case_id), self.info.backend
                seat, invalid = Seat.of(template), OutcomeStatus.INVALID
                refused = Outcome(position, case, seat.template, invalid, error=error, backend=backend)
                yield OutcomeRecord(key, replace(refused, sample=seat.sample, juror=seat.juror), 0.0)

    def pending(self, error: FiAsyncError) -> Iterator[Outcome]:
        """Iterate over the cases that have not ended, each as an outcome that was cancelled for this.

        Raises:
            JournalError: They cannot be read.
        """
        cut_off = self._pending(error)
        if not self._shapes:
            yield from cut_off
            return
        also = self.past.further_places()
        ended = (record for n, each in self._of_cases() for record in (each, *elsewhere(each, also.get(n, ()))))
        yield from without_outcome((record.outcome for record in ended), cut_off, self._shapes)

    def _pending(self, error: FiAsyncError) -> Iterator[Outcome]:
        also = self.past.further_places()
        with self._reader.explained():
            for n in self.past.unfinished():
                _, template, case_id, inputs = self._reader.case(n)
                case, seat = Case(json.loads(inputs), case_id), Seat.of(template)
                for position, each in ((self.past.positions[n], case_id), *also.get(n, ())):
                    own = case if each == case_id else replace(case, id=each)
                    status, backend = OutcomeStatus.CANCELLED, self.info.backend
                    cut_off = Outcome(position, own, seat.template, status, error=error, backend=backend)
                    yield replace(cut_off, sample=seat.sample, juror=seat.juror)


def open_view(path: str | Path) -> RunView:
    """Return what a run's file tells.

    Raises:
        JournalError: There is no such file, or it is not a run's, or it is damaged.
    """
    return RunView(FileReader(Path(path)))


def elsewhere(record: OutcomeRecord, also: Iterable[tuple[int, str | None]]) -> Iterator[OutcomeRecord]:
    """Iterate over the records of equal cases, which stand at these positions and have these ids."""
    for position, case_id in also:
        case = replace(record.outcome.case, id=case_id)
        yield replace(record, outcome=replace(record.outcome, index=position, case=case, origin="duplicate"))
