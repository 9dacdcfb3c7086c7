"""The event loop that all blocking clients of a process share, in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

P = ParamSpec("P")
T = TypeVar("T")

_LAST_WORDS: Final = 2.0  # seconds that closing connections at exit may take


class Closable(Protocol):
    """What is closed at exit."""

    async def aclose(self) -> None:
        """Close it."""


class Serving(Protocol):
    """What the thread that waits does meanwhile."""

    def serve_until(self, future: Future[Any]) -> None:
        """Return once the future is done."""


class LoopThread:
    """An event loop in a thread of its own, begun on first use.

    Args:
        **backend_options: As of `anyio.run`.
    """

    def __init__(self, **backend_options: Any) -> None:
        self.backend_options = backend_options
        self.transports: weakref.WeakSet[Closable] = weakref.WeakSet()
        self._forget()
        if hasattr(os, "register_at_fork"):
            # The thread does not live on in a child, and the lock may have been held at the fork.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        self.streams: set[AsyncGenerator[Any]] = set()

    def portal(self) -> BlockingPortal:
        """Return the way into the loop, begun if there is none."""
        with self._lock:
            if self._portal is None:
                begun: Future[BlockingPortal] = Future()
                # Not anyio's start_blocking_portal(): its context manager, dropped in a forked child, waits
                # for the thread that only the parent has.
                self._thread = threading.Thread(target=self._serve, args=(begun,), name="fi_async", daemon=True)
                self._thread.start()
                self._portal = begun.result()
            return self._portal

    def _serve(self, begun: Future[BlockingPortal]) -> None:
        async def until_stopped() -> None:
            async with BlockingPortal() as portal:
                begun.set_result(portal)
                await portal.sleep_until_stopped()

        try:
            anyio.run(until_stopped, backend="asyncio", backend_options=self.backend_options)
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)  # such as that no more files can be opened: who waits must be told

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns on the loop; an interrupt cancels it there, and waits for its end.

        Another interrupt does not wait: a run that is kept may take its time for what is under way.
        """
        return self.run_serving(None, function, *args, **kwargs)

    def run_serving(
        self, meanwhile: Serving | None, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the function returns on the loop, as `run` does; this thread serves the loop meanwhile."""
        ended = threading.Event()

        async def call() -> T:
            try:
                return await function(*args, **kwargs)
            finally:
                ended.set()

        future = self.portal().start_task_soon(call)
        try:
            if meanwhile is not None:
                meanwhile.serve_until(future)
            return future.result()
        except BaseException:
            if future.cancel():
                ended.wait()
            raise

    def stop(self) -> None:
        """Close what is still open, then the loop. A later call begins another."""
        with self._lock:
            portal, thread = self._portal, self._thread
            self._portal = self._thread = None
        if portal is None or thread is None:
            return
        with suppress(Exception):  # at exit there is no one left to tell
            portal.start_task_soon(self._close_all).result(_LAST_WORDS)
        with suppress(RuntimeError):  # the loop has ended already
            portal.start_task_soon(portal.stop, True)
        thread.join(_LAST_WORDS)

    async def _close_all(self) -> None:
        # Streams first, from without: the end of the loop would close what is inside them at the same time.
        await asyncio.gather(*(stream.aclose() for stream in list(self.streams)), return_exceptions=True)
        self.streams.clear()
        for transport in list(self.transports):
            await transport.aclose()
        # Those that were dropped a moment ago are closing by themselves: the loop must not end before.
        closing = [each for each in asyncio.all_tasks() if type(each.get_coro()).__name__ == "async_generator_athrow"]
        if closing:
            await asyncio.wait(closing)


loop_thread = LoopThread()
atexit.register(loop_thread.stop)
