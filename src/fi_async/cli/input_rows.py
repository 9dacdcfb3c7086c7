"""What the user named as the rows to evaluate: a file, a directory, or stdin, which somebody may still be writing."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO, Final, TypeVar

from fi_async import sources
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Shape, Source

T = TypeVar("T")

STDIN: Final = "<stdin>"
_AHEAD: Final = 64


def source_of(
    file: str, flags: RunFlags, mapping: Mapping[str, str], constants: Mapping[str, Any], name: str | None = None
) -> Source:
    """Return the source that the user named; messages call it `name`, or else as the user did.

    Raises:
        ConfigurationError: There is no such file, or its extension is not known.
    """
    table: Any = JsonTable("stdin", _stdin) if file == STDIN else sources.file(file)
    if name is not None:
        table = replace(table, name=name)
    shape = Shape(
        mapping, constants, flags.id_column, flags.limit, flags.sample, flags.seed, extra_columns=flags.extra_keys
    )
    return Source(table, shape)


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("stdin is closed: name a file instead of -")
    try:
        # Not sys.stdin's own buffer: a thread that waits in it would keep Python from ending.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:
        return sys.stdin.buffer


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
