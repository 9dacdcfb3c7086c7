"""A run whose outcomes are taken one by one, as cases end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

import anyio

from fi_async._models import Outcome
from fi_async._public import public
from fi_async._statistics import ClientStatistics, Counts
from fi_async.engine.session import Session
from fi_async.progress.displays import ProgressLike
from fi_async.runs import calls
from fi_async.runs.calls import Ask, Handover
from fi_async.runs.case_reading import Cases


@public
class Stream(AsyncGenerator[Outcome]):
    """The outcomes of a run, as cases end: what `AsyncEvaluator.stream` returns.

    Iterate over it with `async for`; the run begins with the first outcome that is asked for. In `async with`, leaving
    the block ends the run, whatever the reason: no request leaves later, and none stays under way.

    Attributes:
        counts: What the run asked of the server, as it goes.

    Example:
        >>> async def first_failure(ev, cases):
        ...     async with ev.stream(cases, "is_json") as run:
        ...         async for outcome in run:
        ...             if not outcome.passed:
        ...                 return outcome.index, run.counts.requests
    """

    def __init__(self, session: Session, ask: Ask, cases: Cases, counts: Counts | None, progress: ProgressLike) -> None:
        self._session, self._options = session, ask.options
        self._handover = Handover(Counts() if counts is None else counts)
        self._arrivals = _arrivals(session, ask, cases, self._handover, progress)
        self._out = 0
        self.counts = self._handover.counts

    def __repr__(self) -> str:
        return f"<Stream ready={len(self._handover.ready)} {self._handover.run or 'not begun'}>"

    def __del__(self) -> None:
        """Leave the run of a loop that was broken off to whoever closes the client: event loops end it too late."""
        driving = self._handover.driving
        if driving is not None and not driving.done():
            self._session.abandoned.add(driving)
            driving.add_done_callback(self._session.abandoned.discard)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome. Asking for it tells the run that the one before was taken."""
        self.release(self._out)
        self._out = 0
        while not self._handover.ready:
            await anext(self._arrivals)
        self._out = 1
        return self._handover.ready.popleft()

    async def take(self, released: int = 0) -> list[Outcome]:
        """Return all outcomes that are ready, one at least; none once the run has ended. Each is to be released.

        Args:
            released: How many of those taken before were made use of since; see `release`.
        """
        self.release(released)
        while not self._handover.ready:
            if await anext(self._arrivals, self) is self:
                return []
        taken = list(self._handover.ready)
        self._handover.ready.clear()
        return taken

    def release(self, taken: int) -> None:
        """Tell the run that so many outcomes were made use of, so that it may read and evaluate as many more."""
        self._handover.release(taken)

    async def asend(self, _value: object) -> Outcome:
        """Return the next outcome, as `anext` does."""
        return await self.__anext__()

    async def athrow(self, *error: object) -> Outcome:
        """End the run, and raise the error, as a generator does that does not catch it."""
        await self.aclose()
        raise next(each for each in reversed(error) if isinstance(each, BaseException))

    async def aclose(self) -> None:
        """End the run: what is under way is dropped, or drained for `RunFile.drain` seconds where a file keeps it."""
        await self._arrivals.aclose()
        self._handover.ready.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def statistics(self) -> ClientStatistics:
        """Return what the client knows of the server, and what this run waits for.

        Raises:
            ConfigurationError: The shared budget cannot be read.
        """
        now = anyio.current_time()
        return calls.statistics(self._session, self._options, now, self._handover.waiting_for(now))


def _arrivals(
    session: Session, ask: Ask, cases: Cases, handover: Handover, progress: ProgressLike
) -> AsyncGenerator[None]:
    if ask.kept is None or ask.kept.store is None:
        return calls.stream(session, ask, cases, handover, progress)
    from fi_async.runs import stored_calls  # noqa: PLC0415  # not needed by who keeps no run in a database

    return stored_calls.stream(session, ask, cases, handover, progress)
