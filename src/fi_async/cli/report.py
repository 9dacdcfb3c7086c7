"""`fi-async report`: a run as a page."""

from __future__ import annotations

from pathlib import Path

from fi_async.cli import errors
from fi_async.cli.errors import UsageError
from fi_async.runs import html
from fi_async.runs.loading import load


def write_report(run: Path, out: Path | None) -> int:
    """Return 0 after writing the page of a run, and printing where it is.

    Raises:
        UsageError, ConfigurationError: There is no such run, or the page cannot be where it is to be.
        JournalError: The run cannot be read.
    """
    with load(run) as view:
        page = out or run.with_suffix(".html")
        check_target("--out", page, run)
        html.write(page, view.info, view.records(), view.pending)
    print(page)
    return errors.DONE


def check_target(flag: str, target: Path, *runs: Path) -> None:
    """Return quietly if what is made of these runs may be written there.

    Raises:
        UsageError: It is a directory, or in none, or one of the runs.
    """
    if target.is_dir() or not target.parent.is_dir():
        what = "it is a directory" if target.is_dir() else f"there is no directory {target.parent}"
        raise UsageError(f"{flag} {target}: {what}")
    if target.exists() and any(run.exists() and target.samefile(run) for run in runs):
        raise UsageError(f"{flag} {target}: that is the run")
