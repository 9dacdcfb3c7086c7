"""Calls that go through another thread: one way there and back, and a count of those under way."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
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


class QuickSwitches:
    """Threads that keep a processor busy hand it over often while any is within: the event loop waits for its turn.

    Python lets a thread run for 5 ms before another gets the interpreter, and not always the one that waits longest:
    beside two that compute, an event loop is late by many times that. Use it in `with`.
    """

    def __init__(self) -> None:
        self._within = 0
        self._before = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._within and sys.getswitchinterval() > _TURN:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(_TURN)
            self._within += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within and self._before:
                sys.setswitchinterval(self._before)
                self._before = 0.0


_TURN: Final = 0.0005  # seconds
quick_switches: Final = QuickSwitches()


class Worker:
    """A thread of its own that makes calls one after the other, in the order they were handed in.

    Not an executor's: those take no more calls once the interpreter begins to end, and it is then that an interrupted
    run has most to write.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        for call in iter(self._calls.get, None):
            call()

    def start(self, function: Callable[[], T], then: Callable[[Future[T]], None]) -> None:
        """Make a call; `then` is told of its end, in the running event loop unless that has ended."""
        loop = asyncio.get_running_loop()
        ended: Future[T] = Future()

        def call() -> None:
            try:
                ended.set_result(function())
            except StopIteration:  # which no future of asyncio may hold
                ended.set_exception(RuntimeError("StopIteration was raised"))
            except BaseException as error:  # noqa: BLE001  # whoever waits for it has it raised
                ended.set_exception(error)
            with suppress(RuntimeError):  # the loop has ended, and with it who waited
                loop.call_soon_threadsafe(then, ended)
            hops.count(-1)  # the loop is awake by then: its clock cannot jump before it knows

        hops.count(1)
        self._calls.put(call)

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

    async def end(self, function: Callable[[], T]) -> T:
        """Return what the last call returns: the thread ends with it, also if this is cancelled before."""
        try:
            return await self.call(function)
        finally:
            self.close()

    def close(self) -> None:
        """End the thread once its calls are made."""
        self._calls.put(None)


class Crew:
    """As many threads as there are calls at once; each is kept for the next call.

    A call that is cancelled is not waited for: its thread ends when it returns, if ever, and keeps no program alive.

    Args:
        name: Of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[Worker] = []

    async def call(self, function: Callable[[], T]) -> T:
        """Return what the function returns, in a thread, in the context of the caller."""
        worker = self._idle.pop() if self._idle else Worker(self._name)
        try:
            answer = await worker.call(partial(copy_context().run, function))
        except asyncio.CancelledError:
            worker.close()
            raise
        except BaseException:
            self._idle.append(worker)
            raise
        self._idle.append(worker)
        return answer

    def close(self) -> None:
        """End the threads that are idle."""
        while self._idle:
            self._idle.pop().close()
