"""Cases that wait for the engine: a bounded line, filled from any thread, and read in one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from threading import Lock, get_ident

from fi_async.background.keeper import Keeper
from fi_async.background.offers import Offer


class OfferLine:
    """Holds offers until they are read; made in the event loop that reads them.

    Args:
        most: How many may wait.
        keeper: Puts each on disk before it may be read; None keeps them in memory only.
    """

    def __init__(self, most: int, keeper: Keeper | None) -> None:
        self.offered = 0
        self.dropped = 0
        self.backlog = 0 if keeper is None else keeper.spool.backlog
        self.queued = 0
        self._most = most
        self._keeper = keeper
        self._ready: deque[Offer] = deque()
        self._closed = False
        self._lock = Lock()
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._waking = False
        self._arrived = asyncio.Event()
        self._waiting: deque[asyncio.Future[None]] = deque()  # for room, the first who came first
        if keeper is not None:
            keeper.kept = self._admit
        self._add, self._wake = (self._ready.append, self._arrived.set) if keeper is None else (keeper.add, keeper.wake)

    def push(self, offer: Offer, *, patient: bool = False) -> bool:
        """Tell whether there was room for an offer, from any thread; one that had none is dropped, unless `patient`."""
        with self._lock:
            if self._closed or self.queued >= self._most:
                if self._closed or not patient:
                    self.offered += 1
                    self.dropped += 1
                return False
            self.offered += 1
            self.queued += 1
            self._add(offer)
            if get_ident() == self._thread:
                self._wake()
            elif not self._waking:  # what other threads offer before the loop has its turn, it is told of once
                self._waking = True
                self._loop.call_soon_threadsafe(self._woken)
        return True

    async def room(self) -> bool:
        """Return True once there is room, or False once the line is closed."""
        while not self._closed and self.queued >= self._most:
            turn = self._loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # there was room a moment before: it is for the next
                    self._call_next()
                raise
        return not self._closed

    def close(self) -> None:
        """Take no more."""
        with self._lock:
            self._closed = True
        self._arrived.set()
        while self._waiting:
            self._call_next()

    async def offers(self) -> AsyncGenerator[Offer]:
        """Iterate over the offers, those of earlier processes first, until the line is closed and empty."""
        if self._keeper is not None:
            async with aclosing(self._keeper.replay()) as earlier:
                async for offer in earlier:
                    self.backlog -= 1
                    yield offer
        while True:
            while self._ready:
                yield self._next()
            if self._closed and not self.queued:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def rest(self) -> list[Offer]:
        """Return what will not be read any more."""
        return [self._next() for _ in range(len(self._ready))]

    def _next(self) -> Offer:
        with self._lock:
            self.queued -= 1
        self._call_next()
        return self._ready.popleft()

    def _call_next(self) -> None:
        """Tell the next who waits that there is room: one at a time, as the others would find none."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _admit(self, offers: Sequence[Offer]) -> None:
        self._ready.extend(offers)
        self._arrived.set()

    def _woken(self) -> None:
        self._waking = False
        self._wake()
