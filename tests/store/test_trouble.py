"""What goes wrong with a store is told in words that help, and never with its password."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from contextlib import suppress

import anyio
import pytest

from embedded import NEEDLE, texts
from fi_async import Case, ConfigurationError, JournalError, RunFile, import_run
from fi_async._run_url import RunUrl
from fi_async.cli import main
from fi_async.local import LocalBackend, Switches
from fi_async.reports.labels import match_labels
from fi_async.store.store_connection import StoreConnection
from fi_async.store.store_reader import open_run
from fi_async.store.worker_journal import WorkerJournal
from postgres_server import PASSWORD

pytestmark = pytest.mark.anyio
SHOWN = ("the-pass", "wrong-word", "t%2Fword")


def reached(error):
    """All that a traceback of it shows."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("the-pass%2Fword", "wrong-word"), "does not let this user in: check the user and"),
        (lambda url: url.replace("/test_", "/no_such_"), "there is no such database"),
        (lambda url: url.replace("@127.0.0.1:", "@127.0.0.2:"), "nobody listens there: start the server"),
        (lambda url: url.replace("postgres:the", "nobody:the"), "does not let this user in"),
        (lambda url: f"{url}?sslmode=require", "server does not support SSL"),
        (lambda url: f"{url}?no_such=option", "invalid"),
        (lambda url: url, "there is no run of fi-async in this database: fi-async load puts one there"),
    ],
    ids=["password", "database", "host", "user", "ssl", "option", "empty"],
)
async def test_a_store_that_cannot_be_used_is_told_without_its_password(change, said, evaluator, run_url, caplog):
    url = change(run_url)
    async with evaluator() as ev:
        for call in (lambda: ev.work(url), lambda: asyncio.to_thread(open_run, RunUrl.parse(url))):
            with pytest.raises(JournalError, match=said) as caught:
                await call()
            assert not any(word in reached(caught.value) for word in SHOWN)
            assert str(caught.value).startswith(str(RunUrl.parse(url)))
    assert not any(word in caplog.text for word in SHOWN)


def test_a_connection_notices_who_vanishes_whatever_else_its_url_says(evaluator, run_url):
    connection = StoreConnection(RunUrl.parse(f"{run_url}?connect_timeout=5&keepalives_idle=77"))
    told = connection._connection.info.get_parameters()
    assert {
        name: told[name] for name in ("connect_timeout", "keepalives_idle", "keepalives_count", "tcp_user_timeout")
    } == {
        "connect_timeout": "5",
        "keepalives_idle": "77",
        "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    }
    for name, value in (
        ("tcp_keepalives_idle", "10"),  # and so does the server of its clients
        ("tcp_user_timeout", "15000"),
        ("idle_in_transaction_session_timeout", "30s"),
    ):
        assert connection.execute(f"SHOW {name}").fetchall() == [(value,)]
    connection.close()


async def test_texts_are_kept_whatever_encoding_the_environment_asks_for(evaluator, run_url, seen, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "latin1")
    async with evaluator() as ev:
        await ev.load([Case({"text": "needle 字"}, "漢")], "contains", eval_config=NEEDLE, run=run_url)
        await ev.work(run_url)
    with seen() as view:
        (outcome,) = [record.outcome for record in view.records()]
    assert (outcome.passed, outcome.case.id, outcome.case.inputs) == (True, "漢", {"text": "needle 字"})


async def test_a_user_who_may_only_read_reads_and_is_told_that_it_may_not_write(evaluator, run_url, sql, seen):
    async with evaluator() as ev:
        await ev.load(texts(20), "contains", eval_config=NEEDLE, run=run_url)
        await ev.work(run_url)
        for statement in (
            "DROP ROLE IF EXISTS reader",
            "CREATE ROLE reader LOGIN PASSWORD 'wrong-word'",
            "GRANT USAGE ON SCHEMA fi_async TO reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA fi_async TO reader",
        ):
            sql(statement)
        url = run_url.replace("postgres:the-pass%2Fword", "reader:wrong-word")
        try:
            with open_run(RunUrl.parse(url)) as view:
                assert view.count().scored == 20
                assert len(list(view.records())) == 20
            for call in (ev.work(url), ev.load(texts(20), "contains", eval_config=NEEDLE, run=url), ev.reopen(url)):
                with pytest.raises(JournalError, match="this user may not do that: GRANT USAGE ON SCHEMA") as caught:
                    await call
                assert "wrong-word" not in reached(caught.value)
        finally:
            sql("DROP OWNED BY reader")
            sql("DROP ROLE reader")


async def test_a_user_who_may_make_no_schema_is_told_so(evaluator, run_url, sql):
    sql("DROP ROLE IF EXISTS guest")
    sql("CREATE ROLE guest LOGIN PASSWORD 'wrong-word'")
    url = run_url.replace("postgres:the-pass%2Fword", "guest:wrong-word")
    async with evaluator() as ev:
        with pytest.raises(JournalError, match="this user may not do that"):
            await ev.load(texts(20), "contains", eval_config=NEEDLE, run=url)
    sql("DROP ROLE guest")


async def test_while_the_store_is_away_nothing_leaves_and_all_wait(evaluator, run_url, postgres_server, seen, caplog):
    app = LocalBackend(Switches(latency=0.02))
    caplog.set_level(logging.WARNING)
    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(100), "contains", eval_config=NEEDLE, run=run_url)
        ended = []
        away = asyncio.Event()

        def take(outcome):
            ended.append(outcome)
            if len(ended) == 20:
                postgres_server.stop()
                away.set()

        shown = []
        working = asyncio.create_task(ev.work(run_url, on_outcome=take, progress=shown.append))
        try:
            await away.wait()
            before = app.statistics()["evaluations_made"]
            await asyncio.sleep(0.3)
            assert app.statistics()["evaluations_made"] <= before + 4  # those that had left
            while "which is away" not in str(shown[-1].waiting_for):  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.05)
        finally:
            postgres_server.start()
        done = await working
    assert (done.statuses, done.fenced) == ({"scored": 100}, 0)
    assert app.statistics()["duplicates"] == 0
    assert "the store is away: no request leaves until it is back" in caplog.text
    assert "the store is back" in caplog.text
    with seen() as view:
        assert view.count().possible_duplicates == 0


