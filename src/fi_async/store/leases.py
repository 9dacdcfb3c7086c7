"""A worker's leases: which chunks it holds, and events that are kept only for as long as it holds them.

A worker has one lease, on all its chunks. Each commit renews it, in the one statement that also keeps the events: so a
worker that was fenced meanwhile, because it was silent for longer than its lease lasts, keeps nothing any more. Events
are numbered for each worker, so that a commit whose answer was lost is not made twice.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from fi_async._errors import JournalError
from fi_async._version import __version__
from fi_async.journal.commits import KeptEvent
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Past, past_of
from fi_async.store import tallies
from fi_async.store.store_connection import StoreConnection

LOADING: Final = 0x6669_6C64  # "fild": of advisory locks
"""The first number of the lock that whoever loads a run holds; the second is the run's."""

_BETWEEN: Final = "\x1f"  # texts; neither is in JSON, which names such letters by their numbers
_NOTHING: Final = "\x1e"  # in place of a text
_NUL: Final = "\\u0000"  # PostgreSQL has no letter with that number
_CHANGES: Final = "(SELECT changes FROM fi_async.runs WHERE run = %(run)s)"
# That a chunk is done, and that a worker is there, need not be waited for until it is on the disk: what a crash of the
# server takes of it is said again by the next who looks. That a chunk is held must be there, as others would take it.
_LAX: Final = "SELECT set_config('synchronous_commit', 'off', true) AS said"
_RENEWED: Final = "until = clock_timestamp() + lease * interval '1 second'"
_REGISTER: Final = """
    INSERT INTO fi_async.workers (run, role, host, pid, version, began_at, lease, until, concurrency, changes)
    VALUES (%(run)s, %(role)s, %(host)s, %(pid)s, %(version)s, clock_timestamp(), %(lease)s,
        clock_timestamp() + %(lease)s * interval '1 second', %(concurrency)s, %(changes)s)
    RETURNING worker
"""
_MINE: Final = f"""
    WITH mine AS (
        UPDATE fi_async.workers SET {_RENEWED}, number = %(after)s, ended = ended + %(ended)s
        WHERE worker = %(worker)s AND NOT fenced AND number = %(before)s RETURNING worker
    )
"""
_PUTS_BACK: Final = """
    , back AS (
        UPDATE fi_async.chunks SET done = false, reopened = reopened + 1, worker = CASE WHEN NOT done THEN worker END
        WHERE run = %(run)s AND EXISTS (SELECT FROM mine) AND chunk IN (
            SELECT (
                SELECT chunk FROM fi_async.chunks WHERE run = %(run)s AND first <= each.n ORDER BY first DESC LIMIT 1
            ) FROM unnest(%(back)s::integer[]) AS each (n)
        )
    )
"""
_EVENTS: Final = """
    INSERT INTO fi_async.events (run, n, kind, at, worker, body)
    SELECT %(run)s, each.n, each.kind, each.at, mine.worker, each.body
    FROM mine, unnest(
        %(n)s::integer[], %(kind)s::smallint[], %(at)s::double precision[],
        string_to_array(%(body)s, E'\\x1f', E'\\x1e')
    ) WITH ORDINALITY AS each (n, kind, at, body, place)
    ORDER BY each.place
"""
_CLAIM: Final = f"""
    WITH mine AS (
        UPDATE fi_async.workers SET {_RENEWED} WHERE worker = %(worker)s AND NOT fenced RETURNING worker
    ), free AS (
        SELECT chunk FROM fi_async.chunks
        WHERE run = %(run)s AND NOT done AND worker IS NULL ORDER BY chunk LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE fi_async.chunks AS held SET worker = mine.worker, claims = claims + 1 FROM mine, free
    WHERE held.run = %(run)s AND held.chunk = free.chunk
    RETURNING held.chunk, held.first, held.last, held.reopened, {_CHANGES}
"""
_CLAIMED: Final = f"""
    SELECT chunk, first, last, reopened, {_CHANGES} FROM fi_async.chunks
    WHERE run = %(run)s AND NOT done AND worker = %(worker)s AND chunk <> ALL(%(held)s) ORDER BY chunk LIMIT 1
"""
# A server that was away has ended the leases of all: those who come back have a lease's time to renew theirs.
_PULSE: Final = f"""
    WITH mine AS (
        UPDATE fi_async.workers SET {_RENEWED}, changes = %(changes)s, spent = %(spent)s,
            spent_on = %(spent_on)s::jsonb
        FROM ({_LAX}) AS lax WHERE worker = %(worker)s AND NOT fenced AND said = 'off' RETURNING run
    )
    SELECT each.control, each.changes FROM fi_async.runs AS each JOIN mine ON mine.run = each.run
"""
_OTHERS: Final = """
    SELECT paid.key, sum(paid.value::double precision)
    FROM fi_async.workers AS other, jsonb_each_text(other.spent_on) AS paid
    WHERE other.run = %(run)s AND other.worker <> %(worker)s GROUP BY paid.key
"""
_GIVE_BACK: Final = """
    UPDATE fi_async.chunks SET worker = NULL WHERE run = %(run)s AND worker = %(worker)s AND NOT done
"""
_FENCE: Final = """
    WITH silent AS (
        SELECT worker FROM fi_async.workers
        WHERE run = %(run)s AND role = 'work' AND NOT fenced AND until < clock_timestamp()
            AND pg_postmaster_start_time() + lease * interval '1 second' < clock_timestamp()
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        UPDATE fi_async.workers AS each SET fenced = true FROM silent WHERE each.worker = silent.worker
        RETURNING each.worker
    )
    UPDATE fi_async.chunks AS held SET worker = NULL FROM gone WHERE held.worker = gone.worker AND held.run = %(run)s
        AND NOT held.done
"""
_IS_DONE: Final = f"(reopened = %(reopened)s AND (NOT %(of_shape)s OR {_CHANGES} = %(changes)s))"
_FINISH: Final = f"""
    UPDATE fi_async.chunks AS held
    SET done = {_IS_DONE}, worker = CASE WHEN {_IS_DONE} THEN worker END, {tallies.COUNTED}
    FROM (HOW) AS how
    WHERE run = %(run)s AND chunk = %(chunk)s AND worker = %(worker)s AND NOT done AND said <> ''
"""
_FINISH_IN: Final = _FINISH.replace("HOW", "SELECT 'as the transaction' AS said")
_FINISH_ALONE: Final = _FINISH.replace("HOW", _LAX)
_RELEASE: Final = """
    WITH mine AS (
        UPDATE fi_async.workers SET fenced = true, left_at = clock_timestamp()
        WHERE worker = %(worker)s AND NOT fenced RETURNING worker
    )
    UPDATE fi_async.chunks AS held SET worker = NULL FROM mine
    WHERE held.run = %(run)s AND held.worker = mine.worker AND NOT held.done
"""
_CASES: Final = """
    SELECT n, key, template, position, id, inputs FROM fi_async.cases
    WHERE run = %(run)s AND n BETWEEN %(first)s AND %(last)s ORDER BY n
"""
_HISTORY: Final = f"""
    SELECT n, kind, at, CASE WHEN kind <> {EventKind.ENDED} THEN body END FROM fi_async.events
    WHERE run = %(run)s AND n BETWEEN %(first)s AND %(last)s ORDER BY seq
"""
_STANDING: Final = f"""
    SELECT
        EXISTS (SELECT FROM fi_async.chunks WHERE run = %(run)s AND NOT done AND worker IS NULL),
        EXISTS (SELECT FROM fi_async.chunks WHERE run = %(run)s AND NOT done AND worker <> %(worker)s),
        EXISTS (
            SELECT FROM fi_async.events WHERE run = %(run)s AND n = 0 AND kind = {EventKind.READ}
            AND body = (SELECT max(pass)::text FROM fi_async.passes WHERE run = %(run)s)
        ),
        EXISTS (
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %(lock)s AND objid = %(run)s
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
"""


