"""What the evaluations of a chunk come to once all have ended, and the further samples that its cases are worth.

With repeats="auto" a case is worth further samples where those it has do not agree. Whoever ends the last evaluation of
a chunk decides that, by all that the store has of its cases, and puts the further ones into a chunk of its own, in the
transaction that ends the first: so no run looks done that is not. It depends on nothing else, so that whoever takes a
chunk over decides the same again.

Cases are put into a run by one at a time. Workers wait for each other, for an instant; while somebody loads, they
decide later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from fi_async._models import Case, Outcome
from fi_async.journal import encoding
from fi_async.journal.encoding import to_text
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Past, past_of
from fi_async.journal.storage import CaseRow
from fi_async.panels.panel import CaseStanding, standing_of
from fi_async.panels.shape import PanelShape, Seat
from fi_async.store.leases import LOADING, Chunk, Leases
from fi_async.store.store_cases import put_cases, put_chunk

_DEEPENING: Final = 0x6669_6470  # "fidp": of advisory locks
_MAY_PUT: Final = """
    SELECT pg_try_advisory_xact_lock_shared(%(loading)s, %(run)s)
        AND (SELECT changes FROM fi_async.runs WHERE run = %(run)s) = %(changes)s
"""
_IN_TURN: Final = "SELECT pg_advisory_xact_lock(%(deepening)s, %(run)s)"
_SEATS: Final = "SELECT n, key, position, id FROM fi_async.cases WHERE run = %(run)s AND key = ANY(%(keys)s) ORDER BY n"
_HISTORY: Final = """
    SELECT n, kind, at, body FROM fi_async.events WHERE run = %(run)s AND n = ANY(%(n)s) ORDER BY seq
"""
_COUNT: Final = "SELECT coalesce(max(n), 0) FROM fi_async.cases WHERE run = %(run)s"
_PUT_EVENTS: Final = """
    INSERT INTO fi_async.events (run, n, kind, at, worker, body)
    SELECT %(run)s, each.n, %(kind)s, extract(epoch FROM clock_timestamp()), %(worker)s, each.body
    FROM unnest(%(n)s::integer[], %(body)s::text[]) AS each (n, body)
"""
_PUT_BACK: Final = """
    UPDATE fi_async.chunks SET done = false, reopened = reopened + 1, worker = CASE WHEN NOT done THEN worker END
    WHERE run = %(run)s AND chunk IN (
        SELECT (
            SELECT chunk FROM fi_async.chunks WHERE run = %(run)s AND first <= each.n ORDER BY first DESC LIMIT 1
        ) FROM unnest(%(n)s::integer[]) AS each (n)
    )
"""


Places = Sequence[tuple[int, str | None]]
"""Where equal cases stand in the input, and their ids."""


@dataclass(slots=True)
class ChunkCase:
    """A case of a chunk under one template.

    Attributes:
        template: The template's name.
        case: The case.
        inputs: What is sent of it.
        kept: Its inputs as the store has them.
        votes: What it has ended in here, by sample and juror.
        is_here: True if something of it was to be done here.
    """

    template: str
    case: Case
    inputs: Mapping[str, Any]
    kept: str
    votes: dict[tuple[int, str | None], Outcome] = field(default_factory=dict)
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a chunk all of whose evaluations had ended.

    Attributes:
        outcomes: What those of its cases came to of which something was done here, and nothing is to come.
        further: A chunk of further samples, which this worker holds; None if none are wanted.
        is_later: True if nothing was decided, as somebody loads the run.
    """

    outcomes: Sequence[Outcome]
    further: Chunk | None = None
    is_later: bool = False


class _Row(NamedTuple):
    """One evaluation as the store has it."""

    n: int
    position: int
    id: str | None
    is_removed: bool
    also: Places
    outcome: Outcome | None


Rows = Mapping[Seat, _Row]


