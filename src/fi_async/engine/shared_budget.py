"""A budget that clients of one key pair share: in a small SQLite file, so in one process or in several of a machine.

Each request claims what it uses in a transaction of its own, just before it leaves; what becomes of an evaluation is
told in another where a limit was met. Such a turn takes 25 to 60 µs, and all told they are a tenth of the 600 µs that a
request costs its loop: so they are taken in the loop. A thread would take longer to reach, and leases of several
requests at once would leave some unused in the end.
"""

from __future__ import annotations

import hmac
import math
import os
import secrets
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fi_async._connection import Connection
from fi_async._errors import ConfigurationError
from fi_async.pacing.learned import Use

_OURS: Final = 0x66694173  # "fiAs": how a budget's file is told from other programs'
_FORMAT: Final = 3
_SET_UP: Final = 2.0  # seconds that others may take to make the file
_BUSY: Final = 0.02  # seconds that the loop stands still for another's transaction, at most
_KEPT: Final = 3600.0  # seconds after its end that a window is kept: some take it to be earlier by so much, no more
_PATIENCE: Final = 100  # claims in a row that may find the file locked: with the pauses between, over 5 s

_TABLES: Final = (
    "CREATE TABLE salt (salt BLOB NOT NULL)",
    "CREATE TABLE learned (budget BLOB PRIMARY KEY, what TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE windows (
        budget BLOB, what TEXT, seconds REAL, number INTEGER, used INTEGER NOT NULL,
        PRIMARY KEY (budget, what, seconds, number)
    ) WITHOUT ROWID""",
)


class SharedBudget:
    """What the clients of one key pair have used of the limits in each window, and what they have learned.

    A file may hold the budgets of several key pairs and servers. It names each by a keyed hash of base URL and API
    key, with a key of the file's own; it holds no credential. What a process claimed and never sent, because it
    crashed, is used up until the window ends, and no longer.

    Args:
        path: The file, on a local disk; made if it is missing, for this user alone.
        connection: Whose budget.
        wall_clock: Tells this machine's time; used until the server has told its own.

    Raises:
        ConfigurationError: The file cannot be used; the message names it, and the fix.
    """

    def __init__(
        self, path: str | os.PathLike[str], connection: Connection, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.path = str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  # a program may change its directory
        self.wall_clock = wall_clock
        self._owner = f"{connection.base_url}\n{connection.credentials.api_key}".encode()
        self._times_locked = 0
        self._process = 0
        self._open()

    def __repr__(self) -> str:
        return f"<SharedBudget {self.path}>"

    @contextmanager
    def turn(self) -> Iterator[_Turn | None]:
        """Take a turn, in a transaction; None if another client has the file locked. See `Budget`.

        Raises:
            ConfigurationError: The file is damaged, or another program has it locked for long.
        """
        with self._watched():
            file = self._begun()
            if file is None:
                yield None
                return
            with file:
                turn = _Turn(file, self._budget, self.wall_clock())
                yield turn
                turn.keep()

    def _begun(self) -> sqlite3.Connection | None:
        file = self._connected()
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._times_locked += 1
            if not _is_locked(error) or self._times_locked >= _PATIENCE:
                raise
            return None
        self._times_locked = 0
        return file

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: sqlite3.Error) -> ConfigurationError:
        code = _code(error)
        if _is_locked(error):
            what = "stays locked: end the program that holds it, or name another file"
        elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
            what = f"is damaged, or no shared budget ({error}): name another file, or delete it once nothing uses it"
        else:
            what = f"cannot be used ({error}): name a file on a local disk that this user may write, and its directory"
        return ConfigurationError(f"shared_budget {self.path} {what}")

    def _connected(self) -> sqlite3.Connection:
        # A connection must not be used in a forked child.
        if self._process != os.getpid() or not self._closing.alive:
            self._open()
        return self._file

    def _open(self) -> None:
        try:
            # Only where there is none: closing a file that SQLite holds open would undo its locks.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._file = sqlite3.connect(self.path, timeout=_SET_UP, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(
                f"shared_budget {self.path} cannot be opened ({reason}):"
                " name a file in a directory that is there and that this user may write to"
            ) from error
        self._process = os.getpid()
        self._closing = weakref.finalize(self, _close_in, self._process, self._file)
        try:
            self._set_up_among_others(self._file)
        except sqlite3.Error as error:
            self.disconnect()
            raise self._trouble(error) from error
        except ConfigurationError:
            self.disconnect()
            raise

    def _set_up_among_others(self, file: sqlite3.Connection) -> None:
        # Of several that make the file at once, SQLite tells some at once that it is locked, whatever the timeout.
        deadline = time.monotonic() + _SET_UP
        while True:
            try:
                self._set_up(file)
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY)
            else:
                return

    def _set_up(self, file: sqlite3.Connection) -> None:
        with file:
            file.execute("BEGIN IMMEDIATE")
            self._make(file)
            with _told_as_damage():
                ((salt,),) = file.execute("SELECT salt FROM salt")
                self._budget = hmac.digest(salt, self._owner, "sha256")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = OFF")  # what a power cut loses is the use of a window or two
        file.execute(f"PRAGMA busy_timeout = {round(_BUSY * 1000)}")

    def _make(self, file: sqlite3.Connection) -> None:
        """Make the tables in a file that is empty, and leave alone what is not ours."""
        with _told_as_damage():
            ((application,),) = file.execute("PRAGMA application_id")
            ((version,),) = file.execute("PRAGMA user_version")
            ((tables,),) = file.execute("SELECT count(*) FROM sqlite_schema")
        if application == _OURS:
            if version != _FORMAT:
                raise ConfigurationError(
                    f"shared_budget {self.path} is of another version of fi-async: name another file"
                )
            return
        if application or tables:
            raise ConfigurationError(
                f"shared_budget {self.path} is another program's file: name one of its own, which is made if missing"
            )
        for statement in _TABLES:
            file.execute(statement)
        file.execute("INSERT INTO salt VALUES (?)", (secrets.token_bytes(32),))
        file.execute(f"PRAGMA application_id = {_OURS}")
        file.execute(f"PRAGMA user_version = {_FORMAT}")

    async def aclose(self) -> None:
        """Let go of the file, as `disconnect` does."""
        self.disconnect()

    def disconnect(self) -> None:
        """Let go of the file. It is opened again if the budget is used again."""
        self._closing()


class _Turn:
    """What the file holds of one budget, in a transaction. See `Turn`."""

    def __init__(self, file: sqlite3.Connection, budget: bytes, now: float) -> None:
        self._file, self._budget, self._now = file, budget, now
        with _told_as_damage():
            row = file.execute("SELECT what, at FROM learned WHERE budget = ?", (budget,)).fetchone()
            self.learned = str(row[0]) if row else ""
            self.age = now - row[1] if row else 0.0
        self._before = self.learned

    def used(self, uses: Sequence[Use]) -> Sequence[int]:
        return [self._used(use) for use in uses]

    def _used(self, use: Use) -> int:
        with _told_as_damage():
            row = self._file.execute(
                "SELECT used FROM windows WHERE budget = ? AND what = ? AND seconds = ? AND number = ?", self._key(use)
            ).fetchone()
            return int(row[0]) if row else 0

    def _key(self, use: Use) -> tuple[bytes, str, float, int]:
        return self._budget, use.limit.of, use.limit.seconds, use.window

    def take(self, uses: Sequence[Use], used: Sequence[int]) -> None:
        # Two limits of different counts in the same window are one row: it counts once.
        now_used = {self._key(use): before + use.amount for use, before in zip(uses, used, strict=True)}
        self._file.executemany(
            "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?)", [(*key, n) for key, n in now_used.items()]
        )
        if 0 in used:  # a window is new: so from time to time
            self._drop_past(uses)

    def _drop_past(self, uses: Sequence[Use]) -> None:
        """Drop windows that are past for every client, however little it knows of the server's time.

        A request may fall into many windows as long as that is little: of these, only the first tells what is past.
        """
        past = min(self._now, *(use.window * use.limit.seconds for use in uses)) - _KEPT
        self._file.executemany(
            "DELETE FROM windows WHERE budget = ? AND what = ? AND seconds = ? AND number < ?",
            {(*self._key(use)[:3], math.floor(past / use.limit.seconds)) for use in uses},
        )

    def keep(self) -> None:
        if self.learned != self._before:
            self._file.execute(
                "INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", (self._budget, self.learned, self._now)
            )


@contextmanager
def _told_as_damage() -> Iterator[None]:
    """Turn what values of other types raise, and words that are no UTF-8, into what SQLite raises of damage."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise sqlite3.DatabaseError(f"a value of another type: {type(error).__name__}") from error


def _close_in(process: int, file: sqlite3.Connection) -> None:
    if process == os.getpid():
        file.close()


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without what narrows it down


def _is_locked(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
