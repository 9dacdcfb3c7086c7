"""What a run's file tells, also while another process writes it: how it stands, and the outcomes it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Self

from fi_async._errors import FiAsyncError
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async.journal import encoding, paid
from fi_async.journal.file_reader import FileReader
from fi_async.journal.gathered import Gathered, evaluations_of, gathered, places, without_outcome
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.reading import Reader
from fi_async.journal.records import OutcomeRecord, RunCount, RunInfo
from fi_async.journal.replay import Past
from fi_async.panels.shape import Seat, shapes_of
from fi_async.reports.spending import Spending


class RunView:
    """A run as it is kept. Use it in `with`.

    Args:
        reader: Reads where it is kept; closed with this.

    Attributes:
        name: What messages call the run: its path, or its URL.
        info: The run's facts; `ended_at` is None while there are cases without an outcome.
        past: How the cases stand.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = reader.name
        try:
            with reader.explained():
                self.past: Past = reader.past()
                self.info = self._facts()
                self._shapes = shapes_of(self.info.questions)
        except BaseException:
            reader.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is read."""
        self._reader.close()

    def __repr__(self) -> str:
        return f"<RunView {self.name} cases={self.past.count}>"

    def count(self, *, is_running: bool = False) -> RunCount:
        """Return how many evaluations the run has, and how they stand.

        Of a run that was stopped before all its cases were read, those count too that it is known to have.

        Args:
            is_running: True if a process is at work on it: what that one has sent is under way, and not ambiguous.
        """
        unfinished = list(self.past.unfinished())
        stories = [self.past.story(n) for n in unfinished]
        held, read_in = self.held(), self.past.read_in
        found = self._gathered() if self._shapes else None
        told = self.info.evaluations
        if told is None:
            told = self.info.source.get("evaluations")  # files of version 1
        if read_in == len(self.info.passes) or not isinstance(told, int):
            evaluations, is_all = held, bool(read_in) or not self._reader.says_when_read
        else:
            evaluations, is_all = max(told, held), True
        under_way = sum(story.sent_at >= self.info.passes[-1] for story in stories) if is_running else 0
        return RunCount(
            evaluations=evaluations,
            statuses=self._statuses() if found is None else _statuses_of(found.records),
            accepted=sum(story.eval_id is not None for story in stories),
            under_way=under_way,
            ambiguous=sum(story.is_open for story in stories) - under_way,
            possible_duplicates=self._duplicates_of_ended() + sum(story.possible_duplicates for story in stories),
            is_all=is_all,
            unsettled=0 if found is None else found.unsettled,
        )

    def held(self) -> int:
        """Return how many outcomes the cases have that the file holds, those included that are to come."""
        if not self._shapes:
            return self.past.held
        with self._reader.explained():
            return len(places(self.past, self._reader.templates()))

    def _statuses(self) -> Mapping[str, int]:
        """Return how many cases ended in each status."""
        with self._reader.explained():
            counted = self._reader.statuses()
        # Equal cases count each for itself, and those removed or opened again do not.
        if self.past.also or self.past.held != self.past.count or counted.total() != self.past.done:
            return _statuses_of(self.records())
        return _in_order(counted)

    def spending(self) -> Spending:
        """Return what the outcomes took of judges, those of failed cases included."""
        with self._reader.explained():
            return paid.total(self._reader.paid(), self._counts)

    def _duplicates_of_ended(self) -> int:
        with self._reader.explained():
            return sum(count for n, count in self._reader.duplicates() if count and self._counts(n))

    def labels(self) -> KeptLabels:
        """Return what people said of its cases.

        Raises:
            JournalError: The file is damaged.
        """
        with self._reader.explained():
            return self._reader.labels()

    def ended_since(self, at: float) -> float:
        """Return how many cases ended after that time; of evaluations that make one outcome, each counts in part."""
        with self._reader.explained():
            count = self._reader.ended_since(at)
        return count * len(self.info.templates) / (sum(evaluations_of(self._shapes, self.info.templates)) or 1)

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

    def _counts(self, n: int) -> bool:
        return self.past.has_ended(n) and not self.past.is_removed(n)

    def _facts(self) -> RunInfo:
        rows = self._reader.passes()
        if not rows:
            raise ValueError("it says nothing of its run")
        known = {each.name for each in fields(RunInfo)}
        facts = {name: value for name, value in json.loads(rows[-1][1]).items() if name in known}
        passes = tuple(float(at) for at, _ in rows)
        facts |= {"started_at": passes[0], "templates": tuple(facts["templates"]), "passes": passes}
        has_ended = self.past.count and next(self.past.unfinished(), None) is None
        return RunInfo(**{**facts, "ended_at": self._reader.last_at() if has_ended else None})


def _statuses_of(records: Iterable[OutcomeRecord]) -> Mapping[str, int]:
    return _in_order(Counter(record.outcome.status.value for record in records))


def _in_order(counted: Counter[str]) -> Mapping[str, int]:
    return {status.value: counted[status.value] for status in OutcomeStatus if status.value in counted}


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
