"""Which case has which key: an index beside a run's file, made anew whenever the file is opened.

In the file it would cost a page a case: keys are hashes, each falls on another page, and every commit would write all
these pages to the disk. SQLite keeps a temporary table in a cache, and what does not fit in a file without a name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

_CACHE_KIB: Final = 16_384
_SET_UP: Final = f"""
    PRAGMA temp.cache_size = -{_CACHE_KIB};
    PRAGMA temp.journal_mode = OFF;
    CREATE TEMP TABLE keys (key TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO temp.keys SELECT key, n FROM main.cases ORDER BY key;
"""
_FIND: Final = """
    SELECT json_group_array(json_array(keys.key, keys.n))
    FROM json_each(?) AS asked JOIN temp.keys ON keys.key = asked.value
"""
_ADD: Final = "INSERT INTO temp.keys SELECT value, key + ? FROM json_each(?)"


def set_up(connection: sqlite3.Connection) -> None:
    """Make the index of the cases that a file has."""
    connection.executescript(_SET_UP)


def find(connection: sqlite3.Connection, asked: Sequence[str]) -> Mapping[str, int]:
    """Return the numbers of those keys that there are."""
    return dict(json.loads(connection.execute(_FIND, (json.dumps(asked),)).fetchone()[0]))


def add(connection: sqlite3.Connection, first: int, keys: Sequence[str]) -> None:
    """Take up the keys of new cases, numbered from `first`."""
    connection.execute(_ADD, (first, json.dumps(keys)))
