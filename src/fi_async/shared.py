"""A budget that clients of one key pair share: in a small SQLite file, so in one process or in several of a machine.

Each request claims what it uses in a transaction of its own, just before it leaves. That takes 20 to 40 µs (7 where
only refusals are shared), and all told a tenth of the 600 µs that a request costs its loop: so it is done in the loop.
A thread would take longer to reach, and leases of several requests at once would leave some unused in the end.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError
from fi_async._settings import Connection
from fi_async.pacing.sharing import Standing, Use

_OURS: Final = 0x66694173  # "fiAs": how a budget's file is told from other programs'
_FORMAT: Final = 1
_SET_UP: Final = 2.0  # seconds that others may take to make the file
_BUSY: Final = 0.02  # seconds that the loop stands still for another's transaction, at most
_PATIENCE: Final = 100  # claims in a row that may find the file locked: with the pauses between, over 5 s
_ROUNDING: Final = 1e-3  # seconds
_FARTHEST: Final = 600.0  # seconds; no refusal holds for longer, so what says so comes from a clock that was wrong

_TABLES: Final = (
    "CREATE TABLE salt (salt BLOB NOT NULL)",
    "CREATE TABLE refusals (budget BLOB PRIMARY KEY, closed_until REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE windows (
        budget BLOB, what TEXT, seconds REAL, number INTEGER, used INTEGER NOT NULL,
        PRIMARY KEY (budget, what, seconds, number)
    ) WITHOUT ROWID""",
)


class SharedBudget:
    """What the clients of one key pair have used of the limits in each window, and until when one was refused.

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
        self.path = str(Path(path).absolute())  # a program may change its directory
        self.wall_clock = wall_clock
        self._owner = f"{connection.base_url}\n{connection.credentials.api_key}".encode()
        self._times_locked = 0
        self._process = 0
        self._open()

    def __repr__(self) -> str:
        return f"<SharedBudget {self.path}>"

    def claim(self, uses: Sequence[Use], at: float) -> Standing | None:
        """Take all of these if all are there; see `Budget`.

        Raises:
            ConfigurationError: The file is damaged, or another program has it locked for long.
        """
        if not uses:
            return self.read(uses, at)
        with self._watched(), self._connected() as file:
            file.execute("BEGIN IMMEDIATE")
            standing = self._standing(file, uses, at)
            if standing.granted:
                self._add(file, uses, standing)
            return standing
        return None

    def read(self, uses: Sequence[Use], at: float) -> Standing | None:
        """Return what `claim` would, and take nothing. Raises as it does."""
        with self._watched():
            return self._standing(self._connected(), uses, at)
        return None

    def close(self, until: float) -> None:
        """Let no client send before this time. Raises as `claim` does.

        If the file is locked just then, nothing is told: the others will hear it from the server.
        """
        with self._watched(), self._connected() as file:
            file.execute(
                "INSERT INTO refusals VALUES (:budget, :until) ON CONFLICT DO UPDATE SET closed_until = :until"
                " WHERE closed_until NOT BETWEEN :until AND :until + :farthest",
                {"budget": self._budget, "until": until, "farthest": _FARTHEST},
            )

    def _standing(self, file: sqlite3.Connection, uses: Sequence[Use], at: float) -> Standing:
        row = file.execute(
            "SELECT closed_until FROM refusals WHERE budget = ? AND closed_until < ?", (self._budget, at + _FARTHEST)
        ).fetchone()
        closed_until = float(row[0]) if row else -float("inf")
        used = [self._used(file, use) for use in uses]
        fits = all(
            before + use.amount <= max(use.limit.count, use.amount) for use, before in zip(uses, used, strict=True)
        )
        return Standing(fits and closed_until - _ROUNDING <= at, closed_until, used)

    def _used(self, file: sqlite3.Connection, use: Use) -> int:
        row = file.execute(
            "SELECT used FROM windows WHERE budget = ? AND what = ? AND seconds = ? AND number = ?", self._key(use)
        ).fetchone()
        return int(row[0]) if row else 0

    def _key(self, use: Use) -> tuple[bytes, str, float, int]:
        return self._budget, use.limit.of, use.limit.seconds, use.window

    def _add(self, file: sqlite3.Connection, uses: Sequence[Use], standing: Standing) -> None:
        # Two limits of different counts in the same window are one row: it counts once.
        used = {self._key(use): before + use.amount for use, before in zip(uses, standing.used, strict=True)}
        file.executemany(
            "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?)", [(*key, n) for key, n in used.items()]
        )
        if 0 in standing.used:  # a window begins: those before the last are past for every client
            file.executemany(
                "DELETE FROM windows WHERE budget = ? AND what = ? AND seconds = ? AND number < ? - 2", list(used)
            )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Pass over a lock of another client, and make a ConfigurationError of what is worse."""
        try:
            yield
        except sqlite3.Error as error:
            self._times_locked += 1
            if not _is_locked(error) or self._times_locked >= _PATIENCE:
                raise self._trouble(error) from error
        else:
            self._times_locked = 0

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
            ((salt,),) = file.execute("SELECT salt FROM salt")
        self._budget = hmac.digest(salt, self._owner, "sha256")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = OFF")  # what a power cut loses is the use of a window or two
        file.execute(f"PRAGMA busy_timeout = {round(_BUSY * 1000)}")

    def _make(self, file: sqlite3.Connection) -> None:
        """Make the tables in a file that is empty, and leave alone what is not ours."""
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

    def disconnect(self) -> None:
        """Let go of the file. It is opened again if the budget is used again."""
        self._closing()


def _close_in(process: int, file: sqlite3.Connection) -> None:
    if process == os.getpid():
        file.close()


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without what narrows it down


def _is_locked(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
