"""Offered cases on disk until a sink has their outcomes: what a restart loses nothing by. Plain calls, for a thread."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._models import Inputs
from fi_async._values import NotPlainError, plain
from fi_async.background.offers import Offer

_APPLICATION: Final = 0x66695370  # "fiSp": tells a spool from any other SQLite file
_VERSION: Final = 1
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_SCHEMA: Final = (
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
    "CREATE TABLE offers (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
)


class Spool:
    """Cases that were offered and are not done, in an SQLite file that one process has at a time.

    A write is on disk when it returns. The file is readable by its owner only: it holds inputs.

    Args:
        path: Made if it is not there.

    Raises:
        ConfigurationError: The file cannot be opened, is another process's, or is no spool.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.expanduser(path))  # noqa: PTH111  # a name nobody has stays
        try:
            # Only where there is none: closing a file that SQLite has open in this process would undo its locks.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(self.path, timeout=0.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"spool {self.path}: cannot be opened ({error})") from error
        try:
            self.backlog, self.last = self._opened()
        except BaseException:
            self._connection.close()
            raise

    backlog: int
    """How many cases it had when it was opened."""

    last: str
    """The greatest id among these; empty without any."""

    def _opened(self) -> tuple[int, str]:
        """Take hold of the file, make the table if the file is new, and return what `backlog` and `last` say."""
        run = self._connection.execute
        try:
            run("PRAGMA locking_mode = EXCLUSIVE")
            run("BEGIN IMMEDIATE")  # takes the lock that this mode then holds until the file is closed
            [(application,)] = run("PRAGMA application_id")
            [(version,)] = run("PRAGMA user_version")
            [(tables,)] = run("SELECT count(*) FROM sqlite_master")
            if not (application or version or tables):
                for statement in _SCHEMA:
                    run(statement)
                application, version = _APPLICATION, _VERSION
            run("COMMIT")
            self._check(application, version)
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
            [(backlog, last)] = run("SELECT count(*), coalesce(max(id), '') FROM offers")
        except sqlite3.OperationalError as error:
            in_use = "another process has it: give each process a spool of its own"
            raise ConfigurationError(f"spool {self.path}: {in_use if 'locked' in str(error) else error}") from error
        except (sqlite3.DatabaseError, UnicodeError, OverflowError) as error:  # its words may be no UTF-8 either
            raise ConfigurationError(f"spool {self.path}: no spool, or damaged ({error}): move it away") from error
        return backlog, last

    def _check(self, application: int, version: int) -> None:
        if application != _APPLICATION:
            raise ConfigurationError(f"spool {self.path}: an SQLite file of another kind: name another")
        if version != _VERSION:
            raise ConfigurationError(f"spool {self.path}: written by a newer version of fi-async: update it")

    def page(self, after: str, limit: int) -> list[Offer]:
        """Return the next cases that it had when it was opened, in the order they were offered.

        Raises:
            OSError: It cannot be read.
        """
        asked = "SELECT id, body FROM offers WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        try:
            rows = self._connection.execute(asked, (after, self.last, limit)).fetchall()
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise OSError(f"spool {self.path}: cannot be read ({error})") from error
        try:
            return [_decoded(offer_id, body) for offer_id, body in rows]
        except (TypeError, ValueError, RecursionError) as error:
            raise OSError(f"spool {self.path}: damaged ({type(error).__name__}): move it away") from error

    def write(self, added: Sequence[Offer], acknowledged: Sequence[str]) -> None:
        """Add cases, and forget those whose outcomes are where they belong; all or nothing.

        Values are kept as they would be sent; what has no JSON form is left out.

        Raises:
            OSError: It cannot be written.
        """
        rows = [[offer.offer_id, _encoded(offer)] for offer in added]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            # One statement a batch: each gives the interpreter back to the event loop once, not once a row.
            self._connection.execute(
                "INSERT INTO offers SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)",
                (json.dumps(rows),),
            )
            self._connection.execute(
                "DELETE FROM offers WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(acknowledged),)
            )
            self._connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            with suppress(sqlite3.Error):  # some errors have rolled back already
                self._connection.execute("ROLLBACK")
            raise OSError(f"spool {self.path}: cannot be written ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _encoded(offer: Offer) -> str:
    return _JSON.encode([_kept(offer.inputs), offer.id, offer.offered_at])


def _kept(inputs: Inputs) -> dict[str, Any]:
    kept = {}
    for key, value in inputs.items():
        with suppress(NotPlainError):  # without it the case ends as invalid, whenever it is evaluated
            kept[str(key)] = plain(value)
    return kept


def _decoded(offer_id: str, body: str) -> Offer:
    inputs, case_id, offered_at = json.loads(body)
    return Offer(inputs, case_id, offer_id, offered_at)
