"""The lane to a server that is asked as the platform is; and one call to it that evaluates nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fi_async._errors import APITimeoutError
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Context, Job
from fi_async.engine.dispatch import Dispatch
from fi_async.engine.lanes import Lane, RunLanes
from fi_async.engine.run import Run
from fi_async.engine.session import Session
from fi_async.engine.submissions import accept, fetch, score
from fi_async.engine.work import Work
from fi_async.pacing.planner import Kind
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

T = TypeVar("T")


def platform_lane(session: Session, context: Context, options: RunOptions, **how: Any) -> Lane:
    """Return the lane to the server of a session, which is asked as the platform is."""

    def begin(works: Sequence[Work], kind: Kind) -> Job:
        return accept(works, context) if kind == "async" else score(works, context)

    return Lane(context, options, Dispatch(session.transport, context), begin=begin, **how)


async def fetch_once(session: Session, call: HttpCall, options: RunOptions, read: Callable[[Reply], T]) -> T:
    """Return what `read` makes of the reply to one call, retried as `options` say.

    Raises:
        APITimeoutError: There was none within the timeout of the call.
        FiAsyncError: Whatever `read` or the last attempt raised.
    """
    lane = platform_lane(session, session.context(options), options, is_planned=False)
    run = Run(RunLanes(lane), options)
    session.runs.add(run)
    run.add(fetch(call, read, run.context))
    await run.drive()
    if not run.finished:
        raise APITimeoutError("no reply within the timeout of the call")
    answer: T = run.finished[0]
    return answer
