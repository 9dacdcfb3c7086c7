"""`fi-async run`: from a file of rows to lines of outcomes, a summary and an exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from rich.text import Text

from fi_async._errors import JournalError
from fi_async._models import OutcomeStatus, TemplateLike
from fi_async._plan import RunPlan
from fi_async._settings import Concurrency, Retried, RunFile
from fi_async._shard import Shard
from fi_async.backends.jury import Jury
from fi_async.backends.words import JUDGE
from fi_async.cli import backend, errors, parameters, stopping, terminal
from fi_async.cli.backend import Choice
from fi_async.cli.ci import write_step_summary
from fi_async.cli.errors import ImpossibleError, StoppedError, UsageError
from fi_async.cli.gate import exit_code
from fi_async.cli.gate import show as show_gate
from fi_async.cli.input_rows import in_thread, source_of
from fi_async.cli.live_gate import LiveGate, in_random_order, live_gate_of
from fi_async.cli.options import RunFlags
from fi_async.cli.outcome_collector import NotedSource, OutcomeCollector, take_rest
from fi_async.cli.outputs import OutputFile, run_facts
from fi_async.cli.own_templates import templates_of
from fi_async.cli.saved_command import SavedCommand, command_line, run_file_of, saved_command
from fi_async.cli.summary import show, show_next
from fi_async.cli.totals import RunTotals
from fi_async.evaluator import AsyncEvaluator
from fi_async.journal.schema import is_run
from fi_async.reports.quality_gate import GateResult
from fi_async.reports.run_files import LINES
from fi_async.runs.case_reading import Cases
from fi_async.sources.rows import Source
from fi_async.sources.workbooks import WORKBOOKS

_MOST_UNREACHABLE: Final = 16
_EVERY: Final = 5.0  # seconds between two lines about rows that are loaded
_LATER: Final = "; when it can be reached: "
CAN_RETRY: Final = {OutcomeStatus.FAILED, OutcomeStatus.STALLED}
"""Statuses of cases that `fi-async retry` tries again."""

_FALLBACK: Final = (
    "No FI_API_KEY and FI_SECRET_KEY: using the embedded local backend (its judge-like scores are lexical"
    " estimates). --backend cloud to use your account."
)


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What is to be run, all of it checked.

    Attributes:
        chosen: Who evaluates.
        templates: What each row is evaluated under, by name.
        config: The templates' parameters, as the client takes them.
        patience: So many cases that cannot reach the server, and none that could, end the run.
        gate: Says whether the run is good enough; None if nobody asked.
        shuffled: Take the rows in random order, so that the gate may infer from the first to the rest.
        kept: The file that keeps the run, if one does.
        fields: Further fields of each request, by the keywords of the client's `stream`.
        shard: Which part of the rows it is; None if it is all of them.
    """

    evaluator: AsyncEvaluator
    chosen: Choice
    templates: Mapping[str, TemplateLike]
    config: Mapping[str, Any] | None
    source: Source
    patience: int
    shows_progress: bool
    gate: LiveGate | None
    shuffled: bool
    kept: RunFile | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    shard: Shard | None = None

    @property
    def is_named(self) -> bool:
        """False if nobody named the backend."""
        return self.chosen.is_named

    def total(self) -> int | None:
        """Return how many outcomes there will be; None if that is known only when all rows are read."""
        takes_all = self.shard is None or (self.kept is not None and self.kept.held_only)
        rows = self.source.count() if takes_all else None
        return None if rows is None else rows * len(self.templates)


def run_file(file: str, flags: RunFlags) -> int:
    """Return the exit code of a run, after it printed its summary.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        ImpossibleError, FiAsyncError, OSError: It could not be done, or not to its end.
    """
    parameters.check_paths(flags)
    plan = setup_of(file, flags)
    if flags.dry_run:
        return _print_plan(asyncio.run(_dry_run(plan)), plan, as_json=flags.json)
    return carry_out(plan, flags)


