"""A run's file: SQLite, with the truth in tables that are only ever added to.

    passes   one row each time the run was begun or resumed: when, and the run's facts as JSON
    cases    one row for each different work: its key (see `identity`), template, inputs, and where it first stood; as
             template the name of its seat (see `panels.shape`), where a case has several samples, or votes of a jury
    events   what happened to it, in order: `kind` (see EventKind), when, and a body
    draws, drawn, labels   what people said of the cases: see `kept_labels`

The version is SQLite's user_version. A file of an older version is migrated when it is opened for writing, step by step
through MIGRATIONS, in one transaction; one of a newer version is refused.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from fi_async._errors import FiAsyncError, JournalError
from fi_async.journal.events import EventKind

_ROWS_A_STATEMENT: Final = (64, 16, 4, 1)
APPLICATION: Final = 0x66696173  # "fias"
VERSION: Final = 3
_PAGE_SIZE: Final = slice(16, 18)  # where SQLite's header has it; 1 stands for 65,536
_PAGES: Final = slice(28, 32)
_APPLICATION_ID: Final = slice(68, 72)
_STEPS_AT_ONCE: Final = 10_000
_STEPS_AT_LEAST: Final = 20_000_000
_STEPS_A_BYTE: Final = 20
_LONGEST_TEXT: Final = 1_000_000_000  # bytes; what SQLite comes with
_SHORTEST_LIMIT: Final = 1_000_000  # bytes of one text; statements are texts too
_MAGIC: Final = b"SQLite format 3\0"


_LABELS: Final = """
CREATE TABLE draws (draw INTEGER PRIMARY KEY, at REAL NOT NULL, template TEXT NOT NULL, how TEXT NOT NULL);
CREATE TABLE drawn (
    draw INTEGER NOT NULL,
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    weight REAL NOT NULL,
    PRIMARY KEY (draw, place)
) WITHOUT ROWID;
CREATE TABLE labels (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    person TEXT NOT NULL,
    template TEXT NOT NULL,
    key TEXT NOT NULL,
    act INTEGER NOT NULL,
    body TEXT NOT NULL
);
"""

_SCHEMA: Final = f"""
CREATE TABLE passes (pass INTEGER PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
CREATE TABLE cases (
    n INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    template TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT,
    inputs TEXT NOT NULL
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at REAL NOT NULL,
    body TEXT
);
CREATE INDEX outcomes ON events (n) WHERE kind = {EventKind.ENDED};
{_LABELS}
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""

MIGRATIONS: Final[Sequence[str]] = ("", _LABELS)  # version 2 has more kinds of events, version 3 has labels
"""What makes a file of version N + 1 of one of version N, from version 1 on."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that writes the run's file, made if it is not there, readable by its owner only.

    Raises:
        JournalError: It cannot be made, read or written, or is no run's file of this version.
    """
    existed = path.exists() and path.stat().st_size > 0
    if existed:
        _check_size(path)
    with explained(path):
        if not existed:
            # Created by us rather than by SQLite, so that nobody else can read it even for a moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not is_new:
                _check_version(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
            if is_new:
                connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Put rows into a table, in few statements.

    sqlite3 gives up the interpreter's lock for each step of a statement and waits for it after, which beside a busy
    event loop takes longer than the step; and a statement of any number of rows is not worth preparing twice.
    """
    at = 0
    for size in _ROWS_A_STATEMENT:
        values = ",".join([f"({','.join('?' * len(rows[0]))})"] * size) if len(rows) - at >= size else ""
        while len(rows) - at >= size:
            connection.execute(f"INSERT INTO {table} VALUES {values}", tuple(chain(*rows[at : at + size])))
            at += size


def open_reader(path: Path, prepare: Callable[[sqlite3.Connection], None] | None = None) -> sqlite3.Connection:
    """Return a connection that reads a run's file, also while another process writes it; `prepare` may add to it.

    Raises:
        JournalError: It is not there, or no run's file of this version.
    """
    if not path.is_file():
        raise JournalError(f"{path}: there is no such run")
    _check_size(path)
    connection = _opened_to_read(path)
    try:
        with explained(path):
            if prepare is not None:
                prepare(connection)
                unbound(connection)  # how often it will be asked does not depend on its size
            connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection


def open_damaged(path: Path) -> sqlite3.Connection:
    """Return a connection that reads what it can of a run's file, although it is damaged.

    Raises:
        JournalError: Nothing can be read, or it is no run's file of this version.
    """
    return _opened(path, "PRAGMA query_only = 1", "PRAGMA writable_schema = 1")  # the latter reads one that is cut off


def _opened_to_read(path: Path) -> sqlite3.Connection:
    try:
        return _opened(path)
    except JournalError as error:
        code = getattr(error.__cause__, "sqlite_errorname", "")
        if not code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) or _size_of_log(path):
            raise
    # SQLite makes files beside a database. Where it may not, as on a disk for reading, nobody writes the run either.
    return _opened(path, mode="ro&immutable=1")


def _opened(path: Path, *pragmas: str, mode: str = "rw") -> sqlite3.Connection:
    with explained(path):
        # Not mode=ro: that leaves the files behind which SQLite makes beside a database while it is open.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
        try:
            bound(connection, path)
            for pragma in pragmas:
                connection.execute(pragma)
            _check_version(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def bound(connection: sqlite3.Connection, path: Path) -> None:
    """Let reading a damaged file end: its pages may be in a circle, and a text may claim to be of any length.

    What a whole file takes is less than a step of SQLite's machine a byte.
    """
    size = path.stat().st_size + _size_of_log(path)
    left = (_STEPS_AT_LEAST + _STEPS_A_BYTE * size) // _STEPS_AT_ONCE
    counted = iter(range(left))
    connection.set_progress_handler(lambda: next(counted, None) is None, _STEPS_AT_ONCE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(size, _SHORTEST_LIMIT))


def unbound(connection: sqlite3.Connection) -> None:
    """Let a connection work for as long as it takes: what it read was whole."""
    connection.set_progress_handler(None, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)


def _size_of_log(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0


def is_run(path: Path) -> bool:
    """Tell whether a file is a run's, of any version, damaged or not."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION)
    except sqlite3.Error:
        with suppress(OSError), path.open("rb") as file:
            header = file.read(100)
            return header.startswith(_MAGIC) and int.from_bytes(header[_APPLICATION_ID]) == APPLICATION
        return False


def is_blank(path: Path) -> bool:
    """Tell whether there is nothing in a file yet, as while another process makes it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error:
        return False


_EXPORT: Final = ": fi-async export reads what is whole; a new run needs a new name"


def explain(path: Path, error: Exception) -> JournalError:
    """Return what went wrong with a run's file, and what to do, in the user's words."""
    said = str(error)
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        said = f"it cannot be written ({said}): make room on its disk, then run the same again to go on"
    elif code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")) or isinstance(error, OSError):
        said = f"it cannot be written ({said}): a run needs a directory of its own that you may write to"
    elif code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_INTERRUPT", "SQLITE_TOOBIG")):
        said = f"it is damaged, or no run's file ({said}){_EXPORT}"
    elif code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        said = "another process has it locked: wait for it, or use another file"
    return JournalError(f"{path}: {said}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a run's file into a JournalError."""
    try:
        yield
    except FiAsyncError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise JournalError(f"{path}: it is damaged ({type(error).__name__}: {error}){_EXPORT}") from error


def _check_size(path: Path) -> None:
    """Raise if the file is shorter than its header says: it was cut off, and reading on would find out too late.

    Beside a write-ahead log it may be so rightly: a process was killed while it moved the log's pages into the file.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) == 100 and header.startswith(_MAGIC):
        size, pages = int.from_bytes(header[_PAGE_SIZE]), int.from_bytes(header[_PAGES])
        if path.stat().st_size >= (65_536 if size == 1 else size) * pages:
            return
    raise explain(path, _damage("cut off"))


def _damage(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = _version(connection)
    if application != APPLICATION:
        raise JournalError(f"{path}: it is another program's database, not a run: choose another name")
    if version > VERSION:
        raise JournalError(f"{path}: a newer version of fi-async wrote it (schema {version}, this one knows {VERSION})")


def _migrate(connection: sqlite3.Connection) -> None:
    for number, step in enumerate(MIGRATIONS, 1):
        if _version(connection) > number:
            continue
        with transaction(connection):
            if _version(connection) == number:  # else another process has just done it
                for statement in filter(str.strip, step.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written within, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
