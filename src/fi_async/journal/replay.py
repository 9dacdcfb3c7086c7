"""How each case stands, read from the events of a run's file."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from fi_async._models import OutcomeStatus
from fi_async.journal.events import EventKind

_AT_ONCE: Final = 10_000  # rows fetched at a time
_OF_REOPENED: Final = {
    *("attempts", "ambiguous", "possible_duplicates", "eval_id", "is_open", "resend"),
    *("usage", "cost"),
}
_ENDED: Final = f"SELECT DISTINCT n FROM events WHERE kind = {EventKind.ENDED}"
# Of what happened to a case itself, only what came after its last outcome says how it stands.
_SINCE: Final = f"""
    SELECT n, kind, at, body FROM events
    WHERE kind > {EventKind.REOPENED} OR kind <> {EventKind.ENDED} AND NOT EXISTS (
        SELECT 1 FROM events AS later
        WHERE later.n = events.n AND later.kind = {EventKind.ENDED} AND later.seq > events.seq
    )
    ORDER BY seq
"""
# The status is what `encode` writes first; to parse a million bodies for it takes seconds.
_STATUS: Final = f"""substr(events.body, {len('{"status":"') + 1}, {max(map(len, OutcomeStatus))})"""
_OF_LAST: Final = f"""
    FROM (SELECT max(seq) AS last FROM events WHERE kind = {EventKind.ENDED} GROUP BY n) CROSS JOIN events ON seq = last
"""
_STATUSES: Final = f"SELECT {_STATUS}, count(*) {_OF_LAST} GROUP BY 1"
_STATUS_OF_EACH: Final = f"SELECT events.n, {_STATUS} {_OF_LAST}"


@dataclass(slots=True)
class Story:
    """What happened to one case that has not ended, or is asked for again.

    Attributes:
        attempts: Requests to evaluate it that may have left.
        ambiguous: How many of them may have been evaluated without our knowing.
        possible_duplicates: How many of these were followed by another.
        eval_id: Of the evaluation that the server accepted.
        accepted_at: When, in seconds since the epoch.
        sent_at: When the attempt was sent that has neither an answer nor a failure; 0.0 if there is none.
        is_open: True if the last attempt is one whose answer nobody has.
        usage: The tokens that its attempts took before a retry asked for it, by kind; None if nobody says.
        cost: What these cost, in dollars; None if nobody knows.
        resend: True if a retry asked for it to be sent again, although it may have been evaluated.
    """

    attempts: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    eval_id: str | None = None
    accepted_at: float = 0.0
    sent_at: float = 0.0
    is_open: bool = False
    resend: bool = False
    usage: Mapping[str, int] | None = None
    cost: float | None = None

    @classmethod
    def reopened(cls, body: str | None, at: float) -> Story:
        """Return what is known of a case that ended, and is to be tried again: its attempts count on.

        Raises:
            ValueError: The body is none of a REOPENED event.
        """
        if body is None:
            return cls()
        if not body.startswith("{"):  # version 1
            return cls(attempts=1, eval_id=body, accepted_at=at)
        facts = json.loads(body)
        if not facts.keys() <= _OF_REOPENED:
            raise ValueError("a retry of what is no case")
        return cls(accepted_at=at, **facts)

    def take(self, kind: EventKind, at: float, body: str | None) -> None:
        """Go on by one event."""
        self.sent_at = at if kind is EventKind.INTENT else 0.0
        if kind is EventKind.INTENT:
            self.possible_duplicates += self.is_open
            self.attempts += 1
            self.ambiguous += 1  # until it is known better
            self.is_open, self.eval_id, self.resend = True, None, False
        elif kind is EventKind.LOST:
            self.ambiguous += not self.is_open
            self.is_open, self.eval_id = True, None
        elif kind in (EventKind.ACCEPTED, EventKind.VOID):
            self.ambiguous -= self.is_open
            self.is_open = False
            self.eval_id = body if kind is EventKind.ACCEPTED else None
            self.accepted_at = at


@dataclass(slots=True)
class Past:
    """How the cases of a run stand. A byte a case, and a Story for those that have not ended.

    Attributes:
        positions: Where each case stands in the input, by its number.
        also: Further positions of equal cases, and the ids of these: by number and position.
        refused: The same of equal cases that were refused for that.
        read_in: The last pass in which all cases were read; 0 if there was none.
    """

    positions: array[int] = field(default_factory=lambda: array("q", [-1]))
    also: dict[tuple[int, int], str | None] = field(default_factory=dict)
    refused: dict[tuple[int, int], str | None] = field(default_factory=dict)
    read_in: int = 0
    _ended: bytearray = field(default_factory=lambda: bytearray(1))
    _removed: set[int] = field(default_factory=set)
    _stories: dict[int, Story] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many different cases there are; their numbers begin at 1."""
        return len(self.positions) - 1

    @property
    def held(self) -> int:
        """How many cases the run has: those of the last pass, with equal ones each for itself."""
        return self.count - len(self._removed) + len(self.also) + len(self.refused)

    @property
    def done(self) -> int:
        """How many of these have ended."""
        alone = self._ended.count(1) - sum(map(self.has_ended, self._removed))
        return alone + sum(self.has_ended(n) for n, _ in self.also) + len(self.refused)

    @property
    def is_in_order(self) -> bool:
        """True if the cases stand in the input as they are numbered, and no two of them are equal."""
        places = self.positions
        return not self.also and not self.refused and all(places[n] <= places[n + 1] for n in range(1, self.count))

    def further_places(self) -> dict[int, list[tuple[int, str | None]]]:
        """Return the further positions of equal cases, and the ids of these, by number."""
        places: dict[int, list[tuple[int, str | None]]] = {}
        for (n, position), case_id in self.also.items():
            places.setdefault(n, []).append((position, case_id))
        return places

    def places(self) -> bytes:
        """Return a digest of which case stands at which place: the same until a pass adds, moves or removes any.

        Of a place it knows the first evaluation alone: what a case is worth beyond it changes nothing.
        """
        further = [*self.also, *self.refused]
        last = max((max(self.positions), *(place for _, place in further)))
        firsts = array("q", bytes(8 * (last + 1)))
        for n in range(self.count, 0, -1):
            if n not in self._removed:
                firsts[self.positions[n]] = n
        for n, place in further:
            firsts[place] = min(n, firsts[place] or n)
        return blake2b(firsts.tobytes(), digest_size=16).digest()

    def add(self, position: int) -> None:
        """Take note of the next case."""
        self.positions.append(position)
        self._ended.append(0)

    def has_ended(self, n: int) -> bool:
        """Tell whether there is an outcome that counts."""
        return bool(self._ended[n])

    def is_removed(self, n: int) -> bool:
        """Tell whether the case was not among those of the last pass."""
        return n in self._removed

    def story(self, n: int) -> Story:
        """Return what happened to a case that has not ended."""
        return self._stories.get(n) or Story()

    def unfinished(self) -> Iterator[int]:
        """Iterate over the numbers of the cases that have not ended, and were not removed."""
        at = self._ended.find(0, 1)
        while at != -1:
            if at not in self._removed:
                yield at
            at = self._ended.find(0, at + 1)

    def take(self, n: int, kind: EventKind, at: float = 0.0, body: str | None = None) -> None:
        """Go on by one event.

        Raises:
            ValueError: There is no such case, so that this is no run's history.
        """
        if kind is EventKind.READ:
            self.read_in = int(body or 0)
            return
        if not 0 < n < len(self.positions):
            raise ValueError(f"an event of case {n} of {self.count}")
        if kind is EventKind.ENDED:
            self._ended[n] = 1
            self._stories.pop(n, None)
        elif kind is EventKind.REOPENED:
            self._ended[n] = 0
            self._stories[n] = Story.reopened(body, at)
        elif kind is EventKind.REMOVED:
            self._removed.add(n)
        elif kind in (EventKind.PLACED, EventKind.ALSO, EventKind.GONE, EventKind.REFUSED):
            self._place(n, kind, *json.loads(body or "[-1]"))
        else:
            self._stories.setdefault(n, Story()).take(kind, at, body)

    def _place(self, n: int, kind: EventKind, position: int, case_id: str | None = None) -> None:
        if kind is EventKind.PLACED:
            self._removed.discard(n)
            self.positions[n] = position
        elif kind is EventKind.ALSO:
            self.also[n, position] = case_id
            self.refused.pop((n, position), None)
        elif kind is EventKind.REFUSED:
            self.refused[n, position] = case_id
            self.also.pop((n, position), None)
        else:
            self.also.pop((n, position), None)
            self.refused.pop((n, position), None)