def _array(numbers: Iterable[float]) -> str:
    """Return an array as PostgreSQL writes it: to adapt lists of values takes a driver many times as long."""
    return f"{{{','.join(map(str, numbers))}}}"


def _texts(bodies: Sequence[str | None]) -> str:
    """Return texts as one, for `string_to_array` to take apart."""
    joined = _BETWEEN.join(_NOTHING if each is None else each for each in bodies)
    if joined.count(_BETWEEN) >= len(bodies):  # an id of a server's that is no text for people
        return _texts([each and each.replace(_BETWEEN, " ") for each in bodies])
    return joined.replace("\0", _NUL)


class LeaseLostError(JournalError):
    """Others took over what this worker held: its lease had ended."""


class StoredCase(NamedTuple):
    """One work as a store has it."""

    n: int
    key: str
    template: str
    position: int
    id: str | None
    inputs: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Cases with consecutive numbers that this worker holds.

    Attributes:
        chunk: Its number.
        first: The number of its first case.
        cases: Its cases.
        past: How they stand, numbered from 1.
        reopened: How often a retry or a load has put cases of it back.
        changes: How often the run had been changed when it was claimed: see `Leases`.
    """

    chunk: int
    first: int
    cases: Sequence[StoredCase]
    past: Past
    reopened: int
    changes: int


@dataclass(frozen=True, slots=True)
class RunStanding:
    """What is left of a run, as a worker without a chunk asks.

    Attributes:
        is_free: True if there is a chunk that nobody holds.
        is_held: True if others hold chunks that are not done.
        is_loaded: True if all cases of the last load are there.
        is_loading: True if somebody loads.
    """

    is_free: bool
    is_held: bool
    is_loaded: bool
    is_loading: bool

    @property
    def may_come(self) -> bool:
        """True if there may be something to do yet."""
        return self.is_free or self.is_held or (self.is_loading and not self.is_loaded)


@dataclass(slots=True)
class Leases:
    """What one worker holds of a run. Its calls block.

    Args:
        connection: To the store.
        role: "work", or "load" for who puts the cases there.
        lease: Seconds that it may be silent before others take over.
        concurrency: What status shows of it.

    Attributes:
        run: The run's number.
        worker: Its own.
        changes: How often the run has been changed, as far as this worker knows: by `fi-async control`, or by a load
            that asks another number of evaluations of each case.
        renewed: Called with each new connection.
    """

    connection: StoreConnection
    role: str
    lease: float
    concurrency: str = "auto"
    run: int = 0
    worker: int = 0
    changes: int = 0
    renewed: Callable[[], None] | None = None
    _number: int = 0
    _held: set[int] = field(default_factory=set)

    def register(self, run: int) -> None:
        """Take note of this worker."""
        self.run = run
        told = {
            "run": run,
            "role": self.role,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "lease": self.lease,
            "concurrency": self.concurrency,
            "changes": self.changes,
        }
        ((self.worker,),) = self.connection.execute(_REGISTER, told).fetchall()

    def _asked(self, **more: Any) -> dict[str, Any]:
        return {"run": self.run, "worker": self.worker, **more}

    def add(self, events: Sequence[KeptEvent], puts_back: Sequence[int] = ()) -> None:
        """Keep some events, all or none.

        Args:
            events: What happened.
            puts_back: Of which cases it wants another evaluation: their chunks are to do again.

        Raises:
            LeaseLostError: The lease had ended, and others took over: nothing is kept.
        """
        before, after = self._number, self._number + len(events)
        asked = self._asked(
            before=before,
            after=after,
            ended=sum(each.kind == EventKind.ENDED for each in events),
            n=_array(each.n for each in events),
            kind=_array(each.kind for each in events),
            at=_array(each.at for each in events),
            body=_texts([each.body for each in events]),
        )

        query = _MINE + _EVENTS
        if puts_back:
            query, asked["back"] = _MINE + _PUTS_BACK + _EVENTS, list(puts_back)

        def once(is_again: bool) -> bool:
            return self.connection.execute(query, asked).rowcount > 0 or (is_again and self._reached(after))

        if not self.connection.lasting(once, self.renewed):
            raise self.lost()
        self._number = after

    def _reached(self, number: int) -> bool:
        query = "SELECT number FROM fi_async.workers WHERE worker = %(worker)s"
        return self.connection.execute(query, self._asked()).fetchone() == (number,)

    def lost(self) -> LeaseLostError:
        """Return what to raise where others took over."""
        if self.role == "load":
            return LeaseLostError(
                f"{self.connection.url}: its tables, or the run, were changed meanwhile, by a newer version of"
                " fi-async or by hand: load it again"
            )
        return LeaseLostError(
            f"{self.connection.url}: this worker was silent for longer than its lease of {self.lease:g} s, and others"
            " took over what it had"
        )

    def pulse(self, spent: Mapping[str, float] | None = None) -> tuple[Mapping[str, Any], int]:
        """Hold on to the chunks for another lease, and look what was set.

        Args:
            spent: Dollars that this worker has spent, by judge.

        Returns:
            What `fi-async control` has set, and how often the run was changed.

        Raises:
            LeaseLostError: Others took over.
        """
        spent = spent or {}
        asked = self._asked(changes=self.changes, spent=math.fsum(spent.values()), spent_on=json.dumps(dict(spent)))
        found = self.connection.lasting(lambda _: self.connection.execute(_PULSE, asked).fetchone())
        if found is None:
            raise self.lost()
        control, changes = found
        return control, changes

    def spent_by_others(self) -> Mapping[str, float]:
        """Return the dollars that all other workers have spent, by judge: the more there are, the longer it takes."""
        return dict(self.connection.lasting(lambda _: self.connection.execute(_OTHERS, self._asked()).fetchall()))

    def give_back(self) -> None:
        """Leave the chunks to whoever claims them next, and go on."""
        self._held.clear()
        self.connection.lasting(lambda _: self.connection.execute(_GIVE_BACK, self._asked()).rowcount)

    def renew(self) -> None:
        """Hold on to the chunks for another lease.

        Raises:
            LeaseLostError: Others took over.
        """
        if not self.connection.lasting(lambda _: self.renew_in()):
            raise self.lost()

    def renew_in(self) -> bool:
        """Return True if the chunks are this worker's for another lease; no other takes them before a commit."""
        query = f"UPDATE fi_async.workers SET {_RENEWED} WHERE worker = %(worker)s AND NOT fenced"
        return self.connection.execute(query, self._asked()).rowcount > 0

    def fence_silent(self) -> None:
        """Take their chunks from workers whose lease has ended.

        After the store was away, they have a lease's time to come back, as this one has: a standby that took over has
        been up for long.
        """
        if time.monotonic() - self.connection.back_at < self.lease:
            return
        self.connection.lasting(lambda _: self.connection.execute(_FENCE, self._asked()).rowcount)

    def claim(self) -> Chunk | None:
        """Return a chunk that nobody holds, which is this worker's now; None if there is none.

        Raises:
            LeaseLostError: Others took over what this worker held.
        """

        def once(is_again: bool) -> Any:
            found = self.held_unknown() if is_again else None
            return found or self.connection.execute(_CLAIM, self._asked()).fetchone()

        found = self.connection.lasting(once)
        if found is None:
            self.renew()
            return None
        return self.connection.lasting(lambda _: self.take(*found))

    def take(self, chunk: int, first: int, last: int, reopened: int, changes: int) -> Chunk:
        """Return what there is of a chunk that is this worker's by now."""
        self._held.add(chunk)
        asked = self._asked(first=first, last=last)
        cases = [StoredCase(*row) for row in self.connection.execute(_CASES, asked).fetchall()]
        history = self.connection.execute(_HISTORY, asked).fetchall()
        places = ((each.n - first + 1, each.position) for each in cases)
        past = past_of(places, (), ((n - first + 1, kind, at, body) for n, kind, at, body in history))
        return Chunk(chunk, first, cases, past, reopened, changes)

    def held_unknown(self) -> tuple[int, ...] | None:
        """Return a chunk that is this worker's and that it was not told of, as an answer was lost; None if none is."""
        found: tuple[int, ...] | None = self.connection.execute(_CLAIMED, self._asked(held=list(self._held))).fetchone()
        return found

    def finish(self, chunk: Chunk, *, of_shape: bool = False) -> None:
        """Take note that all cases of a chunk have ended; those that were put back meanwhile are for the next.

        Args:
            chunk: As it was claimed.
            of_shape: True if that depends on how many evaluations a case has: if the run was changed since it was
                claimed, it is not done.
        """
        self.connection.lasting(lambda _: self._finish(_FINISH_ALONE, chunk, of_shape=of_shape))
        self._held.discard(chunk.chunk)

    def finish_in(self, chunk: Chunk, *, of_shape: bool) -> None:
        """Do as `finish`, in a transaction of the caller's."""
        self._finish(_FINISH_IN, chunk, of_shape=of_shape)

    def _finish(self, query: str, chunk: Chunk, *, of_shape: bool) -> None:
        asked = self._asked(chunk=chunk.chunk, reopened=chunk.reopened, changes=chunk.changes, of_shape=of_shape)
        self.connection.execute(query, asked)

    def forget(self, chunk: Chunk) -> None:
        """Take note that a chunk is held no more."""
        self._held.discard(chunk.chunk)

    def standing(self) -> RunStanding:
        """Return what is left of the run."""
        asked = self._asked(lock=LOADING)
        return self.connection.lasting(lambda _: RunStanding(*self.connection.execute(_STANDING, asked).fetchall()[0]))

    def leave(self) -> None:
        """Give back what is held, for others to take at once."""
        if self.worker:
            self.connection.execute(_RELEASE, self._asked())
