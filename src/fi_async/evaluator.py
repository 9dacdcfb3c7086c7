"""AsyncEvaluator: the client. Every method is a thin door to the engine."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack, overload

import anyio

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs, Outcome, TemplateLike
from fi_async._plan import RunPlan
from fi_async._public import public
from fi_async._report import Counts, Report
from fi_async._settings import (
    LOCAL,
    OMITTED,
    Connection,
    Omitted,
    RunFile,
    RunKeywords,
    RunOptions,
    Timeout,
    positive,
)
from fi_async.engine import calls, preview
from fi_async.engine.calls import Ask, Cases, Templates
from fi_async.engine.run import fetch_once
from fi_async.engine.session import Session
from fi_async.execution import Execution, poll_all
from fi_async.progress.displays import Asked
from fi_async.wire import requests, responses
from fi_async.wire.preflight import rows_of
from fi_async.wire.templates import names_of
from fi_async.wire.transport import AsgiApp, Transport

if TYPE_CHECKING:
    from fi_async._results import BatchRunResult, EvalResult
    from fi_async.background.queue import BackgroundQueue, OnFull
    from fi_async.background.sinks import SinkLike
    from fi_async.engine.shared_budget import SharedBudget
    from fi_async.wire.transport import HttpClient


class EvaluateKeywords(TypedDict, total=False):
    """The keywords that `submit` shares with `evaluate`, as type checkers see them."""

    model_name: str | None
    timeout: float | Timeout | None
    eval_config: Mapping[str, Any] | None
    custom_eval_name: str | None
    trace_eval: bool
    error_localizer: bool
    span_id: str | None


@public
class AsyncEvaluator:
    """A client of the evaluation API: one per key pair, shared by all the tasks of a program.

    Use it in `async with`, or call `aclose()` when done. It may outlive an event loop and serve the next.

    Args:
        fi_api_key: The key pair; from FI_API_KEY and FI_SECRET_KEY where omitted.
        fi_secret_key: As above.
        fi_base_url: The server, https unless it is on this machine; "local" evaluates in this process.
            From FI_BASE_URL where omitted.
        default_headers: Sent with every request.
        http_client: An `httpx.AsyncClient` of yours: its proxies, certificates and pool are used. Closing
            it stays yours.
        user_agent: Sent instead of ours.
        allow_insecure_http: Permit plain http to another machine. Your keys travel readable.
        max_workers: The official SDK's name for `concurrency`.
        shared_budget: A file on a local disk, made if missing: all clients of this key pair that name it, also
            in other processes of this machine, keep to `limits` together, one refusal holds them all, and they
            learn a plan's limits together.
        langfuse_secret_key: For `configure_evaluations`; from LANGFUSE_SECRET_KEY where omitted.
        langfuse_public_key: From LANGFUSE_PUBLIC_KEY where omitted.
        langfuse_host: From LANGFUSE_HOST where omitted.
        **options: What shapes a run, where a call does not say: `concurrency` (here a bound over all calls
            that set none of their own), `timeout`, `max_retries`, `on_ambiguous`, `on_stalled`, `model_name`,
            `strategy`, `fill_missing`, `extra_keys`, `poll_interval`, `limits`, `rows`. See RunOptions.

    Raises:
        MissingCredentialsError: There is no key pair, and the backend is not the local one.
        ConfigurationError: A value is out of its range; the message names it.

    Example:
        >>> async def main():
        ...     async with AsyncEvaluator.local() as ev:
        ...         return await ev.evaluate("is_json", {"text": "{}{"})
        >>> import asyncio
        >>> asyncio.run(main()).eval_results[0].output
        'Failed'
    """

    def __init__(
        self,
        fi_api_key: str | None = None,
        fi_secret_key: str | None = None,
        fi_base_url: str | None = None,
        *,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        user_agent: str | None = None,
        allow_insecure_http: bool = False,
        max_workers: int | None = None,
        shared_budget: str | os.PathLike[str] | None = None,
        langfuse_secret_key: str | None = None,
        langfuse_public_key: str | None = None,
        langfuse_host: str | None = None,
        **options: Unpack[RunKeywords],
    ) -> None:
        if max_workers is not None:
            if "concurrency" in options:
                raise ConfigurationError("max_workers is the old name of concurrency: give one of the two")
            options["concurrency"] = max_workers
        self._options = RunOptions().with_given(**options)
        connection = Connection.resolve(
            fi_api_key,
            fi_secret_key,
            fi_base_url,
            allow_insecure_http=allow_insecure_http,
            default_headers=dict(default_headers or {}),
            **({"user_agent": user_agent} if user_agent else {}),
        )
        self._langfuse = {
            "langfuse_secret_key": langfuse_secret_key or os.environ.get("LANGFUSE_SECRET_KEY"),
            "langfuse_public_key": langfuse_public_key or os.environ.get("LANGFUSE_PUBLIC_KEY"),
            "langfuse_host": langfuse_host or os.environ.get("LANGFUSE_HOST"),
        }
        app = embedded_backend() if connection.base_url == LOCAL and http_client is None else None
        transport = Transport(connection, http_client=http_client, app=app)
        budget = None if shared_budget is None else _shared_budget(shared_budget, connection)
        self._session = Session(
            connection, transport, self._options.concurrency, budget=budget, limits=self._options.limits
        )

    @classmethod
    def local(cls, app: AsgiApp | None = None, **options: Any) -> Self:
        """Return a client of the embedded backend: no account, no network, no cost.

        Its function templates answer as the platform's; groundedness and its like are lexical estimates, and
        say so.

        Args:
            app: A `fi_async.local.LocalBackend` of yours, with its latency, limits and faults.
            **options: As of the class.
        """
        evaluator = cls(**{**options, "fi_base_url": LOCAL})
        if app is not None:
            evaluator._session.transport = Transport(evaluator._session.connection, app=app)  # our own
        return evaluator

    def __repr__(self) -> str:
        connection = self._session.connection
        return f"<{type(self).__name__} {connection.base_url} concurrency={self._options.concurrency}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; those of an `http_client` passed in stay open."""
        await self._session.aclose()

    def with_options(self, **options: Unpack[RunKeywords]) -> Self:
        """Return a client with other defaults that shares this one's connections.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        other = copy(self)
        other._options = self._options.with_given(**options)
        if "concurrency" in options:
            other._session = self._session.with_concurrency(options["concurrency"])
        return other

    # One evaluation, or a few

    async def evaluate(
        self,
        /,
        eval_templates: Templates,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        *,
        model_name: str | Omitted | None = OMITTED,
        is_async: bool = False,
        timeout: float | Timeout | Omitted | None = OMITTED,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        trace_eval: bool = False,
        error_localizer: bool = False,
        platform: str | None = None,
        span_id: str | None = None,
        **platform_fields: Any,
    ) -> BatchRunResult:
        """Return the results of one set of inputs, or of a batch, in order.

        Args:
            eval_templates: A template's name, an object with an `eval_name`, or a list of these.
            inputs: A dict of text by key, or a Case. A list of these, or a dict of equally long lists, is a
                batch. Values richer than text are sent as JSON.
            model_name: The judge.
            is_async: Return at once; each result then has an `eval_id` and no output yet.
            timeout: Seconds until the call gives up; the client's `timeout` where omitted.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the result is attached to the span.
            trace_eval: Attach the result to a span.
            error_localizer: Ask which part of the input is at fault.
            platform: Check a configuration for this tracing platform instead: see `configure_evaluations`.
            span_id: The span; the current OpenTelemetry span where omitted.
            **platform_fields: With `platform` only.

        Raises:
            InvalidCaseError: An input would be refused or misread by the server; nothing was sent.
            APIError, AmbiguousError, EvaluationError: It went wrong; the first of a batch. Its `report` has
                the outcomes of all.
        """
        if platform is not None:
            answer = await self.configure_evaluations(
                eval_templates,
                inputs,
                platform=platform,
                custom_eval_name=custom_eval_name,
                model_name=model_name,
                span_id=span_id,
                **platform_fields,
            )
            return _batch(eval_results=[], message=str(answer.get("message", answer)))
        if platform_fields:
            raise TypeError(f"evaluate() got an unexpected keyword argument {next(iter(platform_fields))!r}")
        ask = Ask(
            eval_templates,
            self._for_one_call(model_name, timeout),
            eval_config=eval_config,
            fields={
                "custom_eval_name": custom_eval_name,
                "trace_eval": trace_eval,
                "span_id": span_id or (_current_span().get("span_id") if trace_eval else None),
                "error_localizer": error_localizer,
            },
        )
        return _batch(eval_results=await calls.evaluate(self._session, ask, inputs, is_async=is_async))

    def _for_one_call(self, model_name: str | Omitted | None, timeout: float | Timeout | Omitted | None) -> RunOptions:
        options = self._options.with_given(model_name=model_name, timeout=timeout)
        if timeout is OMITTED or isinstance(timeout, Timeout):
            return options
        # A number bounds the call as a whole: its one case, and any wait for its turn.
        return options.with_given(timeout=replace(self._options.timeout, case=timeout, call=timeout))

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
        eval_templates: list[TemplateLike],
        inputs: Inputs | Case | Sequence[Inputs | Case],
        **given: Unpack[EvaluateKeywords],
    ) -> list[Execution]: ...

    async def submit(
        self,
        eval_templates: Templates,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        **given: Unpack[EvaluateKeywords],
    ) -> Execution | list[Execution]:
        """Start evaluations and return their handles at once: one, or a list for a batch or a list of templates.

        A dict of lists is a batch too, though a type checker cannot tell; a list of dicts says it.

        Args:
            eval_templates: As of `evaluate`.
            inputs: As of `evaluate`.
            **given: As of `evaluate`.

        Raises:
            InvalidCaseError, APIError, AmbiguousError: As of `evaluate`.
        """
        batch = await self.evaluate(eval_templates, inputs, is_async=True, **given)
        handles = [
            Execution(str(result.eval_id), self._session, self._options, result.name) for result in batch.eval_results
        ]
        single = len(handles) == 1 and not _is_batch(inputs) and not _is_batch(eval_templates)
        return handles[0] if single else handles

    def get_execution(self, execution_id: str) -> Execution:
        """Return the handle of an accepted evaluation, from its id alone. Asks nothing yet.

        Raises:
            InvalidCaseError: The id is no UUID.
        """
        return Execution(execution_id, self._session, self._options)

    @overload
    async def poll(
        self,
        eval_id: str,
        /,
        *,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult: ...

    @overload
    async def poll(
        self,
        eval_ids: str | list[str],
        /,
        *more: str,
        timeout: float | Timeout | Omitted | None = ...,
        poll_interval: float | Omitted | None = ...,
    ) -> EvalResult | Report: ...

    async def poll(
        self,
        eval_ids: str | list[str],
        /,
        *more: str,
        timeout: float | Timeout | Omitted | None = OMITTED,
        poll_interval: float | Omitted | None = OMITTED,
    ) -> EvalResult | Report:
        """Return the result of an accepted evaluation; of several, a Report in the order of their ids.

        Args:
            eval_ids: One id, or a list of ids.
            *more: Further ids.
            timeout: Seconds to wait for each; None waits as long as it takes.
            poll_interval: Seconds between two requests for one id; None adapts.

        Raises:
            StalledError: The one id was not done in time. Waiting again costs nothing more.
            EvaluationError: The one id failed on the server.
            InvalidCaseError: An id is no UUID.
        """
        if isinstance(eval_ids, str) and not more:
            return await (await self.get_execution(eval_ids).wait(timeout, poll_interval)).result()
        ids = [*([eval_ids] if isinstance(eval_ids, str) else eval_ids), *more]
        options = self._options.with_given(timeout=timeout, poll_interval=poll_interval)
        return await poll_all(ids, self._session, options)

    async def get_eval_result(self, eval_id: str) -> dict[str, Any]:
        """Return the server's answer on one evaluation as it stands, each field in both spellings.

        So loops that look for `evalStatus` work, and those that look for `eval_status`.

        Raises:
            NotFoundError: The id is unknown, or another organisation's.
            APIError: The server could not be asked.
        """
        call = requests.get_eval(eval_id)
        return responses.both_spellings(await fetch_once(self._session, call, self._options, responses.read_body))

    # Many

    async def gather(
        self,
        cases: Cases,
        eval_templates: Templates,
        *,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        progress: Asked = False,
        run: RunFile | str | os.PathLike[str] | None = None,
        **options: Unpack[RunKeywords],
    ) -> Report:
        """Return the outcomes of all cases in input order, whatever happened to any of them.

        Args:
            cases: Dicts of inputs by key, or Cases: a list, a generator or an async iterator; or a frame, or a
                dataset, each row a case. `cases_from` reads files, renames columns and draws samples.
            eval_templates: One or several; each case is evaluated under each.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: As of `evaluate`.
            error_localizer: As of `evaluate`.
            progress: True shows a bar in a terminal or a notebook, and lines in a log. A function is called with a
                Progress twice a second, and at the end.
            run: A file that keeps the run, by its path or as a RunFile. The same call made again, by this program or
                another, goes on where the last one stopped: it hands out what ended before, asks for what the server
                accepted, and sends only the rest.
            **options: As of the class, for this call alone.

        Raises:
            AuthenticationError, PermissionDeniedError: The key pair was refused: nothing else was tried. Its
                `report` has what was done before.
            JournalError: The file of the run cannot be used, or could not be written any more: as above.
            ConfigurationError, NotFoundError: An option or a template's name is wrong.

        Example:
            >>> async def main():
            ...     async with AsyncEvaluator.local() as ev:
            ...         return await ev.gather([{"text": "[1]"}, {"text": "[1"}, {"txt": "1"}], "is_json")
            >>> import asyncio
            >>> [str(outcome.status) for outcome in asyncio.run(main()).outcomes]
            ['scored', 'scored', 'invalid']
        """
        fields = {"custom_eval_name": custom_eval_name, "error_localizer": error_localizer}
        ask = self._ask(eval_templates, eval_config, fields, run, options)
        return await calls.gather(self._session, ask, cases, progress)

    def stream(
        self,
        cases: Cases,
        eval_templates: Templates,
        *,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        counts: Counts | None = None,
        progress: Asked = False,
        run: RunFile | str | os.PathLike[str] | None = None,
        **options: Unpack[RunKeywords],
    ) -> AsyncGenerator[Outcome]:
        """Iterate over outcomes as cases end, in memory that does not grow with their number.

        Cases are read only as outcomes are taken: a slow consumer slows the reading. Leaving the loop stops
        the run.

        Args:
            cases: As of `gather`, as all others.
            eval_templates: As above.
            eval_config: As above.
            custom_eval_name: As above.
            error_localizer: As above.
            counts: Filled with what the run asks of the server, as it goes.
            progress: As above.
            run: As above. An outcome is handed out once it is in the file.
            **options: As above.

        Raises:
            AuthenticationError, PermissionDeniedError, JournalError, ConfigurationError, NotFoundError: As `gather`.
        """
        fields = {"custom_eval_name": custom_eval_name, "error_localizer": error_localizer}
        ask = self._ask(eval_templates, eval_config, fields, run, options)
        return calls.stream(self._session, ask, cases, counts, progress)

    def background(
        self,
        eval_templates: Templates,
        *,
        sink: SinkLike,
        max_queue: int = 10_000,
        on_full: OnFull = "drop",
        drain: float = 10.0,
        spool: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> AbstractAsyncContextManager[BackgroundQueue]:
        """Yield a queue that request handlers offer cases to, and that has them evaluated behind them.

        Args:
            eval_templates: As of `gather`.
            sink: Where outcomes go: a function of one outcome, which is called in a thread or, if it is a coroutine
                function, awaited; or a `JsonlSink` or `SqlSink` of `fi_async.background`. What it raises is
                counted, and ends nothing.
            max_queue: Cases that may wait. One that is offered to a full queue is dropped, and counted.
            on_full: What `queue.put` does then: "drop" too, or "wait" for room.
            drain: Seconds that leaving the block waits for the outcomes of what is in the queue. The rest is
                dropped, and counted, or kept by the spool.
            spool: A file that keeps offered cases until the sink has their outcomes: what a process leaves there
                is evaluated by the next. One process at a time may have it.
            **options: As of `stream`. There is no timeout of the call: the queue lasts as long as the block.

        Raises:
            ConfigurationError, NotFoundError: On entering: a value, a template's name, the spool or the sink.
            AuthenticationError, PermissionDeniedError: On leaving: the key pair was refused, which ended the queue.
        """
        from fi_async.background.lifespan import opened  # noqa: PLC0415  # not needed by who offers nothing

        options["timeout"] = replace(
            self._options.with_given(timeout=options.get("timeout", OMITTED)).timeout, call=None
        )
        return opened(
            partial(self.stream, eval_templates=eval_templates, **options),
            len(names_of(eval_templates)),
            sink,
            max_queue=max_queue,
            on_full=on_full,
            drain=drain,
            spool=spool,
        )

    async def plan(
        self,
        cases: Cases,
        eval_templates: Templates,
        *,
        eval_config: Mapping[str, Any] | None = None,
        latency: float | None = None,
        **options: Unpack[RunKeywords],
    ) -> RunPlan:
        """Return what `gather` would take: requests, minutes, strategy and why, duplicate and invalid cases.

        Evaluates nothing. Sends nothing either, but for the list of templates if a name is not a system template's.

        Args:
            cases: As of `gather`. A generator is read to its end.
            eval_templates: As of `gather`.
            eval_config: As of `gather`.
            latency: Seconds that an evaluation takes, where you know it. Else what this client has seen, or 1 s.
            **options: As of `gather`.

        Raises:
            ConfigurationError, NotFoundError: As `gather`.

        Example:
            >>> async def main():
            ...     async with AsyncEvaluator.local() as ev:
            ...         return await ev.plan([{"text": "[1]"}, {"text": "[1]"}, {"text": ""}], "is_json", latency=2.0)
            >>> import asyncio
            >>> plan = asyncio.run(main())
            >>> plan.requests, plan.duplicates, plan.invalid
            (2, 1, 1)
        """
        positive("", "latency", latency, optional=True)
        ask = self._ask(eval_templates, eval_config, {}, None, options)
        return await preview.plan(self._session, ask, cases, latency)

    def _ask(
        self,
        templates: Templates,
        eval_config: Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        run: RunFile | str | os.PathLike[str] | None,
        options: RunKeywords,
    ) -> Ask:
        own = self._options.with_given(**options)
        kept = run if isinstance(run, RunFile) or run is None else RunFile(run)
        return Ask(templates, own, "concurrency" in options, eval_config, fields, kept)

    def statistics(self) -> Mapping[str, Any]:
        """Return what the client knows of the server: limits and what is left of them, its slots, and what polls took.

        `waiting_for` says in words what its runs wait for at the moment, such as "request limit, 14 s to the next
        window"; None if for nothing but replies. With `shared_budget`, limits are what all its clients left.

        Call it where the client is used, in its event loop.
        """
        now = anyio.current_time()
        return {
            **self._session.gate.statistics(now, self._session.terms(self._options)),
            "concurrency": self._session.slots().statistics(),
            "polling": self._session.polls.statistics(),
            "waiting_for": self._session.waiting_for(now),
        }

    # The rest of the API

    async def list_evaluations(self) -> list[dict[str, Any]]:
        """Return the server's templates, as it lists them. Asked for once; preflight goes by it from then on.

        Raises:
            APIError: The server could not be asked.
        """
        return await calls.list_templates(self._session, self._options)

    async def evaluate_pipeline(
        self, project_name: str, version: str, eval_data: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Start the evaluation of one version of a project, in one request, and return the server's answer.

        Args:
            project_name: A project that exists.
            version: New in the project: the server refuses one it has seen.
            eval_data: Dicts of `eval_template`, `inputs` (lists by key), `model_name` and `config`.

        Raises:
            ValidationError: The server refuses it; `fields` says why.
            AmbiguousError: It may have been accepted; `get_pipeline_results` tells.
        """
        call = requests.evaluate_pipeline(project_name, version, eval_data)
        # Sent again it would be refused as seen before, whatever became of the first.
        options = self._options.with_given(on_ambiguous="fail")
        return await fetch_once(self._session, call, options, responses.read_body)

    async def get_pipeline_results(self, project_name: str, versions: Sequence[str]) -> dict[str, Any]:
        """Return the server's answer on some versions of a project: aggregates only, once all are done.

        Raises:
            ConfigurationError: `versions` is not a list of names.
            ValidationError: A version is unknown.
        """
        if isinstance(versions, str) or not all(isinstance(version, str) for version in versions):
            raise ConfigurationError("versions must be a list of names")
        call = requests.pipeline_results(project_name, versions)
        return await fetch_once(self._session, call, self._options, responses.read_body)

    async def configure_evaluations(
        self,
        /,
        eval_templates: Templates,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        *,
        platform: str = "langfuse",
        custom_eval_name: str | None,
        model_name: str | Omitted | None = OMITTED,
        span_id: str | None = None,
        trace_id: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Have a tracing platform's configuration checked, and return the server's answer. Evaluates nothing.

        Args:
            eval_templates: One template.
            inputs: Where the inputs come from in the platform's spans, by key.
            platform: "langfuse".
            custom_eval_name: The name the platform shows.
            model_name: The judge.
            span_id: The span; with `trace_id` from the current OpenTelemetry span where omitted.
            trace_id: As above.
            **fields: Credentials of the platform, where they differ from the client's.

        Raises:
            ConfigurationError: The name is missing, or there is no one template and dict of inputs.
            APIError: The server refuses it.
        """
        if not custom_eval_name:
            raise ConfigurationError("custom_eval_name is missing: the platform shows the evaluation under it")
        if not isinstance(inputs, Mapping) or len(names_of(eval_templates)) != 1:
            raise ConfigurationError("a platform's configuration takes one template and one dict of inputs")
        model = self._options.with_given(model_name=model_name).model_name
        span = {"span_id": span_id, "trace_id": trace_id}
        body = {
            "eval_config": {
                "eval_templates": names_of(eval_templates)[0],
                "inputs": dict(inputs),
                "model_name": model,
            },
            "platform": platform,
            "custom_eval_name": custom_eval_name,
            **(self._langfuse if platform == "langfuse" else {}),
            **_current_span(),
            **{name: value for name, value in span.items() if value},
            **fields,
        }
        answer = await fetch_once(self._session, requests.configure_evaluations(body), self._options, responses.read)
        return answer if isinstance(answer, dict) else {"message": answer}


def embedded_backend() -> AsgiApp:
    """Return an embedded backend of its own."""
    from fi_async.local import LocalBackend  # noqa: PLC0415  # not needed by who asks the cloud

    return LocalBackend()


def _shared_budget(file: str | os.PathLike[str], connection: Connection) -> SharedBudget:
    from fi_async.engine.shared_budget import SharedBudget  # noqa: PLC0415  # sqlite3: only where a budget is shared

    return SharedBudget(file, connection)


def _batch(**fields: Any) -> BatchRunResult:
    from fi_async._results import BatchRunResult  # noqa: PLC0415  # pydantic: 60 ms, when there is a result

    return BatchRunResult(**fields)


def _is_batch(value: object) -> bool:
    if isinstance(value, Mapping):
        return len(rows_of(value)) != 1 or any(isinstance(each, list | tuple) for each in value.values())
    return not isinstance(value, str | Case) and isinstance(value, Sequence)


def _current_span() -> dict[str, str]:
    """Return the ids of the current OpenTelemetry span; empty without one, or without OpenTelemetry."""
    try:
        from opentelemetry import trace  # noqa: PLC0415  # used where the program has it
    except ImportError:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"span_id": format(context.span_id, "016x"), "trace_id": format(context.trace_id, "032x")}
