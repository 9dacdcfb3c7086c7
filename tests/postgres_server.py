"""A PostgreSQL of the tests' own: in a temporary directory, on a free port of loopback, with a password."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

PASSWORD: Final = "the-pass/word"  # so that a test that looks for it finds it, and a URL has to quote it
_NAMES: Final = count()


def program(name: str) -> str | None:
    """Return where a program of PostgreSQL is: Debian keeps those of the server off the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


def missing() -> str | None:
    """Return why no server can be started here; None if one can."""
    if program("initdb") is None or program("postgres") is None:
        return "there is no PostgreSQL: apt-get install postgresql"
    if os.geteuid() == 0 and (shutil.which("setpriv") is None or _user() is None):
        return "PostgreSQL does not run as root, and there is no user postgres or no setpriv"
    return None


def _user() -> str | None:
    import pwd  # not on every system

    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


class PostgresServer:
    """A server with files of its own. Whoever stops it in a test starts it again.

    Args:
        directory: Where its files are to be; empty.
        settings: Of the server, by name.
    """

    def __init__(self, directory: str, **settings: object) -> None:
        self.directory = directory
        self._files = f"{directory}/data"
        self._settings = {"fsync": "off", "max_connections": 100, **settings}
        self._process: subprocess.Popen[str] | None = None
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(directory, "postgres")
        word = Path(directory, "password")
        word.write_text(PASSWORD)
        made = [program("initdb"), "-D", self._files, "-U", "postgres", f"--pwfile={word}", "--no-sync", "-E", "UTF8"]
        subprocess.run(
            self._as_other(*made, "--auth=scram-sha-256", "--locale=C"), check=True, capture_output=True, cwd=directory
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, password and all."""
        return f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once it takes connections. It ends with the thread that starts it: call it in the main one."""
        told = [f"--{name}={value}" for name, value in self._settings.items()]
        where = ["-D", self._files, "-h", "127.0.0.1", "-p", str(self.port), "-k", self.directory]
        self._process = subprocess.Popen(
            self._as_other(program("postgres"), *where, *told), stderr=subprocess.PIPE, text=True, cwd=self.directory
        )
        log = self._process.stderr
        assert log is not None
        said = []
        for line in log:
            said.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError("".join(said))
        # Its log goes on: nobody reading it would stop it in the end.
        threading.Thread(target=_drained, args=(log,), daemon=True).start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, and all connections to it; with SIGQUIT as a crash does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _as_other(self, *command: Any) -> list[str]:
        if os.geteuid() != 0:
            return list(command)
        # Killed with its tests, however these end.
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT", *command]


def _drained(log: Any) -> None:
    with log:
        for _ in log:
            pass


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the whole session; skips where PostgreSQL or psycopg is not installed."""
    pytest.importorskip("psycopg")
    if (why := missing()) is not None:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        server = PostgresServer(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database with nothing in it, dropped after the test."""
    import psycopg

    name = f"test_{next(_NAMES)}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:  # a test may have stopped the server
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