# The command line


def run(capsys, *words):
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    assert not any(word in said.out + said.err for word in SHOWN)
    return code, said.out, said.err


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(f"{json.dumps({'id': f'q{n}', **each})}\n" for n, each in enumerate(texts(40))))
    return path


def test_the_commands_of_a_run_in_a_database(run_url, rows, tmp_path, capsys, monkeypatch, sql):  # noqa: PLR0917  # fixtures
    monkeypatch.chdir(tmp_path)
    evaluated = ("--eval", "contains", "--param", "keyword=needle", "--backend", "local")
    code, out, _ = run(capsys, "load", rows, *evaluated, "--run", run_url, "--json")
    assert (code, json.loads(out)["new"]) == (0, 40)
    code, out, _ = run(capsys, "status", run_url, "--json")
    told = json.loads(out)
    assert (code, told["state"], told["pending"], told["workers"]) == (0, "stopped", 40, [])
    code, out, _ = run(capsys, "control", run_url, "pause", "--json")
    assert json.loads(out) == {"paused": True, "concurrency": None, "limits": None, "max_cost": None}
    assert json.loads(run(capsys, "status", run_url, "--json")[1])["state"] == "paused"
    code, out, _ = run(capsys, "control", run_url, "resume", "--concurrency", "3", "--limits", "300/min")
    assert out.endswith("nightly: not paused, concurrency 3, limits 300 requests per minute\n")
    code, out, err = run(capsys, "work", run_url, "--json", "--no-progress")
    assert (code, json.loads(out)["statuses"], err) == (0, {"scored": 40}, "")
    code, out, _ = run(capsys, "status", run_url)
    assert (code, "complete" in out, "40 of 40" in out, "left" in out) == (0, True, True, True)
    ((info,),) = sql("SELECT info FROM fi_async.passes")
    assert not any(word in info for word in SHOWN)
    assert run(capsys, "gate", run_url, "--coverage", "1", "--min", "contains>=0.3")[0] == 0
    assert run(capsys, "gate", run_url, "--min", "contains>=0.9")[0] == 4
    assert run(capsys, "export", run_url, "-o", "out.jsonl")[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(each["id"], each["passed"]) for each in lines] == [(f"q{n}", n % 3 == 0) for n in range(40)]
    assert run(capsys, "report", run_url)[1] == "nightly.html\n"
    assert "needle" in (tmp_path / "nightly.html").read_text()
    code, out, err = run(capsys, "retry", run_url, "--failed", "--no-progress")
    assert (code, "nothing to do: all 40 evaluations have ended" in out) == (0, True)
    assert run(capsys, "resume", run_url, "--no-progress")[0] == 0


def test_what_takes_files_alone_refuses_a_url_without_showing_it(run_url, rows, capsys, tmp_path):
    for words in (
        ("merge", run_url, "-o", tmp_path / "new.db"),
        ("import", rows, "--as", "jsonl", "-o", run_url),
        ("run", rows, "--eval", "contains", "--run", tmp_path / "a.db", "--reuse", run_url),
        ("run", rows, "--eval", "contains", "--run", tmp_path / "a.db", "--labels", run_url),
        ("export", run_url, "-o", run_url),
        ("runs", run_url),
    ):
        code, _, err = run(capsys, *words)
        assert (code, "database" in err or "that is one run" in err) == (2, True), (words, err)
    for call in (
        lambda: RunFile("a.db", reuse=run_url),
        lambda: import_run(rows, run_url, tool="jsonl"),
        lambda: match_labels(run_url, []),
    ):
        with pytest.raises(ConfigurationError, match="the URL of a database") as caught:
            call()
        assert not any(word in reached(caught.value) for word in SHOWN)


