"""`fi-async run`: from a file of rows to lines of outcomes, a summary and an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from fi_async._errors import JournalError
from fi_async._plan import RunPlan
from fi_async._settings import Retried, RunFile
from fi_async.cli import asked, errors, stopping, terminal
from fi_async.cli.ci import write_step_summary
from fi_async.cli.errors import ImpossibleError, StoppedError, UsageError
from fi_async.cli.gate import exit_code
from fi_async.cli.gate import show as show_gate
from fi_async.cli.judged import Judge, in_random_order, judge_of
from fi_async.cli.kept import Stored, command, run_file_of, stored
from fi_async.cli.options import RunFlags
from fi_async.cli.sinks import Sink
from fi_async.cli.sources import source_of
from fi_async.cli.stdin import in_thread
from fi_async.cli.summary import Totals, show
from fi_async.engine.calls import Cases
from fi_async.evaluator import AsyncEvaluator
from fi_async.journal.view import RunView, open_view
from fi_async.reports.quality_gate import GateResult
from fi_async.sources.rows import Source
from fi_async.wire.templates import names_of

_MOST_UNREACHABLE: Final = 16
_FALLBACK: Final = (
    "No FI_API_KEY and FI_SECRET_KEY: using the embedded local backend (its judge-like scores are lexical"
    " estimates). --backend cloud to use your account."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run, all of it checked.

    Attributes:
        config: The templates' parameters, as the client takes them.
        patience: So many cases that cannot reach the server, and none that could, end the run.
        judge: Says whether the run is good enough; None if nobody asked.
        shuffled: Take the rows in random order, so that the judge may infer from the first to the rest.
        kept: The file that keeps the run, if one does.
    """

    evaluator: AsyncEvaluator
    templates: Sequence[str]
    config: Mapping[str, Any] | None
    source: Source
    patience: int
    shows_progress: bool
    judge: Judge | None
    shuffled: bool
    kept: RunFile | None

    def total(self) -> int | None:
        """Return how many outcomes there will be; None if that is known only when all rows are read."""
        rows = self.source.count()
        return None if rows is None else rows * len(self.templates)


def run_file(file: str, flags: RunFlags) -> int:
    """Return the exit code of a run, after it printed its summary.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        ImpossibleError, FiAsyncError, OSError: It could not be done, or not to its end.
    """
    asked.check_paths(flags)
    plan = plan_of(file, flags)
    if flags.dry_run:
        return _print_plan(asyncio.run(_dry_run(plan)), plan.source.name, as_json=flags.json)
    return carry_out(plan, flags)


def carry_out(plan: Plan, flags: RunFlags) -> int:
    """Return the exit code of a run that is planned; see `run_file`."""
    totals = Totals(plan.templates)
    began = monotonic()
    trouble: BaseException | None = None
    try:
        with Sink(flags.out, plan.source.path, flags.run) as sink:
            if asked.is_fallback(flags.backend):
                print(_FALLBACK, file=sys.stderr)
            stopping.run(_evaluate(plan, totals, sink), None if plan.kept is None else _stopping(plan.kept))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the summary comes first
        trouble = error
    verdict = plan.judge.verdict(_trouble(totals)) if plan.judge and trouble is None else None
    if totals.scored or (totals.done and not isinstance(trouble, Exception)):
        _print_summary(totals, monotonic() - began, verdict, as_json=flags.json)
    if isinstance(trouble, StoppedError):
        print(_interrupted(totals, plan, flags), file=sys.stderr)
        return trouble.code
    if trouble is not None:
        raise trouble
    if plan.judge is None or verdict is None:
        return errors.INCOMPLETE if totals.failed else errors.DONE
    if plan.judge.stopped and totals.done != plan.total():
        print(f"stopped after {totals.done:,} of {plan.total():,} evaluations: the verdict is certain", file=sys.stderr)
    write_step_summary(verdict, plan.source.name)
    return exit_code(verdict)