def carry_out(plan: RunSetup, flags: RunFlags) -> int:
    """Return the exit code of a run that is planned; see `run_file`."""
    totals = RunTotals(list(plan.templates))
    began = monotonic()
    trouble: BaseException | None = None
    try:
        with _telemetry(plan, flags), _output(plan, flags) as sink:
            if not plan.is_named:
                print(_FALLBACK, file=sys.stderr)
            taken = OutcomeCollector(totals, sink, plan.source, is_kept=plan.kept is not None)
            try:
                stopping.run(_evaluate(plan, taken), None if plan.kept is None else _stopping(plan.kept))
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # what its file has comes first
                trouble = error
            _complete(plan, taken, trouble)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the summary comes first
        trouble = trouble or error
    verdict = plan.gate.verdict(_trouble(totals), is_named=plan.is_named) if plan.gate and trouble is None else None
    if totals.scored or (totals.done and not isinstance(trouble, Exception)):
        _print_summary(totals, monotonic() - began, verdict, flags)
    if plan.shard is not None:
        print(f"{plan.shard.words}: these are its cases alone", file=sys.stderr)
    if isinstance(trouble, StoppedError):
        print(_interrupted(totals, flags), file=sys.stderr)
        return trouble.code
    if trouble is not None:
        raise trouble
    if plan.gate is None or verdict is None:
        return errors.INCOMPLETE if totals.scored < totals.evaluations else errors.DONE
    if plan.gate.stopped and totals.pending:
        print(
            f"stopped after {totals.done:,} of {totals.evaluations:,} evaluations: the verdict is certain",
            file=sys.stderr,
        )
    write_step_summary(verdict, plan.source.name if plan.shard is None else f"{plan.source.name}, {plan.shard.words}")
    return exit_code(verdict)


_ROWS: Final = frozenset({*LINES, ".csv", ".json", ".parquet", ".tsv", *WORKBOOKS})


def _output(plan: RunSetup, flags: RunFlags) -> OutputFile:
    kept = flags.run if isinstance(flags.run, Path) else None
    if kept is not None and kept.suffix.lower() in _ROWS and kept.is_file() and not is_run(kept):
        raise UsageError(f"--run {kept}: that is no run's file: name a new one, such as {kept.with_suffix('.db')}")
    return OutputFile(flags.out, plan.source.path, kept, _facts(plan, flags))


def _telemetry(plan: RunSetup, flags: RunFlags) -> AbstractContextManager[None]:
    """Return what exports telemetry of a run, if that is asked for."""
    if not flags.otel:
        return nullcontext()
    from fi_async.integrations.otel_export import exported  # noqa: PLC0415  # needs an extra

    return exported(plan.evaluator)


def _complete(plan: RunSetup, taken: OutcomeCollector, trouble: BaseException | None) -> None:
    """Count what has not ended of a run that was stopped, and take what its file has beyond what came."""
    totals = taken.totals
    if trouble is not None or (plan.gate is not None and plan.gate.stopped):
        totals.expected = plan.total()
        totals.is_all = totals.expected is not None
    if plan.kept is not None and not isinstance(trouble, JournalError):
        take_rest(taken, plan.kept, plan.source)


def _facts(plan: RunSetup, flags: RunFlags) -> Mapping[str, Any] | None:
    """Return what each line of --out says of its run; only who reads lines again is told."""
    if flags.out is None or flags.out.suffix.lower() not in LINES:
        return None
    shard = None if plan.shard is None else (plan.shard.number, plan.shard.of)
    return run_facts(plan.total(), is_named=plan.is_named, shard=shard)


