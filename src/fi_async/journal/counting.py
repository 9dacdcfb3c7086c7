"""How many evaluations a kept run has, and how they stand: the one place that each of these numbers comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Self

from fi_async._models import OutcomeStatus
from fi_async._spending import Spending
from fi_async.journal import paid
from fi_async.journal.gathered import Gathered, evaluations_of
from fi_async.journal.reading import CountReader
from fi_async.journal.records import OutcomeRecord, RunCount, RunInfo
from fi_async.journal.replay import Past
from fi_async.panels.shape import shapes_of


class CountedRun:
    """The numbers of a run as it is kept. Use it in `with`.

    Args:
        reader: Reads where it is kept; closed with this.

    Attributes:
        name: What messages call the run: its path, or its URL.
        info: The run's facts; `ended_at` is None while there are cases without an outcome.
        past: How the cases stand, those left out that the reader has counted already.
    """

    def __init__(self, reader: CountReader) -> None:
        self._counts_of = reader
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
        self._counts_of.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} cases={self.past.count + self._counts_of.counted().cases}>"

    def count(self, *, is_running: bool = False) -> RunCount:
        """Return how many evaluations the run has, and how they stand.

        Of a run that was stopped before all its cases were read, those count too that it is known to have.

        Args:
            is_running: True if a process is at work on it: what that one has sent is under way, and not ambiguous.
        """
        unfinished = list(self.past.unfinished())
        stories = [self.past.story(n) for n in unfinished]
        held, read_in = self.held(), self.past.read_in
        found = self._voted()
        told = self.info.evaluations
        if told is None:
            told = self.info.source.get("evaluations")  # files of version 1
        if read_in == len(self.info.passes) or not isinstance(told, int):
            evaluations, is_all = held, bool(read_in) or not self._counts_of.says_when_read
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
        """Return how many outcomes the cases have that are kept, those included that are to come."""
        return self.past.held + self._counts_of.counted().cases

    def _voted(self) -> Gathered | None:
        """Return the outcomes of a run whose cases have several evaluations each; None of any other."""
        return None

    def _statuses(self) -> Mapping[str, int]:
        """Return how many cases ended in each status."""
        past = self.past
        with self._counts_of.explained():
            found = self._counts_of.statuses()
            # Equal cases count each for itself, and those removed or opened again do not.
            if past.also or past.held != past.count or found.total() != past.done:
                found = self._statuses_of_each()
        return in_order(found + Counter(self._counts_of.counted().statuses))

    def _statuses_of_each(self) -> Counter[str]:
        also = Counter(n for n, _ in self.past.also)
        found: Counter[str] = Counter()
        for n, status in self._counts_of.status_of_each():
            if self._counts(n):
                found[status] += 1 + also[n]
        found[OutcomeStatus.INVALID.value] += len(self.past.refused)
        return found

    def spending(self) -> Spending:
        """Return what the outcomes took of judges, those of failed cases included."""
        with self._counts_of.explained():
            found = paid.total(self._counts_of.paid(), self._counts)
            found.include(self._counts_of.counted().spending)
            return found

    def _duplicates_of_ended(self) -> int:
        with self._counts_of.explained():
            found = sum(count for n, count in self._counts_of.duplicates() if count and self._counts(n))
            return found + self._counts_of.counted().possible_duplicates

    def ended_since(self, at: float) -> float:
        """Return how many cases ended after that time; of evaluations that make one outcome, each counts in part."""
        with self._counts_of.explained():
            count = self._counts_of.ended_since(at)
        return count * len(self.info.templates) / (sum(evaluations_of(self._shapes, self.info.templates)) or 1)

    def _counts(self, n: int) -> bool:
        return self.past.has_ended(n) and not self.past.is_removed(n)

    def _facts(self) -> RunInfo:
        rows = self._counts_of.passes()
        if not rows:
            raise ValueError("it says nothing of its run")
        known = {each.name for each in fields(RunInfo)}
        facts = {name: value for name, value in json.loads(rows[-1][1]).items() if name in known}
        passes = tuple(float(at) for at, _ in rows)
        facts |= {"started_at": passes[0], "templates": tuple(facts["templates"]), "passes": passes}
        counted = self._counts_of.counted()
        is_done = not counted.pending and next(self.past.unfinished(), None) is None
        has_ended = is_done and (self.past.count or counted.cases)
        return RunInfo(**{**facts, "ended_at": self._counts_of.last_at() if has_ended else None})


def _statuses_of(records: Iterable[OutcomeRecord]) -> Mapping[str, int]:
    return in_order(Counter(record.outcome.status.value for record in records))


def in_order(counted: Counter[str]) -> Mapping[str, int]:
    """Return how many there are of each status that there is, in the order of the statuses."""
    return {status.value: counted[status.value] for status in OutcomeStatus if counted[status.value]}
