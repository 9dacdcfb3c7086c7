"""The journal: writes what happens to a run's cases into its file, from the event loop and without blocking it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import anyio

from fi_async._errors import ConfigurationError, JournalError
from fi_async._models import OutcomeStatus
from fi_async._threads import Worker
from fi_async.journal import keys, lock, paid, reopening, replay, schema
from fi_async.journal.encoding import to_text
from fi_async.journal.records import IMPORTED, RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.schema import EventKind

Clock = Callable[[], float]

_EVENTS_TABLE: Final = "events (n, kind, at, body)"
_CLOSING: Final = 10.0  # seconds that the last commit may take

_OUTCOMES: Final = f"""
    SELECT json_group_array(json_array(events.n, events.body))
    FROM json_each(?) AS asked JOIN events ON events.n = asked.value AND events.kind = {EventKind.ENDED}
    ORDER BY events.seq
"""


class CaseRow(NamedTuple):
    """One work as it is put into the file; with its outcome, if it ended before it began."""

    key: str
    template: str
    position: int
    id: str | None
    inputs: str
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which case of the file a row is, and the text of its outcome if it had ended before."""

    n: int
    ended: str | None


class Journal:
    """A run's file, open for writing: by one at a time. Events are committed in groups by a thread of its own.

    Use it in `async with`: leaving it commits what is still to be written, and closes the file.

    Args:
        path: The file; made if it is not there.
        info: The run's facts.
        clock: Seconds since the epoch.
        held_only: See RunFile.

    Attributes:
        past: How the cases stand.
        stood: How many cases had ended before this pass, and how many of them without a score; zeros where some of
            them are removed or reopened, or are several cases that are equal.
        pass_number: Which pass this is: the first is 1.
        reads_all: True if all cases of the run have been read once those of this pass have.

    Raises:
        JournalError: It cannot be opened, or another process writes it.
        ConfigurationError: It keeps a run of another server.
    """

    past: Past
    stood: tuple[int, int] = (0, 0)
    pass_number: int
    reads_all: bool

    def __init__(self, path: Path, info: RunInfo, clock: Clock = time.time, *, held_only: bool = False) -> None:
        self.path = path
        self._info = info
        self._clock = clock
        self._held_only = held_only
        self._worker = Worker("fi_async-journal")
        self._held = ExitStack()  # the connection, and the lock, which is given up last
        self._events: list[tuple[Any, ...]] = []
        self._then: list[Callable[[], None]] = []
        self._next = asyncio.Event()  # set once what is buffered is committed
        self._committing: asyncio.Event | None = None
        self._is_due = False
        self._failure: JournalError | None = None

    def __repr__(self) -> str:
        return f"<Journal {self.path} cases={self.past.count}>"

    async def __aenter__(self) -> Self:
        try:
            await self._worker.call(self._open)
        except BaseException:
            with anyio.CancelScope(shield=True):  # the thread goes on opening what a cancellation waits for no more
                await self._worker.call(self._held.close)
            self._worker.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
            try:
                await self.flush()
            except JournalError:
                if error is None:
                    raise
            finally:
                await self._worker.call(self._held.close)
                self._worker.close()

    def _open(self) -> None:
        self._held.enter_context(closing(lock.locked(self.path)))
        self._connection = self._held.enter_context(closing(schema.open_writer(self.path)))
        with schema.explained(self.path):
            schema.bound(self._connection, self.path)
            self.past = replay.read(self._connection)
            self._count = self.past.count
            keys.set_up(self._connection)
            schema.unbound(self._connection)
            self._begin_pass()

    def _begin_pass(self) -> None:
        """Take note of this pass, unless an earlier one was made on another server."""
        urls = self._connection.execute("SELECT DISTINCT json_extract(info, '$.base_url') FROM passes").fetchall()
        url, known = self._info.base_url, {each for (each,) in urls} or {self._info.base_url}
        if url != IMPORTED and IMPORTED in known:
            raise ConfigurationError(
                f"{self.path}: it holds results that were imported, and no run can go on with them: use another file"
            )
        if url not in known:
            raise ConfigurationError(
                f"{self.path}: this run was made on {', '.join(sorted(known))}, and what was accepted there is unknown"
                f" on {url}: use another file"
            )
        passes = self._connection.execute("SELECT info FROM passes ORDER BY pass").fetchall()
        self.reads_all = not self._held_only or self.past.read_in == len(passes)
        if self._held_only and passes:
            self._info = replace(self._info, evaluations=json.loads(passes[-1][0]).get("evaluations"))
        info = to_text(asdict(self._info))
        begun = self._connection.execute("INSERT INTO passes (at, info) VALUES (?, ?)", (self._info.started_at, info))
        self.pass_number = begun.lastrowid or 0

    @property
    def is_behind(self) -> bool:
        """True if something is still to be committed, or never will be."""
        return bool(self._events) or self._committing is not None or self._failure is not None

    # Cases

    async def admit(self, rows: Sequence[CaseRow]) -> list[Numbered]:
        """Put the rows that are not in the file yet into it, and return which case each is.

        Raises:
            JournalError: The file cannot be written.
        """
        now = self._clock()
        numbers, outcomes = await self._worker.call(lambda: self._admit(rows, now))
        for row, n in zip(rows, numbers, strict=True):
            if n > self.past.count:
                self.past.add(row.position)
                if row.ended is not None:
                    self.past.take(n, EventKind.ENDED)
        return [Numbered(n, outcomes.get(n)) for n in numbers]

    def _admit(self, rows: Sequence[CaseRow], now: float) -> tuple[list[int], dict[int, str]]:
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
                with _transaction(self._connection):
                    schema.insert(self._connection, "cases", [(n, *row[:-1]) for n, row in enumerate(new, first)])
                    if events:  # at once: looked at without it, what is kept of such a case could be sent
                        schema.insert(self._connection, _EVENTS_TABLE, events)
                keys.add(self._connection, first, [row.key for row in new])
                self._count += len(new)
            before = {n for n in numbers.values() if n < first and self.past.has_ended(n)}
            outcomes = self._outcomes(sorted(before)) if before else {}
        return [numbers[row.key] for row in rows], outcomes

    async def outcome(self, n: int) -> str | None:
        """Return the text of the outcome that a case ended in, once it is committed."""
        await self.flush()
        return (await self._worker.call(lambda: self._outcomes([n]))).get(n)

    def _outcomes(self, numbers: Sequence[int]) -> dict[int, str]:
        rows = self._connection.execute(_OUTCOMES, (json.dumps(numbers),)).fetchone()
        return dict(json.loads(rows[0]))

    async def reopen(self, retried: Collection[str]) -> int:
        """Let what ended so count as not ended, and return how many cases that are; see `RunFile.retry`.

        Raises:
            JournalError: The file cannot be read.
        """
        ended = await self._worker.call(lambda: reopening.without_score(self._connection, self.path, self.past))
        counted = await self._worker.call(self._statuses)
        is_plain = not self.past.also and self.past.held == self.past.count and counted.total() == self.past.done
        reopened = [(n, known) for n, how, known in ended if how in retried]
        for n, known in reopened:
            self.write(n, EventKind.REOPENED, known)
        if is_plain:
            self.stood = self.past.done, self.past.done - counted[OutcomeStatus.SCORED]
        return len(reopened)

    async def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template.

        Raises:
            JournalError: The file cannot be read.
        """
        return await self._worker.call(self._paid)

    def _paid(self) -> Mapping[str, float]:
        with schema.explained(self.path):
            return paid.dollars_by_template(self._connection)

    def _statuses(self) -> Counter[str]:
        with schema.explained(self.path):
            return replay.statuses(self._connection)

    def seconds_since(self, at: float) -> float:
        """Return how long ago something was written, by the wall clock."""
        return max(0.0, self._clock() - at)

    # Events

    def write(self, n: int, kind: EventKind, body: str | None = None, then: Callable[[], None] | None = None) -> None:
        """Take note of an event; `then` is called once it is committed, or cannot be any more."""
        at = self._clock()
        self.past.take(n, kind, at, body)
        self._events.append((n, int(kind), at, body))
        if then is not None:
            self._then.append(then)
        if self._committing is None and not self._is_due:
            # At the end of this turn of the loop: what others write in the same turn shares the commit.
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._commit)

    async def flush(self) -> None:
        """Return once all that was written is committed.

        Raises:
            JournalError: It cannot be.
        """
        awaited = self._next if self._events else self._committing
        if awaited is not None:
            await awaited.wait()
        if self._failure is not None:
            raise self._failure

    def _commit(self) -> None:
        """Hand what is buffered to the thread; what is written meanwhile makes the next group."""
        self._is_due = False
        events, then, done = self._events, self._then, self._next
        self._events, self._then, self._next = [], [], asyncio.Event()

        def ended(future: Future[None] | None = None) -> None:
            if future is not None:
                self._committing = None
                self._failure = self._failure or _failure(self.path, future.exception())
            try:
                for each in then:
                    each()
            finally:
                done.set()
                if self._events and not self._is_due:
                    self._commit()

        if self._failure is not None:
            ended()  # what follows an event that is not in the file must not be in it either
            return
        self._committing = done
        self._worker.start(lambda: self._add(events), ended)

    def _add(self, events: list[tuple[Any, ...]]) -> None:
        with schema.explained(self.path), _transaction(self._connection):
            schema.insert(self._connection, _EVENTS_TABLE, events)


def _failure(path: Path, error: BaseException | None) -> JournalError | None:
    if error is None or isinstance(error, JournalError):
        return error
    return JournalError(f"{path}: it cannot be written: {type(error).__name__}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
