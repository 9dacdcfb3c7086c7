"""The numbers of a run in a database, counted chunk by chunk by the database, are those that its events tell."""

from __future__ import annotations

import json
import random

import pytest

from embedded import NEEDLE, texts
from fi_async import RunFile
from fi_async._run_url import RunUrl
from fi_async.cli.status import status_of
from fi_async.journal.commits import KeptEvent
from fi_async.journal.counting import CountedRun
from fi_async.journal.events import EventKind
from fi_async.journal.view import RunView
from fi_async.store import store_schema
from fi_async.store.store_counts import count_run
from fi_async.store.store_reader import open_run
from fi_async.store.store_storage import StoreStorage
from fi_async.store.worker_journal import WorkerJournal

pytestmark = pytest.mark.anyio

USAGE = {"input_tokens": 100, "cached_tokens": 7, "output_tokens": 20}


def numbers(view, *, is_running=False):
    return (
        view.count(is_running=is_running),
        view.spending().as_dict(),
        view.ended_since(0.0),
        view.info.ended_at,
        view.info.passes,
    )


def told_alike(run_url):
    """Return the run's count, as its events and its chunks tell it alike."""
    url = RunUrl.parse(run_url)
    counted, _ = count_run(url)
    with open_run(url) as whole, counted:
        assert type(counted) is CountedRun
        for is_running in (False, True):
            assert numbers(counted, is_running=is_running) == numbers(whole, is_running=is_running)
        return whole.count()


async def test_a_run_that_is_loaded_worked_on_retried_and_loaded_anew(evaluator, run_url):
    async with evaluator() as ev:
        await ev.load(texts(60), "contains", eval_config=NEEDLE, run=run_url)
        assert told_alike(run_url).pending == 60
        await ev.work(run_url)
        assert told_alike(run_url).statuses == {"scored": 60}
        # Ten stand elsewhere, ten are gone, five are new; one is there three times, and one cannot be sent.
        again = [*texts(65)[15:], *texts(5), *texts(20)[19:], *texts(20)[19:], {"other": "?"}]
        await ev.load(again, "contains", eval_config=NEEDLE, run=run_url)
        count = told_alike(run_url)
        assert (count.statuses, count.pending) == ({"scored": 52, "invalid": 1}, 5)
        await ev.work(run_url)
        assert told_alike(run_url).statuses == {"scored": 57, "invalid": 1}


async def test_equal_cases_that_are_refused_and_batches_of_which_none_can_be_sent(evaluator, run_url, sql):
    async with evaluator() as ev:
        cases = [{"other": str(n)} for n in range(250)]
        kept = RunFile(run_url, duplicates="refuse")
        await ev.load([*cases, *texts(3), *texts(2)], "contains", eval_config=NEEDLE, run=kept)
        assert told_alike(run_url).statuses == {"invalid": 252}
        await ev.work(run_url)
    assert told_alike(run_url).statuses == {"scored": 3, "invalid": 252}
    assert sql("SELECT sum(scored), sum(invalid) FROM fi_async.chunks") == [(3, 250)]


async def test_results_of_another_run_cost_nothing_here(evaluator, run_url, tmp_path, sql):
    async with evaluator() as ev:
        await ev.gather(texts(5), "contains", eval_config=NEEDLE, run=tmp_path / "before.db")
        await ev.load(texts(8), "contains", eval_config=NEEDLE, run=RunFile(run_url, reuse=f"{tmp_path}/*.db"))
        assert told_alike(run_url).statuses == {"scored": 5}
        await ev.work(run_url)
    assert told_alike(run_url).statuses == {"scored": 8}


