"""`fi-async run`: from a file of rows to lines of outcomes, a summary and an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from rich.text import Text

from fi_async._errors import JournalError
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async._plan import RunPlan
from fi_async._settings import Concurrency, Retried, RunFile
from fi_async.cli import asked, errors, stopping, terminal
from fi_async.cli.ci import write_step_summary
from fi_async.cli.errors import ImpossibleError, StoppedError, UsageError
from fi_async.cli.gate import exit_code
from fi_async.cli.gate import show as show_gate
from fi_async.cli.judged import Judge, in_random_order, judge_of
from fi_async.cli.kept import Stored, command, run_file_of, stored
from fi_async.cli.options import RunFlags
from fi_async.cli.sinks import Sink, run_facts
from fi_async.cli.sources import source_of
from fi_async.cli.stdin import in_thread
from fi_async.cli.summary import Totals, show, show_next
from fi_async.engine.calls import Cases
from fi_async.evaluator import AsyncEvaluator
from fi_async.journal.view import RunView, open_view
from fi_async.reports.quality_gate import GateResult
from fi_async.reports.run_files import LINES
from fi_async.sources.rows import Row, Source
from fi_async.wire.templates import names_of

_MOST_UNREACHABLE: Final = 16
CAN_RETRY: Final = {OutcomeStatus.FAILED, OutcomeStatus.STALLED}
"""Statuses of cases that `fi-async retry` tries again."""

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
        fields: Further fields of each request, by the keywords of the client's `stream`.
        is_named: False if nobody named the backend.
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
    fields: Mapping[str, Any] = field(default_factory=dict)
    is_named: bool = True

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
        with Sink(flags.out, plan.source.path, flags.run, _facts(plan, flags)) as sink:
            if not plan.is_named:
                print(_FALLBACK, file=sys.stderr)
            taken = Taken(totals, sink, is_kept=plan.kept is not None)
            try:
                stopping.run(_evaluate(plan, taken), None if plan.kept is None else _stopping(plan.kept))
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # what its file has comes first
                trouble = error
            _complete(plan, taken, trouble)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the summary comes first
        trouble = trouble or error
    verdict = plan.judge.verdict(_trouble(totals), is_named=plan.is_named) if plan.judge and trouble is None else None
    if totals.scored or (totals.done and not isinstance(trouble, Exception)):
        _print_summary(totals, monotonic() - began, verdict, flags)
    if isinstance(trouble, StoppedError):
        print(_interrupted(totals, flags), file=sys.stderr)
        return trouble.code
    if trouble is not None:
        raise trouble
    if plan.judge is None or verdict is None:
        return errors.INCOMPLETE if totals.scored < totals.evaluations else errors.DONE
    if plan.judge.stopped and totals.pending:
        print(
            f"stopped after {totals.done:,} of {totals.evaluations:,} evaluations: the verdict is certain",
            file=sys.stderr,
        )
    write_step_summary(verdict, plan.source.name)
    return exit_code(verdict)


def _facts(plan: Plan, flags: RunFlags) -> Mapping[str, Any] | None:
    """Return what each line of --out says of its run; only who reads lines again is told."""
    if flags.out is None or flags.out.suffix.lower() not in LINES:
        return None
    return run_facts(plan.total(), is_named=plan.is_named)


class Taken:
    """Counts and writes the outcomes of a run, each as it comes.

    Args:
        totals: Where they are counted.
        sink: Where they are written.
        is_kept: True if a file keeps the run, and may have outcomes that did not come: a bit for each that came is
            kept, to tell.
    """

    def __init__(self, totals: Totals, sink: Sink, *, is_kept: bool) -> None:
        self.totals = totals
        self._sink = sink
        self._came: dict[str, bytearray] | None = {name: bytearray() for name in totals.templates} if is_kept else None

    def take(self, outcome: Outcome) -> None:
        """Count an outcome, and write it."""
        if self._came is not None:
            came, (place, bit) = self._came[outcome.template], divmod(outcome.index, 8)
            came.extend(bytes(max(0, place + 1 - len(came))))
            came[place] |= 1 << bit
        self._sink.write(outcome)
        self.totals.add(outcome)

    def has(self, outcome: Outcome) -> bool:
        """Tell whether it came; of a run that is kept."""
        place, bit = divmod(outcome.index, 8)
        came = (self._came or {}).get(outcome.template, b"")
        return place < len(came) and bool(came[place] & 1 << bit)


def _complete(plan: Plan, taken: Taken, trouble: BaseException | None) -> None:
    """Take what the file of a run has beyond what came before it was stopped, and count what has not ended."""
    totals = taken.totals
    if trouble is not None or (plan.judge is not None and plan.judge.stopped):
        totals.expected = plan.total()
        totals.is_all = totals.expected is not None
    if plan.kept is None or isinstance(trouble, JournalError) or (view := _view(Path(plan.kept.path))) is None:
        return
    with view:
        totals.whole = view.count()
        totals.is_all = totals.whole.is_all
        if totals.done >= totals.whole.done:
            return
        rows = enumerate(plan.source.rows() if plan.source.is_stored else ())
        at, row = -1, Row({})
        for record in view.records():
            outcome = record.outcome
            while at < outcome.index:  # both are in input order
                at, row = next(rows, (outcome.index, _as_row(outcome.case, plan.source.name, outcome.index)))
            if not taken.has(outcome):
                origin = "replayed" if record.ended_at < view.info.passes[-1] else outcome.origin
                taken.take(replace(outcome, case=row, origin=origin))


def _as_row(case: Case, source: str, index: int) -> Row:
    return Row(case.inputs, case.id, case.inputs, f"{source}, case {index}")


def plan_of(
    file: str,
    flags: RunFlags,
    *,
    name: str | None = None,
    held: Source | None = None,
    keeps: Stored | None = None,
    retry: Sequence[Retried] = (),
    is_named: bool | None = None,
) -> Plan:
    """Return what a command line asks for, checked.

    Args:
        file: The path of the rows.
        flags: Of the command.
        name: What messages call it, if not so.
        held: The rows themselves, where they come from the file of the run.
        keeps: What that file keeps of the command line; as this one says, if None.
        retry: As of RunFile.
        is_named: False if nobody named the backend; None where that is to be seen.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
    """
    if is_named is None:
        is_named = not asked.is_fallback(flags.backend)
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
        patience=patience(flags.concurrency),
        shows_progress=not flags.no_progress,
        judge=judge_of(flags, names, known, source),
        shuffled=flags.error_rate is not None,
        kept=run_file_of(
            flags,
            lambda: keeps or stored(file, flags, backend, source, is_named=is_named),
            retry,
            held_only=held is not None,
        ),
        is_named=is_named,
    )


def patience(concurrency: Concurrency) -> int:
    """Return how many cases may be unable to reach the server before a run ends, if none could."""
    return _MOST_UNREACHABLE if concurrency == "auto" else min(concurrency, _MOST_UNREACHABLE)


async def _dry_run(plan: Plan) -> RunPlan:
    cases, _ = _cases(plan)
    async with plan.evaluator as ev:
        return await ev.plan(cases, plan.templates, eval_config=plan.config)


def _print_plan(plan: RunPlan, source: str, *, as_json: bool) -> int:
    if not plan.cases:
        raise _no_rows(source)
    print(json.dumps(plan.as_dict(), indent=2) if as_json else plan)
    return errors.INCOMPLETE if plan.invalid else errors.DONE


async def _evaluate(plan: Plan, taken: Taken) -> None:
    """Count, write and show outcomes as they come, until there are no more."""
    cases, places = _cases(plan)
    totals = taken.totals
    async with plan.evaluator as ev:
        outcomes = ev.stream(
            cases,
            plan.templates,
            eval_config=plan.config,
            counts=totals.counts,
            progress=plan.shows_progress,
            run=plan.kept,
            **plan.fields,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                certain = plan.judge is not None and plan.judge.add(outcome)
                placed = outcome if places is None else replace(outcome, index=places[outcome.index])
                taken.take(placed)
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


def _print_summary(totals: Totals, wall_s: float, verdict: GateResult | None, flags: RunFlags) -> None:
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


def _next_steps(totals: Totals, flags: RunFlags) -> dict[str, str]:
    """Return the commands that come next, by what each is for."""
    steps = {}
    if flags.run is not None and any(totals.statuses[status] for status in CAN_RETRY):
        steps["try again"] = command("retry", flags.run)
    readable = flags.run or (flags.out if flags.out is not None and flags.out.suffix.lower() in LINES else None)
    steps["report"] = "add --run PATH, then fi-async report PATH" if readable is None else command("report", readable)
    return steps


def _stopping(kept: RunFile) -> str:
    return f"stopping: up to {kept.drain:g} s for the requests under way; Ctrl-C again ends at once"


def _interrupted(totals: Totals, flags: RunFlags) -> str:
    what = "cases" if len(totals.templates) == 1 else "evaluations"
    of_all = f" of {totals.evaluations:,}" if totals.is_all else ""
    kept = f"; they are in {flags.out}" if flags.out and totals.done else ""
    cut_off = "Requests cut off may have been evaluated."
    if flags.run is not None and totals.whole is not None:
        ambiguous = totals.whole.ambiguous
        go_on = command("resume", flags.run, *(("--out", flags.out) if flags.out else ()))
        told = f"{ambiguous:,} more may have been evaluated. " if ambiguous else ""
        kept, cut_off = f"; they are in {flags.run}", f"{told}To go on: {go_on}"
    return f"interrupted: {totals.done:,}{of_all} {what} done{kept}. {cut_off}"


def _view(run: Path) -> RunView | None:
    try:
        return open_view(run)
    except JournalError:  # stopped before there was a run
        return None
