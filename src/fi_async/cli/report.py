"""`fi-async report`: a run as a page."""

from __future__ import annotations

from pathlib import Path

from fi_async.cli import errors
from fi_async.cli.sinks import check_output
from fi_async.reports import report_page
from fi_async.reports.run_files import load_run


def write_report(run: Path, out: Path | None) -> int:
    """Return 0 after writing the page of a run, and printing where it is.

    Raises:
        UsageError, ConfigurationError: There is no such run, or the page cannot be where it is to be.
        JournalError: The run cannot be read.
    """
    with load_run(run) as view:
        page = out or run.with_suffix(".html")
        check_output("--out", page, run)
        report_page.write_report(page, view.info, view.records(), view.count())
    print(page)
    return errors.DONE
