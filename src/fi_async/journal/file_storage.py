"""A run that is kept in a file of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError
from fi_async.journal import keys, lock, paid, reopening, replay, schema
from fi_async.journal.commits import KeptEvent
from fi_async.journal.encoding import to_text
from fi_async.journal.events import EventKind
from fi_async.journal.records import IMPORTED, RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.storage import Admitted, CaseRow, OpenedRun

_EVENTS_TABLE: Final = "events (n, kind, at, body)"

_OUTCOMES: Final = f"""
    SELECT json_group_array(json_array(events.n, events.body))
    FROM json_each(?) AS asked JOIN events ON events.n = asked.value AND events.kind = {EventKind.ENDED}
    ORDER BY events.seq
"""


class FileStorage:
    """A run's file, as a journal writes it. See `Storage`.

    Args:
        path: The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = ExitStack()  # the connection, and the lock, which is given up last
        self._count = 0

    def __repr__(self) -> str:
        return f"<FileStorage {self.path}>"

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def open(self, info: RunInfo, *, held_only: bool) -> OpenedRun:
        """Open the file, and take note of this pass, unless an earlier one was of another server or shard."""
        self._held.enter_context(closing(lock.locked(self.path)))
        self._connection = self._held.enter_context(closing(schema.open_writer(self.path)))
        with schema.explained(self.path):
            schema.bound(self._connection, self.path)
            past = replay.read(self._connection)
            self._count = past.count
            keys.set_up(self._connection)
            schema.unbound(self._connection)
            return self._begin_pass(info, past, held_only=held_only)

    def close(self) -> None:
        """Close the file, and give up its lock."""
        self._held.close()

    def give_up(self) -> None:
        """Do nothing: a file is there, or it is not."""

    def cut(self) -> None:
        """Do nothing: a disk cannot be told to answer."""

    def _begin_pass(self, info: RunInfo, past: Past, *, held_only: bool) -> OpenedRun:
        urls = self._connection.execute("SELECT DISTINCT json_extract(info, '$.base_url') FROM passes").fetchall()
        if IMPORTED in {each for (each,) in urls}:
            raise ConfigurationError(
                f"{self.path}: it holds results that were imported, and no run can go on with them: use another file"
            )
        if (url := info.base_url) not in (known := {each for (each,) in urls} or {url}):
            raise ConfigurationError(
                f"{self.path}: this run was made on {', '.join(sorted(known))}, and what was accepted there is unknown"
                f" on {url}: use another file"
            )
        passes = self._connection.execute("SELECT info FROM passes ORDER BY pass").fetchall()
        if passes:
            self._check_shard(info, json.loads(passes[-1][0]).get("shard"))
        reads_all = not held_only or past.read_in == len(passes)
        if held_only and passes:
            info = replace(info, evaluations=json.loads(passes[-1][0]).get("evaluations"))
        told = (info.started_at, to_text(asdict(info)))
        begun = self._connection.execute("INSERT INTO passes (at, info) VALUES (?, ?)", told)
        return OpenedRun(past, begun.lastrowid or 0, reads_all)

    def _check_shard(self, info: RunInfo, kept: Sequence[int] | None) -> None:
        is_kept, is_now = replace(info, shard=kept).part, info.part
        if is_kept != is_now:
            raise ConfigurationError(
                f"{self.path}: it keeps {is_kept or 'a whole run'}, and this is {is_now or 'a whole run'}: each shard"
                " needs a file of its own"
            )

    def admit(self, rows: Sequence[CaseRow], now: float, has_ended: Callable[[int], bool]) -> Admitted:
        """Put the rows that are not in the file yet into it, and return which case each is."""
        with schema.explained(self.path):
            numbers = dict(keys.find(self._connection, [row.key for row in rows]))
            first = self._count + 1
            firsts: dict[str, CaseRow] = {}
            for row in rows:  # numbered as they stand in the input; equal ones where the first of them does
                firsts.setdefault(row.key, row)
            new = [row for row in firsts.values() if row.key not in numbers]
            numbers |= {row.key: n for n, row in enumerate(new, first)}
            if new:
                ended = [(n, row.ended) for n, row in enumerate(new, first) if row.ended is not None]
                events = [(n, int(EventKind.ENDED), now, body) for n, body in ended]
                with schema.transaction(self._connection):
                    schema.insert(self._connection, "cases", [(n, *row[:-1]) for n, row in enumerate(new, first)])
                    if events:  # at once: looked at without it, what is kept of such a case could be sent
                        schema.insert(self._connection, _EVENTS_TABLE, events)
                keys.add(self._connection, first, [row.key for row in new])
                self._count += len(new)
            before = {n for n in numbers.values() if n < first and has_ended(n)}
            outcomes = self.outcomes(sorted(before)) if before else {}
        return Admitted([numbers[row.key] for row in rows], outcomes)

    def known(self, keys_of: Sequence[str]) -> Mapping[str, int]:
        """Return the numbers of those works that there are, by their keys."""
        return keys.find(self._connection, keys_of)

    def outcomes(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of the outcomes that these cases ended in last, as far as they did."""
        rows = self._connection.execute(_OUTCOMES, (json.dumps(numbers),)).fetchone()
        return dict(json.loads(rows[0]))

    def add(self, events: Sequence[KeptEvent]) -> None:
        """Commit some events, all or none."""
        with schema.explained(self.path), schema.transaction(self._connection):
            schema.insert(self._connection, _EVENTS_TABLE, events)

    def without_score(self, past: Past) -> list[tuple[int, str, str]]:
        """Return the cases that ended without a score, and what reopens each."""
        return reopening.without_score(self._connection, self.path, past)

    def statuses(self) -> Counter[str]:
        """Return how many different cases ended in each status."""
        with schema.explained(self.path):
            return replay.statuses(self._connection)

    def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template."""
        with schema.explained(self.path):
            return paid.dollars_by_template(self._connection)
