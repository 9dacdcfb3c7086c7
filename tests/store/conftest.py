from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fi_async import AsyncEvaluator
from fi_async._run_url import RunUrl
from fi_async.local import LocalBackend, Switches
from fi_async.store.store_reader import open_run
from fi_async.store.tallies import COLUMNS


@pytest.fixture
def anyio_backend() -> str:
    """Run on real time: databases do not know of ours."""
    return "asyncio"


@pytest.fixture
def run_url(postgres_url: str) -> str:
    """The URL of a run that is not there yet."""
    return f"{postgres_url}/nightly"


@pytest.fixture
def sql(postgres_url):
    """Ask the database of the run, as its owner."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield (
            lambda query, *values: (
                connection.execute(query, values).fetchall()
                if values or query.startswith("SELECT")
                else connection.execute(query)
            )
        )


@pytest.fixture
def as_of_the_first_version(sql):
    """Bring the tables to the form that the first version made."""

    def change() -> None:
        sql("ALTER TABLE fi_async.workers DROP COLUMN spent_on")
        sql("DROP INDEX fi_async.events_apart")
        dropped = (each.replace("ADD", "DROP").rsplit(" ", each.count(" ") - 2)[0] for each in COLUMNS.split(", "))
        sql(f"ALTER TABLE fi_async.chunks {', '.join(dropped)}")
        sql("UPDATE fi_async.format SET version = 1")

    return change


@pytest.fixture
def app() -> LocalBackend:
    return LocalBackend(Switches(latency=0.01))


@pytest.fixture
def evaluator(app):
    """Return clients of the embedded backend."""

    def make(to: Any = None, **options: Any) -> AsyncEvaluator:
        made = AsyncEvaluator.local(app if to is None else to, **{"strategy": "sync", "concurrency": 16, **options})
        made._session.rng = random.Random(7)
        return made

    return make


@pytest.fixture
def seen(run_url):
    """Read the run as it stands."""

    @contextmanager
    def read() -> Iterator[Any]:
        with open_run(RunUrl.parse(run_url)) as view:
            yield view

    return read


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of this machine's own environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers look soon for what others do."""
    for module in ("runs.workers", "store.worker_journal"):
        monkeypatch.setattr(f"fi_async.{module}._LOOK", 0.03)
