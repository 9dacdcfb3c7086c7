"""Which rows an import has seen: in a file of its own that nobody sees, so that memory stays bounded."""

from __future__ import annotations

import json
import sqlite3
from hashlib import blake2b
from typing import Any, Final, Self

_SET_UP: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA cache_size = -16384;
    CREATE TABLE seen (key BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
    BEGIN;
"""
_BYTES: Final = 12
_ENCODER: Final = json.JSONEncoder(sort_keys=True, default=str)


class RowMemory:
    """Remembers where something was seen first. Use it in `with`."""

    def __init__(self) -> None:
        # Without a name: SQLite keeps it in a cache, and what does not fit in a file that it removes.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_SET_UP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def first(self, number: int, *parts: Any) -> int:
        """Return the number with which what these parts name was seen first: this one, if it was not seen before."""
        key = _key(parts)
        if self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, number)).rowcount:
            return number
        return int(self._connection.execute("SELECT number FROM seen WHERE key = ?", (key,)).fetchone()[0])


def _key(parts: tuple[Any, ...]) -> bytes:
    return blake2b(_ENCODER.encode(parts).encode(), digest_size=_BYTES).digest()
