"""The SQL sink before a real PostgreSQL, which this starts; skipped where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator, EvalResult, Evaluator, Outcome, OutcomeStatus
from fi_async.background import Offer, SqlSink, Statistics

sa = pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")


def program(name: str) -> str | None:
    """Return where a program of PostgreSQL is: Debian keeps those of the server off the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Start a server in a directory of its own, and return the URL of its database."""
    initdb, server = program("initdb"), program("postgres")
    if initdb is None or server is None:
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    as_other = []
    if os.geteuid() == 0:  # the server refuses to run as root
        if shutil.which("runuser") is None or not _is_user("postgres"):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        as_other = ["runuser", "-u", "postgres", "--"]
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        if as_other:
            shutil.chown(directory, "postgres")
        files = f"{directory}/data"
        made = [initdb, "-D", files, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([*as_other, *made], check=True, capture_output=True, timeout=60, cwd=directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = [server, "-D", files, "-h", "127.0.0.1", "-p", str(port), "-k", directory, "-F"]
        with subprocess.Popen([*as_other, *started], stderr=subprocess.PIPE, text=True, cwd=directory) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "ready to accept connections" in line:
                    break
            # Its log goes on: nobody reading it would stop it in the end.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            try:
                yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
            finally:
                os.kill(
                    int(Path(files, "postmaster.pid").read_text().split()[0]), signal.SIGINT
                )  # not runuser, which dawdles
                process.wait(20)


@pytest.fixture
def engine(postgres):
    engine = sa.create_engine(postgres)
    yield engine
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS evaluations"))
    engine.dispose()


def rows(engine, columns="*"):
    with engine.connect() as connection:
        asked = sa.text(f"SELECT {columns} FROM evaluations ORDER BY offer_id, template")
        return [tuple(row) for row in connection.execute(asked)]


def outcome(number, **result):
    offer = Offer({"output": "a \0 b"}, f"case {number} \0", f"id-{number}", 1.5)
    made = EvalResult(name="tone", output=["a", "b"], reason="half \ud800", output_type="choices", **result)
    return Outcome(number, offer, "tone", OutcomeStatus.SCORED, made, attempts=1, latency_s=0.25)


def test_each_outcome_is_a_row_once(postgres, engine):
    for batch in ([outcome(0)], [outcome(0, model="other"), outcome(1)]):
        sink = SqlSink(postgres, inputs=True)
        sink.open()
        sink.write(batch)
        sink.write(batch)
        sink.close()
    kept = "offer_id, case_id, offered_at, status, passed, output, reason, latency_s"
    assert rows(engine, kept) == [
        ("id-0", "case 0 \ufffd", 1.5, "scored", None, ["a", "b"], "half ?", 0.25),
        ("id-1", "case 1 \ufffd", 1.5, "scored", None, ["a", "b"], "half ?", 0.25),
    ]


def test_workers_that_begin_at_once_make_one_table(postgres, engine):
    failed = []

    def begin():
        sink = SqlSink(postgres)
        try:
            start.wait()
            sink.open()
        except sa.exc.SQLAlchemyError as error:
            failed.append(error)
        finally:
            sink.close()

    for _ in range(5):
        start = threading.Barrier(4)
        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rows(engine) == []
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE evaluations"))
    assert failed == []


@pytest.mark.anyio
async def test_a_queue_stores_what_it_is_offered(postgres, engine, tmp_path):
    asked = {"sink": SqlSink(postgres), "spool": tmp_path / "spool", "eval_config": {"keyword": "needle"}}
    async with AsyncEvaluator.local() as ev, ev.background("contains", **asked) as queue:
        for number in range(300):
            assert queue.offer({"text": f"{'needle' if number % 3 else 'straw'} {number}"})
    assert queue.statistics() == Statistics(offered=300, done=300)
    assert sorted(passed for (passed,) in rows(engine, "passed")) == [False] * 100 + [True] * 200


@pytest.mark.anyio
async def test_a_database_that_restarts_costs_no_more_than_the_rows_of_that_moment(postgres, engine):
    async with AsyncEvaluator.local() as ev, ev.background("is_json", sink=SqlSink(postgres)) as queue:
        queue.offer({"text": "1"})
        assert await queue.drained(10)
        with engine.begin() as connection:  # what a restart of the server looks like from here
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            connection.execute(sa.text(f"{others} AND backend_type = 'client backend'"))
        queue.offer({"text": "2"})
        assert await queue.drained(10)
    assert queue.statistics() == Statistics(offered=2, done=2)
    assert len(rows(engine)) == 2


def test_the_sync_facade_stores_too(postgres, engine):
    with Evaluator.local() as ev, ev.background("is_json", sink=SqlSink(postgres)) as queue:
        assert queue.offer({"text": "[1]"}) is True
    assert rows(engine, "template, status, passed") == [("is_json", "scored", True)]
