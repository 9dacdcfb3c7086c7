"""Workers share a run: each case is evaluated once, whoever dies, freezes or loses its store meanwhile."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest

from embedded import NEEDLE, texts
from fi_async import (
    AmbiguousError,
    APIConnectionError,
    AsyncEvaluator,
    ConfigurationError,
    JournalError,
    Limit,
    RunFile,
    Timeout,
    template,
)
from fi_async._run_url import RunUrl
from fi_async.cli.status import status_of
from fi_async.journal.events import EventKind
from fi_async.local import LocalBackend, Switches
from fi_async.store.leases import LeaseLostError
from fi_async.store.run_control import change
from fi_async.store.run_workers import shared_standing
from fi_async.store.worker_journal import WorkerJournal

pytestmark = pytest.mark.anyio


def told(report):
    return [(each.index, each.status.value, each.passed, each.origin) for each in report.outcomes]


async def test_two_workers_evaluate_each_case_once(evaluator, app, run_url, seen):
    async with evaluator() as one, evaluator() as other:
        await one.load(texts(200), "contains", eval_config=NEEDLE, run=run_url)
        done = await asyncio.gather(one.work(run_url), other.work(run_url))
    assert app.statistics()["evaluations_made"] == 200
    assert sum(each.evaluations for each in done) == 200
    assert min(each.evaluations for each in done) > 0
    assert [each.is_complete for each in done] == [True, True]
    with seen() as view:
        outcomes = [record.outcome for record in view.records()]
        assert view.count().possible_duplicates == 0
        assert view.info.ended_at is not None
    assert [each.passed for each in outcomes] == [index % 3 == 0 for index in range(200)]


async def test_the_outcomes_of_all_come_back_to_who_gathers(evaluator, app, run_url):
    async with evaluator() as ev, evaluator() as helper:
        await ev.load(texts(120), "contains", eval_config=NEEDLE, run=run_url)
        cases = [*texts(120), *texts(2)]
        report, helped = await asyncio.gather(
            ev.gather(cases, "contains", eval_config=NEEDLE, run=run_url), helper.work(run_url)
        )
        assert told(report) == [
            (index, "scored", index % 120 % 3 == 0, report.outcomes[index].origin) for index in range(122)
        ]
        origins = [each.origin for each in report.outcomes]
        assert origins.count("replayed") == helped.evaluations > 0
        assert origins[120:] == ["duplicate", "duplicate"]
        asked = app.statistics()["requests"]
        again = await ev.gather(cases, "contains", eval_config=NEEDLE, run=run_url)
    assert app.statistics()["requests"] == asked == 120
    assert [each.passed for each in again.outcomes] == [each.passed for each in report.outcomes]


async def test_a_stream_hands_out_each_outcome_once(evaluator, run_url):
    async with evaluator() as ev, evaluator() as helper:
        await ev.load(texts(120), "contains", eval_config=NEEDLE, run=run_url)
        helping = asyncio.create_task(helper.work(run_url))
        async with ev.stream(texts(120), "contains", eval_config=NEEDLE, run=run_url) as run:
            got = [outcome.index async for outcome in run]
        assert run.counts.requests < 120
        await helping
    assert sorted(got) == list(range(120))


async def test_a_timeout_of_the_call_is_refused(evaluator, run_url):
    async with evaluator() as ev:
        with pytest.raises(ConfigurationError, match=r"Timeout\(call=...\)"):
            await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=run_url, timeout=Timeout(call=5))


async def test_several_templates_and_a_function_of_ones_own_are_worked_on(evaluator, run_url, seen):
    @template
    def short(text: str) -> bool:
        return len(text) < 14

    async with evaluator() as ev:
        await ev.load(texts(30), ["contains", short], eval_config={"contains": NEEDLE}, run=run_url)
        with pytest.raises(ConfigurationError, match="short"):
            await ev.work(run_url)
        assert (await ev.work(run_url, [short])).evaluations == 60
    with seen() as view:
        found = [(each.outcome.index, each.outcome.template) for each in view.records()]
    assert found == [(index, name) for index in range(30) for name in ("contains", "short")]


async def test_other_code_under_the_same_name_is_refused(evaluator, run_url, sql):
    def made(longest):
        if longest:

            @template
            def short(text: str) -> bool:
                return len(text) < 14

        else:

            @template
            def short(text: str) -> bool:
                return len(text) < 15

        return short

    async with evaluator() as ev:
        await ev.load(texts(3), made(longest=True), run=run_url)
        with pytest.raises(ConfigurationError, match="short is not what the run was loaded with: its source"):
            await ev.work(run_url, [made(longest=False)])
    assert sql("SELECT count(*) FROM fi_async.events WHERE n > 0") == [(0,)]


async def test_a_run_of_another_server_is_refused(evaluator, run_url, sql):
    async with evaluator() as ev:
        await ev.load(texts(3), "contains", eval_config=NEEDLE, run=run_url)
        sql(
            """UPDATE fi_async.passes SET info = replace(info, '"base_url":"local"', '"base_url":"https://a.example"')"""
        )
        with pytest.raises(ConfigurationError, match=r"made on https://a.example, and this worker asks local"):
            await ev.work(run_url)


# Leases


def silent(sql, journal):
    """Let the lease of a worker end that says nothing any more."""
    journal._holding.cancel()
    sql("UPDATE fi_async.workers SET until = 'yesterday' WHERE worker = %s RETURNING 1", journal.leases.worker)


async def loaded(evaluator, run_url, count=20):
    async with evaluator() as ev:
        await ev.load(texts(count), "contains", eval_config=NEEDLE, run=run_url)


async def test_a_worker_that_was_silent_keeps_nothing_any_more(evaluator, run_url, sql):
    await loaded(evaluator, run_url)
    url = RunUrl.parse(run_url)
    told = r"silent for longer than its lease of 0\.5 s"
    with pytest.raises(LeaseLostError, match=told):  # noqa: PT012  # on its way out, too
        async with WorkerJournal(url, 0.5) as frozen, WorkerJournal(url, 30.0) as other:
            chunk = await frozen.claim()
            frozen.write(1, EventKind.INTENT)
            await frozen.flush()
            silent(sql, frozen)
            assert (await other.standing()).is_free
            taken = await other.claim()
            assert taken.chunk == chunk.chunk
            assert taken.past.story(1).is_open  # so that it is not sent again without a word
            frozen.write(1, EventKind.ENDED, "{}")
            frozen.write(2, EventKind.INTENT)
            with pytest.raises(LeaseLostError):
                await frozen.flush()
            with pytest.raises(LeaseLostError):
                await frozen.claim()
            await frozen.finish(chunk)
            assert sql("SELECT n, kind FROM fi_async.events WHERE n > 0") == [(1, 1)]
            assert sql("SELECT done FROM fi_async.chunks WHERE chunk = %s", chunk.chunk) == [(False,)]


async def test_a_lease_that_has_ended_is_good_as_long_as_nobody_wants_its_chunks(evaluator, run_url, sql):
    await loaded(evaluator, run_url)
    async with WorkerJournal(RunUrl.parse(run_url), 30.0) as journal:
        await journal.claim()
        silent(sql, journal)
        journal.write(1, EventKind.INTENT)
        await journal.flush()
        assert sql("SELECT until > clock_timestamp() FROM fi_async.workers WHERE role = 'work'") == [(True,)]


async def test_after_a_restart_of_the_store_all_have_a_leases_time_to_come_back(evaluator, run_url, sql):
    await loaded(evaluator, run_url)
    url = RunUrl.parse(run_url)
    async with WorkerJournal(url, 30.0) as one, WorkerJournal(url, 30.0) as other:
        assert await one.claim() is not None
        assert await one.claim() is not None
        # As if the server had been started this moment: its lease is longer than the server is up.
        sql(
            "UPDATE fi_async.workers SET until = clock_timestamp() - interval '1 second', lease = 1e7 WHERE worker = %s"
            " RETURNING 1",
            one.leases.worker,
        )
        assert not (await other.standing()).is_free


async def test_who_was_cut_off_gives_all_others_a_leases_time_to_come_back(evaluator, run_url, sql):
    await loaded(evaluator, run_url)
    url = RunUrl.parse(run_url)
    async with WorkerJournal(url, 0.5) as one, WorkerJournal(url, 0.5) as other:
        assert await one.claim() is not None
        assert await one.claim() is not None
        one._holding.cancel()
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ^@ 'fi-async '")
        sql("UPDATE fi_async.workers SET until = 'yesterday' WHERE worker = %s RETURNING 1", one.leases.worker)
        await other.claim()  # it connects anew
        assert not (await other.standing()).is_free
        while not (await other.standing()).is_free:  # noqa: ASYNC110  # it tells through the database alone
            await anyio.sleep(0.05)


async def test_what_a_worker_leaves_is_free_at_once(evaluator, run_url):
    await loaded(evaluator, run_url)
    url = RunUrl.parse(run_url)
    async with WorkerJournal(url, 30.0) as other:
        async with WorkerJournal(url, 30.0) as leaving:
            mine = await leaving.claim()
        assert (await other.claim()).chunk == mine.chunk


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(evaluator, run_url, sql, monkeypatch):
    psycopg = pytest.importorskip("psycopg")
    await loaded(evaluator, run_url)
    async with WorkerJournal(RunUrl.parse(run_url), 30.0) as journal:
        await journal.claim()
        connection, fails = journal.leases.connection, ["lost"]
        execute = connection.execute

        def losing(query, parameters=None):
            answer = execute(query, parameters)
            if "INSERT INTO fi_async.events" in query and fails:
                fails.clear()
                raise psycopg.OperationalError("the connection is lost")
            return answer

        monkeypatch.setattr(connection, "execute", losing)
        journal.write(1, EventKind.INTENT)
        journal.write(1, EventKind.ACCEPTED, "id")
        await journal.flush()
        journal.write(2, EventKind.INTENT)
        await journal.flush()
    assert sql("SELECT n, kind, body FROM fi_async.events WHERE n > 0 ORDER BY seq") == [
        (1, 1, None),
        (1, 2, "id"),
        (2, 1, None),
    ]


@pytest.mark.parametrize(("on_ambiguous", "duplicates"), [("resubmit", 1), ("fail", 0)])
async def test_what_a_dead_worker_had_sent_is_counted_or_ambiguous(  # noqa: PLR0917  # fixtures
    on_ambiguous, duplicates, evaluator, run_url, sql, seen, app
):
    async with evaluator() as ev:
        await ev.load(texts(10), "contains", eval_config=NEEDLE, run=run_url, on_ambiguous=on_ambiguous)
        async with WorkerJournal(RunUrl.parse(run_url), 30.0) as dead:
            await dead.claim()
            dead.write(3, EventKind.INTENT)
            await dead.flush()
        await ev.work(run_url)
        with seen() as view:
            count = view.count()
            outcomes = [record.outcome for record in view.records()]
        assert count.possible_duplicates == duplicates
        failed = [each for each in outcomes if each.status != "scored"]
        assert [each.index for each in failed] == [2] * (1 - duplicates)
        assert all(isinstance(each.error, AmbiguousError) for each in failed)
        assert app.statistics()["evaluations_made"] == 9 + duplicates
        if failed:
            assert await ev.reopen(RunFile(run_url, retry=["ambiguous"])) == 1
            assert (await ev.work(run_url)).statuses == {"scored": 1}


async def test_who_waits_for_what_a_dead_worker_held_says_so(evaluator, run_url):
    await loaded(evaluator, run_url, 10)
    told = []
    async with evaluator() as ev, WorkerJournal(RunUrl.parse(run_url), 0.8) as dead:
        await dead.claim()
        dead._holding.cancel()
        await ev.gather(
            texts(10), "contains", eval_config=NEEDLE, run=run_url, progress=lambda each: told.append(each.waiting_for)
        )
    assert "what other workers hold, or whoever loads" in told
    assert told[-1] is None


async def test_an_evaluation_that_a_dead_worker_had_started_is_asked_for_and_not_started_again(
    evaluator, run_url, app, seen
):
    async with evaluator(strategy="async") as ev:
        started = await ev.submit("contains", {"text": "case 0 needle"}, eval_config=NEEDLE)
        await ev.load(texts(1), "contains", eval_config=NEEDLE, run=run_url, strategy="async")
        async with WorkerJournal(RunUrl.parse(run_url), 30.0) as dead:
            await dead.claim()
            dead.write(1, EventKind.INTENT)
            dead.write(1, EventKind.ACCEPTED, started.id)
            await dead.flush()
        await ev.work(run_url)
    assert app.statistics()["evaluations_made"] == 1
    with seen() as view:
        assert view.count().statuses == {"scored": 1}
        assert next(iter(view.records())).outcome.eval_id == started.id


async def test_a_worker_that_lost_its_lease_goes_on_with_what_is_left(evaluator, run_url, sql, seen, caplog):
    app = LocalBackend(Switches(latency=0.05))
    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        ended = []

        def lose(outcome):
            ended.append(outcome)
            if len(ended) == 10:
                sql("UPDATE fi_async.workers SET fenced = true")
                sql("UPDATE fi_async.chunks SET worker = NULL WHERE NOT done")

        done = await ev.work(RunFile(run_url, drain=0.5), on_outcome=lose)
    assert (done.fenced, done.is_complete) == (1, True)
    assert "others took over what it had: it goes on with what is left" in caplog.text
    with seen() as view:
        count = view.count()
        assert count.statuses == {"scored": 60}
        assert app.statistics()["duplicates"] <= count.possible_duplicates <= 8


async def test_a_worker_that_can_keep_nothing_ends_and_does_not_pay_again_and_again(evaluator, run_url, sql):
    app = LocalBackend(Switches(latency=0.3))

    async def fence():
        while True:
            sql("UPDATE fi_async.workers SET fenced = true WHERE NOT fenced AND role = 'work'")
            sql("UPDATE fi_async.chunks SET worker = NULL WHERE NOT done")
            await asyncio.sleep(0.1)

    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(10), "contains", eval_config=NEEDLE, run=run_url)
        fencing = asyncio.create_task(fence())
        with pytest.raises(JournalError, match="3 times one after the other, and nothing that it did was kept"):
            await ev.work(RunFile(run_url, drain=0.1))
        fencing.cancel()
    assert app.statistics()["requests"] <= 3 * 4


async def test_what_is_reopened_while_its_chunk_is_at_work_is_not_lost(evaluator, run_url, sql, seen):
    app = LocalBackend(Switches(latency=0.05))
    async with evaluator(app, concurrency=2) as ev:
        await ev.load(texts(10), "contains", eval_config=NEEDLE, run=run_url)
        once = []

        async def reopen():
            sql("UPDATE fi_async.events SET body = replace(body, '\"scored\"', '\"failed\"') WHERE n = 1 AND kind = 5")
            once.append(await ev.reopen(RunFile(run_url, retry=["failed"])))

        def soon(outcome):
            if outcome.index == 0 and not once:
                tasks.append(asyncio.get_running_loop().create_task(reopen()))

        tasks = []
        done = await ev.work(run_url, on_outcome=soon)
        assert (once, done.evaluations) == ([1], 11)
    with seen() as view:
        assert view.count().is_complete


async def test_whatever_clocks_say_all_that_is_kept_has_the_databases_time(evaluator, run_url, sql):
    hour, url = 3_600.0, RunUrl.parse(run_url)
    async with evaluator() as ev:
        ev._session.wall_clock = lambda: time.time() + hour
        await ev.load([*texts(20), {"text": None}], "contains", eval_config=NEEDLE, run=run_url)
        async with WorkerJournal(url, 30.0) as journal:
            journal.write((await journal.claim()).first, EventKind.INTENT)
            await journal.flush()
            status = status_of(url, time.time() - hour)
            assert (status.under_way, status.ambiguous) == (1, 0)
        await ev.work(run_url)
        assert status_of(url, time.time() + 2 * hour).rate > 0
        sql("UPDATE fi_async.events SET body = replace(body, '\"scored\"', '\"failed\"') WHERE n = 1 AND kind = 5")
        await ev.reopen(RunFile(run_url, retry=["failed"]))
    times = [at for (at,) in sql("SELECT at FROM fi_async.passes UNION ALL SELECT at FROM fi_async.events")]
    assert max(abs(at - time.time()) for at in times) < 60


# Control


async def test_a_paused_run_is_left_alone_until_it_is_resumed(evaluator, run_url, caplog):
    app = LocalBackend(Switches(latency=0.02))
    url = RunUrl.parse(run_url)
    async with evaluator(app, concurrency=2) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        change(url, paused=True)
        working = asyncio.create_task(ev.work(run_url))
        while not shared_standing(url).workers:  # noqa: ASYNC110  # it tells through the database alone
            await anyio.sleep(0.01)
        assert app.statistics()["requests"] == 0
        assert shared_standing(url).control.paused
        change(url, paused=False, concurrency=3)
        done = await working
    assert done.evaluations == 60
    assert app.statistics()["duplicates"] == 0
    assert caplog.text.count("it is paused: nothing leaves until fi-async control has it go on") == 1


async def test_a_change_in_mid_run_costs_no_evaluation(evaluator, run_url, monkeypatch, seen):
    app = LocalBackend(Switches(latency=0.05))
    url = RunUrl.parse(run_url)
    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(80), "contains", eval_config=NEEDLE, run=run_url)
        ended = []

        def slow_down(outcome):
            ended.append(outcome)
            if len(ended) == 10:
                change(url, concurrency=8, limits=["1000 requests per second"])

        done = await ev.work(run_url, on_outcome=slow_down)
    assert done.statuses == {"scored": 80}
    assert app.statistics()["duplicates"] == 0


async def test_given_limits_are_kept_by_all_workers_together(evaluator, run_url):
    app = LocalBackend(Switches(latency=0.0))
    async with evaluator(app) as one, evaluator(app) as other:
        limits = [Limit(40, 1.0)]
        await one.load(texts(100), "contains", eval_config=NEEDLE, run=run_url, limits=limits, rows=1)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(one.work(run_url), other.work(run_url))
        assert asyncio.get_running_loop().time() - began > 1.0  # one window at least between the first and the last


async def test_what_takes_outcomes_and_raises_ends_the_worker_and_loses_none(evaluator, run_url, seen):
    app = LocalBackend(Switches(latency=0.01))
    async with evaluator(app, concurrency=4) as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        taken = []

        def take(outcome):
            taken.append(outcome)
            if len(taken) == 7:
                raise LookupError("of the user's own")

        with pytest.raises(LookupError, match="of the user's own"):
            await ev.work(run_url, on_outcome=take)
        with seen() as view:
            ended = view.count().done
        assert 7 <= len(taken) <= ended < 60
        assert (await ev.work(run_url)).evaluations == 60 - ended
    assert app.statistics()["duplicates"] == 0


async def test_a_worker_that_reaches_nobody_ends_before_it_fails_all(evaluator, run_url, seen, unused_port):
    async with AsyncEvaluator("key", "secret", f"http://127.0.0.1:{unused_port}", concurrency=4) as ev:
        options = {"timeout": Timeout(patience=0.1), "max_retries": 0}
        await ev.load(texts(200), "contains", eval_config=NEEDLE, run=run_url, **options)
        with pytest.raises(APIConnectionError, match="no request of this worker reached a server"):
            await ev.work(run_url)
    with seen() as view:
        assert 16 <= view.count().done <= 24


# The disk


async def test_what_is_held_and_what_happened_is_on_the_disk_and_that_a_chunk_is_done_is_not_waited_for(
    evaluator, run_url, sql
):
    await loaded(evaluator, run_url)
    ahead = "SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()"
    waits = []
    async with WorkerJournal(RunUrl.parse(run_url), 30.0) as journal:
        for n in (1, 11):
            ((before,),) = sql("SELECT pg_current_wal_insert_lsn()")
            chunk = await journal.claim()
            assert sql("SELECT pg_current_wal_flush_lsn() > %s::pg_lsn", str(before)) == [(True,)]
            ((before,),) = sql("SELECT pg_current_wal_insert_lsn()")
            journal.write(n, EventKind.INTENT)
            await journal.flush()
            assert sql("SELECT pg_current_wal_flush_lsn() > %s::pg_lsn", str(before)) == [(True,)]
            await journal.finish(chunk)
            waits += sql(ahead)
    assert (True,) in waits  # the server writes by itself now and then
