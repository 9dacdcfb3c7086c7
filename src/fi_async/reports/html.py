"""A run as one HTML file that opens offline, for whoever is handed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fi_async.journal.records import Record, RunCount, RunInfo
from fi_async.reports.figures import Tally
from fi_async.reports.page import Layout, facts_of, render
from fi_async.reports.rows import STATUSES, Rows

_REPORT: Final = Layout("report", "report.html", ("sections.js", "cases.js", "report.js"))


def write(path: Path, info: RunInfo, records: Iterable[Record], count: RunCount | None = None) -> None:
    """Write the report of a run to a file: a page that needs no network and no other file.

    It stays below 5 MB. Of a large run, the texts of those cases that scored best are left out; the page says so.

    Args:
        path: The file; one that is there is replaced.
        info: What the run is about.
        records: What has ended, in any order.
        count: Of the whole run; None if all of it has ended.

    Raises:
        OSError: The file cannot be written.
    """
    text = page(info, records, count)
    path.write_text(text, encoding="utf-8", errors="replace")


def page(info: RunInfo, records: Iterable[Record], count: RunCount | None = None) -> str:
    """Return the report of a run as HTML; the arguments are those of `write`."""
    tally, rows = Tally(), Rows()
    for record in records:
        rows.add(record, tally.add(record))
    rows.order()
    facts = {
        "run": facts_of(info),
        "figures": asdict(tally.figures(info.templates, count, info.passes)),
        "rows": {
            "templates": list(rows.templates),
            "words": list(rows.words),
            "statuses": list(STATUSES),
            "keys": rows.keys(),
        },
    }
    return render(_REPORT, info.name, facts, rows)
