"""A page that opens offline: what the report of a run and the comparison of two have in common."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final, Protocol

from fi_async._version import __version__
from fi_async.journal.records import RunInfo
from fi_async.reports.rows import LONGEST, Packed

CHARTS: Final = "chart-4.6.1.min.js"
_SCRIPTS: Final = ("page.js", "charts.js", "listing.js", "start.js")
_MOST_BYTES: Final = 4_500_000  # of a page; its texts are cut to fit
_STAMP: Final = "stamp"  # size and time of the rows: a machine compares them
_UNSET: Final[tuple[Any, ...]] = (None, "", [], {})
_FOR_REASONS: Final = 0.6  # of the room that is left when the numbers and the ids are in


@dataclass(frozen=True, slots=True)
class Layout:
    """What one sort of page has of its own.

    Attributes:
        kind: What its title calls it.
        main: The asset that holds its own sections.
        scripts: The assets that fill them, in the order in which they run.
    """

    kind: str
    main: str
    scripts: tuple[str, ...]


class Listed(Protocol):
    """The rows of a page's table. Their texts fill so many bytes at most."""

    def __len__(self) -> int:
        """How many there are."""

    def columns(self) -> Packed:
        """Return their numbers."""

    def ids(self, most: int, /) -> Packed:
        """Return the ids of their cases."""

    def reasons(self, most: int, /) -> Packed:
        """Return why they ended as they did."""

    def inputs(self, most: int, /) -> Packed:
        """Return the inputs of their cases."""


def render(layout: Layout, name: str, facts: Mapping[str, Any], rows: Listed) -> str:
    """Return a page as HTML: one file that loads nothing, below 5 MB whatever its rows hold.

    Args:
        layout: Which page.
        name: What it is of; its heading.
        facts: What its scripts are told. No text in it can become markup.
        rows: What its table shows.
    """
    packed = _packed(rows, _MOST_BYTES - len(_inert(facts).encode(errors="replace")))
    told = {
        **facts,
        "name": name,
        "version": __version__,
        "kept": {part: [each.kept, each.all] for part, each in packed.items() if part != "columns"},
        "shown": len(rows),
        "longest": LONGEST,
    }
    style, charts, script = _asset("page.css"), _charts(), "\n".join(map(_asset, (*_SCRIPTS, *layout.scripts)))
    return Template(_asset("page.html")).substitute(
        title=f"{escape(name)} (fi-async {layout.kind})",
        policy=_policy(style, charts, script),
        style=style,
        charts=charts,
        script=script,
        main=_asset(layout.main),
        facts=_inert(told),
        **{part: base64.b64encode(each.content).decode() for part, each in packed.items()},
    )


def facts_of(info: RunInfo) -> list[tuple[str, str]]:
    """Return what a page says of a run itself: labels and texts. What is not known is left out."""
    told: dict[str, Any] = {
        "templates": ", ".join(info.templates),
        "model": info.model_name,
        "backend": info.backend,
        "server": info.base_url,
        "started": _when(info.started_at),
        "ended": _when(info.ended_at),
        "fi-async": info.version,
        **info.settings,
        **{f"source: {name}": value for name, value in info.source.items() if name != _STAMP},
    }
    return [(name, _plain(value)) for name, value in told.items() if value not in _UNSET]


def _packed(rows: Listed, room: int) -> Mapping[str, Packed]:
    columns = rows.columns()
    # Four characters of base64 for three bytes.
    left = room * 3 // 4 - len(columns.content)
    ids = rows.ids(left)
    left = max(left - len(ids.content), 0)
    reasons = rows.reasons(int(left * _FOR_REASONS))
    inputs = rows.inputs(max(left - len(reasons.content), 0))
    return {"columns": columns, "ids": ids, "reasons": reasons, "inputs": inputs}


def _plain(value: Any) -> str:
    """Return a setting as people write it, without what in it is not set."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if each not in _UNSET)
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _when(seconds: float | None) -> str | None:
    """Return a time for people; None where it is not known."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else None


@cache
def _asset(name: str) -> str:
    return files("fi_async.reports").joinpath("assets", name).read_text(encoding="utf-8")


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
