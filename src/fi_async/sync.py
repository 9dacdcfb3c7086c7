"""Evaluator: AsyncEvaluator for programs that don't await, over one background event loop per process."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import anyio
from anyio.from_thread import BlockingPortal

from fi_async._models import Case, EvalStatus, Inputs, Outcome
from fi_async._public import public
from fi_async._settings import OMITTED, Omitted, RunKeywords, Timeout
from fi_async.engine.calls import Cases, Templates
from fi_async.evaluator import AsyncEvaluator
from fi_async.execution import Execution
from fi_async.wire.transport import AsgiApp, Transport

if TYPE_CHECKING:
    from fi_async._results import EvalResult
    from fi_async.background import BackgroundQueue, Statistics

P = ParamSpec("P")
T = TypeVar("T")

_LAST_WORDS = 2.0  # seconds that closing connections at exit may take


class _Background:
    """The event loop that all Evaluators of this process share, in a thread of its own, begun on first use."""

    def __init__(self, **backend_options: Any) -> None:
        self.backend_options = backend_options
        self.transports: weakref.WeakSet[Transport] = weakref.WeakSet()
        self._forget()
        if hasattr(os, "register_at_fork"):
            # The thread does not live on in a child, and the lock may have been held at the fork.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        self.streams: set[AsyncGenerator[Outcome]] = set()

    def portal(self) -> BlockingPortal:
        """Return the way into the loop, begun if there is none."""
        with self._lock:
            if self._portal is None:
                begun: Future[BlockingPortal] = Future()
                # Not anyio's start_blocking_portal(): its context manager, dropped in a forked child, waits
                # for the thread that only the parent has.
                self._thread = threading.Thread(target=self._serve, args=(begun,), name="fi_async", daemon=True)
                self._thread.start()
                self._portal = begun.result()
            return self._portal

    def _serve(self, begun: Future[BlockingPortal]) -> None:
        async def until_stopped() -> None:
            async with BlockingPortal() as portal:
                begun.set_result(portal)
                await portal.sleep_until_stopped()

        try:
            anyio.run(until_stopped, backend="asyncio", backend_options=self.backend_options)
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)  # such as that no more files can be opened: who waits must be told

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns on the loop; an interrupt cancels it there, and waits for its end.

        Another interrupt does not wait: a run that is kept may take its time for what is under way.
        """
        ended = threading.Event()

        async def call() -> T:
            try:
                return await function(*args, **kwargs)
            finally:
                ended.set()

        future = self.portal().start_task_soon(call)
        try:
            return future.result()
        except BaseException:
            if future.cancel():
                ended.wait()
            raise

    def stop(self) -> None:
        """Close what is still open, then the loop. A later call begins another."""
        with self._lock:
            portal, thread = self._portal, self._thread
            self._portal = self._thread = None
        if portal is None or thread is None:
            return
        with suppress(Exception):  # at exit there is no one left to tell
            portal.start_task_soon(self._close_all).result(_LAST_WORDS)
        with suppress(RuntimeError):  # the loop has ended already
            portal.start_task_soon(portal.stop, True)
        thread.join(_LAST_WORDS)

    async def _close_all(self) -> None:
        # Streams first, from without: the end of the loop would close what is inside them at the same time.
        await asyncio.gather(*(stream.aclose() for stream in list(self.streams)), return_exceptions=True)
        self.streams.clear()
        for transport in list(self.transports):
            await transport.aclose()
        # Those that were dropped a moment ago are closing by themselves: the loop must not end before.
        closing = [each for each in asyncio.all_tasks() if type(each.get_coro()).__name__ == "async_generator_athrow"]
        if closing:
            await asyncio.wait(closing)


background = _Background()
atexit.register(background.stop)