def read(connection: sqlite3.Connection) -> Past:
    """Return how the cases of a run's file stand.

    Raises:
        ValueError: The events are not those of a run.
    """
    cases = _rows(connection, "SELECT n, position FROM cases ORDER BY n")
    return past_of(cases, (n for (n,) in _rows(connection, _ENDED)), _rows(connection, _SINCE))


def past_of(
    cases: Iterable[tuple[int, int]], ended: Iterable[int], since: Iterable[tuple[int, int, float, str | None]]
) -> Past:
    """Return how the cases of a run stand.

    Args:
        cases: The number and the position of each, in the order of the numbers, which begin at 1.
        ended: The numbers of those that ended at some time.
        since: The other events, in order, as (number, kind, seconds since the epoch, body): those that came before the
            last outcome of their case may be left out, and must be where `ended` names it.

    Raises:
        ValueError: The events are not those of a run.
    """
    past = Past()
    for n, position in cases:
        if n != past.count + 1:
            raise ValueError(f"case {n} follows case {past.count}")
        past.add(position)
    for n in ended:
        past.take(n, EventKind.ENDED)
    for n, kind, at, body in since:
        past.take(n, EventKind(kind), at, body)
    return past


def statuses(connection: sqlite3.Connection) -> Counter[str]:
    """Return how many different cases ended in each status; those that were removed or reopened since count too."""
    return Counter({text.partition('"')[0]: count for text, count in connection.execute(_STATUSES).fetchall()})


def status_of_each(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Iterate over the cases that ended at some time: the number, and the status that each ended in last."""
    return ((n, text.partition('"')[0]) for n, text in _rows(connection, _STATUS_OF_EACH))


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    cursor = connection.execute(query)
    while rows := cursor.fetchmany(_AT_ONCE):
        yield from rows
