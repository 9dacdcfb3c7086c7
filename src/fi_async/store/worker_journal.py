"""One worker of a run: claims chunks, keeps what becomes of their cases, and holds on to them while it works."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio

from fi_async._errors import JournalError
from fi_async._run_url import RunUrl
from fi_async._threads import Worker as Thread
from fi_async.journal.commits import Commits, KeptEvent
from fi_async.journal.events import EventKind
from fi_async.journal.records import RunInfo
from fi_async.pacing.purse import Purse
from fi_async.store import store_queries, store_schema
from fi_async.store.leases import Chunk, Leases, RunStanding
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
        spent_here: Dollars that this worker has spent, by judge.
        purses: What may be spent on each judge: they are told what other workers spend.

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
        self._others: Mapping[str, float] = {}
        self._is_bounded = False
        self.spent_here: defaultdict[str, float] = defaultdict(float)
        self.purses: Mapping[str, Purse] = {}

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
        self._connection = connection = StoreConnection(self.url, idle=self.lease)
        with connection.explained():
            if store_schema.version_of(connection) is not None:
                store_schema.set_up(connection)
            store_schema.check(connection, works=True)
            self._clock_ahead = store_queries.now(connection) - time.monotonic()
            self._leases = Leases(connection, "work", self.lease, self._concurrency)
            self._leases.register(store_schema.run_of(connection))
            self._read(self._leases)

    def _read(self, leases: Leases) -> None:
        control, changes = leases.pulse(self.spent_here)
        self._take_note(control, changes)
        self.info = store_queries.facts_of(str(self.url), store_queries.passes(leases.connection, leases.run))

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

    @property
    def is_away(self) -> bool:
        """True while the store is away."""
        return self._connection is not None and self._connection.is_away

    def now(self) -> float:
        """Return the store's time, in seconds since the epoch, whatever becomes of this machine's."""
        return time.monotonic() + self._clock_ahead

    # The run

    async def read(self) -> None:
        """Take note of what the run is about by now, and of what is set for its workers.

        Raises:
            LeaseLostError: Others took over what this worker held.
        """
        await self._call(self._read)

    async def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template; from now on `purses` are told of others'."""

        def look(leases: Leases) -> Mapping[str, float]:
            self._others, self._is_bounded = leases.spent_by_others(), True
            return store_queries.dollars_by_template(leases.connection, leases.run)

        return await self._call(look)

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

    def soon(self, what: Callable[[], T], then: Callable[[T], None]) -> None:
        """Have something done once what was handed to the thread before is; a failure shows in the next commit."""

        def call() -> T:
            with self.leases.connection.explained():
                return what()

        def ended(future: Future[T]) -> None:
            error = future.exception()
            if error is None:
                then(future.result())
            else:
                self._commits.fail(error if isinstance(error, JournalError) else self._broken(error))
                self._stir()

        self._thread.start(call, ended)

    def _broken(self, error: BaseException) -> JournalError:
        return JournalError(f"{self.url}: what became of a chunk cannot be told: {type(error).__name__}")

    def _stir(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

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
                control, changes, others = await self._call(self._look)
            except JournalError as error:
                self._commits.fail(error)
                self._changed.set()
                return
            finally:
                late.cancel()
            if others is not None:
                self._pay(others)
            if changes != self.leases.changes:
                self._take_note(control, changes)
                self._stir()

    def _tell_of_silence(self) -> None:
        _log.warning(
            "%s: the store has given no answer for %g s: no request leaves until it does", self.url, self.lease
        )

    def _look(self, leases: Leases) -> tuple[Mapping[str, Any], int, Mapping[str, float] | None]:
        control, changes = leases.pulse(self.spent_here)
        return control, changes, leases.spent_by_others() if self._is_bounded else None

    def _pay(self, others: Mapping[str, float]) -> None:
        """Let the purses know of what the others have spent since this was last known."""
        before, self._others = self._others, others
        for judge, purse in self.purses.items():
            if (more := others.get(judge, 0.0) - before.get(judge, 0.0)) > 0:
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
