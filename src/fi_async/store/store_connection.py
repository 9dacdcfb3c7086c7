"""One connection to a store: made again when it broke, and what goes wrong with it in the user's words."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fi_async._errors import FiAsyncError, JournalError
from fi_async._extras import need
from fi_async._run_url import HIDDEN, RunUrl, secrets_of
from fi_async._version import __version__

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

_EXTRA: Final = "fi-async[postgres]"
_SOONEST: Final = 0.1  # seconds between two tries to reach a store that is away
_LATEST: Final = 2.0
_CONNECTION: Final = {  # where the URL does not say it
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms: a machine that vanished is noticed before a lease ends
    "client_encoding": "utf8",
    "application_name": f"fi-async {__version__}",
}
# Of a client that vanished, the server is to know as soon, and of one that is frozen, too: its locks end with it.
_SESSION: Final = """
    SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '15000', false)
"""
_IDLE: Final = "SELECT set_config('idle_in_transaction_session_timeout', %(idle)s, false)"
# Classes of errors: connections, shutdowns and starts, too many connections, a transaction that was idle for too long,
# and a server that may only be read, as when another one is about to take over.
_AWAY: Final = ("08", "57P", "53300", "25P03", "25006")
_ROLLED_BACK: Final = ("40", "55P03")  # what waits for others in vain is undone, and may be tried again
_log: Final = logging.getLogger("fi_async")


class StoreConnection:
    """A connection for one thread at a time. Each statement is a transaction of its own, unless one is begun.

    Args:
        url: Of the run.
        idle: Seconds after which the server ends a transaction in which nothing is said any more, and its locks; None
            for as long as the server lets it: a reader has none that others wait for.

    Attributes:
        is_away: True while a call of `lasting` waits for the store.
        back_at: When it was last connected anew, by `time.monotonic`.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be reached, or does not let us in; the message shows no password.
    """

    def __init__(self, url: RunUrl, *, idle: float | None = 30.0) -> None:
        self.url = url
        self._idle = idle
        self._psycopg = need("psycopg", _EXTRA, f"{url}: a run in PostgreSQL")
        self.is_away = False
        self.back_at = -math.inf
        self._given_up = threading.Event()
        with self.explained():
            self._connection = self._connected()

    def __repr__(self) -> str:
        return f"<StoreConnection {self.url}>"

    def _connected(self) -> psycopg.Connection[Any]:
        given = self._psycopg.conninfo.conninfo_to_dict(self.url.database)
        known = {name: value for name, value in _CONNECTION.items() if name not in given}
        made: psycopg.Connection[Any] = self._psycopg.connect(self.url.database, autocommit=True, **known)
        try:
            made.execute(_SESSION)
            if self._idle is not None:
                made.execute(_IDLE, {"idle": str(max(1, round(1000 * self._idle)))})
        except BaseException:
            made.close()
            raise
        return made

    def execute(self, query: str, parameters: dict[str, Any] | None = None) -> psycopg.Cursor[Any]:
        """Return what a statement gave. Whoever calls it explains what goes wrong."""
        return self._connection.execute(query.encode(), parameters)

    def cursor(self, name: str) -> psycopg.ServerCursor[Any]:
        """Return a cursor that holds few rows at a time, in a transaction."""
        return self._connection.cursor(name)

    def transaction(self) -> Any:
        """Return a transaction, for `with`."""
        return self._connection.transaction()

    def close(self) -> None:
        """Close it."""
        with suppress(self._psycopg.Error):
            self._connection.close()

    def give_up(self) -> None:
        """Wait for a store that is away no longer; called from any thread."""
        self._given_up.set()

    def is_given_up_within(self, seconds: float) -> bool:
        """Return False after so long, and True as soon as the store is not to be waited for any more."""
        return self._given_up.wait(seconds)

    def cut(self) -> None:
        """Break the connection, so that whoever waits for an answer has an error instead; called from any thread."""
        with suppress(self._psycopg.Error, OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def lasting(self, call: Callable[[bool], T], renewed: Callable[[], None] | None = None) -> T:
        """Return what a call returns, made again for as long as the store is away.

        Args:
            call: Told whether an earlier try of it may have been carried out, its answer being lost.
            renewed: Called with each new connection, before the next try.

        Raises:
            JournalError: The store says no, or `give_up` was called.
        """
        delay, is_again = _SOONEST, False
        with self.explained():
            while True:
                try:
                    answer = call(is_again)
                except self._psycopg.Error as error:
                    if str(error.sqlstate).startswith(_ROLLED_BACK) and not self._given_up.wait(_SOONEST):
                        continue
                    if not self._is_away(error) or self._given_up.is_set():
                        raise
                    if not is_again:
                        _log.warning("%s: the store is away: no request leaves until it is back", self.url)
                    is_again = self.is_away = True
                else:
                    if is_again:
                        self.is_away = False
                        _log.warning("%s: the store is back", self.url)
                    return answer
                delay = self._reconnect(delay, renewed)

    def _reconnect(self, delay: float, renewed: Callable[[], None] | None) -> float:
        """Return how long to wait before the next try; raise what does not pass by waiting."""
        while True:
            if self._given_up.wait(delay):
                raise JournalError(f"{self.url}: the store was away to the end: what was not committed is lost")
            delay = min(2 * delay, _LATEST)
            self.close()
            try:
                self._connection = self._connected()
                if renewed is not None:
                    renewed()
            except self._psycopg.Error as error:
                if not self._is_away(error):
                    raise
            else:
                self.back_at = time.monotonic()
                return delay

    def _is_away(self, error: Any) -> bool:
        """Tell whether an error means that nobody answers, for now."""
        if error.sqlstate is not None:
            return str(error.sqlstate).startswith(_AWAY)
        if any(words in str(error) for words in _REFUSED):
            return False
        return isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what goes wrong with the store into a JournalError."""
        try:
            yield
        except FiAsyncError:
            raise
        except self._psycopg.Error as error:
            raise self._trouble(error) from None  # libpq's own text may hold what a URL holds
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise JournalError(f"{self.url}: what it holds is no run's ({type(error).__name__}: {error})") from error

    def _trouble(self, error: Any) -> JournalError:
        state = str(error.sqlstate or "")
        said = str(error).strip().partition("\n")[0]
        hint = next((words for code, words in _HINTS.items() if state.startswith(code)), "")
        if not state:  # libpq, before a server has said anything in its own words
            hint = next((words for part, words in _SAID.items() if part in said), "")
        return JournalError(f"{self.url}: {hint or 'it cannot be used'} ({self._without_password(said)})")

    def _without_password(self, said: str) -> str:
        said = said.replace(self.url.database, str(self.url))
        for secret in secrets_of(self.url.database):
            said = said.replace(secret, HIDDEN)
        return said


