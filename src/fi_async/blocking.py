"""The handles of a blocking client: of an evaluation, of a stream of outcomes, of a queue."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self

from fi_async._errors import EvaluationError
from fi_async._loop_thread import loop_thread
from fi_async._models import Case, EvalStatus, Inputs, Outcome
from fi_async._public import public
from fi_async._settings import OMITTED, Omitted, Timeout, not_picklable
from fi_async._statistics import ClientStatistics
from fi_async.execution import Execution
from fi_async.runs.streams import Stream
from fi_async.sources.callers import CallersCases

if TYPE_CHECKING:
    from fi_async._results import EvalResult
    from fi_async.background import BackgroundQueue, Statistics

_TOLD_EVERY: Final = 0.001  # seconds between two times that a run is told how many of its outcomes were taken


@public
class BlockingExecution:
    """The handle of an evaluation on the server, for programs that don't await; see `Execution`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def __repr__(self) -> str:
        return repr(self._execution)

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    @property
    def id(self) -> str:
        """The evaluation's id: with it `get_execution` makes this handle again anywhere."""
        return self._execution.id

    @property
    def template(self) -> str:
        """The template's name; empty if the handle was made from an id that this client does not know."""
        return self._execution.template

    @property
    def status(self) -> EvalStatus:
        """Where the evaluation stood when last asked."""
        return self._execution.status

    @property
    def error(self) -> EvaluationError | None:
        """Why it failed, once it has."""
        return self._execution.error

    @property
    def error_message(self) -> str | None:
        """The server's words on why it failed; None if it did not."""
        return self._execution.error_message

    def is_done(self) -> bool:
        """Tell whether the evaluation had ended when last asked."""
        return self._execution.is_done()

    def refresh(self) -> Self:
        """Ask once where the evaluation stands, and return this handle.

        Raises:
            NotFoundError: The id is unknown, or another organisation's.
            APIError: The server could not be asked.
        """
        loop_thread.run(self._execution.refresh)
        return self

    def result(self) -> EvalResult:
        """Return the result, waiting for it as `wait` does. Raises as `wait` does."""
        return loop_thread.run(self._execution.result)

    def wait(
        self,
        timeout: float | Timeout | Omitted | None = OMITTED,
        poll_interval: float | Omitted | None = OMITTED,
        *,
        raise_on_failure: bool = True,
    ) -> Self:
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
        wait = partial(self._execution.wait, timeout, poll_interval, raise_on_failure=raise_on_failure)
        loop_thread.run(wait)
        return self


@public
class BlockingStream(Iterator[Outcome]):
    """The outcomes of a run, as cases end: what `Evaluator.stream` returns.

    Iterate over it with `for`; the run begins with the first outcome that is asked for. In `with`, leaving the block
    ends the run, whatever the reason: no request leaves later, and none stays under way. A generator of cases is read
    in the thread that iterates, and what it raises is raised there.

    Attributes:
        counts: What the run asked of the server, as it goes.

    Example:
        >>> def first_failure(ev, cases):
        ...     with ev.stream(cases, "is_json") as run:
        ...         for outcome in run:
        ...             if not outcome.passed:
        ...                 return outcome.index, run.counts.requests
    """

    def __init__(self, stream: Stream, cases: CallersCases | None) -> None:
        self.counts = stream.counts
        self._stream = stream
        # A generator of its own that does not lead back here: dropped half-read, it ends the run at once.
        self._outcomes = _outcomes(stream, cases)

    def __repr__(self) -> str:
        return repr(self._stream)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        return next(self._outcomes)

    def close(self) -> None:
        """End the run: what is under way is dropped, or drained for `RunFile.drain` seconds where a file keeps it."""
        self._outcomes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def statistics(self) -> ClientStatistics:
        """Return what the client knows of the server, and what this run waits for.

        Raises:
            ConfigurationError: The shared budget cannot be read.
        """

        async def statistics() -> ClientStatistics:
            return self._stream.statistics()

        return loop_thread.run(statistics)


def _outcomes(stream: Stream, cases: CallersCases | None) -> Generator[Outcome]:
    """Yield outcomes, as many a way to the event loop as are ready; the cases are read meanwhile, if they are here."""
    loop_thread.streams.add(stream)
    used = 0
    try:
        while taken := loop_thread.run_serving(cases, stream.take, used):
            used, told_at = 0, monotonic()
            for outcome in taken:
                yield outcome
                used += 1
                if cases is not None:
                    cases.serve()
                if monotonic() - told_at > _TOLD_EVERY:
                    loop_thread.portal().start_task_soon(stream.release, used)
                    used, told_at = 0, monotonic()
    finally:
        if stream in loop_thread.streams:  # at exit it is closed already, and no loop can be begun
            loop_thread.streams.discard(stream)
            loop_thread.run(stream.aclose)


class BlockingQueue:
    """A queue of the background, for programs that don't await; see `AsyncEvaluator.background`."""

    def __init__(self, queue: BackgroundQueue) -> None:
        self._queue = queue

    def __repr__(self) -> str:
        return repr(self._queue)

    @property
    def last_error(self) -> Exception | None:
        """What the sink raised last; None if it never did."""
        return self._queue.last_error

    @property
    def error(self) -> Exception | None:
        """What ended the queue early; None if nothing did. Leaving raises it."""
        return self._queue.error

    def offer(self, case: Inputs | Case) -> bool:
        """Tell whether a case was taken, at once and from any thread; see `BackgroundQueue.offer`."""
        return self._queue.offer(case)

    def put(self, case: Inputs | Case) -> bool:
        """Tell whether a case was taken, once it is on disk if there is a spool; see `BackgroundQueue.put`."""
        return loop_thread.run(self._queue.put, case)

    def drained(self, timeout: float | None = None) -> bool:
        """Tell whether the outcomes of all cases are with the sink; see `BackgroundQueue.drained`."""
        return loop_thread.run(self._queue.drained, timeout)

    def statistics(self) -> Statistics:
        """Return what the queue has done so far."""
        return self._queue.statistics()
