"""Edits between two sequences: how few there are, and which of them an alignment takes.

Both count with a column of the matrix of distances held in the bits of integers (Myers 1999, in the form of Hyyro
2003), so that texts of 100 kB take a second, not hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

_MASKS_KEPT: Final = 1_000  # bit patterns of items; those beyond are made again when the item is met, to spare memory
_FEW: Final = 8  # bits, up to which they are added faster than written
_TRIMMED_EVERY: Final = 128  # columns; in between, bits may grow above the pattern's, where they change nothing


class Edits(NamedTuple):
    """What an alignment of a hypothesis with a reference is made of, in items."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int


class _Column(NamedTuple):
    """Column j of the matrix d of distances, a bit for each row i."""

    level: int
    """Where d[i][j] = d[i-1][j-1]."""
    rises: int
    """Where d[i][j] = d[i-1][j] + 1."""
    falls: int
    """Where d[i][j] = d[i-1][j] - 1."""


def edit_distance(source: Sequence[str], target: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions from source to target (Levenshtein 1966)."""
    text, pattern = sorted((source, target), key=len)
    if not text:
        return len(pattern)
    last = None
    for last in _Matrix(pattern).columns(text):  # noqa: B007  # the last is what the loop is for
        pass
    assert last is not None  # noqa: S101  # there is a column for each item
    # Down the last column, from the distance of nothing to the text.
    return len(text) + last.rises.bit_count() - last.falls.bit_count()


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits:
    """The edits of one of the shortest ways from the reference to the hypothesis.

    Where there are several, it is read from the end, and prefers equal items to a substitution, that to a deletion,
    and that to an insertion.
    """
    rows, columns = len(reference), len(hypothesis)
    hits = substitutions = deletions = 0
    row = rows
    for column, (level, rises, _) in _backwards(reference, hypothesis):
        item = hypothesis[column]
        while row:
            bit = row - 1
            if reference[bit] == item:
                hits += 1
            elif not level >> bit & 1:
                substitutions += 1
            elif rises >> bit & 1:
                deletions += 1
                row -= 1
                continue
            else:
                break  # the item was inserted
            row -= 1
            break
    deletions += row
    return Edits(hits, substitutions, deletions, columns - hits - substitutions)


def _backwards(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[tuple[int, _Column]]:
    """Each column from the last to the first, with its number.

    A column in each sqrt(n) is kept; those between are made again when they are wanted, so memory stays small.
    """
    matrix, step = _Matrix(reference), math.isqrt(len(hypothesis)) + 1
    kept = [matrix.start(), *islice(matrix.columns(hypothesis), step - 1, None, step)]
    for number in range((len(hypothesis) - 1) // step, -1, -1):
        begin = number * step
        block = list(matrix.columns(hypothesis[begin : begin + step], kept[number]))
        for offset in range(len(block) - 1, -1, -1):
            yield begin + offset, block[offset]


class _Matrix:
    """The matrix of distances from a pattern, whose items are the rows, to texts, whose items are the columns."""

    def __init__(self, pattern: Sequence[str]) -> None:
        self._size = len(pattern)
        self._places: dict[str, list[int]] = {}
        for place, item in enumerate(pattern):
            self._places.setdefault(item, []).append(place)
        self._masks: dict[str, int] = {}

    def start(self) -> _Column:
        """The column of the empty text: each row is one more than that above it."""
        return _Column(0, (1 << self._size) - 1, 0)

    def columns(self, text: Sequence[str], after: _Column | None = None) -> Iterator[_Column]:
        """The columns of a text, or of its rest after a column."""
        every = (1 << self._size) - 1
        _, rises, falls = after or self.start()
        for number, item in enumerate(text, start=1):
            known = self._mask(item) | falls
            level = (((known & rises) + rises) ^ rises) | known
            down = rises & level
            up = (falls | ((rises | level) ^ every)) << 1 | 1
            falls = up & level
            rises = down << 1 | ((up | level) ^ every)
            if number % _TRIMMED_EVERY == 0 or number == len(text):
                rises &= every
                falls &= every
            yield _Column(level, rises, falls)

    def _mask(self, item: str) -> int:
        """Where the pattern has the item."""
        mask = self._masks.get(item)
        if mask is None:
            mask = _bits(self._places.get(item, ()), self._size)
            if len(self._masks) < _MASKS_KEPT:
                self._masks[item] = mask
        return mask


def _bits(places: Sequence[int], size: int) -> int:
    """The number with these of its bits set."""
    if len(places) <= _FEW:
        return sum(1 << place for place in places)
    held = bytearray(size // 8 + 1)
    for place in places:
        held[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(held, "little")
