"""Reads the numbers of a run in a store without its outcomes: chunks whose cases have ended are counted already.

What is read of the others is what happened to their cases; and of all chunks, to those cases that ended and were asked
for again, were removed, or equal others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from fi_async._run_url import RunUrl
from fi_async.journal.counting import CountedRun
from fi_async.journal.events import EventKind
from fi_async.journal.reading import CountedCases
from fi_async.journal.replay import Past
from fi_async.journal.view import RunView
from fi_async.panels.shape import shapes_of
from fi_async.store import store_queries, store_schema
from fi_async.store.store_queries import facts_of
from fi_async.store.store_reader import StoreConnected, StoreReader
from fi_async.store.tallies import FIGURES, SUMS, OutcomeFigures, OutcomeTally

# Cases are in chunks; of those of which none could be sent, the first version made no chunks.
_CASES: Final = """
    SELECT coalesce(max(n), (SELECT max(last) FROM fi_async.chunks WHERE run = %(run)s), 0) FROM fi_async.cases
    WHERE run = %(run)s AND n > (SELECT coalesce(max(last), 0) FROM fi_async.chunks WHERE run = %(run)s)
"""
_SUMS: Final = f"""
    SELECT max(last_at), {SUMS} FROM fi_async.chunks WHERE run = %(run)s AND counted_to IS NOT NULL
"""
_NOT_COUNTED: Final = """
    SELECT ends + 1, begins - 1 FROM (
        SELECT coalesce(lag(last) OVER (ORDER BY first), 0) AS ends, first AS begins FROM (
            SELECT first, last FROM fi_async.chunks WHERE run = %(run)s AND counted_to IS NOT NULL
            UNION ALL SELECT %(cases)s + 1, %(cases)s
        ) AS counted
    ) AS each WHERE begins > ends + 1 ORDER BY begins
"""
_APART: Final = f"""
    SELECT each.n, held.counted_to
    FROM (SELECT DISTINCT n FROM fi_async.events WHERE run = %(run)s AND ({store_schema.APART}) AND n > 0) AS each
    CROSS JOIN LATERAL (
        SELECT last, counted_to FROM fi_async.chunks WHERE run = %(run)s AND first <= each.n ORDER BY first DESC LIMIT 1
    ) AS held
    WHERE each.n <= held.last AND held.counted_to IS NOT NULL
"""
_EVENTS: Final = f"""
    SELECT e.n, e.seq, e.kind, e.at, CASE WHEN e.kind <> {EventKind.ENDED} THEN e.body END AS body, {FIGURES}
    FROM unnest(%(first)s::integer[], %(last)s::integer[]) AS part (first, last)
    CROSS JOIN LATERAL (
        SELECT * FROM fi_async.events WHERE run = %(run)s AND n BETWEEN part.first AND part.last OFFSET 0
    ) AS e ORDER BY e.n, e.seq
"""
_READ: Final = f"""
    SELECT at, body FROM fi_async.events WHERE run = %(run)s AND n = 0 AND kind = {EventKind.READ} ORDER BY seq
