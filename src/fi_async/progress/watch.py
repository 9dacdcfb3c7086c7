"""Watching a run while it goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from fi_async._models import Outcome
from fi_async.progress.displays import Asked, Display, display_of
from fi_async.progress.meter import Meter, Progress

_log = logging.getLogger(__name__)

Standing = Callable[[float], tuple[int, float]]
"""Tells at a time how many evaluations are in flight, and the seconds until another request may leave."""


@asynccontextmanager
async def watched(
    asked: Asked, total: Callable[[], int | None], standing: Standing
) -> AsyncGenerator[Callable[[Outcome], None]]:
    """Show a run's progress while entered; what it yields takes each outcome.

    Args:
        asked: Who is shown it.
        total: Tells how many outcomes there will be; asked once, and only if anybody is shown it.
        standing: See Standing.
    """
    display = display_of(asked)
    if display is None:
        yield lambda _: None
        return
    meter = Meter(anyio.current_time(), total())

    def look() -> Progress:
        now = anyio.current_time()
        in_flight, opens_in = standing(now)
        return meter.progress(now, in_flight=in_flight, opens_in=opens_in)

    with display:
        # A task of its own, not a task group: a stream may be closed by another task than it began in.
        showing = asyncio.create_task(_show(display, look))
        try:
            # The loop's time by asyncio: who hands outcomes out may be no task, and anyio knows none but tasks.
            yield lambda outcome: meter.add(outcome, asyncio.get_running_loop().time())
        finally:
            shown = not showing.done()
            showing.cancel()
            await asyncio.wait([showing])
            if shown:
                _tell(display.end, look())


async def _show(display: Display, look: Callable[[], Progress]) -> None:
    """Show how far the run is, again and again, until it cannot be shown."""
    await anyio.lowlevel.checkpoint()
    while _tell(display.show, look()):  # noqa: ASYNC110  # time itself is what is shown
        await anyio.sleep(display.every)


def _tell(show: Callable[[Progress], None], progress: Progress) -> bool:
    """Tell whether it could be shown: what cannot must not cost a run its results."""
    try:
        show(progress)
    except Exception:  # noqa: BLE001  # whatever the program's own function raises
        _log.exception("progress is shown no more")
        return False
    return True
