"""Evaluator: AsyncEvaluator for programs that don't await, over one background event loop per process."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Self, TypeVar, Unpack, overload

from fi_async._loop_thread import loop_thread
from fi_async._models import Case, Inputs, TemplateLike
from fi_async._public import public
from fi_async._settings import Omitted, Timeout, not_picklable
from fi_async._statistics import ClientStatistics
from fi_async.blocking import BlockingExecution, BlockingQueue, BlockingStream
from fi_async.evaluations import EvaluateKeywords, NamedT
from fi_async.evaluator import AsyncEvaluator
from fi_async.execution import Execution
from fi_async.reports.report import Report
from fi_async.runs.calls import TemplatesLike
from fi_async.sources.callers import CallersCases, callers_cases
from fi_async.wire.transport import AsgiApp

if TYPE_CHECKING:
    from fi_async._results import BatchRunResult, EvalResult
    from fi_async.backends.judge import Judge
    from fi_async.background import BackgroundQueue
    from fi_async.datasets.blocking_datasets import BlockingDatasets

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_BLOCKING = {
    "Execution": "BlockingExecution",
    "Stream": "BlockingStream",
    "AbstractAsyncContextManager[BackgroundQueue]": "AbstractContextManager[BlockingQueue]",
}


def _as_of(
    method: Callable[Concatenate[AsyncEvaluator, P], Any],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Evaluator, P], R]]:
    """Return a decorator that gives a method the arguments and the words of the client's own."""

    def decorate(function: Callable[..., R]) -> Callable[Concatenate[Evaluator, P], R]:
        _describe(function, method)
        return function

    return decorate


def _describe(function: Callable[..., Any], method: Callable[..., Any]) -> None:
    """Give a function the signature and the docstring of a method of the client, with our handles for its own."""
    signature = inspect.signature(method)
    parameters = [each.replace(annotation=_blocking_type(each.annotation)) for each in signature.parameters.values()]
    function.__doc__ = method.__doc__
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]  # see inspect
        parameters=parameters, return_annotation=_blocking_type(signature.return_annotation)
    )


