"""A run's evaluations as rows that a page can hold: columns of numbers, and as many of the texts as there is room for.

Rows without a score come first, then the lowest scores: what is cut off at the end is what matters least.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async.journal.records import Record

LONGEST: Final = 1_500
"""Characters of a text that are kept."""

MOST_ROWS: Final = 250_000
"""Rows that a page shows; a browser would take long to sort more."""

STATUSES: Final = tuple(OutcomeStatus)
TELLING: Final = (
    ("question", "query", "input", "instruction", "prompt"),
    ("answer", "output", "response", "text"),
)
"""Names of inputs that tell most of a case, the first of each that it has: what was asked, and what was said."""

# What the local backend says before each of its reasons; pages and tables say it once.
_BOILERPLATE: Final = re.compile(r"^Lexical estimate \([^)]*\): ")
_MOST_WORDS: Final = 2_000
_CHUNK: Final = 10_000  # characters
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class Packed:
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
class _Row:
    index: int
    template: int
    status: int
    score: float | None
    said: int
    latency_ms: int | None
    attempts: int
    cause: int | None
    text: str

    @property
    def rank(self) -> tuple[int, float, int]:
        """What rows are sorted by: those without a result, by score, and those that have no number."""
        if STATUSES[self.status] is not OutcomeStatus.SCORED:
            return 0, 0.0, self.index
        return (2, 0.0, self.index) if self.score is None else (1, self.score, self.index)


class Rows:
    """Collects the rows of a run; `columns` and the texts are packed once all are in."""

    def __init__(self) -> None:
        self.templates: dict[str, int] = {}
        self.words: dict[str, int] = {"": 0}
        self._rows: list[_Row] = []
        self._ids: dict[int, str] = {}
        self._inputs: dict[int, str] = {}
        self._keys: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: Record, cause: int | None) -> None:
        """Add a record, and the number of its cause if it has no score."""
        outcome, case = record.outcome, record.outcome.case
        if case.id is not None:
            self._ids[outcome.index] = clipped(case.id)
        if outcome.index not in self._inputs:
            self._inputs[outcome.index] = _ENCODER.encode(texts(case.inputs))
            self._keys.update(telling(case.inputs))
        score = outcome.score
        self._rows.append(
            _Row(
                index=outcome.index,
                template=self.templates.setdefault(outcome.template, len(self.templates)),
                status=STATUSES.index(outcome.status),
                score=None if score is None else float(f"{score:.6g}"),
                said=self._word(_said(outcome)),
                latency_ms=None if outcome.latency_s is None else round(outcome.latency_s * 1000),
                attempts=outcome.attempts,
                cause=cause,
                text=clipped(why(outcome)),
            )
        )

    def keys(self) -> list[str]:
        """Return the inputs that tell most of the cases: two at most, what was asked and what was said."""
        places = {key: place for place, keys in enumerate(TELLING) for key in keys}
        return sorted((key for key, _ in self._keys.most_common(2)), key=lambda key: places.get(key, 0))

    def _word(self, word: str) -> int:
        if word not in self.words and len(self.words) >= _MOST_WORDS:
            word = "(further labels)"
        return self.words.setdefault(word, len(self.words))

    def order(self) -> None:
        """Put the rows that matter most first, and drop what is beyond MOST_ROWS."""
        self._rows.sort(key=lambda row: row.rank)
        del self._rows[MOST_ROWS:]

    def columns(self) -> Packed:
        """Return the numbers of the rows, as one line with a list for each column."""
        names = ("index", "template", "status", "score", "said", "latency_ms", "attempts", "cause")
        columns = {name: [getattr(row, name) for row in self._rows] for name in names}
        return pack([_ENCODER.encode(columns)])

    def ids(self, most: int) -> Packed:
        """Return the ids that fit into so many bytes: of each case a line with its position and its id."""
        lines = [_ENCODER.encode([index, self._ids[index]]) for index in self._cases() if index in self._ids]
        return pack(lines, most)

    def reasons(self, most: int) -> Packed:
        """Return what fits of why the rows ended as they did: a line for each row."""
        return pack((_ENCODER.encode(row.text) for row in self._rows), most, len(self._rows))

    def inputs(self, most: int) -> Packed:
        """Return what fits of the inputs: of each case a line with its position and its inputs by key."""
        cases = self._cases()
        return pack((f"[{index},{self._inputs[index]}]" for index in cases), most, len(cases))

    def _cases(self) -> list[int]:
        return list(dict.fromkeys(row.index for row in self._rows))


def pack(lines: Iterable[str], most: int | None = None, count: int | None = None) -> Packed:
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
    return Packed(bytes(content + deflate.flush()), kept, kept if count is None else count)


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
    return {
        str(key): clipped(value if isinstance(value, str) else _ENCODER.encode(value))
        for key, value in (inputs or {}).items()
    }


def telling(inputs: Mapping[str, Any] | None) -> list[str]:
    """Return the keys of those inputs that tell most of a case: one or two; of keys that nobody knows, the first."""
    found = [next((key for key in keys if key in (inputs or {})), None) for keys in TELLING]
    return [key for key in found if key is not None] or [str(key) for key in islice(inputs or {}, 1)]


def _said(outcome: Outcome) -> str:
    if outcome.result is None:
        return ""
    if outcome.passed is not None:
        return "Passed" if outcome.passed else "Failed"
    return ", ".join(outcome.result.choices or ())[:80]


def why(outcome: Outcome) -> str:
    """Return the judge's reason, or why there is no result; a result that has no other words tells itself."""
    if outcome.error is not None:
        return str(outcome.error)
    result = outcome.result
    if result is None or result.reason:
        return _BOILERPLATE.sub("", (result.reason if result else None) or "")
    is_told = result.output is None or outcome.score is not None or result.choices
    return "" if is_told else str(result.output)
