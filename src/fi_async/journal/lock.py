"""One process at a time writes a run's file: who holds it, and whether anybody does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fi_async._errors import JournalError
from fi_async.journal import schema


def is_being_written(path: Path) -> bool:
    """Tell whether a process has a run's file open for writing."""
    try:
        with closing(sqlite3.connect(f"{lock_of(path).absolute().as_uri()}?mode=rw", uri=True, timeout=0.0)) as lock:
            lock.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    return False


def lock_of(path: Path) -> Path:
    """Return the file beside a run's that is locked."""
    return path.with_name(f"{path.name}-lock")


def locked(path: Path) -> sqlite3.Connection:
    """Return a lock on a run's file, held until it is closed, or the process ends in whatever way.

    SQLite's own, on a file beside it: readers of the run must not be kept out.
    """
    with schema.explained(path):
        # Whoever asks whether the run is being written has the lock for a moment.
        connection = sqlite3.connect(lock_of(path), isolation_level=None, check_same_thread=False, timeout=0.2)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        connection.close()
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise JournalError(
                f"{path}: another process is writing this run: wait for it to end, or use another file"
            ) from error
        raise schema.explain(path, error) from error
    return connection
