"""Calls that go through another thread: one way there and back, and a count of those under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")


class Hops:
    """How many calls are under way in other threads.

    While any is, an event loop that looks idle is not: a clock that jumps ahead has to wait.
    """

    def __init__(self) -> None:
        self.under_way = 0
        self._lock = threading.Lock()

    def count(self, more: int) -> None:
        """Take note that so many more are under way."""
        with self._lock:
            self.under_way += more


hops: Final = Hops()


class Worker:
    """A thread of its own that makes calls one after the other, in the order they were handed in.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def start(self, function: Callable[[], T], then: Callable[[Future[T]], None]) -> None:
        """Make a call; `then` is told of its end, in the running event loop unless that has ended."""
        loop = asyncio.get_running_loop()
        hops.count(1)

        def tell(ended: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it who waited
                loop.call_soon_threadsafe(then, ended)
            hops.count(-1)  # the loop is awake by then: its clock cannot jump before it knows

        self._thread.submit(function).add_done_callback(tell)

    async def call(self, function: Callable[[], T]) -> T:
        """Return what the function returns. A call that was begun goes on to its end when this is cancelled."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def then(ended: Future[T]) -> None:
            if answer.cancelled():
                return
            error = ended.exception()
            if error is None:
                answer.set_result(ended.result())
            else:
                answer.set_exception(error)

        self.start(function, then)
        return await answer

    def close(self) -> None:
        """End the thread once its calls are made."""
        self._thread.shutdown(wait=False)
