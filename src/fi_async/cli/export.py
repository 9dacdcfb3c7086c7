"""`fi-async export` and `fi-async report`: the outcomes of a run as `fi-async run --out` writes them, or as a page."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fi_async._errors import JournalError
from fi_async._run_url import RunUrl
from fi_async.cli import errors
from fi_async.cli.errors import UsageError
from fi_async.cli.outputs import OutputFile, check_output, run_facts
from fi_async.cli.saved_command import check_run
from fi_async.journal.records import OutcomeRecord
from fi_async.journal.salvage import Salvage
from fi_async.reports import report_page
from fi_async.reports.agreement import template_of
from fi_async.reports.outcome_tables import inert, text
from fi_async.reports.run_files import BACKEND_NAMED, LINES, load_run
from fi_async.reports.run_labels import RunLabels
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
            written = _write(
                view.records(), run, out, run_facts(count.evaluations, is_named=named, shard=view.info.shard)
            )
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


def export_labels(run: Path | RunUrl, out: Path, template: str | None) -> int:
    """Return 0 after writing the labels that a run's file keeps to a CSV or JSONL file, as fi-async agree reads it.

    Raises:
        UsageError: The file cannot be where it is to be, or is to be of another kind.
        ConfigurationError: There is no such run, or it has no labels.
        JournalError: The run cannot be read.
        OSError: The file cannot be written.
    """
    check_run(run)
    check_output("--out", out, *([run] if isinstance(run, Path) else []))
    if out.suffix.lower() not in (".csv", *LINES):
        raise UsageError(f"--out {out}: labels are written as .csv or .jsonl")
    found = RunLabels.of(run)
    rows = list(found.rows(template_of(template, found.outcomes) if template else found.labelled_template()))
    with out.open("w", encoding="utf-8", newline="") as file:
        if out.suffix.lower() == ".csv":
            table = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            table.writeheader()
            table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        else:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
    print(f"{len(rows):,} labels are in {out}")
    return errors.DONE


def _cell(value: Any) -> str | None:
    return ("Passed" if value else "Failed") if isinstance(value, bool) else inert(text(value))


def write_report(run: Path | RunUrl, out: Path | None, *, as_json: bool = False) -> int:
    """Return 0 after writing the page of a run and printing where it is, or after printing its numbers as JSON.

    Raises:
        UsageError, ConfigurationError: There is no such run, or the page cannot be where it is to be.
        JournalError: The run cannot be read.
    """
    with load_run(run) as view:
        labels = RunLabels.read(str(run), view) if view.labels().labels else None
        agreements = labels.agreements() if labels is not None else []
        if as_json:
            figures = asdict(report_page.figures_of(view.info, view.records(), view.count()))
            told = {"run": str(run), **figures, "agreements": [each.to_dict() for each in agreements]}
            print(json.dumps(told, indent=2))
            return errors.DONE
        page = out or (Path(f"{run.run}.html") if isinstance(run, RunUrl) else run.with_suffix(".html"))
        check_output("--out", page, *([] if isinstance(run, RunUrl) else [run]))
        report_page.write_report(page, view.info, view.records(), view.count(), agreements)
    print(page)
    return errors.DONE
