"""What a store keeps, in memory and in a file, past the end of its backend."""

from __future__ import annotations

import sqlite3

import pytest

from fi_async.local import Faults, Lognormal, Quota
from fi_async.local.store import Made, open_store
from local.api import PARIS

pytestmark = pytest.mark.anyio

RUN = {
    "project_name": "default",
    "version": "v1",
    "eval_data": [{"eval_template": "one_line", "inputs": {"text": ["a", "b\nc"]}}],
}


async def test_what_was_accepted_is_answered_after_a_restart(start, tmp_path):
    first = start(store=tmp_path / "store.db", latency=2.0)
    eval_id = await first.submit(model="turing_small", error_localizer=True)
    await first.post(RUN, path="evaluate-pipeline/")

    second = start(store=tmp_path / "store.db")  # the first was not closed: as after a kill
    assert (await second.progress(eval_id))["eval_status"] == "pending"
    second.clock.now += 2.0
    result = (await second.progress(eval_id))["result"]
    assert (result["value"], result["model"], result["error_localizer_enabled"]) == ("Passed", "turing_small", True)
    report = await second.get("evaluate-pipeline/", project_name="default", versions="v1")
    assert report.json()["result"]["evaluation_runs"][0]["results_summary"] == {"one_line": 50.0}

    await second.post(PARIS)
    counted = second.backend.statistics()
    assert (counted["evaluations_made"], counted["distinct"], counted["duplicates"]) == (4, 3, 1)


async def test_draws_go_on_where_an_earlier_process_stopped(start, tmp_path):
    async def runtimes(*stores):
        ids = [await (api := start(store=store, latency=Lognormal(2.0, 0.8))).submit() for store in stores]
        api.clock.now += 1e6
        return [(await api.progress(eval_id))["result"]["runtime"] for eval_id in ids]

    interrupted = tmp_path / "interrupted.db"
    first, second = await runtimes(interrupted, interrupted)
    assert first != second
    assert await runtimes(tmp_path / "another.db") == [first]


async def test_what_never_ends_still_does_not_after_a_restart(start, tmp_path):
    stuck = await start(store=tmp_path / "store.db", faults=Faults(stuck=1.0)).submit()
    assert (await start(store=tmp_path / "store.db").progress(stuck))["eval_status"] == "pending"


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    opened = open_store(None if request.param == "memory" else tmp_path / "store.db")
    yield opened
    opened.close()


def test_an_empty_store(store):
    assert len(store) == 0
    assert store.made() == Made(0, 0)
    assert store.find(b"x" * 16) is None
    assert store.find_run("key", "default", "v1") is None


@pytest.mark.parametrize("name", [None, "store.db"], ids=["memory", "file"])
async def test_refused_evaluations_are_kept_and_not_counted_as_made(start, tmp_path, name):
    api = start(store=name and tmp_path / name, evaluations=(Quota(1, 60),))
    _, refused = [await api.submit() for _ in range(2)]
    assert (await api.progress(refused))["eval_status"] == "failed"
    assert api.backend.statistics()["evaluations_made"] == 1


async def test_a_store_in_which_a_template_is_unknown(start, tmp_path):
    api = start(store=tmp_path / "store.db")
    eval_id = await api.submit()
    with sqlite3.connect(tmp_path / "store.db") as database:
        database.execute("update evaluations set template = 'gone'")
    database.close()
    with pytest.raises(LookupError, match="'gone'"):
        await api.get(eval_id=eval_id)
