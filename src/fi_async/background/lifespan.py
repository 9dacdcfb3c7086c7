"""The life of a queue: opened with its spool and its sink, drained within a bound when it is left."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import get_args

import anyio

from fi_async._errors import ConfigurationError
from fi_async.background.keeper import Keeper
from fi_async.background.line import OfferLine
from fi_async.background.offers import Statistics
from fi_async.background.queue import BackgroundQueue, OnFull, StreamOffers
from fi_async.background.sinks import Sink, SinkLike

_log = logging.getLogger("fi_async.background")


@asynccontextmanager
async def opened(
    stream: StreamOffers,
    templates: int,
    sink: SinkLike,
    *,
    max_queue: int,
    on_full: OnFull,
    drain: float,
    spool: str | os.PathLike[str] | None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[BackgroundQueue]:
    """Yield a queue whose cases are evaluated while the block lasts, and up to `drain` seconds longer.

    Args:
        stream: Evaluates what it reads from an iterator.
        templates: How many outcomes there are of each case.
        sink: Where they go.
        max_queue: Cases that may wait.
        on_full: Whether `put` waits for room.
        drain: Seconds that leaving may take.
        spool: The file that keeps cases over a restart.
        clock: Seconds since the epoch.
    """
    _check(max_queue, on_full, drain, sink)
    keeper = None if spool is None else await Keeper.open(spool)
    line = OfferLine(max_queue, keeper)
    queue = BackgroundQueue(stream, templates, sink, line=line, keeper=keeper, on_full=on_full, clock=clock)
    # A task of its own, not a task group: a server may end its lifespan in another task than it began in.
    driving = asyncio.create_task(queue.drive())
    driving.add_done_callback(lambda _: queue.begun.set())
    try:
        await queue.begun.wait()
        if not driving.done():
            yield queue
    finally:
        line.close()
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([driving], timeout=drain)
        finally:
            driving.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([driving])
            _report(queue.statistics())
    if queue.error is not None:
        raise queue.error
    if not driving.cancelled():
        driving.result()


def _check(max_queue: object, on_full: object, drain: object, sink: object) -> None:
    if isinstance(max_queue, bool) or not isinstance(max_queue, int) or max_queue < 1:
        raise ConfigurationError(f"max_queue must be a whole number from 1, not {max_queue!r}")
    if on_full not in get_args(OnFull):
        raise ConfigurationError(f"on_full must be one of 'drop', 'wait', not {on_full!r}")
    if isinstance(drain, bool) or not isinstance(drain, int | float) or not 0 <= drain < math.inf:
        raise ConfigurationError(f"drain must be a number of seconds from 0, not {drain!r}")
    if not callable(sink) and not isinstance(sink, Sink):
        raise ConfigurationError(f"sink must be a function that takes an outcome, or a Sink, not {sink!r}")


def _report(ended: Statistics) -> None:
    if ended.cut_off:
        _log.warning("cases dropped, not evaluated by the end of the drain: %d", ended.cut_off)
    if ended.kept:
        _log.warning("cases kept in the spool for the next start: %d", ended.kept)
