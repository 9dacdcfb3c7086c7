"""One evaluation, or a few: asked for and waited for, or started and come back to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack, overload

from fi_async._errors import ConfigurationError, instead
from fi_async._models import Case, Inputs, TemplateLike
from fi_async._settings import OMITTED, Omitted, Timeout
from fi_async.execution import Execution, poll_all
from fi_async.pipelines import PlatformCalls, current_span
from fi_async.reports.report import Report
from fi_async.runs import calls
from fi_async.runs.calls import Ask, TemplatesLike
from fi_async.wire.preflight import rows_of

if TYPE_CHECKING:
    from fi_async._results import BatchRunResult, EvalResult

NamedT = TypeVar("NamedT", bound=TemplateLike)  # a list of names is no list of what may be named in other ways

_REMEMBERED: Final = 10_000  # evaluations whose template `poll` knows by their id


class EvaluateKeywords(TypedDict, total=False):
    """The keywords that `submit` shares with `evaluate`, as type checkers see them."""

    model_name: str | Omitted | None
    model: str | Omitted | None
    timeout: float | Timeout | Omitted | None
    eval_config: Mapping[str, Any] | None
    custom_eval_name: str | None
    trace_eval: bool
    error_localizer: bool
    span_id: str | None


class Evaluations(PlatformCalls):
    """A client that evaluates one set of inputs, or a batch of a few."""

    @overload
    async def evaluate(
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
    async def evaluate(
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
    async def evaluate(
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

    async def evaluate(
        self,
        /,
        eval_templates: TemplatesLike,
        inputs: Inputs | Case | Sequence[Inputs | Case] | None = None,
        *,
        model_name: str | Omitted | None = OMITTED,
        model: str | Omitted | None = OMITTED,
        is_async: bool = False,
        timeout: float | Timeout | Omitted | None = OMITTED,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        trace_eval: bool = False,
        error_localizer: bool = False,
        platform: str | None = None,
        span_id: str | None = None,
        **fields: Any,
    ) -> BatchRunResult | EvalResult:
        """Return the results of one set of inputs, or of a batch, in order.

        `evaluate("is_json", text="[1]")`, with the inputs as keywords, returns the one result itself.

        Args:
            eval_templates: A template's name, an object with an `eval_name`, or a list of these.
            inputs: A dict of text by key, or a Case. A list of these, or a dict of equally long lists, is a
                batch. Values richer than text are sent as JSON.
            model_name: The judge; the client's where omitted.
            model: Another word for `model_name`.
            is_async: Return at once; each result then has an `eval_id` and no output yet.
            timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
                None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the result is attached to the span.
            trace_eval: Attach the result to a span.
            error_localizer: Ask which part of the input is at fault.
            platform: Check a configuration for this tracing platform instead: see `configure_evaluations`.
            span_id: The span; the current OpenTelemetry span where omitted.
            **fields: The inputs by key, where `inputs` is left out; with `platform`, its fields.

        Raises:
            InvalidCaseError: An input would be refused or misread by the server; nothing was sent.
            ConfigurationError, NotFoundError: An option or a template's name is wrong.
            APIError, AmbiguousError, EvaluationError: It went wrong; the first of a batch. Its `report` has
                the outcomes of all.
        """
        if platform is not None:
            answer = await self.configure_evaluations(
                eval_templates,
                inputs or {},
                platform=platform,
                custom_eval_name=custom_eval_name,
                model_name=model_name,
                model=model,
                span_id=span_id,
                **fields,
            )
            return _batch(eval_results=[], message=str(answer.get("message", answer)))
        ask = Ask(
            eval_templates,
            self._options.with_given(model_name=model_name, model=model, timeout=timeout),
            eval_config=eval_config,
            fields={
                "custom_eval_name": custom_eval_name,
                "trace_eval": trace_eval,
                "span_id": span_id or (current_span().get("span_id") if trace_eval else None),
                "error_localizer": error_localizer,
            },
        )
        cases = _inputs(inputs, fields)
        results = await calls.evaluate(self._session, ask, cases, is_async=is_async)
        if is_async:
            self._remember({str(each.eval_id): each.name for each in results})
        if inputs is None and len(results) == 1 and not _is_batch(eval_templates):
            return results[0]
        return _batch(eval_results=results)

    def _remember(self, templates: Mapping[str, str]) -> None:
        """Keep the templates of accepted evaluations by their id, of the last thousands."""
        self._submitted.update(templates)
        while len(self._submitted) > _REMEMBERED:
            del self._submitted[next(iter(self._submitted))]

    @overload
    async def submit(
        self, eval_templates: TemplateLike, inputs: Inputs | Case, **given: Unpack[EvaluateKeywords]
    ) -> Execution: ...

    @overload
    async def submit(
        self, eval_templates: TemplateLike, inputs: Sequence[Inputs | Case], **given: Unpack[EvaluateKeywords]
    ) -> list[Execution]: ...

    @overload
    async def submit(
        self,
        eval_templates: list[NamedT] | tuple[NamedT, ...],
        inputs: Inputs | Case | Sequence[Inputs | Case],
        **given: Unpack[EvaluateKeywords],
    ) -> list[Execution]: ...

    async def submit(
        self,
        eval_templates: TemplatesLike,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        *,
        model_name: str | Omitted | None = OMITTED,
        model: str | Omitted | None = OMITTED,
        timeout: float | Timeout | Omitted | None = OMITTED,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        trace_eval: bool = False,
        error_localizer: bool = False,
        span_id: str | None = None,
    ) -> Execution | list[Execution]:
        """Start evaluations and return their handles at once: one, or a list for a batch or a list of templates.

        A dict of lists is a batch too, though a type checker cannot tell; a list of dicts says it.

        Args:
            eval_templates: A template's name, an object with an `eval_name`, or a list of these.
            inputs: A dict of text by key, or a Case. A list of these, or a dict of equally long lists, is a
                batch. Values richer than text are sent as JSON.
            model_name: The judge; the client's where omitted.
            model: Another word for `model_name`.
            timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
                None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the result is attached to the span.
            trace_eval: Attach the result to a span.
            error_localizer: Ask which part of the input is at fault.
            span_id: The span; the current OpenTelemetry span where omitted.

        Raises:
            InvalidCaseError: An input would be refused or misread by the server; nothing was sent.
            ConfigurationError, NotFoundError: An option or a template's name is wrong.
            APIError, AmbiguousError: It went wrong; the first of a batch. Its `report` has the outcomes of all.
        """
        batch = await self.evaluate(
            eval_templates,
            inputs,
            is_async=True,
            model_name=model_name,
            model=model,
            timeout=timeout,
            eval_config=eval_config,
            custom_eval_name=custom_eval_name,
            trace_eval=trace_eval,
            error_localizer=error_localizer,
            span_id=span_id,
        )
        handles = [
            Execution(str(result.eval_id), self._session, self._options, result.name) for result in batch.eval_results
        ]
        single = len(handles) == 1 and not _is_batch(inputs) and not _is_batch(eval_templates)
        return handles[0] if single else handles

    def get_execution(self, execution_id: str) -> Execution:
        """Return the handle of an accepted evaluation, from its id alone. Asks nothing yet.

        Args:
            execution_id: The evaluation's id.

        Raises:
            InvalidCaseError: The id is no text, or blank.
        """
        return Execution(execution_id, self._session, self._options, self._submitted.get(execution_id, ""))

    @overload
    async def poll(
        self,
        evaluations: str | Execution,
        /,
        *,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult: ...

    @overload
    async def poll(
        self,
        evaluations: str | Execution | Sequence[str | Execution],
        /,
        *more: str | Execution,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult | Report: ...

    async def poll(
        self,
        evaluations: str | Execution | Sequence[str | Execution],
        /,
        *more: str | Execution,
        timeout: float | Timeout | Omitted | None = OMITTED,
        poll_interval: float | Omitted | None = OMITTED,
    ) -> EvalResult | Report:
        """Return the result of an accepted evaluation; of several, a Report in their order.

        The outcomes of that Report name their templates, as far as the handle, this client or the server knows them.

        Args:
            evaluations: An evaluation's id or its handle, or a list of these.
            *more: Further ones.
            timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
                None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
            poll_interval: Seconds between two requests for one id; None adapts.

        Raises:
            StalledError: The one evaluation was not done in time. Waiting again costs nothing more.
            EvaluationError: The one evaluation failed on the server.
            InvalidCaseError: An id is no text, or blank.
            ConfigurationError: It is neither an id nor an Execution, nor several.
        """
        if isinstance(evaluations, str | Execution) and not more:
            one = evaluations if isinstance(evaluations, Execution) else self.get_execution(evaluations)
            return await (await one.wait(timeout, poll_interval)).result()
        several = (evaluations,) if isinstance(evaluations, str | Execution) else evaluations
        if not isinstance(several, Iterable):
            raise ConfigurationError(f"poll takes ids and Executions, not {evaluations!r}")
        given = [*several, *more]
        templates = [
            (each.id, each.template) if isinstance(each, Execution) else (each, self._submitted.get(each, ""))
            for each in given
        ]
        options = self._options.with_given(timeout=timeout, poll_interval=poll_interval)
        return await poll_all(templates, self._session, options)


def _inputs(
    inputs: Inputs | Case | Sequence[Inputs | Case] | None, fields: Mapping[str, Any]
) -> Inputs | Case | Sequence[Inputs | Case]:
    """Return the inputs of one call: given as such, or as keywords.

    Raises:
        TypeError: There are none, or both.
        ConfigurationError: They are a template's name.
    """
    if inputs is None:
        if not fields:
            raise TypeError("evaluate() needs inputs: a dict by key, or keywords such as text=...")
        return Case(fields)
    if fields:
        name = next(iter(fields))
        hint = instead(name, EvaluateKeywords.__annotations__)
        raise TypeError(f"evaluate() got an unexpected keyword argument {name!r} beside inputs{hint}")
    return inputs


def _is_batch(value: object) -> bool:
    if isinstance(value, Mapping):
        return len(rows_of(value)) != 1 or any(isinstance(each, list | tuple) for each in value.values())
    return not isinstance(value, str | Case) and isinstance(value, Sequence)


def _batch(**fields: Any) -> BatchRunResult:
    from fi_async._results import BatchRunResult  # noqa: PLC0415  # pydantic: 60 ms, when there is a result

    return BatchRunResult(**fields)
