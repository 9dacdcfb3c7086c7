"""Calls that go through another thread: one way there and back, and a count of those under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")


class Hops:
    """How many calls are under way in other threads.

    While any is, an event loop that looks idle is not: a clock that jumps ahead has to wait.
    """

    def __init__(self) -> None:
        self.under_way = 0


hops: Final = Hops()


class Worker:
    """A thread of its own that makes calls one after the other, in the order they were handed in.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def start(self, function: Callable[[], T], then: Callable[[Future[T]], None]) -> None:
        """Make a call; `then` is told of its end, in the running event loop."""
        loop = asyncio.get_running_loop()

        def back(ended: Future[T]) -> None:
            hops.under_way -= 1
            then(ended)

        hops.under_way += 1
        self._thread.submit(function).add_done_callback(lambda ended: loop.call_soon_threadsafe(back, ended))

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
