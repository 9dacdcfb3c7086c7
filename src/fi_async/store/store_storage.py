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
from fi_async.journal.gathered import evaluations_of
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.storage import Admitted, CaseRow, OpenedRun
from fi_async.panels.shape import PanelShape, shapes_of
from fi_async.store import store_queries, store_schema, tallies
from fi_async.store.leases import LOADING, Leases
from fi_async.store.store_cases import chunks_of, put_cases, put_chunk
from fi_async.store.store_connection import StoreConnection

LEASE: Final = 30.0
"""Seconds that a worker may be silent before others take over."""

_TRIES: Final = 20  # to lock a run that somebody loads; workers hold it for an instant, too
_BETWEEN_TRIES: Final = 0.05  # seconds
_TRIES_AGAIN: Final = round(LEASE / _BETWEEN_TRIES)  # by then, a server knows that a connection is gone
_MOST_IN_CHUNK: Final = 200
_LEAST_IN_CHUNK: Final = 10
_CHUNKS: Final = 100  # as many at least as there are cases for, so that workers end at about the same time
_WHO: Final = ("fingerprint", "jury", "judge_model", "judge_url")
_OF_PANELS: Final = ("panel",)
_OF_JURIES: Final = ("panel", "jurors", "fingerprint", "model")
_ANSWERER: Final = "what answers it (its source, criteria or judge)"
_PUTS_BACK: Final = (EventKind.REOPENED, EventKind.PLACED)
_PUT_ENDED: Final = f"""
    INSERT INTO fi_async.events (run, n, kind, at, worker, body)
    SELECT %(run)s, each.n, {EventKind.ENDED}, %(at)s, %(worker)s, each.body
    FROM unnest(%(n)s::integer[], %(body)s::text[]) AS each (n, body)
"""
_COUNTED: Final = f"""
    UPDATE fi_async.chunks AS held SET {tallies.COUNTED} WHERE run = %(run)s AND first >= %(first)s AND done
"""
_CHANGED: Final = "UPDATE fi_async.runs SET changes = changes + 1 WHERE run = %(run)s"
_PUT_ALL_BACK: Final = """
    UPDATE fi_async.chunks SET done = false, reopened = reopened + 1, worker = CASE WHEN NOT done THEN worker END
    WHERE run = %(run)s
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
        self._clock_ahead = 0.0  # the store's, of the clock of whoever loads
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
        began = time.monotonic()
        self._connection = connection = StoreConnection(self.url)
        with connection.explained():
            store_schema.set_up(connection)
            run = store_schema.run_of(connection, made_at=info.started_at if self._begins_pass else None)
            self._lock(connection, run)
            self._clock_ahead = store_queries.now(connection) - info.started_at - (time.monotonic() - began)
            passes = store_queries.passes(connection, run)
            is_changed = False
            if passes and self._begins_pass:
                before = RunInfo(**_known(json.loads(passes[-1][1])))
                self._check(before, info)
                is_changed = _panels(before.questions) != _panels(info.questions)
            number = len(passes)
            if self._begins_pass:
                number = self._begin_pass(connection, run, info, len(passes), is_changed=is_changed)
            past = store_queries.past(connection, run)
            self._count = past.count
            self._leases = Leases(connection, "load", LEASE)
            self._leases.register(run)
            self._leases.renewed = lambda: self._lock_again(connection, run, number)
        return OpenedRun(past, number, reads_all=True)

    def _lock(self, connection: StoreConnection, run: int, tries: int = _TRIES) -> None:
        asked = {"lock": LOADING, "run": run}
        for _ in range(tries):
            ((is_ours,),) = connection.execute("SELECT pg_try_advisory_lock(%(lock)s, %(run)s)", asked).fetchall()
            if is_ours:
                return
            if connection.is_given_up_within(_BETWEEN_TRIES):
                break
        raise JournalError(f"{self.url}: another process loads this run: wait for it to end, or name another run")

    def _lock_again(self, connection: StoreConnection, run: int, passes: int) -> None:
        """Lock the run once more: the lock ended with the connection, as soon as the server knew of that."""
        self._lock(connection, run, _TRIES_AGAIN)
        if len(store_queries.passes(connection, run)) != passes:
            raise JournalError(f"{self.url}: while the store was away, another process loaded this run: load it again")

    def _check(self, before: RunInfo, now: RunInfo) -> None:
        """Raise if this run was begun with other questions: cases of both would be mixed up."""
        if before.base_url != now.base_url:
            raise ConfigurationError(
                f"{self.url}: this run was made on {before.base_url}, and what was accepted there is unknown on"
                f" {now.base_url}: name another run"
            )
        asked, asks = (json.loads(to_text(list(each.questions))) for each in (before, now))
        if list(map(_lasting, asked)) != list(map(_lasting, asks)) or _other_juror(asked, asks) is not None:
            raise ConfigurationError(
                f"{self.url}: this run evaluates {', '.join(before.templates)}, and not"
                f" {_difference(asked, asks)}: name another run"
            )

    def _begin_pass(
        self, connection: StoreConnection, run: int, info: RunInfo, passes: int, *, is_changed: bool
    ) -> int:
        """Take note of a pass; if each case has other evaluations than before, workers are to look at it anew."""
        shapes = shapes_of(json.loads(to_text(list(info.questions))))
        if info.evaluations is not None:
            of_a_case = sum(evaluations_of(shapes, info.templates))
            works = info.evaluations * of_a_case // (len(info.templates) or 1)
            self._in_chunk = max(_LEAST_IN_CHUNK, min(_MOST_IN_CHUNK, works // _CHUNKS))
        info = replace(info, name=self.url.run, started_at=info.started_at + self._clock_ahead)
        told = {"run": run, "pass": passes + 1, "at": info.started_at, "info": to_text(asdict(info))}
        with connection.transaction():
            connection.execute(
                "INSERT INTO fi_async.passes (run, pass, at, info) VALUES (%(run)s, %(pass)s, %(at)s, %(info)s)", told
            )
            if is_changed:
                connection.execute(_CHANGED, {"run": run})
                connection.execute(_PUT_ALL_BACK, {"run": run})
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
                    if not leases.renew_in():
                        raise leases.lost()
                    self._put(new, first, now)
                self._count += len(new)
            return known | {row.key: n for n, row in enumerate(new, first)}

        before = self._count
        numbers = connection.lasting(once, leases.renewed)
        ended = sorted({n for n in numbers.values() if n <= before and has_ended(n)})
        return Admitted([numbers[row.key] for row in rows], self.outcomes(ended) if ended else {})

    def known(self, keys_of: Sequence[str]) -> Mapping[str, int]:
        """Return the numbers of those works that there are, by their keys."""
        return self._open.connection.lasting(lambda _: self._numbers(keys_of), self._open.renewed)

    def _numbers(self, keys: Sequence[str]) -> dict[str, int]:
        query = "SELECT key, n FROM fi_async.cases WHERE run = %(run)s AND key = ANY(%(keys)s)"
        return dict(self._open.connection.execute(query, {"run": self._open.run, "keys": keys}).fetchall())

    def _put(self, new: Sequence[CaseRow], first: int, now: float) -> None:
        """Put new rows, and the outcomes of those that have ended: looked at without it, such a case could be sent."""
        connection, run = self._open.connection, self._open.run
        put_cases(connection, run, new, first)
        ended = {n: row.ended for n, row in enumerate(new, first) if row.ended is not None}
        if ended:
            told = {
                "run": run,
                "worker": self._open.worker,
                "at": now + self._clock_ahead,
                "n": list(ended),
                "body": list(ended.values()),
            }
            connection.execute(_PUT_ENDED, told)
        for start, last in chunks_of(new, self._in_chunk):
            is_done = all(first + place in ended for place in range(start, last + 1))
            put_chunk(connection, run, first + start, first + last, is_done=is_done)
        if ended:
            connection.execute(_COUNTED, {"run": run, "first": first})

    def outcomes(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of the outcomes that these cases ended in last, as far as they did."""
        asked = {"run": self._open.run, "n": list(numbers)}
        connection = self._open.connection
        return dict(connection.lasting(lambda _: connection.execute(_OUTCOMES, asked).fetchall()))

    def add(self, events: Sequence[KeptEvent]) -> None:
        """Keep some events, all or none, and give back to workers the chunks of what they put back."""
        at_its_time = [each._replace(at=each.at + self._clock_ahead) for each in events]
        self._open.add(at_its_time, puts_back=[each.n for each in events if each.kind in _PUTS_BACK])

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


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name in RunInfo.__dataclass_fields__}


