"""Virtual time: an event loop whose clock jumps to the next timer when nothing else can run."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from fi_async._threads import hops

EPOCH = 86_400.0  # a UTC midnight, where windows of any length begin; small, so that sums stay exact


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that runs an hour in milliseconds. Its time starts at 0."""

    _scheduled: list[asyncio.TimerHandle]  # a heap of BaseEventLoop

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def jump(self) -> None:
        """Set the clock to the next timer's own time: sums of differences would be off by a rounding."""
        self.now = max(self.now, self._scheduled[0].when())


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)  # nothing is scheduled: only another thread can wake the loop
        ready = super().select(0)
        while not ready and hops.under_way:
            ready = super().select(0.001)  # a call in another thread takes no virtual time, and wakes the loop
        ready = ready or super().select(0)  # it may have been counted off a moment after it woke the loop
        if not ready:
            self._loop.jump()
        return ready


def wall_clock() -> float:
    """Return the virtual loop's time as seconds since an epoch, for what asks for the wall clock."""
    return EPOCH + asyncio.get_running_loop().time()