def test_a_worker_gives_back_what_it_holds_when_it_is_stopped(run_url, rows, sql, capsys):
    evaluated = ("--eval", "contains", "--param", "keyword=needle", "--backend", "local")
    assert run(capsys, "load", rows, *evaluated, "--run", run_url)[0] == 0
    run(capsys, "control", run_url, "pause")
    words = [sys.executable, "-m", "fi_async", "work", run_url, "--no-progress"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as worker:
        while not sql("SELECT worker FROM fi_async.workers WHERE role = 'work'"):
            pass
        worker.terminate()
        said = worker.communicate(timeout=30)[1]
    assert worker.returncode == 143
    assert PASSWORD not in said
    assert sql("SELECT left_at IS NOT NULL, fenced FROM fi_async.workers WHERE role = 'work'") == [(True, True)]


@pytest.fixture
def frozen(sql):
    """Stop the database's processes that serve us: it takes connections, and answers nothing."""
    pids = []

    def freeze():
        ours = "application_name ^@ 'fi-async ' AND datname = current_database()"
        pids.extend(pid for (pid,) in sql(f"SELECT pid FROM pg_stat_activity WHERE {ours}"))
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    yield freeze
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("what", ["work", "load", "gather"])
async def test_a_store_that_answers_nothing_keeps_nobody_from_stopping(what, evaluator, run_url, frozen, monkeypatch):
    for module in ("store.worker_journal", "journal.writer"):
        monkeypatch.setattr(f"fi_async.{module}._CLOSING", 0.2)
    monkeypatch.setattr("fi_async.store.worker_journal._LEAVING", 0.2)
    app = LocalBackend(Switches(latency=0.02))
    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(100), "contains", eval_config=NEEDLE, run=run_url)
        read = asyncio.Event()

        async def cases():
            for each in texts(2_200):
                yield each
                if each["text"].startswith("case 1200 "):
                    read.set()

        if what == "work":
            task = asyncio.create_task(ev.work(RunFile(run_url, drain=0.1), on_outcome=lambda _: read.set()))
        elif what == "load":
            task = asyncio.create_task(ev.load(cases(), "contains", eval_config=NEEDLE, run=run_url))
        else:
            run = RunFile(run_url, drain=0.1)
            task = asyncio.create_task(ev.gather(texts(100), "contains", eval_config=NEEDLE, run=run))
            while not app.statistics()["requests"]:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.01)
            read.set()
        await read.wait()
        frozen()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


async def test_a_store_that_gives_no_answer_is_told_and_goes_on_where_it_was(evaluator, run_url, sql, seen, caplog):
    caplog.set_level(logging.WARNING)
    async with evaluator(LocalBackend(Switches(latency=0.02)), concurrency=4) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        locked = asyncio.Event()

        def lock(_):
            if not locked.is_set():
                locked.set()
                sql("BEGIN")
                sql("LOCK TABLE fi_async.workers")

        working = asyncio.create_task(ev.work(RunFile(run_url, lease=0.3), on_outcome=lock))
        await locked.wait()
        while "given no answer for 0.3 s" not in caplog.text:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.02)
        sql("COMMIT")
        assert (await working).is_complete
    with seen() as view:
        assert view.count().statuses == {"scored": 60}


async def test_who_freezes_within_a_transaction_holds_up_nobody_for_longer_than_its_lease(evaluator, run_url):
    async with evaluator() as ev:
        await ev.load(texts(20), "contains", eval_config=NEEDLE, run=run_url)
    url = RunUrl.parse(run_url)

    def lock(leases):
        leases.connection.execute("SELECT pg_advisory_xact_lock(1, 1)")

    def begin(leases):
        leases.connection.execute("BEGIN")
        lock(leases)

    async with WorkerJournal(url, 0.5) as frozen, WorkerJournal(url, 30.0) as other:
        frozen._holding.cancel()
        await frozen._call(begin)
        with anyio.fail_after(5):
            await other._call(lock)
        await frozen.standing()  # it connects anew


async def test_a_server_that_may_only_be_read_for_a_while_is_waited_for(evaluator, run_url, sql, caplog):
    """As when one fails, and its standby is connected to before it has taken over."""
    name = RunUrl.parse(run_url).database.rpartition("/")[2]
    async with evaluator(LocalBackend(Switches(latency=0.02)), concurrency=4) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        failed = asyncio.Event()

        def fail(_):
            if not failed.is_set():
                failed.set()
                sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
                sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ^@ 'fi-async '")

        working = asyncio.create_task(ev.work(run_url, on_outcome=fail))
        await failed.wait()
        await asyncio.sleep(0.3)
        sql(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        assert (await working).statuses == {"scored": 60}
    assert "the store is back" in caplog.text


async def test_a_store_that_is_gone_for_good_is_not_waited_for(evaluator, run_url, postgres_server):
    psycopg = pytest.importorskip("psycopg")
    name = RunUrl.parse(run_url).database.rpartition("/")[2]

    def drop(_):
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async with evaluator(LocalBackend(Switches(latency=0.02)), concurrency=4) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        with pytest.raises(JournalError, match="there is no such database"), anyio.fail_after(10):
            await ev.work(RunFile(run_url, drain=0.5), on_outcome=drop)