def setup_of(
    file: str,
    flags: RunFlags,
    *,
    name: str | None = None,
    held: Source | None = None,
    keeps: SavedCommand | None = None,
    retry: Sequence[Retried] = (),
    is_named: bool | None = None,
    home: Path | None = None,
) -> RunSetup:
    """Return what a command line asks for, checked.

    Args:
        file: The path of the rows.
        flags: Of the command.
        name: What messages call it, if not so.
        held: The rows themselves, where they come from the file of the run.
        keeps: What that file keeps of the command line; as this one says, if None.
        retry: As of RunFile.
        is_named: False if nobody named the backend; None where that is to be seen.
        home: The directory that the command was given in. None: the working directory.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
    """
    templates = templates_of(flags.evals, home)
    names = list(templates)
    chosen = backend.choice_of(flags, templates)
    if is_named is not None:
        chosen = replace(chosen, is_named=is_named)
    known = parameters.check_templates(templates, chosen)
    mapping, constants = (
        parameters.mapping(flags.mapping or (), names, known),
        parameters.constants(flags.constants or ()),
    )
    source = held or source_of(file, flags, mapping, constants, name)
    parameters.check_columns(source, known)
    config = parameters.eval_config(flags.param or (), names, known)
    parameters.check_questions(templates, chosen, config)
    kept = run_file_of(
        flags,
        lambda: keeps or saved_command(file, flags, chosen, source, home),
        retry,
        held_only=held is not None,
    )
    if kept is not None and kept.store is not None:
        source = NotedSource(source.table, source.shape)
    return RunSetup(
        evaluator=backend.evaluator_of(chosen, flags),
        chosen=chosen,
        templates=templates,
        config=config,
        source=source,
        patience=patience(flags.concurrency),
        shows_progress=not flags.no_progress,
        gate=live_gate_of(flags, names, known, source),
        shuffled=flags.error_rate is not None,
        kept=kept,
        shard=Shard.named(flags.shard),
    )


def patience(concurrency: Concurrency) -> int:
    """Return how many cases may be unable to reach the server before a run ends, if none could."""
    return _MOST_UNREACHABLE if concurrency == "auto" else min(concurrency, _MOST_UNREACHABLE)


async def _dry_run(plan: RunSetup) -> RunPlan:
    cases, _ = _cases(plan)
    async with plan.evaluator as ev:
        return await ev.plan(cases, list(plan.templates.values()), eval_config=plan.config, shard=plan.shard)


def _print_plan(plan: RunPlan, setup: RunSetup, *, as_json: bool) -> int:
    if not plan.cases and setup.shard is None:
        raise _no_rows(setup.source.name)
    print(json.dumps(plan.as_dict(), indent=2) if as_json else plan)
    return errors.INCOMPLETE if plan.invalid else errors.DONE


