"""Rows that somebody else is still writing, read in a thread: waiting for the next must not hold up the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_AHEAD: Final = 64


async def in_thread(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yield what `items` yields, and raise what it raises; the thread reads a little ahead.

    The thread is a daemon, and is left behind where it waits: a program that was stopped ends, although the
    one before it in the pipe writes no more.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def hand_over(arrival: tuple[T] | Exception | None) -> None:
        room.acquire()
        loop.call_soon_threadsafe(arrived.put_nowait, arrival)

    def pump() -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits for more
            try:
                for item in items:
                    hand_over((item,))
            except Exception as error:  # noqa: BLE001  # raised again where it is read
                hand_over(error)
            else:
                hand_over(None)

    threading.Thread(target=pump, name="fi-async reader", daemon=True).start()
    while (arrival := await arrived.get()) is not None:
        room.release()
        if isinstance(arrival, Exception):
            raise arrival
        yield arrival[0]
