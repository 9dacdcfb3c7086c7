"""Steps that lead to an answer, and not to outcomes: driven as every run is, each request with its ticket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from fi_async._errors import APITimeoutError
from fi_async._settings import RunOptions
from fi_async._statistics import Counts
from fi_async.engine.attempts import Context, Job, Steps
from fi_async.engine.lanes import RunLanes
from fi_async.engine.one_call import platform_lane
from fi_async.engine.run import Run
from fi_async.engine.session import Session

T = TypeVar("T")


async def conduct(
    session: Session, options: RunOptions, *begin: Callable[[Context], Steps[T]], counts: Counts | None = None
) -> list[T]:
    """Return what some steps come to, in their order; they go side by side, as far as limits and slots allow.

    Args:
        session: The client's.
        options: `timeout.call` ends all of them.
        *begin: Make the steps of what they share.
        counts: Filled with what they ask of the server.

    Raises:
        APITimeoutError: Not all came to their end within the timeout of the call.
        FiAsyncError: Whatever one of them raised, first of all.
    """
    lane = platform_lane(session, session.context(options, counts=counts), options, is_planned=False)
    run = Run(RunLanes(lane), options)
    session.runs.add(run)
    for place, steps in enumerate(begin):
        run.add(Job(_placed(place, steps(run.context))))
    await run.drive()
    if len(run.finished) < len(begin):
        raise APITimeoutError("no reply within the timeout of the call")
    return [answer for _, answer in sorted(run.finished, key=lambda each: each[0])]


def _placed(place: int, steps: Steps[T]) -> Steps[Sequence[tuple[int, T]]]:
    answer = yield from steps
    return [(place, answer)]
