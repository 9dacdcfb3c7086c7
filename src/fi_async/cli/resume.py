"""`fi-async resume` and `fi-async retry`: a run goes on, with what is kept of how it was begun."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from fi_async._connection import LOCAL
from fi_async._run_url import RunUrl
from fi_async._settings import Retried, RunFile, RunOptions
from fi_async._shard import Shard
from fi_async.cli import backend, errors
from fi_async.cli.errors import UsageError
from fi_async.cli.input_rows import STDIN
from fi_async.cli.options import ResumeFlags, RunFlags, refuse
from fi_async.cli.outcome_collector import NotedSource
from fi_async.cli.program_runs import check_unchanged, templates_and_choice
from fi_async.cli.run import CAN_RETRY, RunSetup, carry_out, patience, setup_of
from fi_async.cli.saved_command import SavedCommand, check_run
from fi_async.cli.stored_runs import WorkedCases
from fi_async.journal.counting import CountedRun
from fi_async.journal.opening import options_of
from fi_async.journal.records import IMPORTED_FROM, RunCount, RunInfo
from fi_async.journal.stored import StoredCases
from fi_async.journal.view import open_view
from fi_async.sources.rows import Shape, Source
from fi_async.store.store_counts import count_run

_SAFE: Final[Sequence[Retried]] = ("failed", "stalled")
_OF_THE_WORK: Final = ("evals", "judge", "judge_url", "jury", "rule")
_FIELDS: Final = ("custom_eval_name", "error_localizer")


def resume_run(run: Path | RunUrl, flags: ResumeFlags, retry: Sequence[Retried] = ()) -> int:
    """Return the exit code of a run that is gone on with, as `fi-async run` does.

    Args:
        run: Its file, or its URL.
        flags: What is told anew.
        retry: What is tried again of that which ended before.

    Raises:
        UsageError: There is no such run, it was imported, or the environment names another server.
        JournalError: Its file cannot be used.
        FiAsyncError, OSError: As of `fi-async run`.
    """
    check_run(run)
    with _counted(run) as view:
        info, count = view.info, view.count()
        _check_origin(view)
        stored = SavedCommand.of(info.source)
        _check_server(view)
        again = _flags(run, info, stored, flags)
        is_asked = flags.out is not None or flags.json or again.min or again.coverage is not None
        if not is_asked and _has_ended(count, stored) and not (retry and CAN_RETRY & count.statuses.keys()):
            return _nothing_to_do(run, count)
        held = view.held()
    named = stored.backend_named
    is_loaded = isinstance(run, RunUrl) and stored.is_unchanged and count.is_all and held == count.evaluations
    if stored.is_there and not is_loaded:
        file = str(stored.file)
        return carry_out(setup_of(file, again, name=stored.name, retry=retry, is_named=named, home=stored.home), again)
    cases = StoredCases(run) if isinstance(run, Path) else WorkedCases(run, held // len(info.templates))
    rows = Source(cases, Shape(id_column=None))
    if stored.flags is None:
        plan = _plan_of_program(run, info, rows, retry, flags)
    else:
        file = stored.file or STDIN
        plan = setup_of(file, again, held=rows, keeps=stored, retry=retry, is_named=named, home=stored.home)
        check_unchanged(run, info, plan.templates, plan.chosen)
    if not stored.is_there:
        others = _others(count, held)
        print(f"{run}: {_why(stored)}: going on with the {held:,} cases that it holds{others}", file=sys.stderr)
    return carry_out(plan, again)


def retry_run(run: Path | RunUrl, flags: ResumeFlags, **asked_for: bool) -> int:
    """Return the exit code of a run that is gone on with, what ended so being tried again; see `resume_run`.

    What is tried again where nothing is asked for is what costs nothing twice: not what may have been evaluated.

    Raises:
        UsageError, JournalError, FiAsyncError, OSError: As there.
    """
    check_run(run)
    if isinstance(run, Path):  # imported runs are files
        with open_view(run) as view:
            _check_origin(view)
    retry: list[Retried] = [each for each in get_args(Retried) if asked_for[each]]
    if not retry:
        said = "trying again what failed or stalled; what may have been evaluated is left: --ambiguous sends it again"
        print(f"{run}: {said}", file=sys.stderr)
    return resume_run(run, flags, retry or _SAFE)


def _counted(run: Path | RunUrl) -> CountedRun:
    return open_view(run) if isinstance(run, Path) else count_run(run)[0]


def _flags(run: Path | RunUrl, info: RunInfo, stored: SavedCommand, flags: ResumeFlags) -> RunFlags:
    """Return the flags of the command that began the run, or what a program's run has of them, with those given."""
    given: dict[str, Any] = {"run": run, "out": flags.out, "json": flags.json, "no_progress": flags.no_progress}
    given["otel"] = flags.otel
    given |= flags.pace()
    if stored.flags is None:
        return RunFlags(evals=list(info.templates), **given)
    refuse(flags, _OF_THE_WORK, f"is as when the run began: to change it, give fi-async run another --run than {run}")
    return stored.restored(**given, **flags.judging())