class Writers:
    """Whatever may happen to a run, at random, with outcomes of every kind."""

    def __init__(self, url, rng):
        self.url, self.rng = url, rng
        self.chunks = []

    def body(self):
        rng = self.rng
        cost = rng.choice([{}, {"cost": round(rng.random() / 7, 9)}, {"cost": 1e-07}])
        usage = rng.choice([{}, {"usage": USAGE}, {"usage": {"input_tokens": rng.randrange(1, 99)}}])
        paid = {**cost, **usage}
        body = {"status": "scored", "backend": rng.choice(["cloud", "judge"]), "latency_s": 0.1, "attempts": 1}
        if rng.random() < 0.3:
            body["possible_duplicates"] = rng.randrange(1, 4)
        if rng.random() < 0.2:
            body["origin"] = "reused"
        if rng.random() < 0.5:
            told = {"name": "contains", "output": 'a "cost" of', "reason": "no usage", "backend": body["backend"]}
            return json.dumps({**body, "result": {**told, **paid}}, separators=(",", ":"))
        body["status"] = rng.choice(["failed", "stalled"])
        error = {"type": rng.choice(["JudgeError", "APITimeoutError"]), "message": "it said\0 so"}
        return json.dumps({**body, **paid, "error": error}, separators=(",", ":"))

    async def work(self, journal):
        chunk = await journal.claim()
        if chunk is None:
            return
        for place, case in enumerate(chunk.cases, 1):
            if chunk.past.has_ended(place) or chunk.past.is_removed(place):
                continue
            for kind, body in ((EventKind.INTENT, None), (EventKind.ACCEPTED, "id"), (EventKind.LOST, None)):
                if self.rng.random() < 0.6:
                    journal.write(case.n, kind, body)
            if self.rng.random() < 0.05:
                await journal.flush()
                await journal.give_back()
                return
            journal.write(case.n, EventKind.ENDED, self.body())
        await journal.flush()
        await journal.finish(chunk)

    def change(self, storage, past):
        events = []
        for n in self.rng.sample(range(1, past.count + 1), 12):
            position = self.rng.randrange(1_000, 1_020)
            place = json.dumps([position, None])
            kind = self.rng.choice(
                [EventKind.ALSO, EventKind.REFUSED, EventKind.REMOVED, EventKind.PLACED, EventKind.GONE]
            )
            events.append(KeptEvent(n, kind, 5.0, {EventKind.REMOVED: None, EventKind.GONE: place}.get(kind, place)))
        storage.add(events)
        without = storage.without_score(past)
        if reopened := self.rng.sample(without, min(6, len(without))):
            storage.add([KeptEvent(n, EventKind.REOPENED, 6.0, body) for n, _, body in reopened])


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_to_a_run_chunks_tell_what_events_tell(seed, evaluator, run_url, sql):
    rng = random.Random(seed)
    async with evaluator() as ev:
        await ev.load(texts(150), "contains", eval_config=NEEDLE, run=run_url)
    url = RunUrl.parse(run_url)
    writers = Writers(url, rng)
    counted_and_reopened = 0
    async with WorkerJournal(url, 30.0) as journal:
        for _ in range(10):
            for _ in range(rng.randrange(4)):
                await writers.work(journal)
            told_alike(run_url)
            if rng.random() < 0.5:
                storage = StoreStorage(url, begins_pass=False)
                past = storage.open(journal.info, held_only=True).past
                try:
                    writers.change(storage, past)
                finally:
                    storage.close()
                told_alike(run_url)
                found = sql("SELECT count(*) FROM fi_async.chunks WHERE counted_to IS NOT NULL AND NOT done")
                counted_and_reopened += found[0][0]
    assert counted_and_reopened


async def test_tables_of_the_first_version_are_read_as_they_are_and_counted_by_who_writes(
    evaluator, run_url, sql, as_of_the_first_version
):
    async with evaluator() as ev:
        await ev.load(texts(40), "contains", eval_config=NEEDLE, run=run_url)
        await ev.work(run_url)
        as_of_the_first_version()
        url = RunUrl.parse(run_url)
        view, _ = count_run(url)
        with view:
            assert type(view) is RunView
        assert status_of(url, 0.0).statuses == {"scored": 40}
        await ev.work(run_url)
    assert told_alike(run_url).statuses == {"scored": 40}
    assert sql("SELECT sum(scored), min(version) FROM fi_async.chunks, fi_async.format") == [(40, store_schema.VERSION)]


async def test_who_may_only_read_is_told_how_a_run_stands_and_reads_no_outcome(evaluator, run_url, sql, postgres_url):
    async with evaluator() as ev:
        await ev.load(texts(40), "contains", eval_config=NEEDLE, run=run_url)
        await ev.work(run_url)
    sql("DROP ROLE IF EXISTS looker")
    sql("CREATE ROLE looker LOGIN PASSWORD 'secret'")
    try:
        sql("GRANT USAGE ON SCHEMA fi_async TO looker")
        sql("GRANT SELECT ON ALL TABLES IN SCHEMA fi_async TO looker")
        sql("UPDATE fi_async.events SET body = 'nobody reads it' WHERE kind = 5")
        url = RunUrl.parse(f"postgresql://looker:secret@{postgres_url.partition('@')[2]}/nightly")
        status = status_of(url, 0.0)
    finally:
        sql("DROP OWNED BY looker")
        sql("DROP ROLE looker")
    assert (status.state, status.statuses, status.done) == ("complete", {"scored": 40}, 40)
