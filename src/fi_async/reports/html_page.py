"""A page that opens offline: what the report of a run and the comparison of two have in common."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from itertools import islice
from string import Template
from typing import Any, Final, Protocol

from fi_async._models import Outcome
from fi_async._values import shown_inputs
from fi_async._version import __version__
from fi_async.journal.records import RunInfo

LONGEST: Final = 1_500
"""Characters of a text that are kept."""

MOST_ROWS: Final = 250_000
"""Rows that a page shows; a browser would take long to sort more."""

TELLING: Final = (
    ("question", "query", "input", "instruction", "prompt"),
    ("answer", "output", "response", "text"),
)
"""Names of inputs that tell most of a case, the first of each that it has: what was asked, and what was said."""

CHARTS: Final = "chart-4.6.1.min.js"
_SCRIPTS: Final = ("page.js", "charts.js", "listing.js", "start.js")
_MOST_BYTES: Final = 4_500_000  # of a page; its texts are cut to fit
_CHUNK: Final = 10_000  # characters
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
# What the local backend says before each of its reasons; pages say it once.
_BOILERPLATE: Final = re.compile(r"^Lexical estimate \([^)]*\): ")
_STAMP: Final = "stamp"  # size and time of the rows: a machine compares them
_UNSET: Final[tuple[Any, ...]] = (None, "", [], {})
_FOR_REASONS: Final = 0.6  # of the room that is left when the numbers and the ids are in


@dataclass(frozen=True, slots=True)
class PackedLines:
    """Lines of JSON, deflated.

    Attributes:
        content: The bytes, in zlib's format.
        kept: How many lines they hold.
        all: How many there were.
    """

    content: bytes
    kept: int
    all: int


@dataclass(frozen=True, slots=True)
class PageLayout:
    """What one sort of page has of its own.

    Attributes:
        kind: What its title calls it.
        main: The asset that holds its own sections.
        scripts: The assets that fill them, in the order in which they run.
    """

    kind: str
    main: str
    scripts: tuple[str, ...]


class PageRows(Protocol):
    """The rows of a page's table."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def columns(self) -> PackedLines:
        """Return the numbers of the rows."""

    def ids(self, most: int, /) -> PackedLines:
        """Return the ids of the cases, as far as they fit into so many bytes."""

    def reasons(self, most: int, /) -> PackedLines:
        """Return why the rows ended as they did, as far as it fits into so many bytes."""

    def inputs(self, most: int, /) -> PackedLines:
        """Return the inputs of the cases, as far as they fit into so many bytes."""


def render_page(layout: PageLayout, name: str, facts: Mapping[str, Any], rows: PageRows) -> str:
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
    style, charts, script = asset("page.css"), _charts(), "\n".join(map(asset, (*_SCRIPTS, *layout.scripts)))
    return Template(asset("page.html")).substitute(
        title=f"{escape(name)} (fi-async {layout.kind})",
        policy=_policy(style, charts, script),
        style=style,
        charts=charts,
        script=script,
        main=asset(layout.main),
        facts=_inert(told),
        **{part: base64.b64encode(each.content).decode() for part, each in packed.items()},
    )


def facts_of(info: RunInfo, backends: Sequence[str] = (), spent: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return what a page says of a run itself: labels and texts. What is not known is left out.

    Args:
        info: What the run is about.
        backends: Who was asked; empty where nothing has ended.
        spent: What it took of judges.
    """
    told: dict[str, Any] = {
        "part": f"{info.part}: these are its cases alone" if info.part else "",
        "templates": ", ".join(info.templates),
        "model": info.model_name,
        "backend": ", ".join(backends) or info.backend,
        "server": info.base_url,
        "started": _when(info.started_at),
        "ended": _when(info.ended_at),
        "spent": ", ".join(spent),
        "fi-async": info.version,
        **info.settings,
        **{f"source: {name}": value for name, value in info.source.items() if name != _STAMP},
    }
    return [(name, _plain(value)) for name, value in told.items() if value not in _UNSET]


def _packed(rows: PageRows, room: int) -> Mapping[str, PackedLines]:
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
def asset(name: str) -> str:
    """Return the text of one of the files that pages are made of."""
    return files("fi_async.reports").joinpath("assets", name).read_text(encoding="utf-8")


def _charts() -> str:
    # The browser would look for the map beside the page.
    return asset(CHARTS).partition("//# sourceMappingURL")[0]


def _policy(style: str, *scripts: str) -> str:
    """Return a Content-Security-Policy under which these run, and nothing else runs or loads."""
    allowed = " ".join(map(digest, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {digest(style)}; base-uri 'none'; form-action 'none'"


def digest(text: str) -> str:
    """Return what a Content-Security-Policy names a script or a style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(facts: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in: no case's text reaches the page as markup."""
    return json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")


def pack(lines: Iterable[str], most: int | None = None, count: int | None = None) -> PackedLines:
    """Return the lines from the first on, as far as they fit into `most` bytes; all, if None.

    Args:
        lines: Lines of JSON.
        most: Bytes; what closes the last of them takes a few more.
        count: How many lines there are, for an iterator.
    """
    deflate, content, kept = zlib.compressobj(), bytearray(), 0
    if isinstance(lines, list):
        count = len(lines)
    for chunk in _chunks(lines):
        # A lone half of a surrogate pair, which JSON can name and UTF-8 cannot, becomes a question mark.
        text = "".join(f"{line}\n" for line in chunk).encode("utf-8", "replace")
        tried = deflate.copy()
        added = tried.compress(text) + tried.flush(zlib.Z_SYNC_FLUSH)
        if most is not None and len(content) + len(added) > most:
            break
        deflate, kept = tried, kept + len(chunk)
        content += added
    return PackedLines(bytes(content + deflate.flush()), kept, kept if count is None else count)


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    chunk, length = [], 0
    for line in lines:
        chunk.append(line)
        length += len(line)
        if length >= _CHUNK:
            yield chunk
            chunk, length = [], 0
    yield chunk


def clipped(text: str) -> str:
    """Return a text as the page has it: a long one without its end, and how long that is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} characters more)"


def texts(inputs: Mapping[str, Any] | None) -> dict[str, str]:
    """Return inputs as the page has them: text by key."""
    told = shown_inputs(inputs) if isinstance(inputs, Mapping) else {}
    return {key: clipped(value if isinstance(value, str) else ENCODER.encode(value)) for key, value in told.items()}


def telling_keys(inputs: Mapping[str, Any] | None) -> list[str]:
    """Return the keys of those inputs that tell most of a case: one or two; of keys that nobody knows, the first."""
    found = [next((key for key in keys if key in (inputs or {})), None) for keys in TELLING]
    return [key for key in found if key is not None] or [str(key) for key in islice(inputs or {}, 1)]


def why(outcome: Outcome) -> str:
    """Return the judge's reason, or why there is no result; a result that has no other words tells itself."""
    if outcome.error is not None:
        return str(outcome.error)
    result = outcome.result
    if result is None or result.reason:
        return _BOILERPLATE.sub("", (result.reason if result else None) or "")
    is_told = result.output is None or outcome.score is not None or result.choices
    return "" if is_told else str(result.output)