NO_RUNS: Final = "there is no run of fi-async in this database: fi-async load puts one there"
_GRANTS: Final = "GRANT USAGE ON SCHEMA fi_async TO it, and SELECT (to read) or ALL (to work) ON ALL TABLES IN it"
_HINTS: Final = {
    "28": "it does not let this user in: check the user and the password, or PGPASSWORD and ~/.pgpass",
    "3D000": "there is no such database: create it, or name another",
    "3F000": NO_RUNS,
    "42P01": NO_RUNS,
    "42501": f"this user may not do that: {_GRANTS}",
    "25006": "this user, or this server, may only read",
    "53300": "it has too many connections",
    "57014": "a statement took longer than this user's statement_timeout: set that to 0 for who works or reads",
    "55P03": "others use its tables, which a newer version is to change: try again once those who read it have ended",
    "53100": "its disk is full: make room, then go on",
    "54": "a value is too large for it",
}
_REFUSED: Final = {  # so that it is of no use to try again
    "password authentication failed": _HINTS["28"],
    "no password supplied": _HINTS["28"],
    "no pg_hba.conf entry": _HINTS["28"],
    "does not exist": "there is no such database, or user: create it, or name another",
}
_SAID: Final = {
    **_REFUSED,
    "could not translate host name": "there is no such host",
    "Name or service not known": "there is no such host",
    "refused": "nobody listens there: start the server, or name another host or port",
    "timeout": "nobody answers there",
    "invalid": "its URL has something that libpq does not take",
}
