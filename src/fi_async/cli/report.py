"""`fi-async report`: a run as a page."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from fi_async.cli import errors
from fi_async.cli.errors import UsageError
from fi_async.runs import html


def write_report(run: Path, out: Path | None) -> int:
    """Return 0 after writing the page of a run, and printing where it is.

    Raises:
        UsageError: There is no such run, or the page cannot be where it is to be.
    """
    if not run.is_file():
        raise UsageError(f"{run}: {'a directory, not a file' if run.is_dir() else 'no such file'}")
    page = out or run.with_suffix(".html")
    if page.is_dir() or not page.parent.is_dir():
        what = "it is a directory" if page.is_dir() else f"there is no directory {page.parent}"
        raise UsageError(f"--out {page}: {what}")
    if page.exists() and page.samefile(run):
        raise UsageError(f"--out {page}: that is the run")
    with open_run(run) as view:
        html.write(page, view.info, view.records(), view.pending)
    print(page)
    return errors.DONE


def open_run(path: Path) -> AbstractContextManager[Any]:
    """Return the run in a file, as `info`, `records()` and `pending` of it."""
    opened = import_module("fi_async.runs.journal").open_view(path)
    return cast("AbstractContextManager[Any]", opened)