@dataclass(frozen=True, slots=True)
class Settling:
    """Settles chunks for one worker. Its calls block.

    Attributes:
        leases: What the worker holds.
        shapes: How many evaluations a case has, by template.
        key_of: Names the work of a seat, by the inputs that are sent.
    """

    leases: Leases
    shapes: Mapping[str, PanelShape]
    key_of: Callable[[Seat, Mapping[str, Any]], str]

    def settle(self, chunk: Chunk, cases: Sequence[ChunkCase]) -> Settled:
        """Return what became of a chunk, all of whose evaluations have ended.

        Args:
            chunk: As this worker holds it.
            cases: Those of its cases that may not be settled by what ended here.

        Raises:
            LeaseLostError: Others took over what this worker held.
        """
        connection = self.leases.connection

        def once(is_again: bool) -> tuple[Sequence[Outcome], tuple[int, ...] | None, bool]:
            with connection.transaction():
                if not self.leases.renew_in():
                    raise self.leases.lost()
                lost = self.leases.held_unknown() if is_again else None
                return self._settled(chunk, cases, lost)

        outcomes, further, is_later = connection.lasting(once)
        if is_later:
            return Settled((), is_later=True)
        self.leases.forget(chunk)
        taken = None if further is None else connection.lasting(lambda _: self.leases.take(*further))
        return Settled(outcomes, taken)

    def _settled(
        self, chunk: Chunk, cases: Sequence[ChunkCase], further: tuple[int, ...] | None
    ) -> tuple[Sequence[Outcome], tuple[int, ...] | None, bool]:
        standings, wanting = self._standings(cases)
        if wanting and further is None:
            if not self._may_put(chunk):
                if not self._is_changed(chunk):
                    return (), None, True
            else:
                further = self._deepened(wanting, chunk.changes)
        self.leases.finish_in(chunk, of_shape=True)
        outcomes = [
            stands.outcome
            for case, stands in standings
            if case.is_here and stands.is_settled and stands.outcome is not None
        ]
        return outcomes, further, False

    def _asked(self, **more: Any) -> dict[str, Any]:
        return {"run": self.leases.run, "worker": self.leases.worker, **more}

    def _may_put(self, chunk: Chunk) -> bool:
        asked = self._asked(loading=LOADING, changes=chunk.changes)
        ((may_put,),) = self.leases.connection.execute(_MAY_PUT, asked).fetchall()
        return bool(may_put)

    def _is_changed(self, chunk: Chunk) -> bool:
        query = "SELECT changes FROM fi_async.runs WHERE run = %(run)s"
        return self.leases.connection.execute(query, self._asked()).fetchone() != (chunk.changes,)

    def _standings(
        self, cases: Sequence[ChunkCase]
    ) -> tuple[list[tuple[ChunkCase, CaseStanding]], list[tuple[ChunkCase, int]]]:
        """Return how cases stand, and those that are worth samples that the store does not have, with how many."""
        standings, wanting = [], []
        for case, rows in self._rows(cases):
            shape = self.shapes[case.template]
            votes = {
                (seat.sample, seat.juror): row.outcome
                for seat, row in rows.items()
                if row.outcome is not None and not row.is_removed
            }
            stands = standing_of(shape, votes)
            standings.append((case, stands))
            wanted = _further_seats(case, shape, stands.asked)
            if not stands.is_settled and any(seat not in rows or rows[seat].is_removed for seat in wanted):
                wanting.append((case, stands.asked))
        return standings, wanting

    def _rows(self, cases: Sequence[ChunkCase]) -> Iterator[tuple[ChunkCase, Rows]]:
        """Yield what the store has of cases: of those that it has, and that were not all removed."""
        seats = [(case, seat, self.key_of(seat, case.inputs)) for case in cases for seat in self._seats(case)]
        connection = self.leases.connection
        asked = self._asked(keys=[key for _, _, key in seats])
        found = {key: (n, position, id_) for n, key, position, id_ in connection.execute(_SEATS, asked).fetchall()}
        numbers = sorted(n for n, _, _ in found.values())
        past, bodies = self._history(numbers, {n: position for n, position, _ in found.values()})
        places = {n: place for place, n in enumerate(numbers, 1)}
        by_case: defaultdict[int, dict[Seat, _Row]] = defaultdict(dict)
        also = past.further_places()
        for case, seat, key in seats:
            if key not in found:
                continue
            n, _, id_ = found[key]
            place = places[n]
            position = past.positions[place]
            ended = (
                encoding.decode(bodies[n], position, case.case, str(seat), "evaluated")
                if past.has_ended(place)
                else None
            )
            row = _Row(n, position, id_, past.is_removed(place), also.get(place, ()), ended)
            by_case[id(case)][seat] = row
        for case in cases:
            rows = by_case[id(case)]
            if any(not row.is_removed for row in rows.values()):
                yield case, rows

    def _seats(self, case: ChunkCase) -> Iterator[Seat]:
        shape = self.shapes[case.template]
        for sample in range(shape.most):
            for voter in shape.voters():
                yield Seat(case.template, voter, sample)

    def _history(self, numbers: Sequence[int], positions: Mapping[int, int]) -> tuple[Past, Mapping[int, str]]:
        """Return how evaluations stand, numbered from 1 in their order, and the last outcome of each as text."""
        events = self.leases.connection.execute(_HISTORY, self._asked(n=list(numbers))).fetchall()
        places = {n: place for place, n in enumerate(numbers, 1)}
        past = past_of(
            ((place, positions[n]) for n, place in places.items()),
            (),
            ((places[n], kind, at, body) for n, kind, at, body in events),
        )
        return past, {n: body for n, kind, _, body in events if kind == EventKind.ENDED}

    def _deepened(self, wanting: Sequence[tuple[ChunkCase, int]], changes: int) -> tuple[int, ...] | None:
        """Return a new chunk of this worker's with the further samples of cases that nobody has put there yet."""
        connection, asked = self.leases.connection, {id(case): asked for case, asked in wanting}
        connection.execute(_IN_TURN, self._asked(deepening=_DEEPENING))
        new: list[tuple[CaseRow, Places]] = []
        removed: list[tuple[int, str]] = []
        places: list[tuple[int, str]] = []
        for case, rows in self._rows([case for case, _ in wanting]):
            base = next(row for row in rows.values() if not row.is_removed)
            for seat in _further_seats(case, self.shapes[case.template], asked[id(case)]):
                row = rows.get(seat)
                if row is None:
                    key = self.key_of(seat, case.inputs)
                    new.append((CaseRow(key, str(seat), base.position, base.id, case.kept), base.also))
                elif row.is_removed:
                    removed.append((row.n, to_text([base.position, base.id])))
                    places += [(row.n, to_text(place)) for place in base.also]
        if removed:
            self._put_events(EventKind.PLACED, removed)
            connection.execute(_PUT_BACK, self._asked(n=[n for n, _ in removed]))
        first = self._put(new)
        places += [(n, to_text(place)) for n, (_, also) in enumerate(new, first) for place in also]
        if places:
            self._put_events(EventKind.ALSO, places)
        if not new:
            return None
        last = first + len(new) - 1
        chunk = put_chunk(connection, self.leases.run, first, last, self.leases.worker)
        return chunk, first, last, 0, changes

    def _put(self, new: Sequence[tuple[CaseRow, Places]]) -> int:
        """Return the number of the first of these evaluations, after they were put into the store."""
        connection = self.leases.connection
        ((count,),) = connection.execute(_COUNT, self._asked()).fetchall()
        if new:
            put_cases(connection, self.leases.run, [row for row, _ in new], count + 1)
        return int(count) + 1

    def _put_events(self, kind: EventKind, events: Sequence[tuple[int, str]]) -> None:
        asked = self._asked(kind=int(kind), n=[n for n, _ in events], body=[body for _, body in events])
        self.leases.connection.execute(_PUT_EVENTS, asked)


def _further_seats(case: ChunkCase, shape: PanelShape, asked: int) -> Iterator[Seat]:
    """Yield the evaluations of the samples that a case is worth beyond those that it has at first."""
    for sample in range(shape.repeats, asked):
        for voter in shape.voters():
            yield Seat(case.template, voter, sample)
