"""A run as one HTML file that opens offline, for whoever is handed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fi_async.journal.records import Record, RunInfo
from fi_async.reports.figures import Tally
from fi_async.reports.page import Layout, facts_of, render
from fi_async.reports.rows import STATUSES, Rows

_REPORT: Final = Layout("report", "report.html", ("sections.js", "cases.js", "report.js"))


def write(path: Path, info: RunInfo, records: Iterable[Record], pending: int = 0) -> None:
    """Write the report of a run to a file: a page that needs no network and no other file.

    It stays below 5 MB. Of a large run, the texts of those cases that scored best are left out; the page says so.

    Args:
        path: The file; one that is there is replaced.
        info: What the run is about.
        records: What has ended, in any order.
        pending: How many evaluations have not.

    Raises:
        OSError: The file cannot be written.
    """
    text = page(info, records, pending)
    path.write_text(text, encoding="utf-8", errors="replace")


def page(info: RunInfo, records: Iterable[Record], pending: int = 0) -> str:
    """Return the report of a run as HTML; the arguments are those of `write`."""
    tally, rows = Tally(), Rows()
    for record in records:
        rows.add(record, tally.add(record))
    rows.order()
    facts = {
        "run": facts_of(info),
        "figures": asdict(tally.figures(info.templates, pending)),
        "rows": {"templates": list(rows.templates), "words": list(rows.words), "statuses": list(STATUSES)},
    }
    return render(_REPORT, info.name, facts, rows)
