"""AsyncEvaluator: the client, with its runs of many cases. Every method is a thin door to the engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from fi_async._errors import ConfigurationError
from fi_async._models import Outcome, TemplateLike
from fi_async._plan import RunPlan
from fi_async._public import public
from fi_async._settings import OMITTED, RunFile, RunKeywords, positive
from fi_async._shard import Shard, ShardLike
from fi_async._signature import shows_options
from fi_async._statistics import Counts
from fi_async.evaluations import Evaluations
from fi_async.progress.displays import ProgressLike
from fi_async.reports.report import Report
from fi_async.runs import calls, preview
from fi_async.runs.calls import Ask, TemplatesLike
from fi_async.runs.case_reading import Cases
from fi_async.runs.streams import Stream
from fi_async.wire.templates import names_of

if TYPE_CHECKING:
    from fi_async.background.queue import BackgroundQueue, OnFull
    from fi_async.background.sinks import SinkLike
    from fi_async.runs.loading import LoadReport
    from fi_async.runs.workers import WorkReport


@public
class AsyncEvaluator(Evaluations):
    """A client of the evaluation API: one per key pair, shared by all the tasks of a program.

    Use it in `async with`, or call `aclose()` when done. It may outlive an event loop and serve the next.

    Args:
        fi_api_key: The key pair; from FI_API_KEY and FI_SECRET_KEY where omitted.
        fi_secret_key: The other half of it.
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
            learn a plan's limits together. Or `postgresql://user:password@host/database`, for workers on any number of
            machines: they keep to `limits` together, those of judges too, and each learns the rest by itself.
        on_event: Is told of each event of `fi_async.events`, such as RequestSent or HoldBegun, where it happens, in the
            event loop: a function that returns soon. What it raises is logged once, and ends nothing.
        backends: Who answers: each template goes to the first that can. "local" computes the platform's function
            templates here, a Judge, or a Jury of several, answers a Criteria and the platform's judged templates,
            "cloud" is the platform. Omitted: the platform. A function of yours (see `template`) answers for itself.
        langfuse_secret_key: For `configure_evaluations`; from LANGFUSE_SECRET_KEY where omitted.
        langfuse_public_key: From LANGFUSE_PUBLIC_KEY where omitted.
        langfuse_host: From LANGFUSE_HOST where omitted.
        **options: What shapes a run, where a call does not say: `concurrency` (here a bound over all calls
            that set none of their own), `timeout`, `max_retries`, `on_ambiguous`, `on_stalled`, `model_name` (or
            `model`), `strategy`, `fill_missing`, `extra_keys`, `poll_interval`, `limits`, `rows`, `repeats`, `reduce`,
            `precision`, `max_repeats`. See RunOptions.

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

    @shows_options
    async def gather(
        self,
        cases: Cases,
        eval_templates: TemplatesLike,
        *,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        progress: ProgressLike = False,
        run: RunFile | str | os.PathLike[str] | None = None,
        shard: ShardLike | None = None,
        **options: Unpack[RunKeywords],
    ) -> Report:
        """Return the outcomes of all cases in input order, whatever happened to any of them.

        Args:
            cases: Dicts of inputs by key, or Cases: a list, a generator or an async iterator; or a frame, or a
                dataset, each row a case. `cases_from` reads files, renames columns and draws samples.
            eval_templates: One or several; each case is evaluated under each.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the platform shows the results.
            error_localizer: Ask which part of the input is at fault.
            progress: True shows a bar in a terminal or a notebook, and lines in a log; False or None shows nothing. A
                function is called with a Progress twice a second, and at the end; so is the `show` of a display.
            run: A file that keeps the run, by its path or as a RunFile. The same call made again, by this program or
                another, goes on where the last one stopped: it hands out what ended before, asks for what the server
                accepted, and sends only the rest. Or the URL of a database that ends in the run's name: this program
                loads the cases there and works on them, and others may help; see `work`.
            shard: (3, 8) or "3/8" evaluates the third of eight parts of the cases, and keeps to an eighth of the
                limits, of a concurrency that is a number, and of a judge's `max_cost`. Which case is in which part
                depends on what is sent for it alone. Indices are those of all cases.
            **options: The keywords that shape a run, for this call alone: see RunOptions. `timeout=5` gives each case
                5 seconds from its first request to its outcome, waits for rate limits not counted.

        Raises:
            AuthenticationError, PermissionDeniedError: The key pair was refused: nothing else was tried. Its
                `report` has what was done before.
            JournalError: The file of the run cannot be used, or could not be written any more: its `report` too.
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
        ask = self._ask(eval_templates, eval_config, fields, run, options, shard=shard)
        if ask.kept is not None and ask.kept.store is not None:
            from fi_async.runs import stored_calls  # noqa: PLC0415  # not needed by who keeps no run in a database

            return await stored_calls.gather(self._session, ask, cases, progress)
        return await calls.gather(self._session, ask, cases, progress)

    @shows_options
    def stream(
        self,
        cases: Cases,
        eval_templates: TemplatesLike,
        *,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        counts: Counts | None = None,
        progress: ProgressLike = False,
        run: RunFile | str | os.PathLike[str] | None = None,
        shard: ShardLike | None = None,
        **options: Unpack[RunKeywords],
    ) -> Stream:
        """Iterate over outcomes as cases end, in memory that does not grow with their number.

        Cases are read only as outcomes are taken: a slow consumer slows the reading. In `async with ev.stream(...) as
        run`, leaving the block ends the run; without it, leaving the loop does so, once nothing refers to the stream.

        Args:
            cases: Dicts of inputs by key, or Cases: a list, a generator or an async iterator; or a frame, or a
                dataset, each row a case. `cases_from` reads files, renames columns and draws samples.
            eval_templates: One or several; each case is evaluated under each.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the platform shows the results.
            error_localizer: Ask which part of the input is at fault.
            counts: Filled with what the run asks of the server, as it goes; omitted, it has `counts` of its own.
            progress: True shows a bar in a terminal or a notebook, and lines in a log; False or None shows nothing. A
                function is called with a Progress twice a second, and at the end; so is the `show` of a display.
            run: A file that keeps the run, by its path or as a RunFile; see `gather`. An outcome is handed out once it
                is in the file.
            shard: The part of the cases to evaluate, such as (3, 8); see `gather`.
            **options: The keywords that shape a run, for this call alone: see RunOptions. `timeout=5` gives each case
                5 seconds from its first request to its outcome, waits for rate limits not counted.

        Raises:
            ConfigurationError: An option is wrong.
            AuthenticationError, PermissionDeniedError, JournalError, NotFoundError: While iterating, as of `gather`.

        Example:
            >>> async def main():
            ...     async with AsyncEvaluator.local() as ev, ev.stream([{"text": "[1]"}], "is_json") as run:
            ...         return [outcome.passed async for outcome in run], run.counts.requests
            >>> import asyncio
            >>> asyncio.run(main())
            ([True], 1)
        """
        fields = {"custom_eval_name": custom_eval_name, "error_localizer": error_localizer}
        ask = self._ask(eval_templates, eval_config, fields, run, options, shard=shard)
        return Stream(self._session, ask, cases, counts, progress)

    @shows_options
    def background(
        self,
        eval_templates: TemplatesLike,
        *,
        sink: SinkLike,
        max_queue: int = 10_000,
        on_full: OnFull = "drop",
        drain: float = 10.0,
        spool: str | os.PathLike[str] | None = None,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        counts: Counts | None = None,
        **options: Unpack[RunKeywords],
    ) -> AbstractAsyncContextManager[BackgroundQueue]:
        """Yield a queue that request handlers offer cases to, and that has them evaluated behind them.

        Args:
            eval_templates: One or several; each case is evaluated under each.
            sink: Where outcomes go: a function of one outcome, which is called in a thread or, if it is a coroutine
                function, awaited; or a `JsonlSink` or `SqlSink` of `fi_async.background`. What it raises is
                counted, and ends nothing.
            max_queue: Cases that may wait. One that is offered to a full queue is dropped, and counted.
            on_full: What `queue.put` does then: "drop" too, or "wait" for room.
            drain: Seconds that leaving the block waits for the outcomes of what is in the queue. The rest is
                dropped, and counted, or kept by the spool.
            spool: A file that keeps offered cases until the sink has their outcomes: what a process leaves there
                is evaluated by the next. One process at a time may have it.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the platform shows the results.
            error_localizer: Ask which part of the input is at fault.
            counts: Filled with what the queue asks of the server, as it goes.
            **options: The keywords that shape a run: see RunOptions. `timeout=5` gives each case 5 seconds from its
                first request to its outcome, waits for rate limits not counted. There is no timeout of the call: the
                queue lasts as long as the block.

        Raises:
            ConfigurationError, NotFoundError: On entering: a value, a template's name, the spool or the sink.
            AuthenticationError, PermissionDeniedError: On leaving: the key pair was refused, which ended the queue.
        """
        from fi_async.background.lifespan import opened  # noqa: PLC0415  # not needed by who offers nothing

        timeout = self._options.with_given(timeout=options.get("timeout", OMITTED)).timeout
        options["timeout"] = replace(timeout, call=None)
        return opened(
            partial(
                self.stream,
                eval_templates=eval_templates,
                eval_config=eval_config,
                custom_eval_name=custom_eval_name,
                error_localizer=error_localizer,
                counts=counts,
                **options,
            ),
            len(names_of(eval_templates)),
            sink,
            max_queue=max_queue,
            on_full=on_full,
            drain=drain,
            spool=spool,
        )

    @shows_options
    async def plan(
        self,
        cases: Cases,
        eval_templates: TemplatesLike,
        *,
        eval_config: Mapping[str, Any] | None = None,
        latency: float | None = None,
        shard: ShardLike | None = None,
        **options: Unpack[RunKeywords],
    ) -> RunPlan:
        """Return what `gather` would take: requests, minutes, strategy and why, duplicate and invalid cases.

        Evaluates nothing. Sends nothing either, but for the list of templates if a name is not a system template's.

        Args:
            cases: Dicts of inputs by key, or Cases, or a frame or a dataset. A generator is read to its end.
            eval_templates: One or several; each case would be evaluated under each.
            eval_config: The template's parameters; with several templates, those of each by its name.
            latency: Seconds that an evaluation takes, where you know it. Else what this client has seen, or 1 s.
            shard: The part of the cases to plan for, such as (3, 8); see `gather`.
            **options: The keywords that shape a run: see RunOptions. `timeout=5` would give each case 5 seconds from
                its first request to its outcome, waits for rate limits not counted.

        Raises:
            ConfigurationError, NotFoundError: An option or a template's name is wrong.

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
        ask = self._ask(eval_templates, eval_config, {}, None, options, shard=shard)
        return await preview.plan(self._session, ask, cases, latency)

    @shows_options
    async def load(
        self,
        cases: Cases,
        eval_templates: TemplatesLike,
        *,
        run: RunFile | str,
        eval_config: Mapping[str, Any] | None = None,
        custom_eval_name: str | None = None,
        error_localizer: bool = False,
        **options: Unpack[RunKeywords],
    ) -> LoadReport:
        """Return what came of putting cases into a run in a database, for workers to evaluate. Evaluates nothing.

        Loaded again, with cases of the same templates, the run has those cases: new ones are added, and those that are
        not among them any more are removed. Loaded with other `repeats`, or with a jury of more judges, it has the
        samples and votes that are missing, too. Workers may be at work meanwhile.

        Args:
            cases: Dicts of inputs by key, or Cases, or a frame or a dataset. A generator is read to its end.
            eval_templates: One or several; each case is evaluated under each.
            run: The URL of a PostgreSQL database that ends in the run's name, such as
                `postgresql://user@host/database/nightly`; or a RunFile that has it.
            eval_config: The template's parameters; with several templates, those of each by its name.
            custom_eval_name: The name under which the platform shows the results.
            error_localizer: Ask which part of the input is at fault.
            **options: The keywords that shape the run: see RunOptions. They are kept with the run, for its workers.
                `timeout=5` gives each case 5 seconds from its first request to its outcome.

        Raises:
            ConfigurationError, NotFoundError: An option or a template's name is wrong, or the run asks other templates.
            JournalError: The database cannot be used, or somebody loads the run already. No message shows a password.
        """
        from fi_async.runs import loading  # noqa: PLC0415  # not needed by who keeps no run in a database

        fields = {"custom_eval_name": custom_eval_name, "error_localizer": error_localizer}
        return await loading.load(
            self._session, self._ask(eval_templates, eval_config, fields, run, options, shard=None), cases
        )

    async def reopen(self, run: RunFile | str) -> int:
        """Return how many cases of a run in a database are to be tried again, by whoever works on it.

        Args:
            run: A RunFile with the URL of the run, whose `retry` says of what ended how; a URL alone means what failed,
                and what stalled.

        Raises:
            ConfigurationError: A file keeps the run.
            JournalError: The database cannot be used, or has no such run.
        """
        from fi_async.runs import loading  # noqa: PLC0415  # as above

        kept = run if isinstance(run, RunFile) else RunFile(run, retry=("failed", "stalled"))
        return await loading.reopen(self._session, kept)

    @shows_options
    async def work(
        self,
        run: RunFile | str,
        eval_templates: Sequence[TemplateLike] = (),
        *,
        on_outcome: Callable[[Outcome], None] | None = None,
        progress: ProgressLike = False,
        **options: Unpack[RunKeywords],
    ) -> WorkReport:
        """Return what this client did for a run in a database, once nothing is left to do for anybody.

        As many as you like work on one run, in processes, containers and machines of any kind. Each holds chunks of it
        for as long as its lease lasts. What one leaves that dies, the others do.

        Args:
            run: The URL of a PostgreSQL database that ends in the run's name, such as
                `postgresql://user@host/database/nightly`; or a RunFile that has it, with the `lease`.
            eval_templates: The functions and Criteria that the run was loaded with; the platform's templates are known
                by their names. A function whose source is another is refused.
            on_outcome: Is called with each outcome that ended here, once it is kept: a function that returns soon. Of a
                case with repeats or a jury that is the one outcome, once the last of its evaluations has ended here.
                What it raises ends this worker, and is raised here.
            progress: As of `gather`: of what ends here.
            **options: In place of those that the run was loaded with, for this worker alone: see RunOptions, say
                `concurrency=8`. `timeout=5` gives each case 5 seconds from its first request to its outcome. How often
                each case is evaluated is the run's.

        Raises:
            ConfigurationError: The run asks for what is not given, or for other code, or was made on another server.
            JournalError: The database cannot be used, or has no such run. No message shows a password.
            AuthenticationError, PermissionDeniedError: The key pair was refused.
        """
        from fi_async.runs.workers import RunWorker  # noqa: PLC0415  # as above

        self._options.with_given(**options)
        kept = run if isinstance(run, RunFile) else RunFile(run)
        worker = RunWorker(self._session, kept, eval_templates, dict(options), on_outcome or (lambda _: None))
        return await worker.work(progress)

    def _ask(
        self,
        templates: TemplatesLike,
        eval_config: Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        run: RunFile | str | os.PathLike[str] | None,
        options: RunKeywords,
        *,
        shard: ShardLike | None,
    ) -> Ask:
        own = self._options.with_given(**options)
        kept = run if isinstance(run, RunFile) or run is None else RunFile(run)
        if shard is not None and kept is not None and kept.store is not None:
            raise ConfigurationError(
                f"{kept.store}: shard= divides cases among programs that know nothing of each other, and those who work"
                " on a run in a database share them anyway: leave shard out"
            )
        return Ask(templates, own, "concurrency" in options, eval_config, fields, kept, Shard.named(shard))
