"""Cases that are read in the thread of whoever gave them, and evaluated in another.

A cursor of SQLite, a session of a database, a generator with a lock: many an iterator may be used in its own thread
only. What it raises is raised there, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final

from fi_async._models import Case, Inputs
from fi_async.sources.rows import Source
from fi_async.sources.tables import Items, in_memory

_AT_ONCE: Final = 64  # cases that one way to the other thread carries
_PATIENCE: Final = 0.01  # seconds after which those that were read go on their way: the next may take its time


class _Read(Future[list[Any]]):
    """A request for some cases; an empty answer is the last."""


class CallersCases(AsyncIterable[Inputs | Case]):
    """Cases on their way from the thread that has them to the event loop that asks for them.

    Args:
        cases: Are read in the thread that calls `serve_until` and `serve`, and by no other.
    """

    def __init__(self, cases: Iterable[Inputs | Case]) -> None:
        self._cases = iter(cases)
        self._error: Exception | None = None
        self._asked: SimpleQueue[Future[Any]] = SimpleQueue()

    # In the thread of the caller

    def serve_until(self, future: Future[Any]) -> None:
        """Read what is asked for until the future is done. An exception but no Exception of the cases leaves."""
        future.add_done_callback(self._asked.put)
        while (asked := self._asked.get()) is not future:
            self._serve(asked)

    def serve(self) -> None:
        """Read what is asked for now, if anything is."""
        while not self._asked.empty():
            self._serve(self._asked.get())

    def _serve(self, asked: Future[Any]) -> None:
        # Others are the ends of waits that were interrupted; and who asked may have gone away.
        if isinstance(asked, _Read) and asked.set_running_or_notify_cancel():
            read = self._read()
            if read or self._error is None:
                asked.set_result(read)
            else:
                asked.set_exception(self._error)

    def _read(self) -> list[Inputs | Case]:
        read: list[Inputs | Case] = []
        if self._error is not None:
            return read
        until = monotonic() + _PATIENCE
        try:
            for case in self._cases:
                read.append(case)
                if len(read) >= _AT_ONCE or monotonic() >= until:
                    break
        except Exception as error:  # noqa: BLE001  # raised by whoever asked, once it has what came before
            self._error = error
        return read

    # In the event loop

    async def in_batches(self, size: int) -> AsyncGenerator[Sequence[Inputs | Case]]:
        """Yield the cases, so many at a time at most, as they are read."""
        while read := await self._next():
            for start in range(0, len(read), size):
                yield read[start : start + size]

    async def _next(self) -> list[Inputs | Case]:
        asked = _Read()
        self._asked.put(asked)
        return await asyncio.wrap_future(asked)

    async def __aiter__(self) -> AsyncIterator[Inputs | Case]:
        async with aclosing(self.in_batches(1)) as batches:
            async for batch in batches:
                for case in batch:
                    yield case


def callers_cases(cases: object) -> CallersCases | None:
    """Return the cases as they are to be read in the thread of the caller; None if any thread may read them.

    Lists, frames, datasets and files may be read anywhere, and what is awaited belongs to the event loop.
    """
    given = cases.table.items if isinstance(cases, Source) and isinstance(cases.table, Items) else cases
    # A dict is one case, and refused as the list of them.
    if isinstance(given, Sequence | Source | AsyncIterable | Mapping) or not isinstance(given, Iterable):
        return None
    if in_memory(given) is not None:
        return None
    return CallersCases(cases if isinstance(cases, Source) else given)
