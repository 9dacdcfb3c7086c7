"""A run as one HTML file that opens offline, for whoever is handed it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

from fi_async._version import __version__
from fi_async.runs.figures import Tally
from fi_async.runs.records import Record, RunInfo
from fi_async.runs.rows import LONGEST, STATUSES, Packed, Rows

CHARTS: Final = "chart-4.6.1.min.js"
_SCRIPTS: Final = ("page.js", "charts.js", "sections.js", "cases.js", "start.js")
_MOST_BYTES: Final = 4_500_000  # of a page; its texts are cut to fit
_FOR_REASONS: Final = 0.6  # of the room that is left when the numbers and the ids are in


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
    packed = _packed(rows)
    facts = {
        "name": info.name,
        "version": __version__,
        "run": _run(info),
        "figures": asdict(tally.figures(info.templates, pending)),
        "rows": {"templates": list(rows.templates), "words": list(rows.words), "statuses": list(STATUSES)},
        "kept": {name: [each.kept, each.all] for name, each in packed.items() if name != "columns"},
        "shown": len(rows),
        "longest": LONGEST,
    }
    style, charts, script = _asset("page.css"), _charts(), "\n".join(map(_asset, _SCRIPTS))
    return Template(_asset("page.html")).substitute(
        title=escape(info.name),
        policy=_policy(style, charts, script),
        style=style,
        charts=charts,
        script=script,
        facts=_inert(facts),
        **{name: base64.b64encode(each.content).decode() for name, each in packed.items()},
    )


def _packed(rows: Rows) -> Mapping[str, Packed]:
    columns = rows.columns()
    # Four characters of base64 for three bytes.
    left = _MOST_BYTES * 3 // 4 - len(columns.content)
    ids = rows.ids(left)
    left = max(left - len(ids.content), 0)
    reasons = rows.reasons(int(left * _FOR_REASONS))
    inputs = rows.inputs(max(left - len(reasons.content), 0))
    return {"columns": columns, "ids": ids, "reasons": reasons, "inputs": inputs}


def _run(info: RunInfo) -> list[tuple[str, str]]:
    """Return what the page says of the run itself: labels and texts. What is not known is left out."""
    told: dict[str, Any] = {
        "templates": ", ".join(info.templates),
        "model": info.model_name,
        "backend": info.backend,
        "server": info.base_url,
        "started": _when(info.started_at),
        "ended": _when(info.ended_at),
        "fi-async": info.version,
        **info.settings,
        **{f"source: {name}": value for name, value in info.source.items()},
    }
    return [(name, _plain(value)) for name, value in told.items() if value not in (None, "", [], {})]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _when(seconds: float | None) -> str | None:
    """Return a time for people; None where it is not known."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else None


@cache
def _asset(name: str) -> str:
    return files("fi_async.runs").joinpath("assets", name).read_text(encoding="utf-8")


def _charts() -> str:
    # The browser would look for the map beside the page.
    return _asset(CHARTS).partition("//# sourceMappingURL")[0]


def _policy(style: str, *scripts: str) -> str:
    """Return a Content-Security-Policy under which these run, and nothing else runs or loads."""
    allowed = " ".join(map(_digest, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(facts: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in: no case's text reaches the page as markup."""
    return json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
