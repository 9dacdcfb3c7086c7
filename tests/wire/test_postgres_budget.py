"""Permits in a real PostgreSQL; skipped where there is none. Clients run on virtual time, the database on its own."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from pathlib import Path

import anyio
import pytest

from clock import VirtualClockLoop, wall_clock
from embedded import NEEDLE, backend, client, texts
from fi_async import AsyncEvaluator, ConfigurationError, Limit, Timeout
from fi_async.cli import main
from fi_async.engine.judge_session import judging
from fi_async.engine.postgres_budget import PostgresBudget, _Session, without_password
from fi_async.journal.view import open_view
from fi_async.local import Quota
from fi_async.pacing.lots import LotRequest, SharedWindow, grant
from judged import CALM, Endpoint, talks
from postgres_server import PASSWORD

psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.anyio
WINDOW = SharedWindow("requests", 10.0, 7)


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualClockLoop}


@pytest.fixture
def session(postgres_url):
    made = _Session(psycopg, postgres_url)
    yield made
    made.close()


@pytest.fixture
def worker(postgres_url):
    """Return clients that take their permits in the database, whose time is the loop's."""

    def make(app, url=postgres_url, **options):
        made = client(app, shared_budget=url, **options)
        on_virtual_time(made._session.permits)
        return made

    return make


def on_virtual_time(permits):
    permits.wall_clock = lambda: None if permits._link.wall_clock() is None else wall_clock()