def _plan_of_program(
    run: Path | RunUrl, info: RunInfo, rows: Source, retry: Sequence[Retried], flags: ResumeFlags
) -> RunSetup:
    """Return how to go on with a run that a program began: by what its file says that it was begun with.

    Raises:
        UsageError: An older version wrote the file, which does not say it, or functions and judges are to be given.
    """
    if not info.questions:
        raise UsageError(f"{run}: an older version began it in a program: run the program again to go on")
    options = options_of(info.settings).with_given(**flags.pace())
    templates, chosen = templates_and_choice(run, info, flags)
    keywords: dict[str, Any] = {name: getattr(options, name) for name in RunOptions.__dataclass_fields__}
    configs = {each["template"]: each["config"] for each in info.questions if each["config"]}
    first = info.questions[0]
    return RunSetup(
        evaluator=backend.client_of(chosen, keywords),
        chosen=chosen,
        templates=templates,
        config=(configs if len(info.templates) > 1 else configs.get(info.templates[0])) or None,
        source=rows if isinstance(run, Path) else NotedSource(rows.table, rows.shape),
        patience=patience(options.concurrency),
        shows_progress=not flags.no_progress,
        gate=None,
        shuffled=False,
        kept=RunFile(run, retry=retry, held_only=True),
        fields={name: first[name] for name in _FIELDS if first.get(name)},
        shard=None if info.shard is None else Shard(*info.shard),
    )


def _check_origin(view: CountedRun) -> None:
    """Raise if the run was imported: another tool sent it."""
    if (tool := view.info.source.get(IMPORTED_FROM)) is not None:
        raise UsageError(
            f"{view.name}: it was imported from {tool} ({view.info.source.get('imported_file')}), and nothing of it can"
            f" be sent: to evaluate its cases anew, give them to fi-async run"
        )


def _check_server(view: CountedRun) -> None:
    """Raise if going on would ask another server. That of the file is not taken: it would be sent the keys."""
    made_on = view.info.base_url
    if made_on != LOCAL and made_on != backend.base_url():
        raise UsageError(
            f"{view.name}: this run was made on {made_on}, and FI_BASE_URL says {backend.base_url()}: set"
            f" FI_BASE_URL={made_on} to go on"
        )


def _has_ended(count: RunCount, stored: SavedCommand) -> bool:
    """Tell whether there is nothing left to do, as far as that is known without reading the input."""
    return count.is_complete and (not stored.is_there or stored.is_unchanged)


def _nothing_to_do(run: Path | RunUrl, count: RunCount) -> int:
    """Return the exit code of a run that has ended, after saying so."""
    without = count.done - count.scored
    also = f", {without:,} without a score" if without else ""
    print(f"{run}: nothing to do: all {count.done:,} evaluations have ended{also}")
    return errors.INCOMPLETE if without else errors.DONE


def _others(count: RunCount, held: int) -> str:
    """Return what to say of the cases that a file lacks, as they were not read before the run was stopped."""
    if not count.is_all:
        return "; there may be more, which were not read before it was stopped"
    more = count.evaluations - held
    return f"; {more:,} more were not read before it was stopped, and stay pending" if more else ""


def _why(stored: SavedCommand) -> str:
    if stored.flags is None:
        return "a program began it"
    return "its rows came from stdin" if stored.file is None else f"{stored.file} is gone"
