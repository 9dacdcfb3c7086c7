"""Ends a run on Ctrl-C and on SIGTERM: the first lets what is under way come to its end, the second ends it at once."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from fi_async.cli.errors import StoppedError

_UNHANDLED: Final = (signal.default_int_handler, signal.SIG_DFL)
_PATIENCE: Final = 2  # signals that the event loop is told of; one that does not listen is left by the next
_AGAIN: Final = 0.2  # seconds: what a last commit takes


def run(main: Coroutine[Any, Any, None], notice: str | None = None) -> None:
    """Return when the coroutine does, in an event loop of its own.

    Args:
        main: Cancelled by the first signal, and given the time that it takes to end.
        notice: Printed to stderr then.

    Raises:
        StoppedError: A signal ended it.
    """
    came: list[int] = []
    begun: list[asyncio.Task[Any]] = []
    runner = asyncio.Runner()
    loop = runner.get_loop()

    async def cancellable() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a runner makes one
        begun.append(task)
        await main

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) > _PATIENCE or loop.is_closed():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(at_once if len(came) > 1 else in_peace)

    def in_peace() -> None:
        if notice is not None:
            print(notice, file=sys.stderr, flush=True)
        for task in begun:
            task.cancel()

    def at_once() -> None:
        # Again and again: what is cancelled for the first time may still wait for what is under way.
        if not all(task.done() for task in begun):
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_later(_AGAIN, at_once)

    with _signals_to(stop):
        try:
            with runner:
                runner.run(cancellable())
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise StoppedError(came[-1] if came else signal.SIGINT) from None


@contextmanager
def _signals_to(stop: Callable[[int, object], None]) -> Iterator[None]:
    """Call `stop` for each signal that nobody else wants: one that is ignored, as under nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may ask for signals
        return
    wanted = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) in _UNHANDLED]
    before = {each: signal.signal(each, stop) for each in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
