"""Which rows an import has seen: in a file of its own that nobody sees, so that memory stays bounded."""

from __future__ import annotations

import json
import sqlite3
from hashlib import blake2b
from typing import Any, Final, Self

_SET_UP: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA cache_size = -16384;
    CREATE TABLE seen (key BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
    BEGIN;
"""
_BYTES: Final = 12


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

    def position(self, *parts: Any) -> int | None:
        """Return where what these parts name was seen first; None if it was not."""
        found = self._connection.execute("SELECT position FROM seen WHERE key = ?", (_key(parts),)).fetchone()
        return None if found is None else int(found[0])

    def note(self, position: int, *parts: Any) -> None:
        """Take note of where it is seen; the first place counts."""
        self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (_key(parts), position))


def _key(parts: tuple[Any, ...]) -> bytes:
    return blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=_BYTES).digest()
