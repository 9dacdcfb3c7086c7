"""The SQL sink before a real PostgreSQL, which the session starts; skipped where there is none."""

from __future__ import annotations

import threading

import pytest

from fi_async import AsyncEvaluator, EvalResult, Evaluator, Outcome, OutcomeStatus
from fi_async.background import Offer, SqlSink, Statistics

sa = pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")


@pytest.fixture
def postgres(postgres_url):
    return postgres_url.replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture
def engine(postgres):
    engine = sa.create_engine(postgres)
    yield engine
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