"""


@dataclass(slots=True)
class _Read:
    """What was read of the cases that are not counted already.

    Attributes:
        past: How they stand, numbered from 1.
        ended: The last outcome of each that ended at some time.
        last_at: When something last happened to any case.
    """

    past: Past = field(default_factory=Past)
    ended: dict[int, OutcomeFigures] = field(default_factory=dict)
    last_at: float | None = None

    def seen(self, at: float | None) -> None:
        """Take note of when something happened."""
        if at is not None:
            self.last_at = at if self.last_at is None else max(at, self.last_at)


class StoreCounts(StoreConnected):
    """The numbers of a run in a store, as `CountedRun` reads them. See `CountReader`.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """

    def __init__(self, url: RunUrl) -> None:
        super().__init__(url)
        self._read = _Read()
        self._counted = CountedCases()

    def can_count(self) -> bool:
        """Return True if the store counts outcomes, and each case has one of each template.

        Raises:
            JournalError: It cannot be read.
        """
        try:
            with self.explained():
                is_plain = not shapes_of(facts_of(self.name, self.passes()).questions)
        except BaseException:
            self.close()
            raise
        return is_plain and self.version >= store_schema.COUNTED_FROM

    def past(self) -> Past:
        """Return how the cases stand that are not counted already."""
        asked = {"run": self.run}
        ((cases,),) = self.connection.execute(_CASES, asked).fetchall()
        last_at, *sums = self.connection.execute(_SUMS, asked).fetchall()[0]
        tally = OutcomeTally.of(sums)
        read = self._read = _Read()
        counted_to = dict(self.connection.execute(_APART, asked).fetchall())
        parts = self.connection.execute(_NOT_COUNTED, {**asked, "cases": cases}).fetchall()
        for at, body in self.connection.execute(_READ, asked).fetchall():
            read.past.take(0, EventKind.READ, at, body)
            read.seen(at)
        self._take([*parts, *((n, n) for n in counted_to)], counted_to, tally)
        read.seen(last_at)
        left_out = cases - read.past.count
        self._counted = CountedCases(
            cases=left_out,
            pending=left_out - tally.statuses.total(),
            statuses=dict(tally.statuses),
            possible_duplicates=tally.possible_duplicates,
            spending=tally.spending(),
        )
        return read.past

    def _take(self, parts: Sequence[tuple[int, int]], counted_to: dict[int, int], tally: OutcomeTally) -> None:
        """Read what happened to the cases of these parts, and take out of the tally what it has of them."""
        told = {"first": [first for first, _ in parts], "last": [last for _, last in parts]}
        read, current = self._read, 0
        counted: OutcomeFigures | None = None
        for n, seq, kind, at, body, *figures in store_queries.rows(self.connection, _EVENTS, run=self.run, **told):
            if n != current:
                if counted is not None:
                    tally.leave_out(counted)
                current, counted = n, None
                read.past.add(0)  # where it stands is in no number
            place = read.past.count
            read.past.take(place, EventKind(kind), at, body)
            read.seen(at)
            if kind == EventKind.ENDED:
                read.ended[place] = OutcomeFigures(*figures)
                if seq <= counted_to.get(n, 0):
                    counted = read.ended[place]
        if counted is not None:
            tally.leave_out(counted)

    def counted(self) -> CountedCases:
        """Return the numbers of the others."""
        return self._counted

    def last_at(self) -> float | None:
        """Return when something last happened to a case."""
        return self._read.last_at

    def statuses(self) -> Counter[str]:
        """Return how many cases ended in each status."""
        return Counter(each.status for each in self._read.ended.values())

    def status_of_each(self) -> Iterator[tuple[int, str]]:
        """Return the number of each case that ended at some time, and the status that it ended in last."""
        return ((n, each.status) for n, each in self._read.ended.items())

    def duplicates(self) -> Iterable[tuple[int, int | None]]:
        """Return the possible duplicates of the outcomes that have any, by number."""
        return ((n, each.possible_duplicates) for n, each in self._read.ended.items())

    def paid(self) -> Iterator[tuple[int, str | None, float | None]]:
        """Return what judges answered: number, usage as JSON, and dollars."""
        for n, each in self._read.ended.items():
            if each.is_paid:
                yield n, each.usage, None if each.cost is None else float(each.cost)


def count_run(url: RunUrl) -> tuple[CountedRun, StoreConnected]:
    """Return the numbers of a run in a store, and what reads them; it is closed with them.

    It takes milliseconds, however many cases there are, and longer by what cannot be counted before: equal, removed and
    reopened cases, and all of a run whose cases have several evaluations each.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """
    counts = StoreCounts(url)
    if counts.can_count():
        return CountedRun(counts), counts
    counts.close()
    reader = StoreReader(url)
    return RunView(reader), reader
