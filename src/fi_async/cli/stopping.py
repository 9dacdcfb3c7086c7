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
    stopping = _Stopping(main, notice)
    with _signals_to(stopping.stop):
        try:
            with stopping.runner:
                stopping.runner.run(stopping.main())
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise StoppedError(stopping.came[-1] if stopping.came else signal.SIGINT) from None


class _Stopping:
    """What signals do to a coroutine that runs."""

    def __init__(self, main: Coroutine[Any, Any, None], notice: str | None) -> None:
        self.came: list[int] = []
        self.runner = asyncio.Runner()
        self._loop = self.runner.get_loop()
        self._main, self._notice = main, notice
        self._task: asyncio.Task[Any] | None = None

    async def main(self) -> None:
        self._task = asyncio.current_task()
        await self._main

    def stop(self, number: int, _frame: object) -> None:
        self.came.append(number)
        if len(self.came) > _PATIENCE or self._loop.is_closed():
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._at_once if len(self.came) > 1 else self._in_peace)

    def _in_peace(self) -> None:
        if self._notice is not None:
            print(self._notice, file=sys.stderr, flush=True)
        if self._task is not None:
            self._task.cancel()

    def _at_once(self) -> None:
        # Again and again: what is cancelled for the first time may still wait for what is under way.
        if self._task is not None and not self._task.done():
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(_AGAIN, self._at_once)


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
