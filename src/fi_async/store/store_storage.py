"""A run in a store, as a journal writes it that loads its cases, or asks for a retry. See `journal.storage.Storage`."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Final

from fi_async._errors import ConfigurationError, JournalError
from fi_async._run_url import RunUrl
from fi_async.journal.commits import KeptEvent
from fi_async.journal.encoding import to_text
from fi_async.journal.events import EventKind
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.storage import Admitted, CaseRow, OpenedRun
from fi_async.store import store_queries, store_schema
from fi_async.store.leases import LOADING, Leases
from fi_async.store.store_connection import StoreConnection

LEASE: Final = 30.0
"""Seconds that a worker may be silent before others take over."""

_TRIES: Final = 10  # to lock a run that somebody loads
_BETWEEN_TRIES: Final = 0.1  # seconds
_MOST_IN_CHUNK: Final = 200
_LEAST_IN_CHUNK: Final = 10
_CHUNKS: Final = 100  # as many at least as there are cases for, so that workers end at about the same time
_PUTS_BACK: Final = (EventKind.REOPENED, EventKind.PLACED)
_PUT: Final = """
    INSERT INTO fi_async.cases (run, n, key, template, position, id, inputs)
    SELECT %(run)s, each.* FROM unnest(
        %(n)s::integer[], %(key)s::text[], %(template)s::text[], %(position)s::bigint[], %(id)s::text[],
        %(inputs)s::text[]
    ) AS each
"""
_PUT_ENDED: Final = f"""
    INSERT INTO fi_async.events (run, n, kind, at, worker, body)
    SELECT %(run)s, each.n, {EventKind.ENDED}, %(at)s, %(worker)s, each.body
    FROM unnest(%(n)s::integer[], %(body)s::text[]) AS each (n, body)
"""
_CHUNK: Final = """
    INSERT INTO fi_async.chunks (run, chunk, first, last)
    SELECT %(run)s, coalesce((SELECT max(chunk) FROM fi_async.chunks WHERE run = %(run)s), 0) + 1, %(first)s, %(last)s
"""
_OUTCOMES: Final = f"""
    SELECT DISTINCT ON (n) n, body FROM fi_async.events
    WHERE run = %(run)s AND n = ANY(%(n)s) AND kind = {EventKind.ENDED} ORDER BY n, seq DESC
