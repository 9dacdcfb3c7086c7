"""Watching a run while it goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from fi_async._models import Outcome
from fi_async.pacing.waiting import Standing, waiting_for
from fi_async.progress.choice import display_of
from fi_async.progress.displays import Display, ProgressLike
from fi_async.progress.meter import Meter, Progress

_log = logging.getLogger(__name__)


@asynccontextmanager
async def watched(
    asked: ProgressLike, total: int | None, standing: Callable[[float], Standing], stood: tuple[int, int] = (0, 0)
) -> AsyncGenerator[Callable[[Outcome], None]]:
    """Show a run's progress while entered; what it yields takes each outcome.

    Args:
        asked: Who is shown it.
        total: How many outcomes there will be; None if nobody knows.
        standing: Tells how the run stands at a time.
        stood: How many outcomes of an earlier pass come again, and how many of them are without a score.
    """
    display = display_of(asked)
    if display is None:
        yield lambda _: None
        return
    clock = asyncio.get_running_loop().time  # outcomes of a kept run come in callbacks, which are in no task
    meter = Meter(clock(), total, stood)

    def look() -> Progress:
        now = clock()
        stands = standing(now)
        return meter.progress(
            now, in_flight=stands.in_flight, opens_in=stands.opens_in, waiting_for=waiting_for(stands)
        )

    # A task of its own, not a task group: a stream may be closed by another task than it began in.
    showing = asyncio.create_task(_show(display, look))
    try:
        yield lambda outcome: meter.add(outcome, clock())
        meter.end()
    finally:
        shown = not showing.done()
        showing.cancel()
        try:
            await asyncio.wait([showing])
            if shown:
                _tell(display.end, look())
        finally:
            _tell(display.close)


async def _show(display: Display, look: Callable[[], Progress]) -> None:
    """Show how far the run is, again and again, until it cannot be shown."""
    await anyio.lowlevel.checkpoint()
    while _tell(display.show, look()):  # noqa: ASYNC110  # time itself is what is shown
        await anyio.sleep(display.every)


def _tell(display: Callable[..., None], *progress: Progress) -> bool:
    """Return True if the display could do as it was told: what it cannot must not cost a run its results."""
    try:
        display(*progress)
    except Exception:  # noqa: BLE001  # whatever the program's own function raises
        _log.exception("progress is shown no more")
        return False
    return True
