"""`fi-async export` and `fi-async report`: the outcomes of a run as `fi-async run --out` writes them, or as a page."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fi_async._errors import JournalError
from fi_async._run_url import RunUrl
from fi_async.cli import errors
from fi_async.cli.outputs import OutputFile, check_output, run_facts
from fi_async.cli.saved_command import check_run
from fi_async.journal.records import OutcomeRecord
from fi_async.journal.salvage import Salvage
from fi_async.reports import report_page
from fi_async.reports.run_files import BACKEND_NAMED, load_run
from fi_async.store.store_reader import open_run


def export_run(run: Path | RunUrl, out: Path) -> int:
    """Return 0 after writing the outcomes of a run so far; 3 if its file is damaged, and what is whole was written.

    Raises:
        UsageError, ConfigurationError: There is no such run, or the file cannot be written so.
        JournalError: It is no run's file, or nothing of it can be read.
    """
    check_run(run)
    try:
        with open_run(run) as view:
            count = view.count()
            named = view.info.source.get(BACKEND_NAMED, True)
            written = _write(view.records(), run, out, run_facts(count.evaluations, is_named=named))
    except JournalError:
        if isinstance(run, RunUrl):
            raise
        return _salvage(run, out)
    left = f"; {count.pending:,} have not ended" if count.pending else ""
    print(f"{written:,} outcomes are in {out}{left}")
    return errors.DONE


def _salvage(run: Path, out: Path) -> int:
    with Salvage(run) as saved:
        written = _write(saved.records(), run, out)
        print(
            f"fi-async: {run}: it is damaged ({saved.said or 'cut off'}): {written:,} outcomes are whole and in {out},"
            f" of {saved.cases:,} cases",
            file=sys.stderr,
        )
    return errors.IMPOSSIBLE


def _write(
    records: Iterable[OutcomeRecord], run: Path | RunUrl, out: Path, facts: Mapping[str, Any] | None = None
) -> int:
    written = 0
    with OutputFile(out, run=None if isinstance(run, RunUrl) else run, facts=facts) as sink:
        for record in records:
            sink.write(record.outcome)
            written += 1
    return written


def write_report(run: Path | RunUrl, out: Path | None) -> int:
    """Return 0 after writing the page of a run, and printing where it is.

    Raises:
        UsageError, ConfigurationError: There is no such run, or the page cannot be where it is to be.
        JournalError: The run cannot be read.
    """
    with load_run(run) as view:
        page = out or (Path(f"{run.run}.html") if isinstance(run, RunUrl) else run.with_suffix(".html"))
        check_output("--out", page, *([] if isinstance(run, RunUrl) else [run]))
        report_page.write_report(page, view.info, view.records(), view.count())
    print(page)
    return errors.DONE
