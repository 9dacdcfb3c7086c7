"""`fi-async load`, `work` and `control`: a run in a database, loaded by one and worked on by many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from fi_async._models import TemplateLike
from fi_async._run_url import RunUrl
from fi_async._settings import RunFile, RunKeywords
from fi_async.cli import backend, errors, stopping, terminal
from fi_async.cli.backend import Choice
from fi_async.cli.errors import UsageError
from fi_async.cli.named_judges import limits
from fi_async.cli.options import LoadFlags
from fi_async.cli.own_templates import templates_of
from fi_async.cli.parameters import check_paths
from fi_async.cli.program_runs import check_unchanged, templates_and_choice
from fi_async.cli.run import setup_of
from fi_async.cli.saved_command import SavedCommand, command_line
from fi_async.cli.store_flags import ControlFlags, WorkFlags, url_of
from fi_async.journal.opening import limit_text, options_of
from fi_async.journal.records import RunInfo
from fi_async.runs.loading import LoadReport
from fi_async.runs.workers import WorkReport
from fi_async.sources.rows import TableRow
from fi_async.store.run_control import Control, change
from fi_async.store.store_reader import facts

_OF_THE_JUDGE = ("judge", "judge_url", "jury")


@dataclass(frozen=True, slots=True)
class WorkedCases:
    """The cases of a run in a database as a table that nobody reads: workers take them from there."""

    url: RunUrl
    cases: int
    has_header: bool = False
    path: Path | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.url)

    def columns(self) -> None:
        """Return None: the cases need not be alike."""

    def count(self) -> int:
        """Return the number of cases."""
        return self.cases

    def records(self) -> Iterator[TableRow]:
        """Yield nothing."""
        return iter(())


def load_file(file: str, flags: LoadFlags) -> int:
    """Return 0 after putting the rows of a file into a run in a database.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        JournalError: The database cannot be used.
    """
    check_paths(flags)
    url = url_of(flags.store)
    plan = setup_of(file, flags, retry=flags.retry or ())
    if plan.kept is None:  # pragma: no cover  # a URL keeps it
        raise UsageError("--run is missing")
    kept = replace(plan.kept, path=url)

    async def load() -> LoadReport:
        async with plan.evaluator as ev:
            return await ev.load(
                plan.source, list(plan.templates.values()), run=kept, eval_config=plan.config, **plan.fields
            )

    loaded = asyncio.run(load())
    if flags.json:
        print(json.dumps(asdict(loaded), indent=2))
        return errors.DONE
    made_of = f" of {loaded.votes:,} samples and votes" if loaded.votes else ""
    counted = ", ".join(
        f"{number:,} {what}"
        for what, number in (
            ("new", loaded.new),
            ("that have ended", loaded.ended),
            ("equal to others", loaded.duplicates),
            ("removed", loaded.removed),
            ("to try again", loaded.reopened),
        )
        if number or what == "new"
    )
    print(f"{loaded.run}: {loaded.evaluations:,} evaluations{made_of} ({counted}) in {loaded.wall_s:,.1f} s")
    print(f"work on it: {command_line('work', loaded.run)}")
    return errors.DONE


def work_on(run: str, flags: WorkFlags) -> int:
    """Return the exit code of one worker, once nothing is left to do.

    Raises:
        UsageError, ConfigurationError: The run asks for what is not given, or for other code.
        JournalError: The database cannot be used, or has no such run.
        FiAsyncError: It could not be done.
    """
    return _work(url_of(run), flags, {} if flags.concurrency is None else {"concurrency": flags.concurrency})


def _work(url: RunUrl, flags: WorkFlags, given: RunKeywords) -> int:
    info = facts(url)
    templates, chosen = _asked(url, info, flags)
    options = options_of(info.settings)
    keywords = {"concurrency": options.concurrency}
    kept = RunFile(url, lease=flags.lease, drain=flags.drain)
    done: list[WorkReport] = []

    async def work() -> None:
        async with backend.client_of(chosen, {**keywords, **given}) as ev:
            own = [each for each in templates.values() if not isinstance(each, str)]
            done.append(await ev.work(kept, own, progress=not flags.no_progress, **given))

    stopping.run(work(), f"stopping: up to {flags.drain:g} s for the requests under way; Ctrl-C again ends at once")
    return _told(done[0], flags)


def _told(done: WorkReport, flags: WorkFlags) -> int:
    """Return the exit code of what one worker did, after printing it."""
    if flags.json:
        print(json.dumps({**asdict(done), "evaluations": done.evaluations}, indent=2))
    else:
        ended = ", ".join(f"{number:,} {status}" for status, number in done.statuses.items()) or "nothing"
        left = "" if done.is_complete else f"; the run is not done{f': {done.stopped}' if done.stopped else ''}"
        fenced = f"; it lost its lease {done.fenced} times" if done.fenced else ""
        print(terminal.printable(f"{done.run}: {ended} here in {done.wall_s:,.1f} s{fenced}{left}"))
    scored = done.statuses.get("scored", 0)
    return errors.DONE if done.is_complete and scored == done.evaluations else errors.INCOMPLETE


def _asked(url: RunUrl, info: RunInfo, flags: WorkFlags) -> tuple[Mapping[str, TemplateLike], Choice]:
    """Return what the run evaluates, and by whom: as its load was told, or as this command says."""
    stored = SavedCommand.of(info.source)
    if stored.flags is None or flags.evals or any(getattr(flags, name) for name in _OF_THE_JUDGE):
        return templates_and_choice(url, info, flags)
    again = stored.restored(**flags.judging())
    templates = templates_of(again.evals, stored.home)
    chosen = backend.choice_of(again, templates)
    check_unchanged(url, info, templates, chosen)
    return templates, chosen


def control_run(run: str, what: Literal["pause", "resume"] | None, flags: ControlFlags) -> int:
    """Return 0 after setting something for all workers of a run, and printing what is set.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so.
        JournalError: The database cannot be used, or has no such run.
    """
    url, changes = url_of(run), flags.changes()
    if flags.limits is not None:
        changes["limits"] = [limit_text(each) for each in limits(flags.limits)]
    if what is not None:
        changes["paused"] = what == "pause"
    control = change(url, **changes)
    print(json.dumps(asdict(control), indent=2) if flags.json else f"{url}: {words_of(control)}")
    return errors.DONE


def words_of(control: Control) -> str:
    """Return what is set for all workers, for people."""
    told = ["paused" if control.paused else "not paused"]
    if control.concurrency is not None:
        told.append(f"concurrency {control.concurrency}")
    if control.limits is not None:
        told.append(f"limits {', '.join(control.limits) or 'none'}")
    if control.max_cost is not None:
        told.append(f"max-cost {control.max_cost:g} $")
    return ", ".join(told)
