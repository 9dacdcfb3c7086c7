"""One worker of a run: claims chunks, keeps what becomes of their cases, and holds on to them while it works."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio

from fi_async._errors import JournalError
from fi_async._models import Case, Outcome
from fi_async._run_url import RunUrl
from fi_async._threads import Worker as Thread
from fi_async.engine.attempts import Context
from fi_async.engine.intake import Intake, Question
from fi_async.engine.work import Work
from fi_async.journal.commits import Commits, KeptEvent
from fi_async.journal.events import EventKind
from fi_async.journal.identity import Keys
from fi_async.journal.keeping import Item, KeptLedger, continued
from fi_async.journal.records import RunInfo
from fi_async.pacing.purse import Purse
from fi_async.panels.panel import seat
from fi_async.panels.shape import Seat
from fi_async.store import store_queries, store_schema
from fi_async.store.leases import Chunk, Leases, RunStanding, StoredCase
from fi_async.store.run_control import Control
from fi_async.store.store_connection import StoreConnection

T = TypeVar("T")

_CLOSING: Final = 10.0  # seconds that the last commit may take
_LEAVING: Final = 3.0  # seconds that giving back what is held may take
_RENEWALS: Final = 3  # in the time of a lease, where no commit renews it
_log: Final = logging.getLogger("fi_async")
_LOOK: Final = 1.0  # seconds between two looks for what `fi-async control` has set


class WorkerJournal:
    """What one worker keeps of a run in a store. Events are committed in groups by a thread of its own.

    Use it in `async with`: leaving it commits what is still to be written, and gives back what is held.

    Args:
        url: Of the run.
        lease: Seconds that it may be silent before others take over.
        concurrency: What status shows of it.

    Attributes:
        info: The run's facts.
        control: What `fi-async control` has set.
        spent_here: Dollars that this worker has spent.
        purses: What may be spent: they are told what other workers spend.

    Raises:
        JournalError: The store cannot be used, or has no such run.
    """

    info: RunInfo
    control: Control

    def __init__(self, url: RunUrl, lease: float, concurrency: str = "auto") -> None:
        self.url = url
        self.lease = lease
        self._concurrency = concurrency
        self._thread = Thread("fi_async-store")
        self._connection: StoreConnection | None = None
        self._leases: Leases | None = None
        self._clock_ahead = 0.0
        self._others = 0.0
        self.spent_here = 0.0
        self.purses: Sequence[Purse] = ()

    def __repr__(self) -> str:
        return f"<WorkerJournal {self.url}>"

    async def __aenter__(self) -> Self:
        try:
            await self._thread.call(self._open)
        except BaseException:
            await self._closed()
            raise
        self._commits = Commits(self._thread, self.leases.add, str(self.url))
        self._changed = anyio.Event()
        self._holding = asyncio.create_task(self._hold())
        return self

    def _open(self) -> None:
        self._connection = connection = StoreConnection(self.url)
        with connection.explained():
            if store_schema.version_of(connection) is not None:
                store_schema.set_up(connection)
            store_schema.check(connection)
            ((now,),) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::double precision").fetchall()
            self._clock_ahead = now - time.monotonic()
            self._leases = Leases(connection, "work", self.lease, self._concurrency)
            self._leases.register(store_schema.run_of(connection))
            control, changes, self._others = self._leases.pulse()
            self._take_note(control, changes)
            self.info = store_queries.facts_of(store_queries.passes(connection, self._leases.run))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holding.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([self._holding])
            try:
                with anyio.move_on_after(_CLOSING):
                    await self.flush()
            except JournalError:
                if error is None:
                    raise
            finally:
                await self._closed()

    async def _closed(self) -> None:
        """Give back what is held, and close the connection: of a store that answers nothing, without its consent."""
        if self._connection is not None:
            self._connection.give_up()
        with anyio.CancelScope(shield=True), anyio.move_on_after(_LEAVING):
            await self._thread.end(self._close)
            return
        if self._connection is not None:
            self._connection.cut()

    def _close(self) -> None:
        if self._connection is None:
            return
        try:
            if self._leases is not None:
                with self._connection.explained():
                    self._leases.leave()
        except JournalError:
            pass  # what is left is a lease that ends by itself
        finally:
            self._connection.close()

    @property
    def leases(self) -> Leases:
        """What it holds, once it is open."""
        if self._leases is None:
            raise JournalError(f"{self.url}: it is not open")
        return self._leases

    def now(self) -> float:
        """Return the store's time, in seconds since the epoch, whatever becomes of this machine's."""
        return time.monotonic() + self._clock_ahead

    # The run

    async def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template."""
        return await self._call(lambda leases: store_queries.dollars_by_template(leases.connection, leases.run))

    async def claim(self) -> Chunk | None:
        """Return a chunk that nobody holds, and that this worker holds from now on; None if there is none.

        Raises:
            LeaseLostError: Others took over what this worker held.
        """
        return await self._call(lambda leases: leases.claim())

    async def standing(self) -> RunStanding:
        """Return what is left of the run, after those were fenced that are silent for too long."""

        def look(leases: Leases) -> RunStanding:
            leases.fence_silent()
            return leases.standing()

        return await self._call(look)

    async def finish(self, chunk: Chunk) -> None:
        """Take note that all cases of a chunk have ended."""
        await self._call(lambda leases: leases.finish(chunk))

    def finish_soon(self, chunk: Chunk) -> None:
        """Take note of it once what was handed to the thread before is done; a failure shows in the next commit."""
        self._thread.start(lambda: self.leases.finish(chunk), lambda ended: self._failed(ended.exception()))

    def _failed(self, error: BaseException | None) -> None:
        if isinstance(error, JournalError):
            self._commits.fail(error)

    async def give_back(self) -> None:
        """Leave the chunks to whoever claims them next, and go on."""
        await self._call(lambda leases: leases.give_back())

    async def changed(self, since: Control) -> None:
        """Return once `fi-async control` has set something else than this, or nothing is kept any more."""
        while self.control is since and not self.has_failed:
            await self._changed.wait()

    async def _hold(self) -> None:
        """Hold on to the chunks, and look for changes, until cancelled or until others took over."""
        while True:
            await anyio.sleep(min(_LOOK, self.lease / _RENEWALS))
            late = asyncio.get_running_loop().call_later(self.lease, self._tell_of_silence)
            try:
                control, changes, others = await self._call(lambda leases: leases.pulse(self.spent_here))
            except JournalError as error:
                self._commits.fail(error)
                self._changed.set()
                return
            finally:
                late.cancel()
            self._pay(others)
            if changes != self.leases.changes:
                self._take_note(control, changes)
                self._changed.set()
                self._changed = anyio.Event()

    def _tell_of_silence(self) -> None:
        _log.warning(
            "%s: the store has given no answer for %g s: no request leaves until it does", self.url, self.lease
        )

    def _pay(self, others: float) -> None:
        """Let the purses know of what the others have spent since this was last known."""
        more, self._others = others - self._others, max(others, self._others)
        if more > 0:
            for purse in self.purses:
                purse.spend(more)

    def _take_note(self, control: Mapping[str, Any], changes: int) -> None:
        self.control = Control.of(control)
        self.leases.changes = changes

    async def _call(self, what: Callable[[Leases], T]) -> T:
        leases = self.leases

        def call() -> T:
            with leases.connection.explained():
                return what(leases)

        return await self._thread.call(call)

    # Events

    @property
    def is_behind(self) -> bool:
        """True if something is still to be committed, or never will be."""
        return self._commits.is_behind

    @property
    def has_failed(self) -> bool:
        """True if nothing that is written will be kept any more."""
        return self._commits.has_failed

    def write(self, n: int, kind: EventKind, body: str | None = None, then: Callable[[], None] | None = None) -> None:
        """Take note of an event; `then` is called once it is committed, or cannot be any more."""
        self._commits.write(KeptEvent(n, int(kind), self.now(), body), then)

    async def flush(self) -> None:
        """Return once all that was written is committed.

        Raises:
            LeaseLostError: Others took over what this worker held, so that nothing of it may be kept.
            JournalError: The store says no.
        """
        await self._commits.flush()


