"""Two runs against each other as one HTML file that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fi_async.reports.changes import KINDS, Changes
from fi_async.reports.compare import Comparison
from fi_async.reports.loading import ReadableRun
from fi_async.reports.page import Layout, facts_of, render

_COMPARISON: Final = Layout("comparison", "compare.html", ("changes.js", "compare.js"))


def write(path: Path, found: Comparison, before: ReadableRun, after: ReadableRun) -> None:
    """Write a comparison to a file: a page that needs no network and no other file, below 5 MB.

    Of many changes, the texts of the smallest are left out; the page says so.

    Args:
        path: The file; one that is there is replaced.
        found: The comparison.
        before: The first of its runs.
        after: The second.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(page(found, before, after), encoding="utf-8", errors="replace")


def page(found: Comparison, before: ReadableRun, after: ReadableRun) -> str:
    """Return a comparison as HTML; the arguments are those of `write`."""
    rows = Changes(found, before.records(), after.records())
    facts: dict[str, Any] = {
        "paired_by": found.paired_by,
        "confidence": found.confidence,
        "estimate": rows.estimate,
        "templates": [{"name": each.template, **each.numbers()} for each in found.templates],
        "runs": [
            {"name": run.info.name, "pending": run.count().pending, "facts": facts_of(run.info)}
            for run in (before, after)
        ],
        "rows": {"templates": rows.templates, "kinds": KINDS, "all": rows.all},
    }
    return render(_COMPARISON, f"{before.info.name} → {after.info.name}", facts, rows)