"""


class StoreStorage:
    """A run in a store, open for one who loads its cases or reopens some; workers go on meanwhile.

    Args:
        url: Of the run.
        begins_pass: False to reopen cases only: the run's facts stay as they are.
    """

    def __init__(self, url: RunUrl, *, begins_pass: bool = True) -> None:
        self.url = url
        self._begins_pass = begins_pass
        self._connection: StoreConnection | None = None
        self._leases: Leases | None = None
        self._count = 0
        self._in_chunk = _MOST_IN_CHUNK

    def __repr__(self) -> str:
        return f"<StoreStorage {self.url}>"

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.url)

    @property
    def _open(self) -> Leases:
        if self._leases is None:
            raise JournalError(f"{self.url}: it is not open")
        return self._leases

    def open(self, info: RunInfo, *, held_only: bool) -> OpenedRun:  # noqa: ARG002  # as of every storage
        """Open it, and take note of this pass, unless the run was made of other questions, or somebody loads it."""
        self._connection = connection = StoreConnection(self.url)
        with connection.explained():
            store_schema.set_up(connection)
            run = store_schema.run_of(connection, made_at=info.started_at if self._begins_pass else None)
            self._lock(connection, run)
            passes = store_queries.passes(connection, run)
            if passes and self._begins_pass:
                self._check(RunInfo(**_known(json.loads(passes[-1][1]))), info)
            past = store_queries.past(connection, run)
            self._count = past.count
            number = self._begin_pass(connection, run, info, len(passes)) if self._begins_pass else len(passes)
            self._leases = Leases(connection, "load", LEASE)
            self._leases.register(run)
            self._leases.renewed = lambda: self._lock(connection, run)  # which ended with the connection
        return OpenedRun(past, number, reads_all=True)

    def _lock(self, connection: StoreConnection, run: int) -> None:
        asked = {"lock": LOADING, "run": run}
        for _ in range(_TRIES):
            ((is_ours,),) = connection.execute("SELECT pg_try_advisory_lock(%(lock)s, %(run)s)", asked).fetchall()
            if is_ours:
                return
            time.sleep(_BETWEEN_TRIES)  # a server takes a moment to know that whoever had it has left
        raise JournalError(f"{self.url}: another process loads this run: wait for it to end, or name another run")

    def _check(self, before: RunInfo, now: RunInfo) -> None:
        """Raise if this run was begun with other questions: cases of both would be mixed up."""
        if before.base_url != now.base_url:
            raise ConfigurationError(
                f"{self.url}: this run was made on {before.base_url}, and what was accepted there is unknown on"
                f" {now.base_url}: name another run"
            )
        asked, asks = (json.loads(to_text(list(each.questions))) for each in (before, now))
        if asked != asks:
            raise ConfigurationError(
                f"{self.url}: this run evaluates {', '.join(before.templates)}, and not"
                f" {_difference(asked, asks)}: name another run"
            )

    def _begin_pass(self, connection: StoreConnection, run: int, info: RunInfo, passes: int) -> int:
        if info.evaluations is not None:
            self._in_chunk = max(_LEAST_IN_CHUNK, min(_MOST_IN_CHUNK, info.evaluations // _CHUNKS))
        info = replace(info, name=self.url.run)
        told = {"run": run, "pass": passes + 1, "at": info.started_at, "info": to_text(asdict(info))}
        connection.execute(
            "INSERT INTO fi_async.passes (run, pass, at, info) VALUES (%(run)s, %(pass)s, %(at)s, %(info)s)", told
        )
        return passes + 1

    def close(self) -> None:
        """Leave the run, and close the connection."""
        if self._connection is None:
            return
        with suppress(Exception):  # what is left is a lease that ends by itself, and a lock that ends with it
            if self._leases is not None:
                self._leases.leave()
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def give_up(self) -> None:
        """Wait no longer for a store that is away. Called from any thread."""
        if self._connection is not None:
            self._connection.give_up()

    def cut(self) -> None:
        """Break the connection: whoever waits for an answer has an error instead. Called from any thread."""
        if self._connection is not None:
            self._connection.cut()

    def admit(self, rows: Sequence[CaseRow], now: float, has_ended: Callable[[int], bool]) -> Admitted:
        """Put the rows that are not there yet, in chunks, and return which case each is."""
        connection, leases = self._open.connection, self._open
        firsts: dict[str, CaseRow] = {}
        for row in rows:
            firsts.setdefault(row.key, row)

        def once(is_again: bool) -> dict[str, int]:
            known = self._numbers(list(firsts))
            new = [row for row in firsts.values() if row.key not in known]
            first = self._count + 1
            if is_again and not new:
                self._count = max(self._count, *known.values())
            if new:
                with connection.transaction():
                    self._put(new, first, now)
                self._count += len(new)
            return known | {row.key: n for n, row in enumerate(new, first)}

        before = self._count
        numbers = connection.lasting(once, leases.renewed)
        ended = sorted({n for n in numbers.values() if n <= before and has_ended(n)})
        return Admitted([numbers[row.key] for row in rows], self.outcomes(ended) if ended else {})

    def _numbers(self, keys: Sequence[str]) -> dict[str, int]:
        query = "SELECT key, n FROM fi_async.cases WHERE run = %(run)s AND key = ANY(%(keys)s)"
        return dict(self._open.connection.execute(query, {"run": self._open.run, "keys": keys}).fetchall())

    def _put(self, new: Sequence[CaseRow], first: int, now: float) -> None:
        """Put new rows, and the outcomes of those that have ended: looked at without it, such a case could be sent."""
        connection, run = self._open.connection, self._open.run
        columns: dict[str, Any] = {
            name: [_storable(getattr(row, name)) for row in new] for name in ("key", "template", "id", "inputs")
        }
        places = [row.position for row in new]
        numbers = range(first, first + len(new))
        connection.execute(_PUT, {"run": run, "n": list(numbers), "position": places, **columns})
        ended = {n: row.ended for n, row in zip(numbers, new, strict=True) if row.ended is not None}
        if ended:
            told = {"run": run, "worker": self._open.worker, "at": now, "n": list(ended), "body": list(ended.values())}
            connection.execute(_PUT_ENDED, told)
        if len(ended) < len(new):
            for start in range(first, first + len(new), self._in_chunk):
                last = min(start + self._in_chunk, first + len(new)) - 1
                connection.execute(_CHUNK, {"run": run, "first": start, "last": last})

    def outcomes(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of the outcomes that these cases ended in last, as far as they did."""
        asked = {"run": self._open.run, "n": list(numbers)}
        connection = self._open.connection
        return dict(connection.lasting(lambda _: connection.execute(_OUTCOMES, asked).fetchall()))

    def add(self, events: Sequence[KeptEvent]) -> None:
        """Keep some events, all or none, and give back to workers the chunks of what they put back."""
        self._open.add(events, puts_back=[each.n for each in events if each.kind in _PUTS_BACK])

    def without_score(self, past: Past) -> list[tuple[int, str, str]]:
        """Return the cases that ended without a score, and what reopens each."""
        connection = self._open.connection
        return connection.lasting(lambda _: store_queries.without_score(connection, self._open.run, past))

    def statuses(self) -> Counter[str]:
        """Return how many different cases ended in each status."""
        connection = self._open.connection
        return connection.lasting(lambda _: store_queries.statuses(connection, self._open.run))

    def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template."""
        connection = self._open.connection
        return connection.lasting(lambda _: store_queries.dollars_by_template(connection, self._open.run))


def _storable(text: str | None) -> str | None:
    """Return a text that PostgreSQL takes: it has no letter with the number 0."""
    return None if text is None else text.replace("\0", "\\u0000")


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name in RunInfo.__dataclass_fields__}


def _difference(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    """Return in which words two runs differ."""
    names = [each["template"] for each in now]
    if names != [each["template"] for each in before]:
        return ", ".join(names)
    for one, other in zip(before, now, strict=True):
        for key in one.keys() | other.keys():
            if one.get(key) != other.get(key):
                what = "what answers it (its source, criteria or judge)" if key == "fingerprint" else key
                return f"{other['template']} with another {what}"
    return "these"
