"""`fi-async run`: from a file of rows to lines of outcomes, a summary and an exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from fi_async._plan import RunPlan
from fi_async.cli import asked, errors, terminal
from fi_async.cli.errors import ImpossibleError, UsageError
from fi_async.cli.options import RunFlags
from fi_async.cli.progress import Shown, progress
from fi_async.cli.results import Sink
from fi_async.cli.sources import Source, source_of
from fi_async.cli.stdin import in_thread
from fi_async.cli.summary import Totals, show
from fi_async.evaluator import AsyncEvaluator
from fi_async.protocol.templates import names_of

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
    """

    evaluator: AsyncEvaluator
    templates: Sequence[str]
    config: Mapping[str, Any] | None
    source: Source
    patience: int

    def waiting_for(self) -> str | None:
        """Return what the run waits for, in words; None if for nothing but replies."""
        said: str | None = self.evaluator.statistics()["waiting_for"]
        return said


def run_file(file: str, flags: RunFlags) -> int:
    """Return the exit code of a run, after it printed its summary.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        ImpossibleError, FiAsyncError, OSError: It could not be done, or not to its end.
    """
    plan = _plan(file, flags)
    if flags.dry_run:
        return _print_plan(asyncio.run(_dry_run(plan)), as_json=flags.json)
    totals = Totals(plan.templates, plan.source)
    began = monotonic()
    trouble: BaseException | None = None
    with Sink(flags.out, plan.source) as sink:
        if asked.is_fallback(flags.backend):
            print(_FALLBACK, file=sys.stderr)
        rows = plan.source.count()
        total = None if rows is None else rows * len(plan.templates)
        try:
            with progress(totals, total, plan.waiting_for, quiet=flags.no_progress) as shown:
                asyncio.run(_evaluate(plan, totals, sink, shown))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the summary comes first
            trouble = error
    if totals.scored or (totals.done and not isinstance(trouble, Exception)):
        _print_summary(totals, monotonic() - began, as_json=flags.json)
    if isinstance(trouble, KeyboardInterrupt):
        print(_interrupted(totals, total, flags), file=sys.stderr)
        return errors.INTERRUPTED
    if trouble is not None:
        raise trouble
    return errors.INCOMPLETE if totals.failed else errors.DONE


def _plan(file: str, flags: RunFlags) -> Plan:
    names = names_of(flags.evals)
    source = source_of(file, flags.limit)
    backend = asked.backend(flags.backend)
    known = asked.check_templates(names, backend)
    source = replace(source, mapped=asked.mapping(flags.mapping or (), names, known))
    asked.check_columns(source, known)
    config = asked.eval_config(flags.param or (), names, known)
    return Plan(
        asked.evaluator(backend, flags),
        names,
        config,
        source,
        _MOST_UNREACHABLE if flags.concurrency == "auto" else min(flags.concurrency, _MOST_UNREACHABLE),
    )


async def _dry_run(plan: Plan) -> RunPlan:
    async with plan.evaluator as ev:
        with closing(plan.source.rows()) as rows:
            return await ev.plan(rows, plan.templates, eval_config=plan.config)


def _print_plan(plan: RunPlan, *, as_json: bool) -> int:
    print(json.dumps(plan.as_dict(), indent=2) if as_json else plan)
    return errors.INCOMPLETE if plan.invalid else errors.DONE


async def _evaluate(plan: Plan, totals: Totals, sink: Sink, shown: Shown) -> None:
    """Count, write and show outcomes as they come, until there are no more."""
    ticking = asyncio.create_task(shown.tick())
    try:
        async with AsyncExitStack() as stack:
            ev = await stack.enter_async_context(plan.evaluator)
            rows = plan.source.rows()
            cases = stack.enter_context(closing(rows)) if plan.source.is_file else in_thread(rows)
            outcomes = ev.stream(cases, plan.templates, eval_config=plan.config, counts=totals.counts)
            async for outcome in await stack.enter_async_context(aclosing(outcomes)):
                sink.write(outcome)
                totals.add(outcome)
                shown.update()
                if totals.only_unreachable and totals.unreachable >= plan.patience:
                    break
    finally:
        ticking.cancel()
    if totals.only_unreachable:
        raise ImpossibleError(f"no request reached {asked.base_url()}: {totals.unreachable_because}")
    if not totals.done:
        raise UsageError(f"{plan.source.name} holds no rows: there is nothing to evaluate")


def _print_summary(totals: Totals, wall_s: float, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(totals.as_dict(wall_s), indent=2))
    else:
        show(totals, wall_s, terminal.stdout())


def _interrupted(totals: Totals, total: int | None, flags: RunFlags) -> str:
    what = "cases" if len(totals.templates) == 1 else "evaluations"
    of_all = "" if total is None else f" of {total:,}"
    kept = f"; they are in {flags.out}" if flags.out and totals.done else ""
    return f"interrupted: {totals.done:,}{of_all} {what} done{kept}. Requests cut off may have been evaluated."