def _panels(questions: Sequence[Mapping[str, Any]]) -> Mapping[str, PanelShape]:
    return shapes_of(json.loads(to_text(list(questions))))


def _lasting(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of a question may never be another: how often it is asked may, and who is in a jury."""
    changing = _OF_JURIES if asked.get("jurors") else _OF_PANELS
    return {name: value for name, value in asked.items() if name not in changing} | {"jury": "jurors" in asked}


def _other_juror(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in which words a juror is another judge than the one of that name before; None if none is."""
    for one, other in zip(before, now, strict=True):
        known = {each["name"]: each for each in one.get("jurors", ())}
        for each in other.get("jurors", ()):
            if known.get(each["name"], each) != each:
                return f"{other['template']} with another judge {each['name']!r}"
    return None


def _difference(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    """Return in which words two runs differ."""
    names = [each["template"] for each in now]
    if names != [each["template"] for each in before]:
        return ", ".join(names)
    if (judge := _other_juror(before, now)) is not None:
        return judge
    for one, other in zip(map(_lasting, before), map(_lasting, now), strict=True):
        for key in sorted(one.keys() | other.keys(), key=lambda name: (name not in _WHO, name)):
            if one.get(key) != other.get(key):
                what = "what answers it (its source, criteria or judge)" if key in _WHO else key
                return f"{other['template']} with another {what}"
    return "these"