async def _evaluate(plan: RunSetup, taken: OutcomeCollector) -> None:
    """Count, write and show outcomes as they come, until there are no more."""
    cases, places = _cases(plan)
    totals = taken.totals
    async with _loading_told(plan), plan.evaluator as ev:
        outcomes = ev.stream(
            cases,
            list(plan.templates.values()),
            eval_config=plan.config,
            counts=totals.counts,
            progress=plan.shows_progress,
            run=plan.kept,
            shard=plan.shard,
            **plan.fields,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                certain = plan.gate is not None and plan.gate.add(outcome)
                placed = outcome if places is None else replace(outcome, index=places[outcome.index])
                taken.take(placed)
                if certain or (totals.only_unreachable and totals.unreachable >= plan.patience):
                    break
    if totals.only_unreachable:
        later = f"; when it can be reached: {command_line('retry', str(plan.kept.path))} --failed" if plan.kept else ""
        raise ImpossibleError(f"no request reached {_where(plan, totals)}: {totals.unreachable_because}{later}")
    if not totals.done and plan.shard is None:  # where rows are few, a shard may have none
        raise _no_rows(plan.source.name)


@asynccontextmanager
async def _loading_told(plan: RunSetup) -> AsyncIterator[None]:
    """Say that rows are put into a database, and how many were: nothing is evaluated here until all are there."""
    source, kept = plan.source, plan.kept
    if not isinstance(source, NotedSource) or kept is None or kept.held_only or not plan.shows_progress:
        yield
        return
    print(f"{kept.store}: loading the rows of {source.name}", file=sys.stderr)
    telling = asyncio.create_task(_tell_rows(source))
    try:
        yield
    finally:
        telling.cancel()


async def _tell_rows(source: NotedSource) -> None:
    told = 0
    while True:
        await asyncio.sleep(_EVERY)
        if len(source.lines) > told:
            told = len(source.lines)
            print(f"{source.name}: {told:,} rows", file=sys.stderr)


def _where(plan: RunSetup, totals: RunTotals) -> str:
    """Return who could not be reached."""
    judge = plan.chosen.judge if totals.unreachable_by == JUDGE else None
    if judge is None:
        return backend.base_url()
    if isinstance(judge, Jury):
        return f"the judges at {', '.join(dict.fromkeys(each.base_url for each in judge))}"
    return f"the judge at {judge.base_url}"


def _no_rows(source: str) -> UsageError:
    return UsageError(f"{source} holds no rows: there is nothing to evaluate")


def _cases(plan: RunSetup) -> tuple[Cases, Sequence[int] | None]:
    """Return the rows, and the place that each has in the file if that is not their order."""
    if plan.shuffled:
        return in_random_order(plan.source.rows())
    return plan.source if plan.source.is_stored else in_thread(plan.source.rows()), None


def _trouble(totals: RunTotals) -> str:
    return next((f"{kind}: {message}" for (kind, message), _ in totals.causes.most_common(1)), "")


def _print_summary(totals: RunTotals, wall_s: float, verdict: GateResult | None, flags: RunFlags) -> None:
    if flags.json:
        judged = {} if verdict is None else {"gate": verdict.as_dict()}
        print(json.dumps({**totals.as_dict(wall_s), **judged}, indent=2))
        return
    console = terminal.stdout()
    show(totals, wall_s, console)
    for remark in totals.remarks:
        console.print(Text(terminal.printable(remark), style="yellow"), soft_wrap=True)
    show_next(totals, _next_steps(totals, flags), console)
    if verdict is not None:
        show_gate(verdict)


def _next_steps(totals: RunTotals, flags: RunFlags) -> dict[str, str]:
    """Return the commands that come next, by what each is for."""
    steps = {}
    if flags.run is not None and any(totals.statuses[status] for status in CAN_RETRY):
        steps["try again"] = command_line("retry", flags.run)
    readable = flags.run or (flags.out if flags.out is not None and flags.out.suffix.lower() in LINES else None)
    if flags.run is not None and any(kind == "CostLimitError" for kind, _ in totals.causes):
        steps["go on"] = f"{command_line('resume', flags.run)} --max-cost MORE"
    steps["report"] = (
        "add --run PATH, then fi-async report PATH" if readable is None else command_line("report", readable)
    )
    return steps


def _stopping(kept: RunFile) -> str:
    return f"stopping: up to {kept.drain:g} s for the requests under way; Ctrl-C again ends at once"


def _interrupted(totals: RunTotals, flags: RunFlags) -> str:
    what = "cases" if len(totals.templates) == 1 else "evaluations"
    of_all = f" of {totals.evaluations:,}" if totals.is_all else ""
    kept = f"; they are in {flags.out}" if flags.out and totals.done else ""
    cut_off = "Requests cut off may have been evaluated."
    if flags.run is not None and totals.whole is not None:
        ambiguous = totals.whole.ambiguous
        go_on = command_line("resume", flags.run, *(("--out", flags.out) if flags.out else ()))
        told = f"{ambiguous:,} more may have been evaluated. " if ambiguous else ""
        kept, cut_off = f"; they are in {flags.run}", f"{told}To go on: {go_on}"
    return f"interrupted: {totals.done:,}{of_all} {what} done{kept}. {cut_off}"
