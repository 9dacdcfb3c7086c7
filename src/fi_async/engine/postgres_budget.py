"""A budget that workers on any number of machines share: permits of given limits, in a PostgreSQL database.

What is taken of a window is computed in its row while that is locked, so that no two workers are given the same. The
password is in the address that libpq gets, and nowhere else: not in a name, a message, a repr or an exception.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Self, TypeGuard
from urllib.parse import quote, urlencode, urlsplit

import anyio

from fi_async._errors import ConfigurationError
from fi_async._extras import need
from fi_async._run_url import HIDDEN, SECRET, query_of, secrets_of, split_url
from fi_async._threads import Worker
from fi_async.pacing.lots import PARTS, Lot, LotRequest, StoreTrouble

SCHEMES: Final = ("postgresql://", "postgres://")
_FORMAT: Final = 1
_LOCK: Final = 0x66694173  # "fiAs": of all that make the tables at once, one at a time does
_CLOSING: Final = 3.0  # seconds that giving back the last permits may take
_CONNECTING: Final = 10  # seconds
# A connection whose other end has gone without a word is noticed within some 10 s.
_ALIVE: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
_FINAL: Final = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")
_WILL_NOT_CHANGE: Final = (
    "0A",
    "28",
    "3D",
    "3F",
    "42",
)  # classes of SQLSTATE: not as this user, or not in this database

_RIGHTS: Final = (
    ". Given limits are shared through the tables fi_async_budget and fi_async_budget_windows: this user needs the"
    " right to make them, or ALL ON them once they are there"
)

_SET_UP: Final = (
    "CREATE TABLE IF NOT EXISTS fi_async_budget (format integer NOT NULL, salt bytea NOT NULL)",
    """CREATE TABLE IF NOT EXISTS fi_async_budget_windows (
        budget bytea, what text, seconds double precision, number bigint,
        used bigint NOT NULL, granted bigint NOT NULL,
        PRIMARY KEY (budget, what, seconds, number)
    )""",
)
_BASE: Final = "greatest(0, w.used - %(back)s)"
_ROOM: Final = "greatest(%(most)s::bigint, %(need)s::bigint)"


def _granted(base: str) -> str:
    """Return `grant` of pacing/lots.py in SQL, of what is used."""
    return (
        f"CASE WHEN %(need)s > 0 AND {base} + %(need)s <= {_ROOM}"
        f" THEN least(%(want)s::bigint, greatest(%(need)s::bigint, ({_ROOM} - {base}) / {PARTS})) ELSE 0 END"
    )


# What a crash of the server loses is the use of a moment: nobody waits for its disk.
_NEW: Final = "greatest(0, -(%(back)s::bigint))"
_TAKE: Final = f"""
    WITH hurried AS (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO fi_async_budget_windows AS w (budget, what, seconds, number, used, granted)
    SELECT %(budget)s, %(what)s, %(seconds)s, %(number)s, {_NEW} + {_granted(_NEW)}, {_granted(_NEW)} FROM hurried
    ON CONFLICT (budget, what, seconds, number) DO UPDATE
    SET used = {_BASE} + {_granted(_BASE)}, granted = {_granted(_BASE)}
    RETURNING granted, used, extract(epoch FROM clock_timestamp())::double precision
"""
_KEPT: Final = 3600  # seconds after its end that a window is kept: some take it to be earlier by so much, no more
# One who knows little of the server's time asks for windows that are far ahead: the database's clock bounds that.
_PAST: Final = f"least(extract(epoch FROM now())::float8, %(number)s::float8 * %(seconds)s::float8) - {_KEPT}"
_FORGET: Final = f"""
    DELETE FROM fi_async_budget_windows
    WHERE budget = %(budget)s AND what = %(what)s AND seconds = %(seconds)s
        AND number < floor(({_PAST}) / %(seconds)s::float8)::bigint
"""


class PostgresBudget:
    """What the workers of one key pair, or of one judge, have taken of the limits in each window.

    A database may hold the budgets of several key pairs and servers. It names each by a keyed hash of base URL and API
    key, with a key of the database's own; it holds no credential.

    Args:
        url: As libpq takes it: `postgresql://user:password@host:port/database`. Without a password it is PGPASSWORD's,
            or that of ~/.pgpass.
        owner: Whose budget: what tells servers and accounts apart.

    Attributes:
        path: The URL for people, without a password.

    Raises:
        ConfigurationError: The URL cannot be read, or the library is not installed.
    """

    def __init__(self, url: str, owner: str) -> None:
        self._link = _Link(url)
        self.path = self._link.shown
        self._owner = owner.encode()

    def __repr__(self) -> str:
        return f"<PostgresBudget {self.path}>"

    def of(self, owner: str) -> Self:
        """Return the budget of another owner in the same database, over the same connection."""
        other = object.__new__(type(self))
        other._link, other.path, other._owner = self._link, self.path, owner.encode()
        return other

    @property
    def exchanges(self) -> int:
        """How often the database was asked, for all owners."""
        return self._link.exchanges

    def wall_clock(self) -> float | None:
        """Return the database's time, in seconds since the epoch; None before its first answer."""
        return self._link.wall_clock()

    def exchange(self, asks: Sequence[LotRequest], then: Callable[[Sequence[Lot] | StoreTrouble, float], None]) -> None:
        """Ask for permits in a thread, and call `then` in the event loop; see `PermitStore`."""
        loop = asyncio.get_running_loop()
        self._link.start(lambda link: link.take(self._owner, asks), lambda answer: then(answer, loop.time()))

    async def aclose(self) -> None:
        """Let go of the connection, once what was begun is done. It is opened again if the budget is used again."""
        await self._link.aclose()


class _Link:
    """One connection, and the thread that uses it: each call waits for those before."""

    def __init__(self, url: str) -> None:
        self._psycopg: Any = need("psycopg", "fi-async[postgres]", "shared_budget=postgresql://...")
        self._url = url
        self.shown, self._secret = _shown(url), secrets_of(url)
        self._worker: Worker | None = None
        self._session: _Session | None = None
        self._process = os.getpid()
        self.exchanges = self._under_way = 0
        self._ahead: float | None = None  # the database's clock, of this machine's monotonic one
        self._doubt = 0.0

    def wall_clock(self) -> float | None:
        return None if self._ahead is None else time.monotonic() + self._ahead

    def start(
        self, call: Callable[[_Link], Sequence[Lot]], then: Callable[[Sequence[Lot] | StoreTrouble], None]
    ) -> None:
        if self._process != os.getpid():  # the parent's thread is not here, and its connection is the parent's
            _of_parents.append(self._session)
            self._worker, self._session, self._process, self._under_way = None, None, os.getpid(), 0
        if self._worker is None:
            self._worker = Worker("fi_async-budget")

        def answer() -> Sequence[Lot] | StoreTrouble:
            try:
                return call(self)
            except ConfigurationError as error:
                return StoreTrouble(error.message, is_final=True)
            except self._psycopg.Error as error:
                self.drop()
                return self._trouble(error)

        def told(ended: Future[Sequence[Lot] | StoreTrouble]) -> None:
            self._under_way -= 1
            then(ended.result())

        self._under_way += 1
        self._worker.start(answer, told)

    async def aclose(self) -> None:
        worker = self._worker
        if worker is None or self._process != os.getpid():
            return
        try:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
                while self._under_way:  # who is told of permits that it needs no more gives them back
                    await worker.call(lambda: None)
        finally:
            self._worker = None
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
                await worker.end(self.drop)

    # In the thread

    def drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def take(self, owner: bytes, asks: Sequence[LotRequest]) -> Sequence[Lot]:
        if self._session is None or self._session.is_closed:
            self._session = _Session(self._psycopg, self._url)
        self.exchanges += 1
        began = time.monotonic()
        lots, told = self._session.take(owner, asks)
        took = time.monotonic() - began
        if self._ahead is None or took < self._doubt:
            self._ahead, self._doubt = told - began - took / 2, took
        self._doubt *= 1.01  # clocks drift apart: a later answer is worth more
        return lots

    def _trouble(self, error: Any) -> StoreTrouble:
        said = " ".join(str(error).split()) or type(error).__name__
        state = error.sqlstate or ""
        is_final = state[:2] in _WILL_NOT_CHANGE or (not state and any(each in said for each in _FINAL))
        for secret in self._secret:
            said = said.replace(secret, HIDDEN)
        return StoreTrouble(f"{said[:300]}{_RIGHTS if state == '42501' else ''}", is_final)


_of_parents: Final[list[Any]] = []  # dropped in a child, they would end the session of its parent


class _Session:
    """An open connection to a database that has our tables."""

    def __init__(self, psycopg: Any, url: str) -> None:
        self._psycopg = psycopg
        self._connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECTING,
            prepare_threshold=None,
            application_name="fi-async",
            **_ALIVE,
        )
        self._closing = weakref.finalize(self, _close_in, os.getpid(), self._connection)
        try:
            self._salt = self._set_up()
        except BaseException:
            self._closing()
            raise

    @property
    def is_closed(self) -> bool:
        return bool(self._connection.closed)

    def close(self) -> None:
        self._closing()

    def _set_up(self) -> bytes:
        connection = self._connection
        if connection.execute("SELECT to_regclass('fi_async_budget_windows')").fetchone()[0] is None:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                for statement in _SET_UP:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO fi_async_budget SELECT %s, %s WHERE NOT EXISTS (SELECT FROM fi_async_budget)",
                    (_FORMAT, secrets.token_bytes(32)),
                )
        version, salt = connection.execute("SELECT format, salt FROM fi_async_budget").fetchone()
        if version != _FORMAT:
            raise ConfigurationError(
                "another version of fi-async made its tables: drop fi_async_budget and fi_async_budget_windows once"
                " nothing uses them, or name another database"
            )
        return bytes(salt)

    def take(self, owner: bytes, asks: Sequence[LotRequest]) -> tuple[Sequence[Lot], float]:
        """Return what each window gives, and the database's time."""
        if not asks:
            (told,) = self._connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            return (), told
        budget = hmac.digest(self._salt, owner, "sha256")
        rows = [
            {
                "budget": budget, "what": window.of, "seconds": window.seconds, "number": window.number,
                "most": most, "need": need, "want": want, "back": back,
            }
            for window, most, need, want, back in asks
        ]  # fmt: skip
        lots, told = [], 0.0
        with self._connection.cursor() as cursor:
            # One way there and back. In the order of the windows, so that no two workers wait for each other.
            cursor.executemany(_TAKE, rows, returning=True) if len(rows) > 1 else cursor.execute(_TAKE, rows[0])
            for _ in rows:
                granted, used, told = cursor.fetchone()
                lots.append(Lot(granted, used))
                cursor.nextset()
        for row, lot in zip(rows, lots, strict=True):
            if 0 < lot.granted == lot.used:  # a window is new: so from time to time
                self._connection.execute(_FORGET, row)
        return lots, told


def _close_in(process: int, connection: Any) -> None:
    if process == os.getpid():
        connection.close()


def is_url(named: object) -> TypeGuard[str]:
    """Tell whether a shared budget is named by a URL, and not by a path."""
    return isinstance(named, str) and "://" in named


def without_password(url: str) -> str:
    """Return a URL that a file may keep: whoever uses it has the password in PGPASSWORD or ~/.pgpass.

    Raises:
        ConfigurationError: It is none.
    """
    shown, parts = _shown(url), urlsplit(url)
    told = [(key, value) for key, value in query_of(parts) if key.lower() not in SECRET]
    return f"{shown}?{urlencode(told, quote_via=quote)}" if told else shown


def _shown(url: str) -> str:
    """Return a URL for people.

    Raises:
        ConfigurationError: It is none.
    """
    parts = split_url(url)
    if parts is None or not url.startswith(SCHEMES) or parts.netloc.count("@") > 1:
        raise ConfigurationError(
            "shared_budget must be a path, or a URL like postgresql://user:password@host:5432/database, with special"
            " characters of the password percent-encoded (@ is %40, / is %2F)"
        )
    login, at, host = parts.netloc.rpartition("@")
    return f"postgresql://{login.partition(':')[0]}{at}{host}{parts.path}"