def _blocking_type(annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    return re.sub(r"[\w]+(\[BackgroundQueue\])?", lambda found: _BLOCKING.get(found[0], found[0]), annotation)


def _blocking(
    method: Callable[Concatenate[AsyncEvaluator, P], Awaitable[T]],
) -> Callable[Concatenate[Evaluator, P], T]:
    """Return a method that waits for the client's of the same name; cases that are read here are read meanwhile."""

    @wraps(method)
    def call(self: Evaluator, /, *args: P.args, **kwargs: P.kwargs) -> T:
        cases, given, named = _read_here(args, kwargs)
        return loop_thread.run_serving(cases, method, self._async, *given, **named)

    _describe(call, method)
    return call


def _read_here(
    args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[CallersCases | None, Sequence[Any], dict[str, Any]]:
    """Return the cases of a call that this thread has to read, and its arguments with these in their place."""
    given = kwargs.get("cases", args[0] if args else None)
    cases = callers_cases(given) if "cases" in kwargs or args else None
    if cases is None:
        return None, args, kwargs
    return (cases, args, {**kwargs, "cases": cases}) if "cases" in kwargs else (cases, (cases, *args[1:]), kwargs)


@public
class Evaluator:
    """The client, for programs that don't await: the methods of AsyncEvaluator, each blocking until it is done.

    Works where an event loop already runs (a notebook), from several threads at once, and in forked children.
    Ctrl-C ends a call at once; one whose run a file keeps has `RunFile.drain` seconds for what is under way, and a
    second Ctrl-C does not wait. Use it in `with`, or don't: what it holds is closed at exit. The arguments are those of
    AsyncEvaluator.

    Raises:
        MissingCredentialsError: There is no key pair, and the backend is not the local one.
        ConfigurationError: A value is out of its range; the message names it.

    Example:
        >>> ev = Evaluator.local()
        >>> ev.evaluate("contains", {"text": "Paris, France"}, eval_config={"keyword": "Paris"}).eval_results[0].passed
        True
    """

    @_as_of(AsyncEvaluator.__init__)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._adopt(AsyncEvaluator(*args, **kwargs))

    def _adopt(self, evaluator: AsyncEvaluator) -> None:
        self._async = evaluator
        loop_thread.transports.add(evaluator._session.transport)

    @classmethod
    def _of(cls, evaluator: AsyncEvaluator) -> Self:
        self = cls.__new__(cls)
        self._adopt(evaluator)
        return self

    @classmethod
    def local(cls, app: AsgiApp | None = None, *, judge: Judge | None = None, **options: Any) -> Self:
        """Return a client of the embedded backend: no account, no network, no cost.

        Its function templates answer as the platform's; groundedness and its like are lexical estimates, and
        say so.

        Args:
            app: A `fi_async.local.LocalBackend` of yours, with its latency, limits and faults.
            judge: Answers in place of the estimates, and all else that a judge can.
            **options: The keywords of the class.

        Raises:
            ConfigurationError: A value is out of its range; the message names it.
        """
        return cls._of(AsyncEvaluator.local(app, judge=judge, **options))

    def __repr__(self) -> str:
        return repr(self._async).replace("Async", "", 1)

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @_as_of(AsyncEvaluator.with_options)
    def with_options(self, **options: Any) -> Evaluator:
        """Return a client with other defaults that shares this one's connections."""
        return self._of(self._async.with_options(**options))

    @property
    def datasets(self) -> BlockingDatasets:
        """The datasets of the key pair: rows that are kept and evaluated on the platform.

        Raises:
            ConfigurationError: The platform is not among the client's backends.
        """
        from fi_async.datasets.blocking_datasets import BlockingDatasets  # noqa: PLC0415  # not needed by who has none

        return BlockingDatasets(self._async.datasets)

    @_as_of(AsyncEvaluator.statistics)
    def statistics(self) -> ClientStatistics:
        """Return what the client knows of the server."""

        async def statistics() -> ClientStatistics:
            return self._async.statistics()

        return loop_thread.run(statistics)

    close = _blocking(AsyncEvaluator.aclose)
    get_eval_result = _blocking(AsyncEvaluator.get_eval_result)
    gather = _blocking(AsyncEvaluator.gather)
    plan = _blocking(AsyncEvaluator.plan)
    load = _blocking(AsyncEvaluator.load)
    work = _blocking(AsyncEvaluator.work)
    reopen = _blocking(AsyncEvaluator.reopen)
    list_evaluations = _blocking(AsyncEvaluator.list_evaluations)
    evaluate_pipeline = _blocking(AsyncEvaluator.evaluate_pipeline)
    get_pipeline_results = _blocking(AsyncEvaluator.get_pipeline_results)
    configure_evaluations = _blocking(AsyncEvaluator.configure_evaluations)

    @overload
    def evaluate(
        self,
        /,
        eval_templates: TemplatesLike,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        *,
        model_name: str | Omitted | None = ...,
        model: str | Omitted | None = ...,
        is_async: bool = ...,
        timeout: float | Timeout | Omitted | None = ...,
        eval_config: Mapping[str, Any] | None = ...,
        custom_eval_name: str | None = ...,
        trace_eval: bool = ...,
        error_localizer: bool = ...,
        platform: str | None = ...,
        span_id: str | None = ...,
        **fields: Any,
    ) -> BatchRunResult: ...

    @overload
    def evaluate(
        self,
        /,
        eval_templates: TemplateLike,
        *,
        model_name: str | Omitted | None = ...,
        model: str | Omitted | None = ...,
        is_async: bool = ...,
        timeout: float | Timeout | Omitted | None = ...,
        eval_config: Mapping[str, Any] | None = ...,
        custom_eval_name: str | None = ...,
        trace_eval: bool = ...,
        error_localizer: bool = ...,
        span_id: str | None = ...,
        **fields: Any,
    ) -> EvalResult: ...

    @overload
    def evaluate(
        self,
        /,
        eval_templates: list[NamedT] | tuple[NamedT, ...],
        *,
        model_name: str | Omitted | None = ...,
        model: str | Omitted | None = ...,
        is_async: bool = ...,
        timeout: float | Timeout | Omitted | None = ...,
        eval_config: Mapping[str, Any] | None = ...,
        custom_eval_name: str | None = ...,
        trace_eval: bool = ...,
        error_localizer: bool = ...,
        span_id: str | None = ...,
        **fields: Any,
    ) -> BatchRunResult: ...

    def evaluate(self, /, eval_templates: Any, inputs: Any = None, **kwargs: Any) -> Any:
        """Return the results of one set of inputs, or of a batch, in order."""
        evaluate: Callable[..., Awaitable[Any]] = self._async.evaluate
        return loop_thread.run(evaluate, eval_templates, inputs, **kwargs)

    @overload
    def submit(
        self, eval_templates: TemplateLike, inputs: Inputs | Case, **given: Unpack[EvaluateKeywords]
    ) -> BlockingExecution: ...

    @overload
    def submit(
        self, eval_templates: TemplateLike, inputs: Sequence[Inputs | Case], **given: Unpack[EvaluateKeywords]
    ) -> list[BlockingExecution]: ...

    @overload
    def submit(
        self,
        eval_templates: list[NamedT] | tuple[NamedT, ...],
        inputs: Inputs | Case | Sequence[Inputs | Case],
        **given: Unpack[EvaluateKeywords],
    ) -> list[BlockingExecution]: ...

    def submit(self, eval_templates: Any, inputs: Any, **kwargs: Any) -> Any:
        """Start evaluations and return their handles at once."""
        submit: Callable[..., Awaitable[Execution | list[Execution]]] = self._async.submit
        handles = loop_thread.run(submit, eval_templates, inputs, **kwargs)
        if isinstance(handles, list):
            return [BlockingExecution(handle) for handle in handles]
        return BlockingExecution(handles)

    @overload
    def poll(
        self,
        evaluations: str | BlockingExecution,
        /,
        *,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult: ...

    @overload
    def poll(
        self,
        evaluations: str | BlockingExecution | Sequence[str | BlockingExecution],
        /,
        *more: str | BlockingExecution,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult | Report: ...

    def poll(self, evaluations: Any, /, *more: Any, **kwargs: Any) -> Any:
        """Return the result of an accepted evaluation; of several, a Report in their order."""
        return loop_thread.run(self._async.poll, _awaited(evaluations), *map(_awaited, more), **kwargs)

    def get_execution(self, execution_id: str) -> BlockingExecution:
        """Return the handle of an accepted evaluation, from its id alone, asked once where it stands.

        Args:
            execution_id: The evaluation's id.

        Raises:
            InvalidCaseError: The id is no text, or blank.
            NotFoundError: The id is unknown, or another organisation's.
            APIError: The server could not be asked.
        """
        return BlockingExecution(self._async.get_execution(execution_id)).refresh()

    @_as_of(AsyncEvaluator.stream)
    def stream(self, *args: Any, **kwargs: Any) -> BlockingStream:
        """Iterate over outcomes as cases end."""
        cases, given, named = _read_here(args, kwargs)
        return BlockingStream(self._async.stream(*given, **named), cases)

    @_as_of(AsyncEvaluator.background)
    def background(self, *args: Any, **kwargs: Any) -> AbstractContextManager[BlockingQueue]:
        """Yield a queue that the threads of an application offer cases to."""
        return _queue(self._async.background(*args, **kwargs))


for _name in ("evaluate", "submit", "poll"):  # their overloads are for type checkers: decorated, they would be lost
    _describe(getattr(Evaluator, _name), getattr(AsyncEvaluator, _name))


@contextmanager
def _queue(opening: AbstractAsyncContextManager[BackgroundQueue]) -> Iterator[BlockingQueue]:
    with loop_thread.portal().wrap_async_context_manager(opening) as queue:
        yield BlockingQueue(queue)


def _awaited(evaluation: Any) -> Any:
    """Return what the client polls: of our handles, those within."""
    if isinstance(evaluation, list | tuple):
        return [_awaited(each) for each in evaluation]
    return evaluation._execution if isinstance(evaluation, BlockingExecution) else evaluation
