"""What a run's file keeps of a command line, and the command line that is made of it again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from fi_async._run_url import RunUrl, is_store_url
from fi_async._settings import Retried, RunFile
from fi_async.cli.backend import Choice
from fi_async.cli.errors import UsageError
from fi_async.cli.input_rows import STDIN
from fi_async.cli.named_judges import used_tables
from fi_async.cli.options import RunFlags, refuse
from fi_async.cli.own_templates import absolute
from fi_async.engine.postgres_budget import is_url, without_password
from fi_async.journal.schema import is_run
from fi_async.reports.run_files import LINES
from fi_async.sources.files import json_files
from fi_async.sources.rows import Source

_OF_ONE_COMMAND: Final = ("run", "out", "json", "no_progress", "otel", "store", "retry")
_OF_KEPT_RUNS: Final = ("reuse", "duplicates", "drain")
_PATHS: Final = ("shared_budget", "labels", "reuse")


@dataclass(frozen=True, slots=True)
class SavedCommand:
    """Where a run's rows come from, as its file has it.

    Attributes:
        file: The absolute path of the input; None for stdin.
        name: As it was given: messages call it so, whoever goes on with the run, and wherever.
        stamp: Its size and when it was changed, by which another content is told.
        backend_named: False if nobody named the backend, and for want of a key pair it was the local one.
        flags: Of the command that began it; without those of one command alone.
        directory: Where it was begun: modules that --eval names are looked for there too.
    """

    file: str | None = None
    name: str | None = None
    stamp: Sequence[int] | None = None
    backend_named: bool = True
    flags: Mapping[str, Any] | None = None
    directory: str | None = None

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> SavedCommand:
        """Return what a run's file has; without flags if a program began it."""
        return cls(**{each.name: source[each.name] for each in fields(cls) if each.name in source})

    @property
    def is_there(self) -> bool:
        """True if the input can be read again."""
        return self.file is not None and Path(self.file).exists()

    @property
    def home(self) -> Path | None:
        """Where it was begun; None if the file does not say it."""
        return None if self.directory is None else Path(self.directory)

    @property
    def is_unchanged(self) -> bool:
        """True if the input is as it was when the run began."""
        return self.is_there and self.stamp is not None and list(self.stamp) == _stamp(str(self.file))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def restored(self, **given: Any) -> RunFlags:
        """Return the flags of the command that began the run, with those given."""
        known = {each.name for each in fields(RunFlags)}
        kept = {name: value for name, value in (self.flags or {}).items() if name in known}
        if kept.get("labels") is not None:
            kept["labels"] = Path(kept["labels"])
        return RunFlags(**{**kept, **given})


def check_run(run: Path | RunUrl) -> None:
    """Return if there is a file that may be a run's; a database is asked when it is opened.

    Raises:
        UsageError: There is none, or it holds lines of outcomes: they do not say how a run stands.
    """
    if isinstance(run, RunUrl):
        return
    if not run.is_file():
        raise UsageError(f"{run}: {'a directory, not a file' if run.is_dir() else 'no such file'}")
    if run.suffix.lower() in LINES and not is_run(run):
        raise UsageError(f"{run}: no run's file: give that of fi-async run --run PATH")


def saved_command(file: str, flags: RunFlags, chosen: Choice, source: Source, home: Path | None) -> SavedCommand:
    """Return what the file of a run is to keep of a command line: its paths as absolute ones, who evaluates by name."""
    kept = {each.name: getattr(flags, each.name) for each in fields(flags) if each.name not in _OF_ONE_COMMAND}
    kept |= {name: os.path.abspath(os.path.expanduser(kept[name])) for name in _PATHS if kept[name] is not None}  # noqa: PTH100, PTH111  # a pattern
    if flags.shared_budget is not None and is_url(flags.shared_budget):
        kept["shared_budget"] = without_password(flags.shared_budget)
    kept["evals"] = [absolute(word) for word in flags.evals]
    kept["judges"] = used_tables(flags)
    by = {"backend": None, "backends": list(chosen.names)} if chosen.names else {"backend": chosen.platform}
    return SavedCommand(
        file=None if file == STDIN else os.path.abspath(os.path.expanduser(file)),  # noqa: PTH100, PTH111  # resolve() would follow links
        name=None if file == STDIN else source.name,
        stamp=_stamp(file) if source.is_stored else None,
        backend_named=chosen.is_named,
        flags={**kept, **by},
        directory=str(home or Path.cwd()),
    )


def run_file_of(
    flags: RunFlags, keeps: Callable[[], SavedCommand], retry: Sequence[Retried] = (), *, held_only: bool = False
) -> RunFile | None:
    """Return the file that keeps a run; None if none was asked for.

    Args:
        flags: Of the command.
        keeps: Returns what the file keeps of it.
        retry: As of RunFile.
        held_only: As of RunFile.

    Raises:
        UsageError: A flag needs one, or goes with none.
    """
    path: str | Path | RunUrl | None = getattr(flags, "store", None) or flags.run
    if path is None:
        refuse(flags, _OF_KEPT_RUNS, "is of runs that are kept: give --run PATH too")
        return None
    if flags.error_rate is not None:
        raise UsageError("--error-rate takes the rows in random order, and --run keeps them in theirs: leave one out")
    return RunFile(
        path,
        retry=retry,
        duplicates=flags.duplicates,
        reuse=flags.reuse,
        drain=flags.drain,
        source=keeps().as_dict(),
        held_only=held_only,
    )


def command_line(name: str, *words: str | Path | RunUrl) -> str:
    """Return a command line to go on with, as a shell takes it: a password is left to PGPASSWORD, or ~/.pgpass."""
    told = [without_password(str(each)) if is_store_url(str(each)) else str(each) for each in words]
    return shlex.join(["fi-async", name, *told])


def _stamp(file: str) -> list[int]:
    path = Path(os.path.expanduser(file))  # noqa: PTH111  # a name nobody has stays
    found = [each.stat() for each in (path, *json_files(path)) if each.exists()]
    return [sum(each.st_size for each in found), max(each.st_mtime_ns for each in found)]
