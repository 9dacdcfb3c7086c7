"""Cases are put into a run in a database once, whatever is loaded again, and what cannot be meant so is told."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from embedded import NEEDLE, texts
from fi_async import Case, ConfigurationError, JournalError, RunFile
from fi_async._run_url import RunUrl
from fi_async.journal.events import EventKind
from fi_async.local import LocalBackend, Switches
from fi_async.store import store_schema
from fi_async.store.leases import LOADING, LeaseLostError
from fi_async.store.run_control import change
from fi_async.store.store_connection import StoreConnection
from fi_async.store.store_reader import open_run
from fi_async.store.store_storage import StoreStorage
from fi_async.store.worker_journal import WorkerJournal

pytestmark = pytest.mark.anyio


async def test_cases_are_put_in_chunks_and_nothing_is_sent(evaluator, app, run_url, sql):
    async with evaluator() as ev:
        loaded = await ev.load(texts(2_500), "contains", eval_config=NEEDLE, run=run_url)
    assert (loaded.evaluations, loaded.new, loaded.ended, loaded.duplicates) == (2_500, 2_500, 0, 0)
    assert app.statistics()["requests"] == 0
    chunks = sql("SELECT first, last, done FROM fi_async.chunks ORDER BY chunk")
    assert chunks[0] == (1, 25, False)  # a hundred at least, so that workers end at about the same time
    assert [first for first, _, _ in chunks[1:]] == [last + 1 for _, last, _ in chunks[:-1]]
    assert chunks[-1][1] == 2_500


async def test_a_chunk_is_of_200_cases_at_most(evaluator, run_url, sql):
    async with evaluator() as ev:
        await ev.load(iter(texts(450)), "contains", eval_config=NEEDLE, run=run_url)
    assert sql("SELECT first, last FROM fi_async.chunks ORDER BY chunk") == [(1, 200), (201, 400), (401, 450)]


async def test_the_same_cases_again_change_nothing_and_others_are_added_and_removed(evaluator, run_url, seen):
    async with evaluator() as ev:
        await ev.load(texts(30), "contains", eval_config=NEEDLE, run=run_url)
        again = await ev.load(texts(30), "contains", eval_config=NEEDLE, run=run_url)
        assert (again.evaluations, again.new, again.removed) == (30, 0, 0)
        await ev.work(run_url)
        more = await ev.load(texts(40)[5:], "contains", eval_config=NEEDLE, run=run_url)
    assert (more.evaluations, more.new, more.removed, more.ended) == (35, 10, 5, 25)
    with seen() as view:
        assert view.count().pending == 10
        assert len(view.info.passes) == 3


async def test_a_case_that_comes_back_is_evaluated_although_its_chunk_was_done_without_it(evaluator, run_url, seen):
    async with evaluator() as ev:
        await ev.load(texts(20), "contains", eval_config=NEEDLE, run=run_url)
        await ev.load(texts(19), "contains", eval_config=NEEDLE, run=run_url)
        assert (await ev.work(run_url)).evaluations == 19
        await ev.load(texts(20), "contains", eval_config=NEEDLE, run=run_url)
        assert (await ev.work(run_url)).evaluations == 1
    with seen() as view:
        assert view.count().statuses == {"scored": 20}


async def test_equal_cases_are_evaluated_once_wherever_they_stand(evaluator, app, run_url, seen):
    async with evaluator() as ev:
        loaded = await ev.load(iter([*texts(300), *texts(3)]), "contains", eval_config=NEEDLE, run=run_url)
        assert (loaded.evaluations, loaded.duplicates) == (303, 3)
        await ev.work(run_url)
    assert app.statistics()["evaluations_made"] == 300
    with seen() as view:
        outcomes = [record.outcome for record in view.records()]
    assert [each.index for each in outcomes] == list(range(303))
    assert [each.origin for each in outcomes[300:]] == ["duplicate"] * 3
    assert [each.passed for each in outcomes[300:]] == [True, False, False]


async def test_equal_cases_may_be_refused(evaluator, run_url, seen):
    async with evaluator() as ev:
        await ev.load([*texts(3), *texts(1)], "contains", eval_config=NEEDLE, run=RunFile(run_url, duplicates="refuse"))
        await ev.work(run_url)
    with seen() as view:
        assert view.count().statuses == {"scored": 3, "invalid": 1}


async def test_what_cannot_be_sent_has_ended_with_its_load(evaluator, app, run_url, seen):
    cases = [{"text": "needle"}, {"other": "\0 \ud800"}, Case({"text": "straw"}, id="a\0b")]
    async with evaluator() as ev:
        loaded = await ev.load(cases, "contains", eval_config=NEEDLE, run=run_url)
        assert loaded.ended == 1
        await ev.work(run_url)
    with seen() as view:
        outcomes = [record.outcome for record in view.records()]
    assert [each.status.value for each in outcomes] == ["scored", "invalid", "scored"]
    assert outcomes[2].case.id == "a\\u0000b"  # PostgreSQL has no letter with the number 0


async def test_results_of_files_are_reused(evaluator, app, run_url, tmp_path, seen):
    async with evaluator() as ev:
        await ev.gather(texts(5), "contains", eval_config=NEEDLE, run=tmp_path / "before.db")
        kept = RunFile(run_url, reuse=f"{tmp_path}/*.db")
        assert (await ev.load(texts(8), "contains", eval_config=NEEDLE, run=kept)).ended == 5
        assert (await ev.work(run_url)).evaluations == 3
    assert app.statistics()["evaluations_made"] == 8
    with seen() as view:
        assert view.count().statuses == {"scored": 8}


async def test_a_run_of_another_template_or_parameter_is_refused(evaluator, run_url):
    async with evaluator() as ev:
        await ev.load(texts(3), "contains", eval_config=NEEDLE, run=run_url)
        with pytest.raises(ConfigurationError, match="evaluates contains, and not contains with another config"):
            await ev.load(texts(3), "contains", eval_config={"keyword": "straw"}, run=run_url)
        with pytest.raises(ConfigurationError, match="evaluates contains, and not is_json: name another run"):
            await ev.load(texts(3), "is_json", run=run_url)


async def test_one_loads_at_a_time(evaluator, run_url):
    storage = StoreStorage(RunUrl.parse(run_url))
    async with evaluator() as ev:
        await ev.load(texts(1), "contains", eval_config=NEEDLE, run=run_url)
        with open_run(RunUrl.parse(run_url)) as view:
            storage.open(view.info, held_only=False)
        try:
            with pytest.raises(JournalError, match="another process loads this run"):
                await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        finally:
            storage.close()
        assert (await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)).new == 1


async def test_who_loads_goes_on_once_the_server_knows_that_its_connection_was_lost(
    evaluator, run_url, sql, monkeypatch
):
    """A server keeps the lock of a connection that broke for as long as it takes it to be there."""
    url = RunUrl.parse(run_url)
    monkeypatch.setattr("fi_async.store.store_storage._TRIES", 1)
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        ghost = StoreConnection(url)

        async def cases():
            for number, each in enumerate(texts(1_100)):
                yield each
                if number == 1_050:
                    query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                    sql(f"{query} AND classid = {LOADING}")
                    ghost.execute(f"SELECT pg_advisory_lock({LOADING}, run) FROM fi_async.runs")
                    asyncio.get_running_loop().call_later(0.3, ghost.close)

        assert (await ev.load(cases(), "contains", eval_config=NEEDLE, run=run_url)).evaluations == 1_100


async def test_who_loads_does_not_go_on_after_another_has_loaded_meanwhile(evaluator, run_url, sql):
    async with evaluator() as ev:

        async def cases():
            for number, each in enumerate(texts(1_100)):
                yield each
                if number == 1_050:
                    sql(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE classid = {LOADING}")
                    await ev.load(texts(7), "contains", eval_config=NEEDLE, run=run_url)

        with pytest.raises(JournalError, match="another process loaded this run: load it again"):
            await ev.load(cases(), "contains", eval_config=NEEDLE, run=run_url)
    with open_run(RunUrl.parse(run_url)) as view:
        assert view.count().pending == 7


async def test_a_shard_of_a_run_in_a_database_is_refused(evaluator, run_url):
    async with evaluator() as ev:
        with pytest.raises(ConfigurationError, match="leave shard out"):
            await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=run_url, shard="1/2")


async def test_many_runs_live_in_one_database(evaluator, postgres_url, seen):
    async with evaluator() as ev:
        for name in ("nightly", "weekly"):
            await ev.load(texts(4), "contains", eval_config=NEEDLE, run=f"{postgres_url}?run={name}")
        await ev.work(f"{postgres_url}/weekly")
        with seen() as view:
            assert view.count().pending == 4
        with pytest.raises(JournalError, match=r"there is no run 'daily' in this database; it has weekly, nightly"):
            await ev.work(f"{postgres_url}/daily")


async def test_a_run_is_dropped_as_the_guide_says_and_who_works_on_it_ends(evaluator, postgres_url, run_url, sql):
    guide = Path(__file__).parents[2].joinpath("docs/guide/workers.md").read_text(encoding="utf-8")
    drop = next(each for each in re.findall(r"```sql\n(.*?)```", guide, re.DOTALL) if "DELETE" in each)
    app = LocalBackend(Switches(latency=0.05))
    async with evaluator(app, concurrency=2) as ev:
        await ev.load(texts(3), "contains", eval_config=NEEDLE, run=f"{postgres_url}/other")
        await ev.work(f"{postgres_url}/other")
        ended = []

        def take(outcome):
            if not ended:
                sql(drop)
            ended.append(outcome)

        await ev.load(texts(40), "contains", eval_config=NEEDLE, run=run_url)
        with pytest.raises(JournalError, match="there is no run 'nightly' in this database; it has other"):
            await ev.work(RunFile(run_url, drain=0.2), on_outcome=take)
    tables = sql(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'fi_async' AND column_name = 'run'"
    )
    assert len(tables) > 7
    for (table,) in tables:
        assert {run for (run,) in sql(f"SELECT run FROM fi_async.{table}")} <= {1}, table
    with open_run(RunUrl.parse(f"{postgres_url}/other")) as view:
        assert view.count().scored == 3


async def test_tables_of_an_older_version_are_migrated_by_who_writes(evaluator, run_url, sql, monkeypatch):
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        steps = (*store_schema.MIGRATIONS, "ALTER TABLE fi_async.runs ADD COLUMN note text")
        monkeypatch.setattr(store_schema, "VERSION", store_schema.VERSION + 1)
        monkeypatch.setattr(store_schema, "_LIKE_THESE", store_schema.VERSION)
        monkeypatch.setattr(store_schema, "MIGRATIONS", steps)
        with pytest.raises(JournalError, match="an older version of fi-async made its tables"):
            open_run(RunUrl.parse(run_url))
        await ev.work(run_url)
    assert sql("SELECT version FROM fi_async.format") == [(store_schema.VERSION,)]
    assert sql("SELECT note FROM fi_async.runs") == [(None,)]


async def test_whoever_is_at_work_when_tables_are_migrated_is_shut_out(evaluator, run_url, sql, monkeypatch):
    """It would go on with the statements of its own version."""
    url = RunUrl.parse(run_url)
    async with evaluator() as ev:
        await ev.load(texts(20), "contains", eval_config=NEEDLE, run=run_url)

        async def cases():
            for number, each in enumerate(texts(1_100)):
                yield each
                if number == 1_000:  # the first thousand are there
                    monkeypatch.setattr(store_schema, "VERSION", store_schema.VERSION + 1)
                    monkeypatch.setattr(store_schema, "MIGRATIONS", (*store_schema.MIGRATIONS, ""))
                    async with WorkerJournal(url, 30.0):
                        pass

        with pytest.raises(LeaseLostError, match="this worker was silent"):  # noqa: PT012  # on its way out, too
            async with WorkerJournal(url, 30.0) as old:
                held = await old.claim()
                with pytest.raises(LeaseLostError, match="tables, or the run, were changed meanwhile"):
                    await ev.load(cases(), "contains", eval_config=NEEDLE, run=run_url)
                old.write(held.first, EventKind.INTENT)
                await old.flush()
    assert sql("SELECT count(*) FROM fi_async.chunks WHERE worker IS NOT NULL") == [(0,)]
    assert sql("SELECT count(*) < 1100 FROM fi_async.cases") == [(True,)]


async def test_tables_that_somebody_reads_for_long_are_not_waited_for_without_end(evaluator, run_url, monkeypatch):
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        monkeypatch.setattr(store_schema, "_PATIENCE", 0.1)
        steps = (*store_schema.MIGRATIONS, "ALTER TABLE fi_async.cases ADD COLUMN note text")
        with open_run(RunUrl.parse(run_url)):
            monkeypatch.setattr(store_schema, "VERSION", store_schema.VERSION + 1)
            monkeypatch.setattr(store_schema, "MIGRATIONS", steps)
            with pytest.raises(JournalError, match="others use its tables, which a newer version is to change"):
                await ev.work(run_url)
        assert (await ev.work(run_url)).is_complete


async def test_tables_of_the_first_version_are_read_as_they_are_and_worked_on(
    evaluator, run_url, sql, seen, as_of_the_first_version
):
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        as_of_the_first_version()
        with seen() as view:
            assert view.count().pending == 2
        assert change(RunUrl.parse(run_url), concurrency=2).concurrency == 2
        assert sql("SELECT version FROM fi_async.format") == [(1,)]
        assert (await ev.work(run_url)).statuses == {"scored": 2}
    assert sql("SELECT version FROM fi_async.format") == [(store_schema.VERSION,)]


async def test_tables_of_a_newer_version_are_refused(evaluator, run_url, sql):
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        sql("UPDATE fi_async.format SET version = 99")
        for call in (ev.work(run_url), ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)):
            with pytest.raises(JournalError, match=r"a newer version of fi-async made its tables \(version 99"):
                await call


async def test_a_run_whose_first_load_has_not_begun_is_told_as_such(evaluator, run_url, sql):
    async with evaluator() as ev:
        await ev.load(texts(2), "contains", eval_config=NEEDLE, run=run_url)
        sql("DELETE FROM fi_async.passes")
        with pytest.raises(JournalError, match="nightly: no case is loaded into it yet: try again in a moment"):
            await ev.work(run_url)