@dataclass(slots=True)
class _Part:
    """A chunk that is under way, and how many of its cases have not ended."""

    chunk: Chunk
    left: int


class WorkerLedger(KeptLedger):
    """The ledger of one worker: what its chunks hold goes on where it stood, and a chunk is done with its last case.

    Args:
        journal: Open.
        questions: What is asked of each case.
        drain: See `Ledger`.
        spent: Dollars that the run has spent on each template so far.

    Attributes:
        dropped_cases: Cases that were cut off, and that this worker leaves for others.
    """

    def __init__(
        self, journal: WorkerJournal, questions: Sequence[Question], *, drain: float, spent: Mapping[str, float] | None
    ) -> None:
        super().__init__(journal, drain=drain, spent=spent)
        self.dropped_cases = 0
        self._journal = journal
        self._questions = {each.template.name: each for each in questions}
        self._keys = {each.template.name: Keys(each.parameters) for each in questions}
        self._parts: dict[int, _Part] = {}

    def items(
        self, chunk: Chunk, intakes: Mapping[str, Intake], context_of: Callable[[str], Context]
    ) -> Iterator[list[Item]]:
        """Yield what is to be done of the cases of a chunk that have not ended; nothing where some have to wait.

        What ends is told by its place. A load may move cases while they are under way: one that comes to another's
        place waits until that one has ended, so that neither gets the outcome of the other.

        Raises:
            JournalError: They are not what this version, or this code, would make of them.
        """
        past = chunk.past
        todo = [
            each
            for place, each in enumerate(chunk.cases, 1)
            if not past.has_ended(place) and not past.is_removed(place)
        ]
        part = _Part(chunk, len(todo))
        if not todo:
            self._journal.finish_soon(chunk)
        self._parts.update(dict.fromkeys((each.n for each in todo), part))
        while todo:
            items, waiting = [], []
            for each in todo:
                if (_position(chunk, each), Seat.of(each.template)) in self._numbers:
                    waiting.append(each)
                else:
                    items.append(self._item(chunk, each, intakes, context_of))
            yield items
            todo = waiting

    def _item(
        self, chunk: Chunk, stored: StoredCase, intakes: Mapping[str, Intake], context_of: Callable[[str], Context]
    ) -> Item:
        position = _position(chunk, stored)
        intake = intakes.get(stored.template)
        admitted = [] if intake is None else intake.admit(position, Case(json.loads(stored.inputs), stored.id))
        work = admitted[0] if admitted else None
        if (
            not isinstance(work, Work)
            or work.row is None
            or self._keys[stored.template].of(work.row.inputs) != stored.key
        ):
            raise JournalError(
                f"{self._journal.url}: case {position} under {stored.template} is not what was loaded: another"
                " version of fi-async, or of your code, loaded it"
            )
        work.number = stored.n
        self._numbers[position, work.parameters.seat] = stored.n
        story = chunk.past.story(stored.n - chunk.first + 1)
        return continued(work, story, max(0.0, self._journal.now() - story.accepted_at), context_of(stored.template))

    def ended(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Keep an outcome, and hand it out once it is committed, or None; a chunk is done with its last one."""
        n = self._numbers[outcome.index, seat(outcome)]
        self._journal.spent_here += outcome.cost or 0.0

        def hand_out(ended: Any) -> None:
            if self._journal.has_failed:
                emit(None)  # it is not the run's: whoever took the case over will tell
                return
            part = self._parts.pop(n)
            part.left -= 1
            if not part.left:
                self._journal.finish_soon(part.chunk)
            emit(ended)

        super().ended(outcome, hand_out)

    def dropped(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Hand out how a work ended that was cut off: its chunk is not done."""
        self.dropped_cases += 1
        super().dropped(outcome, emit)


def _position(chunk: Chunk, stored: StoredCase) -> int:
    """Return where a case of a chunk stands in the input."""
    return chunk.past.positions[stored.n - chunk.first + 1]
