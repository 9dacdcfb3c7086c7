"""Events on their way into a storage: committed in groups, in a thread of its own, without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import NamedTuple

from fi_async._errors import JournalError
from fi_async._threads import Worker


class KeptEvent(NamedTuple):
    """One event as it is kept: of which case, what, when in seconds since the epoch, and its body."""

    n: int
    kind: int
    at: float
    body: str | None


class Commits:
    """Collects what is written in one turn of the event loop, and while a commit is under way, into the next commit.

    Args:
        worker: The thread.
        add: Commits some events; called there.
        name: What keeps the run, for messages.
    """

    def __init__(self, worker: Worker, add: Callable[[Sequence[KeptEvent]], None], name: str) -> None:
        self._worker, self._add, self._name = worker, add, name
        self._events: list[KeptEvent] = []
        self._then: list[Callable[[], None]] = []
        self._next = asyncio.Event()  # set once what is buffered is committed
        self._committing: asyncio.Event | None = None
        self._is_due = False
        self._failure: JournalError | None = None

    def __repr__(self) -> str:
        return f"<Commits {self._name} buffered={len(self._events)}>"

    @property
    def is_behind(self) -> bool:
        """True if something is still to be committed, or never will be."""
        return bool(self._events) or self._committing is not None or self._failure is not None

    @property
    def has_failed(self) -> bool:
        """True if nothing that is written will be kept any more."""
        return self._failure is not None

    def write(self, event: KeptEvent, then: Callable[[], None] | None = None) -> None:
        """Take note of an event; `then` is called once it is committed, or cannot be any more."""
        self._events.append(event)
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

    def fail(self, error: JournalError) -> None:
        """Commit nothing any more: what is written from now on must not be kept."""
        self._failure = self._failure or error

    def _commit(self) -> None:
        """Hand what is buffered to the thread; what is written meanwhile makes the next group."""
        self._is_due = False
        events, then, done = self._events, self._then, self._next
        self._events, self._then, self._next = [], [], asyncio.Event()

        def ended(future: Future[None] | None = None) -> None:
            if future is not None:
                self._committing = None
                self._failure = self._failure or self._trouble(future.exception())
            try:
                with ExitStack() as all_told:  # also if one of them raises
                    for each in reversed(then):
                        all_told.callback(each)
            finally:
                done.set()
                if self._events and not self._is_due:
                    self._commit()

        if self._failure is not None:
            ended()  # what follows an event that is not kept must not be kept either
            return
        self._committing = done
        self._worker.start(lambda: self._add(events), ended)

    def _trouble(self, error: BaseException | None) -> JournalError | None:
        if error is None or isinstance(error, JournalError):
            return error
        return JournalError(f"{self._name}: it cannot be written: {type(error).__name__}")