def _blocking(
    method: Callable[Concatenate[AsyncEvaluator, P], Awaitable[T]],
) -> Callable[Concatenate[Evaluator, P], T]:
    """Return a method that waits for the client's of the same name."""

    @wraps(method)
    def call(self: Evaluator, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return background.run(method, self._async, *args, **kwargs)

    return call


async def _statistics(evaluator: AsyncEvaluator) -> Mapping[str, Any]:
    return evaluator.statistics()


@public
class Evaluator:
    """The client, for programs that don't await: the methods of AsyncEvaluator, each blocking until it is done.

    Works where an event loop already runs (a notebook), from several threads at once, and in forked children.
    Ctrl-C ends a call at once; one whose run a file keeps has `RunFile.drain` seconds for what is under way, and a
    second Ctrl-C does not wait. Use it in `with`, or don't: what it holds is closed at exit.

    Args:
        *args: As of AsyncEvaluator, as all others.
        **kwargs: As of AsyncEvaluator.

    Raises:
        MissingCredentialsError, ConfigurationError: As AsyncEvaluator.

    Example:
        >>> ev = Evaluator.local()
        >>> ev.evaluate("contains", {"text": "Paris, France"}, eval_config={"keyword": "Paris"}).eval_results[0].passed
        True
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._adopt(AsyncEvaluator(*args, **kwargs))

    def _adopt(self, evaluator: AsyncEvaluator) -> None:
        self._async = evaluator
        background.transports.add(evaluator._session.transport)

    @classmethod
    def _of(cls, evaluator: AsyncEvaluator) -> Self:
        self = cls.__new__(cls)
        self._adopt(evaluator)
        return self

    @classmethod
    def local(cls, app: AsgiApp | None = None, **options: Any) -> Self:
        """Return a client of the embedded backend; see `AsyncEvaluator.local`."""
        return cls._of(AsyncEvaluator.local(app, **options))

    def with_options(self, **options: Unpack[RunKeywords]) -> Self:
        """Return a client with other defaults that shares this one's connections."""
        return self._of(self._async.with_options(**options))

    def statistics(self) -> Mapping[str, Any]:
        """Return what the client knows of the server; see `AsyncEvaluator.statistics`."""
        return background.run(_statistics, self._async)

    def __repr__(self) -> str:
        return repr(self._async).replace("Async", "", 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    close = _blocking(AsyncEvaluator.aclose)
    evaluate = _blocking(AsyncEvaluator.evaluate)
    get_eval_result = _blocking(AsyncEvaluator.get_eval_result)
    gather = _blocking(AsyncEvaluator.gather)
    plan = _blocking(AsyncEvaluator.plan)
    poll = _blocking(AsyncEvaluator.poll)
    list_evaluations = _blocking(AsyncEvaluator.list_evaluations)
    evaluate_pipeline = _blocking(AsyncEvaluator.evaluate_pipeline)
    get_pipeline_results = _blocking(AsyncEvaluator.get_pipeline_results)
    configure_evaluations = _blocking(AsyncEvaluator.configure_evaluations)

    def submit(
        self, eval_templates: Templates, inputs: Inputs | Case | list[Inputs | Case], **given: Any
    ) -> BlockingExecution | list[BlockingExecution]:
        """Start evaluations and return their handles at once; see `AsyncEvaluator.submit`."""
        handles: Execution | list[Execution] = background.run(
            partial(self._async.submit, eval_templates, inputs, **given)
        )
        if isinstance(handles, list):
            return [BlockingExecution(handle) for handle in handles]
        return BlockingExecution(handles)

    def get_execution(self, execution_id: str) -> BlockingExecution:
        """Return the handle of an accepted evaluation, from its id alone, asked once where it stands.

        Raises:
            NotFoundError: The id is unknown, or another organisation's.
        """
        return BlockingExecution(self._async.get_execution(execution_id)).refresh()

    def stream(
        self,
        cases: Cases,
        eval_templates: Templates,
        *,
        eval_config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Iterator[Outcome]:
        """Iterate over outcomes as cases end; see `AsyncEvaluator.stream`."""
        outcomes = self._async.stream(cases, eval_templates, eval_config=eval_config, **options)
        background.streams.add(outcomes)
        try:
            while True:
                try:
                    yield background.run(outcomes.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            if outcomes in background.streams:  # at exit it is closed already, and no loop can be begun
                background.streams.discard(outcomes)
                background.run(outcomes.aclose)

    @contextmanager
    def background(self, eval_templates: Templates, **given: Any) -> Iterator[BlockingQueue]:
        """Yield a queue that the threads of an application offer cases to; see `AsyncEvaluator.background`."""
        opening = self._async.background(eval_templates, **given)
        with background.portal().wrap_async_context_manager(opening) as queue:
            yield BlockingQueue(queue)


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
        return background.run(self._queue.put, case)

    def drained(self, timeout: float | None = None) -> bool:
        """Tell whether the outcomes of all cases are with the sink; see `BackgroundQueue.drained`."""
        return background.run(self._queue.drained, timeout)

    def statistics(self) -> Statistics:
        """Return what the queue has done so far."""
        return self._queue.statistics()


@public
class BlockingExecution:
    """The handle of an evaluation on the server, for programs that don't await; see `Execution`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def __repr__(self) -> str:
        return repr(self._execution)

    @property
    def id(self) -> str:
        """The evaluation's id: with it `get_execution` makes this handle again anywhere."""
        return self._execution.id

    @property
    def status(self) -> EvalStatus:
        """Where the evaluation stood when last asked."""
        return self._execution.status

    @property
    def error_message(self) -> str | None:
        """The server's words on why it failed; None if it did not."""
        return self._execution.error_message

    def is_done(self) -> bool:
        """Tell whether the evaluation had ended when last asked."""
        return self._execution.is_done()

    def refresh(self) -> Self:
        """Ask once where the evaluation stands, and return this handle. Raises as `Execution.refresh` does."""
        background.run(self._execution.refresh)
        return self

    def result(self) -> EvalResult:
        """Return the result, waiting for it. Raises as `Execution.wait` does."""
        return background.run(self._execution.result)

    def wait(
        self,
        timeout: float | Timeout | Omitted | None = OMITTED,
        poll_interval: float | Omitted | None = OMITTED,
        *,
        raise_on_failure: bool = True,
    ) -> Self:
        """Return this handle once the evaluation has ended; see `Execution.wait`."""
        wait = partial(self._execution.wait, timeout, poll_interval, raise_on_failure=raise_on_failure)
        background.run(wait)
        return self