def rows(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


# The rule


def test_the_rule_in_sql_is_that_in_python(session):
    rng = random.Random(1)
    used = {}
    for _ in range(400):
        window = SharedWindow(rng.choice(["requests", "tokens"]), 10.0, rng.randrange(3))
        need = rng.choice([0, 1, 1, 3, 50])
        ask = LotRequest(
            window, rng.choice([40, 100]), need, need + rng.randrange(60) if need else 0, rng.choice([0, 0, 5, 60, -7])
        )
        (lot,), _ = session.take(b"owner", [ask])
        before = max(0, used.get(window, 0) - ask.back)
        assert lot.granted == grant(before, ask)
        assert lot.used == before + lot.granted
        used[window] = lot.used


def test_workers_that_ask_at_once_are_never_given_more_than_there_is(postgres_url):
    taken = []

    def take(seed):
        rng = random.Random(seed)
        made = _Session(psycopg, postgres_url)
        together.wait()
        mine = 0
        for _ in range(60):
            asks = [LotRequest(SharedWindow("requests", 10.0, n), 300, 1, rng.randint(1, 40)) for n in (1, 2)]
            lots, _ = made.take(b"owner", asks)
            back = rng.randint(0, lots[0].granted)
            made.take(b"owner", [LotRequest(asks[0].window, 300, back=back)])
            mine += lots[0].granted - back
        taken.append(mine)
        made.close()

    together = threading.Barrier(8)
    threads = [threading.Thread(target=take, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    query = "SELECT number, used FROM fi_async_budget_windows ORDER BY number"
    assert rows(postgres_url, query) == [(1, sum(taken)), (2, 300)]
    assert sum(taken) == 300


def test_owners_do_not_mix_and_windows_that_were_over_an_hour_ago_are_dropped(session, postgres_url):
    for number in range(10, 30):
        for owner in (b"one", b"other"):
            (lot,), _ = session.take(owner, [LotRequest(SharedWindow("requests", 600.0, number), 5, 5, 5)])
            assert lot == (5, 5)
    query = "SELECT budget, min(number), count(*) FROM fi_async_budget_windows GROUP BY 1"
    assert [told for _, *told in rows(postgres_url, query)] == [[23, 7], [23, 7]]


def test_windows_that_are_far_ahead_drop_none_of_the_present(session):
    """As one asks for them whose clock is wrong, or who knows little of the server's."""
    present = int(time.time() / 10)
    for number in (present, present + 1_000_000, present):
        (lot,), _ = session.take(b"owner", [LotRequest(SharedWindow("requests", 10.0, number), 5, 5, 5)])
    assert lot == (0, 5)


# Workers


@pytest.mark.parametrize("workers", [1, 3])
async def test_workers_keep_to_a_limit_and_use_it_whole(worker, workers):
    app = backend(requests=Quota(60, 10.0), latency=0.05)
    reports = []

    async def run(ev):
        async with ev:
            reports.append(await ev.gather(texts(180 // workers), "contains", eval_config=NEEDLE, **how))

    how = {"limits": [Limit(60, per=10.0)], "rows": 1, "strategy": "sync"}
    await anyio.sleep(10.0)
    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(run, worker(app))
    assert [report.coverage for report in reports] == [1.0] * workers
    assert (app.statistics()["posts"], app.statistics()["refused_requests"]) == (180, 0)
    assert max(report.wall_s for report in reports) <= 1.05 * 20.0 + 0.5


async def test_tokens_of_a_judge_are_shared(postgres_url):
    endpoint = Endpoint(tokens=Quota(8_000, 60.0), latency=0.5)
    judge = endpoint.judge(limits=[Limit(8_000, of="tokens")], max_tokens=200)
    reports = []

    async def run(place):
        async with AsyncEvaluator.local(judge=judge, shared_budget=postgres_url) as ev:
            ev._session.wall_clock = wall_clock
            on_virtual_time(judging(ev._session, judge).permits)
            reports.append(await ev.gather(talks(60)[place::2], CALM))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, 0)
        tasks.start_soon(run, 1)
    assert [report.coverage for report in reports] == [1.0] * 2
    assert endpoint.counted["refused"] == {}
    took = endpoint.counted["prompt_tokens"] + endpoint.counted["completion_tokens"]
    # The last ones of a window are answered in the next.
    assert max(report.wall_s for report in reports) <= 60.0 * (took // 8_000 + 1) + 0.5
    (used,) = rows(postgres_url, "SELECT sum(used) FROM fi_async_budget_windows")[0]
    assert took <= used <= 2 * took  # one that may fall into two windows counts in both


async def test_a_database_that_restarts_is_waited_for(worker, postgres_server):
    app = backend(latency=0.05)
    async with worker(app, concurrency=4) as ev:

        async def restart():
            await anyio.sleep(0.5)
            await ev._session.permits._link._worker.call(postgres_server.stop)
            await anyio.sleep(1.0)
            before = app.statistics()["posts"]
            await anyio.sleep(10.0)
            assert app.statistics()["posts"] == before
            postgres_server.start()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart)
            report = await ev.gather(
                texts(300), "contains", eval_config=NEEDLE, limits=[Limit(1000, per="hour")], rows=1, strategy="sync"
            )
    assert report.coverage == 1.0
    assert app.statistics()["posts"] == 300


async def test_a_database_that_is_not_there_ends_the_call_when_patience_does(worker, unused_port):
    app = backend()
    url = f"postgresql://someone:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{unused_port}/none"
    async with worker(app, url) as ev:
        with pytest.raises(ConfigurationError, match="could not be reached for 30 s") as caught:
            await ev.gather(texts(1), "contains", eval_config=NEEDLE, limits=[Limit(5)], timeout=Timeout(patience=60))
        assert 30.0 <= anyio.current_time() <= 36.0
    assert "the-pass" not in str(caught.value)
    assert app.statistics()["requests"] == 0


# What is wrong, and what nobody may see


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("the-pass", "the-wrong-pass"), "password authentication failed"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", 'database "nowhere" does not exist'),
    ],
    ids=["password", "database"],
)
async def test_what_will_not_mend_ends_the_call_at_once_and_shows_no_password(
    worker, postgres_url, change, said, caplog
):
    caplog.set_level(logging.DEBUG)
    async with worker(backend(), change(postgres_url), limits=[Limit(5)]) as ev:
        began = anyio.current_time()
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather(texts(1), "contains", eval_config=NEEDLE)
        assert anyio.current_time() == began
        told = [repr(ev), repr(ev._session.permits), repr(ev._session.gate._lots), str(ev.statistics()), caplog.text]
    error: BaseException | None = caught.value
    while error is not None:
        told += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    assert said in str(caught.value)
    assert str(caught.value).startswith("shared_budget postgresql://postgres@127.0.0.1:")
    assert not [each for each in told if "the-" in each and "pass" in each.partition("the-")[2][:12]]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p@ss@host/db",
        "postgresql://user:p%zz@host:port/db",
        "mysql://user:p@host/db",
        "postgresql://user:p@[::1/db",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url):
    with pytest.raises(ConfigurationError) as caught:
        AsyncEvaluator.local(shared_budget=url)
    assert str(caught.value) == (
        "shared_budget must be a path, or a URL like postgresql://user:password@host:5432/database, with special"
        " characters of the password percent-encoded (@ is %40, / is %2F)"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_password_among_the_parameters_is_not_shown_either():
    url = "postgresql://host/db?user=me&password=the-pass&sslmode=require"
    assert repr(PostgresBudget(url, "owner")) == "<PostgresBudget postgresql://host/db>"
    assert without_password(url) == "postgresql://host/db?user=me&sslmode=require"


def test_the_database_holds_no_key(session, postgres_url):
    session.take(b"https://evals.test\nmy-api-key", [LotRequest(WINDOW, 5, 1, 1)])
    told = rows(postgres_url, "SELECT budget FROM fi_async_budget_windows")
    assert len(bytes(told[0][0])) == 32
    assert b"my-api-key" not in bytes(told[0][0])


def test_a_kept_run_knows_the_database_and_not_the_password(postgres_url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text('{"text": "[1]"}\n')
    words = ["run", "in.jsonl", "--eval", "is_json", "--backend", "local", "--run", "r.db", "--limits", "100/min"]
    assert main([*words, "--shared-budget", postgres_url, "--no-progress"]) == 0
    assert main(["report", "r.db"]) == 0
    kept = Path("r.db").read_bytes() + Path("r.html").read_bytes() + "".join(capsys.readouterr()).encode()
    assert b"the-pass" not in kept
    with open_view("r.db") as view:
        assert view.info.source["flags"]["shared_budget"] == without_password(postgres_url)
    assert without_password(f"{postgres_url}?sslmode=prefer").endswith("?sslmode=prefer")
    assert rows(postgres_url, "SELECT used FROM fi_async_budget_windows") in ([(1,)], [(1,), (1,)])
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert main(["resume", "r.db", "--json", "--no-progress"]) == 0


def test_tables_of_another_version_are_left_alone(session, postgres_url):
    rows(postgres_url, "UPDATE fi_async_budget SET format = 2 RETURNING 1")
    with pytest.raises(ConfigurationError, match="another version of fi-async made its tables"):
        _Session(psycopg, postgres_url)


async def test_who_may_make_no_tables_is_told(worker, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'the-pass/word'")
    async with worker(backend(), postgres_url.replace("//postgres:", "//guest:"), limits=[Limit(5)]) as ev:
        with pytest.raises(
            ConfigurationError,
            match=r"cannot be used: permission denied for schema public.*needs the right to make them",
        ):
            await ev.gather(texts(1), "contains", eval_config=NEEDLE)


def test_workers_that_begin_at_once_make_the_tables_once(postgres_url):
    failed = []

    def begin():
        together.wait()
        try:
            _Session(psycopg, postgres_url).close()
        except psycopg.Error as error:
            failed.append(error)

    together = threading.Barrier(6)
    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(rows(postgres_url, "SELECT * FROM fi_async_budget")) == 1


async def test_the_databases_clock_is_the_workers(postgres_url):
    budget = PostgresBudget(postgres_url, "owner")
    assert budget.wall_clock() is None
    answered = asyncio.Event()
    budget.exchange([], lambda *_: answered.set())
    await answered.wait()
    assert abs(budget.wall_clock() - time.time()) < 0.5
    await budget.aclose()


async def test_what_is_given_back_at_the_end_opens_no_connection_that_stays(postgres_url):
    """An answer that comes while it is closed may have permits that nobody needs any more."""
    budget = PostgresBudget(postgres_url, "owner")
    told = []

    def give_back(lots, _):
        told.append(lots)
        if len(told) < 3:
            budget.exchange([LotRequest(WINDOW, 10, 1, 4, back=len(told))], give_back)

    budget.exchange([LotRequest(WINDOW, 10, 1, 4)], give_back)
    await budget.aclose()
    assert len(told) == 3
    assert (budget._link._worker, budget._link._session) == (None, None)


async def test_a_client_is_used_again_after_it_was_closed(worker):
    app = backend()
    ev = worker(app, limits=[Limit(50)])
    for _ in range(2):
        await ev.gather(texts(2), "contains", eval_config=NEEDLE)
        await ev.aclose()
    assert app.statistics()["evaluations_made"] == 4
