"""The handle of an evaluation on the server: its id is all it takes to come back to it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import anyio

from fi_async._errors import EvaluationError, StalledError
from fi_async._models import Case, EvalStatus, Outcome
from fi_async._public import public
from fi_async._settings import OMITTED, Omitted, RunOptions, Timeout, not_picklable
from fi_async.engine.lanes import RunLanes
from fi_async.engine.one_call import fetch_once, platform_lane
from fi_async.engine.run import Run
from fi_async.engine.session import Session
from fi_async.engine.submissions import poll
from fi_async.engine.work import Attempt, Work
from fi_async.reports.report import Report
from fi_async.wire import requests, verdicts
from fi_async.wire.requests import Parameters
from fi_async.wire.responses import Reply
from fi_async.wire.verdicts import Polled

if TYPE_CHECKING:
    from fi_async._results import EvalResult


@public
class Execution:
    """An evaluation that the server has accepted. `await` it for its result.

    Attributes:
        id: The evaluation's id: keep it, and `get_execution(id)` makes this handle again anywhere.
        template: The template's name; empty if the handle was made from an id that this client does not know.
        status: Where it stood when last asked.
        error: Why it failed, once it has.

    Example:
        >>> async def in_background(ev):
        ...     execution = await ev.submit("groundedness", {"output": "…", "context": "…"})
        ...     return await execution
    """

    def __init__(self, id: str, session: Session, options: RunOptions, template: str = "") -> None:  # noqa: A002  # the official name
        self.id = requests.eval_id_of(id)  # refuses what is no id, before anyone waits for it
        self.template = template
        self.status = EvalStatus.PENDING
        self.error: EvaluationError | None = None
        self._result: EvalResult | None = None
        self._session = session
        self._options = options

    def __repr__(self) -> str:
        return f"<Execution {self.id} {self.status}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    def __await__(self) -> Generator[Any, Any, EvalResult]:
        """Wait for the result, as `result()`."""
        return self.result().__await__()

    def is_done(self) -> bool:
        """Tell whether the evaluation had ended when last asked."""
        return self.status in (EvalStatus.COMPLETED, EvalStatus.FAILED)

    @property
    def error_message(self) -> str | None:
        """The server's words on why it failed; None if it did not."""
        return self.error.server_message if self.error else None

    async def refresh(self) -> Execution:
        """Ask once where the evaluation stands, and return this handle.

        Raises:
            NotFoundError: The id is unknown, or another organisation's.
            APIError: The server could not be asked.
        """

        def read(reply: Reply) -> Polled:
            return verdicts.polled(reply, self.id, self.template)

        found = await fetch_once(self._session, requests.get_eval(self.id), self._options, read)
        self.status, self._result, self.error = found.status, found.result, found.error
        return self

    async def result(self) -> EvalResult:
        """Return the result, waiting for it as `wait` does. Raises as `wait` does."""
        await self.wait()
        assert self._result is not None  # noqa: S101  # wait() has it, or raises
        return self._result

    async def wait(
        self,
        timeout: float | Timeout | Omitted | None = OMITTED,
        poll_interval: float | Omitted | None = OMITTED,
        *,
        raise_on_failure: bool = True,
    ) -> Execution:
        """Return this handle once the evaluation has ended.

        Args:
            timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
                None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
            poll_interval: Seconds between requests; None adapts: soon at first, then at growing intervals.
            raise_on_failure: False returns the handle of a failed evaluation too; see its `error`.

        Raises:
            StalledError: Not done in time. Waiting again costs nothing more.
            EvaluationError: It failed on the server.
            APIError: The server refused to say.
        """
        if not self.is_done():
            options = self._options.with_given(timeout=timeout, poll_interval=poll_interval)
            report = await poll_all([(self.id, self.template)], self._session, options)
            self._settle(report.outcomes[0])
        if self.error is not None and raise_on_failure:
            raise self.error
        return self

    def _settle(self, ended: Outcome) -> None:
        if ended.result is not None:
            self.status, self._result = EvalStatus.COMPLETED, ended.result
        elif isinstance(ended.error, EvaluationError):
            self.status, self.error = EvalStatus.FAILED, ended.error
        else:
            raise ended.error or StalledError("the evaluation did not end", eval_id=self.id)


async def poll_all(evaluations: Sequence[tuple[str, str]], session: Session, options: RunOptions) -> Report:
    """Return how some accepted evaluations ended, in their order.

    Args:
        evaluations: Their ids, each with its template; "" where that is not known: the server may say it.
        session: The client's.
        options: What shapes the run.
    """
    began = anyio.current_time()
    context = session.context(options)
    lane = platform_lane(session, context, options, is_planned=False)
    templates = dict.fromkeys(template for _, template in evaluations)
    run = Run(RunLanes(lane, None, tuple(templates), len(evaluations)), options)
    session.runs.add(run)
    asked = [(requests.eval_id_of(eval_id), template) for eval_id, template in evaluations]
    for index, (eval_id, template) in enumerate(asked):
        run.add(
            poll(Work(index, Case({}, id=eval_id), Parameters(template), attempt=Attempt(eval_id=eval_id)), context)
        )
    await run.drive()
    ended = sorted(run.finished, key=lambda outcome: outcome.index)
    return Report([_named(each) for each in ended], anyio.current_time() - began, context.counts)


def _named(ended: Outcome) -> Outcome:
    """Return an outcome with the template that the server named, where nobody else did."""
    if ended.template or ended.result is None:
        return ended
    return replace(ended, template=ended.result.name)
