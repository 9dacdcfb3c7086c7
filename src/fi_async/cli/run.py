"""`fi-async run`: from a file of rows to lines of outcomes, a summary and an exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from fi_async.cases.rows import Source
from fi_async.cli import asked, errors, terminal
from fi_async.cli.errors import ImpossibleError, UsageError
from fi_async.cli.options import RunFlags
from fi_async.cli.sinks import Sink
from fi_async.cli.sources import source_of
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
    shows_progress: bool


def run_file(file: str, flags: RunFlags) -> int:
    """Return the exit code of a run, after it printed its summary.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        ImpossibleError, FiAsyncError, OSError: It could not be done, or not to its end.
    """
    plan = _plan(file, flags)
    totals = Totals(plan.templates)
    began = monotonic()
    trouble: BaseException | None = None
    with Sink(flags.out, plan.source) as sink:
        if asked.is_fallback(flags.backend):
            print(_FALLBACK, file=sys.stderr)
        try:
            asyncio.run(_evaluate(plan, totals, sink))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the summary comes first
            trouble = error
    if totals.scored or (totals.done and not isinstance(trouble, Exception)):
        _print_summary(totals, monotonic() - began, as_json=flags.json)
    if isinstance(trouble, KeyboardInterrupt):
        print(_interrupted(totals, plan, flags), file=sys.stderr)
        return errors.INTERRUPTED
    if trouble is not None:
        raise trouble
    return errors.INCOMPLETE if totals.failed else errors.DONE


def _plan(file: str, flags: RunFlags) -> Plan:
    names = names_of(flags.evals)
    backend = asked.backend(flags.backend)
    known = asked.check_templates(names, backend)
    mapping, constants = asked.mapping(flags.mapping or (), names, known), asked.constants(flags.constants or ())
    source = source_of(file, flags, mapping, constants)
    asked.check_columns(source, known)
    config = asked.eval_config(flags.param or (), names, known)
    patience = min(flags.concurrency, _MOST_UNREACHABLE)
    return Plan(asked.evaluator(backend, flags), names, config, source, patience, not flags.no_progress)


async def _evaluate(plan: Plan, totals: Totals, sink: Sink) -> None:
    """Count, write and show outcomes as they come, until there are no more."""
    cases = plan.source if plan.source.is_stored else in_thread(plan.source.rows())
    async with plan.evaluator as ev:
        outcomes = ev.stream(
            cases, plan.templates, eval_config=plan.config, counts=totals.counts, progress=plan.shows_progress
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                sink.write(outcome)
                totals.add(outcome)
                if totals.only_unreachable and totals.unreachable >= plan.patience:
                    break
    if totals.only_unreachable:
        raise ImpossibleError(f"no request reached {asked.base_url()}: {totals.unreachable_because}")
    if not totals.done:
        raise UsageError(f"{plan.source.name} holds no rows: there is nothing to evaluate")


def _print_summary(totals: Totals, wall_s: float, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(totals.as_dict(wall_s), indent=2))
    else:
        show(totals, wall_s, terminal.stdout())


def _interrupted(totals: Totals, plan: Plan, flags: RunFlags) -> str:
    rows = plan.source.count()
    what = "cases" if len(totals.templates) == 1 else "evaluations"
    of_all = "" if rows is None else f" of {rows * len(plan.templates):,}"
    kept = f"; they are in {flags.out}" if flags.out and totals.done else ""
    return f"interrupted: {totals.done:,}{of_all} {what} done{kept}. Requests cut off may have been evaluated."
