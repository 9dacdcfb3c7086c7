"""Cases that a load moves while workers are at work on them, and what calls make of it."""

from __future__ import annotations

import asyncio

import pytest

from embedded import NEEDLE, texts
from fi_async import JournalError
from fi_async._run_url import RunUrl
from fi_async.local import LocalBackend, Switches
from fi_async.store.worker_journal import WorkerJournal

pytestmark = pytest.mark.anyio


async def test_a_case_that_takes_the_place_of_one_under_way_does_not_get_its_outcome(evaluator, run_url, seen, sql):
    hits = [{"text": f"needle {number}"} for number in range(20)]
    others = [{"text": f"straw {number}"} for number in range(10)]
    moved = [*hits[:10], *others, *hits[10:]]
    async with evaluator(LocalBackend(Switches(latency=0.2)), concurrency=10) as ev:
        await ev.load(hits, "contains", eval_config=NEEDLE, run=run_url)
        async with WorkerJournal(RunUrl.parse(run_url), 30.0) as other:
            await other.claim()  # so that the worker goes on looking for more
            working = asyncio.create_task(ev.work(run_url))
            while not (await other.standing()).is_held:  # noqa: ASYNC110  # it tells through the database alone
                await asyncio.sleep(0.01)
            await ev.load(moved, "contains", eval_config=NEEDLE, run=run_url)
            # What was added is a chunk of its own, which the worker claims while it has what was moved.
            claimed = "SELECT count(*) FROM fi_async.chunks WHERE first > 20 AND claims > 0"
            while sql(claimed) == [(0,)]:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        await working
    with seen() as view:
        found = [(each.outcome.case.inputs["text"], each.outcome.passed) for each in view.records()]
    assert found == [(each["text"], "needle" in each["text"]) for each in moved]


@pytest.mark.parametrize("how", ["gather", "stream"])
@pytest.mark.parametrize("added", [0, 3])
async def test_no_call_takes_the_outcomes_of_another_loads_cases_for_its_own(how, added, evaluator, run_url):
    app = LocalBackend(Switches(latency=0.05))
    mine, others = texts(20), [{"text": f"straw {number}"} for number in range(20)]
    run = {"eval_config": NEEDLE, "run": run_url}
    async with evaluator(app, concurrency=4) as ev:

        async def called():
            if how == "gather":
                return await ev.gather(mine, "contains", **run)
            async with ev.stream(mine, "contains", **run) as outcomes:
                return [each async for each in outcomes]

        working = asyncio.create_task(called())
        while not app.statistics()["requests"]:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)
        await ev.load(mine, "contains", **run)  # the same: of several programs with these cases, each loads them
        await ev.load([*mine, *others[:added]] if added else others, "contains", **run)
        with pytest.raises(JournalError, match="another load changed its cases while this call worked"):
            await working