def plan_of(
    file: str,
    flags: RunFlags,
    *,
    name: str | None = None,
    held: Source | None = None,
    keeps: Stored | None = None,
    retry: Sequence[Retried] = (),
) -> Plan:
    """Return what a command line asks for, checked.

    Args:
        file: The path of the rows.
        flags: Of the command.
        name: What messages call it, if not so.
        held: The rows themselves, where they come from the file of the run.
        keeps: What that file keeps of the command line; as this one says, if None.
        retry: As of RunFile.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
    """
    names = names_of(flags.evals)
    backend = asked.backend(flags.backend)
    known = asked.check_templates(names, backend)
    mapping, constants = asked.mapping(flags.mapping or (), names, known), asked.constants(flags.constants or ())
    source = held or source_of(file, flags, mapping, constants, name)
    asked.check_columns(source, known)
    config = asked.eval_config(flags.param or (), names, known)
    return Plan(
        evaluator=asked.evaluator(backend, flags),
        templates=names,
        config=config,
        source=source,
        patience=_MOST_UNREACHABLE if flags.concurrency == "auto" else min(flags.concurrency, _MOST_UNREACHABLE),
        shows_progress=not flags.no_progress,
        judge=judge_of(flags, names, known, source),
        shuffled=flags.error_rate is not None,
        kept=run_file_of(flags, lambda: keeps or stored(file, flags, backend, source), retry),
    )


async def _dry_run(plan: Plan) -> RunPlan:
    cases, _ = _cases(plan)
    async with plan.evaluator as ev:
        return await ev.plan(cases, plan.templates, eval_config=plan.config)


def _print_plan(plan: RunPlan, source: str, *, as_json: bool) -> int:
    if not plan.cases:
        raise _no_rows(source)
    print(json.dumps(plan.as_dict(), indent=2) if as_json else plan)
    return errors.INCOMPLETE if plan.invalid else errors.DONE


async def _evaluate(plan: Plan, totals: Totals, sink: Sink) -> None:
    """Count, write and show outcomes as they come, until there are no more."""
    cases, places = _cases(plan)
    async with plan.evaluator as ev:
        outcomes = ev.stream(
            cases,
            plan.templates,
            eval_config=plan.config,
            counts=totals.counts,
            progress=plan.shows_progress,
            run=plan.kept,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                certain = plan.judge is not None and plan.judge.add(outcome)
                placed = outcome if places is None else replace(outcome, index=places[outcome.index])
                sink.write(placed)
                totals.add(placed)
                if certain or (totals.only_unreachable and totals.unreachable >= plan.patience):
                    break
    if totals.only_unreachable:
        later = f"; when it can be reached: {command('retry', os.fspath(plan.kept.path))} --failed" if plan.kept else ""
        raise ImpossibleError(f"no request reached {asked.base_url()}: {totals.unreachable_because}{later}")
    if not totals.done:
        raise _no_rows(plan.source.name)


def _no_rows(source: str) -> UsageError:
    return UsageError(f"{source} holds no rows: there is nothing to evaluate")


def _cases(plan: Plan) -> tuple[Cases, Sequence[int] | None]:
    """Return the rows, and the place that each has in the file if that is not their order."""
    if plan.shuffled:
        return in_random_order(plan.source.rows())
    return plan.source if plan.source.is_stored else in_thread(plan.source.rows()), None


def _trouble(totals: Totals) -> str:
    return next((f"{kind}: {message}" for (kind, message), _ in totals.causes.most_common(1)), "")


def _print_summary(totals: Totals, wall_s: float, verdict: GateResult | None, *, as_json: bool) -> None:
    if as_json:
        judged = {} if verdict is None else {"gate": verdict.as_dict()}
        print(json.dumps({**totals.as_dict(wall_s), **judged}, indent=2))
        return
    show(totals, wall_s, terminal.stdout())
    if verdict is not None:
        show_gate(verdict)


def _stopping(kept: RunFile) -> str:
    return f"stopping: up to {kept.drain:g} s for the requests under way; Ctrl-C again ends at once"


def _interrupted(totals: Totals, plan: Plan, flags: RunFlags) -> str:
    total = plan.total()
    what = "cases" if len(totals.templates) == 1 else "evaluations"
    of_all = "" if total is None else f" of {total:,}"
    done, cut_off = totals.done, "Requests cut off may have been evaluated."
    kept = f"; they are in {flags.out}" if flags.out and totals.done else ""
    if flags.run is not None and (view := _view(flags.run)) is not None:
        with view:
            done, cut_off = view.past.done, f"{view.ambiguous:,} more may have been evaluated."
        go_on = command("resume", flags.run, *(("--out", flags.out) if flags.out else ()))
        kept, cut_off = f"; they are in {flags.run}", f"{cut_off if view.ambiguous else ''} To go on: {go_on}".strip()
    return f"interrupted: {done:,}{of_all} {what} done{kept}. {cut_off}"


def _view(run: Path) -> RunView | None:
    try:
        return open_view(run)
    except JournalError:  # stopped before there was a run
        return None
