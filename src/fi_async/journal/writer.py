"""The journal: writes what happens to a run's cases where the run is kept, from the event loop without blocking it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio

from fi_async._errors import JournalError
from fi_async._models import OutcomeStatus
from fi_async._threads import Worker
from fi_async.journal.commits import Commits, KeptEvent
from fi_async.journal.events import EventKind
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.storage import CaseRow, Storage

Clock = Callable[[], float]

_CLOSING: Final = 10.0  # seconds that the last commit may take


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which case of the run a row is, and the text of its outcome if it had ended before."""

    n: int
    ended: str | None


class Journal:
    """A run that is kept, open for writing: by one at a time. Events are committed in groups by a thread of its own.

    Use it in `async with`: leaving it commits what is still to be written, and closes the storage.

    Args:
        storage: Where the run is kept.
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
        ConfigurationError: It keeps a run of another server, or another shard.
    """

    past: Past
    stood: tuple[int, int] = (0, 0)
    pass_number: int
    reads_all: bool

    def __init__(self, storage: Storage, info: RunInfo, clock: Clock = time.time, *, held_only: bool = False) -> None:
        self._storage = storage
        self._info = info
        self._clock = clock
        self._held_only = held_only
        self._worker = Worker("fi_async-journal")
        self._commits = Commits(self._worker, storage.add, storage.name)

    @property
    def name(self) -> str:
        """What messages call it: its path, or its URL."""
        return self._storage.name

    def __repr__(self) -> str:
        return f"<Journal {self._storage.name} cases={self.past.count}>"

    async def __aenter__(self) -> Self:
        try:
            opened = await self._worker.call(lambda: self._storage.open(self._info, held_only=self._held_only))
        except BaseException:
            await self._closed()  # the thread goes on opening what a cancellation waits for no more
            raise
        self.past, self.pass_number, self.reads_all = opened.past, opened.pass_number, opened.reads_all
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
                await self.flush()
        except JournalError:
            if error is None:
                raise
        finally:
            await self._closed()
        if error is None and self.is_behind:
            raise JournalError(f"{self.name}: what came last could not be kept within {_CLOSING:g} s")

    async def _closed(self) -> None:
        """Close the storage: one that does not let itself be closed in time is left to its thread."""
        self._storage.give_up()
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
            await self._worker.end(self._storage.close)
            return
        self._storage.cut()

    @property
    def is_behind(self) -> bool:
        """True if something is still to be committed, or never will be."""
        return self._commits.is_behind

    # Cases

    async def admit(self, rows: Sequence[CaseRow]) -> list[Numbered]:
        """Put the rows that are not kept yet, and return which case each is.

        Raises:
            JournalError: The storage cannot be written.
        """
        now = self._clock()
        admitted = await self._worker.call(lambda: self._storage.admit(rows, now, self.past.has_ended))
        for row, n in zip(rows, admitted.numbers, strict=True):
            if n > self.past.count:
                self.past.add(row.position)
                if row.ended is not None:
                    self.past.take(n, EventKind.ENDED)
        return [Numbered(n, admitted.outcomes.get(n)) for n in admitted.numbers]

    async def known(self, keys_of: Sequence[str]) -> Mapping[str, int]:
        """Return the numbers of those works that are kept, by their keys."""
        return await self._worker.call(lambda: self._storage.known(keys_of))

    async def outcome(self, n: int) -> str | None:
        """Return the text of the outcome that a case ended in, once it is committed."""
        await self.flush()
        return (await self._worker.call(lambda: self._storage.outcomes([n]))).get(n)

    async def reopen(self, retried: Collection[str]) -> int:
        """Let what ended so count as not ended, and return how many cases that are; see `RunFile.retry`.

        Raises:
            JournalError: The storage cannot be read.
        """
        ended = await self._worker.call(lambda: self._storage.without_score(self.past))
        counted = await self._worker.call(self._storage.statuses)
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
            JournalError: The storage cannot be read.
        """
        return await self._worker.call(self._storage.spent)

    def seconds_since(self, at: float) -> float:
        """Return how long ago something was written, by the wall clock."""
        return max(0.0, self._clock() - at)

    # Events

    def write(self, n: int, kind: EventKind, body: str | None = None, then: Callable[[], None] | None = None) -> None:
        """Take note of an event; `then` is called once it is committed, or cannot be any more."""
        at = self._clock()
        self.past.take(n, kind, at, body)
        self._commits.write(KeptEvent(n, int(kind), at, body), then)

    async def flush(self) -> None:
        """Return once all that was written is committed.

        Raises:
            JournalError: It cannot be.
        """
        await self._commits.flush()
