"""Keeps offers on disk while an event loop goes on: what is offered meanwhile is written together."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final, Self

import anyio

from fi_async._threads import Worker
from fi_async.background.offers import Offer
from fi_async.background.spool import Spool

_BATCH: Final = 512  # offers of one write: a few milliseconds, after which acknowledgements get their turn
_PAGE: Final = 256

_log = logging.getLogger("fi_async.background")


class Keeper:
    """Writes offers to a spool, a batch at a time in one thread, and hands them on once they are there.

    A batch that cannot be written is handed on all the same: it is counted in `errors`, and the first is logged.

    Args:
        spool: The file; closed by `finish`.
        worker: The thread that it is written in; ended by `finish`.
    """

    def __init__(self, spool: Spool, worker: Worker) -> None:
        self.spool = spool
        self.errors = 0
        self.kept: Callable[[Sequence[Offer]], None]
        self._worker = worker
        self._offers: deque[Offer] = deque()
        self._acknowledged: list[str] = []
        self._in_memory_only: set[str] = set()
        self._durable: dict[str, asyncio.Future[None]] = {}
        self._wake = asyncio.Event()
        self._is_down = False

    @classmethod
    async def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the keeper of a file.

        Raises:
            ConfigurationError: As Spool.
        """
        worker = Worker("fi_async.spool")
        try:
            return cls(await worker.call(partial(Spool, path)), worker)
        except BaseException:
            worker.close()
            raise

    def add(self, offer: Offer) -> None:
        """Take an offer, from any thread; `wake` is to be called after."""
        self._offers.append(offer)

    def wake(self) -> None:
        """Have what was added written."""
        self._wake.set()

    def acknowledge(self, offer_id: str) -> None:
        """Forget an offer: its outcomes are where they belong."""
        if offer_id in self._in_memory_only:  # while a disk is full, nothing is to pile up for it
            self._in_memory_only.remove(offer_id)
        else:
            self._acknowledged.append(offer_id)
            self._wake.set()

    def durable(self, offer_id: str) -> asyncio.Future[None]:
        """Return what is done once the offer, added in this same turn of the loop, is on disk."""
        return self._durable.setdefault(offer_id, asyncio.get_running_loop().create_future())

    async def replay(self) -> AsyncGenerator[Offer]:
        """Iterate over what the spool had at the start, in the order it was offered."""
        after = ""
        while page := await self._worker.call(partial(self.spool.page, after, _PAGE)):
            for offer in page:
                yield offer
            after = page[-1].offer_id

    def has(self, offer: Offer) -> bool:
        """Tell whether an offer, handed on and not acknowledged, is on disk."""
        return offer.offer_id not in self._in_memory_only

    async def run(self) -> None:
        """Write what comes, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._write_all()

    async def finish(self) -> None:
        """Write the last, and close the spool."""
        with anyio.CancelScope(shield=True):
            await self._write_all()
            await self._worker.call(self.spool.close)
            self._worker.close()

    async def _write_all(self) -> None:
        done = True
        while self._offers or (self._acknowledged and done):
            with anyio.CancelScope(shield=True):  # who waits for a write is told of its end
                done = await self._write()

    async def _write(self) -> bool:
        """Write some offers and all acknowledgements, and tell whether they are on disk."""
        offers = [self._offers.popleft() for _ in range(min(_BATCH, len(self._offers)))]
        acknowledged, self._acknowledged = self._acknowledged, []
        error: OSError | None = None
        try:
            await self._worker.call(partial(self.spool.write, offers, acknowledged))
        except OSError as raised:
            error = raised
            self.errors += 1
            self._acknowledged[:0] = acknowledged
            self._in_memory_only.update(offer.offer_id for offer in offers)
            if not self._is_down:  # once until it works again
                _log.warning("%s; until it can, cases are in memory only", error)
        self._is_down = error is not None
        for offer in offers:
            future = self._durable.pop(offer.offer_id, None)
            if future is not None and not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
        self.kept(offers)
        return error is None
