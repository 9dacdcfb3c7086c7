"""What judges may cost is the bound of all workers of a run together."""

from __future__ import annotations

import asyncio

import pytest

from fi_async import AsyncEvaluator, CostLimitError, Criteria, Judge
from fi_async._run_url import RunUrl
from fi_async.local import ChatSwitches, LocalBackend, Switches
from fi_async.store.run_control import change

pytestmark = pytest.mark.anyio
CALM = Criteria("calm", "Does {{output}} stay calm?")
PRICE = (1_000.0, 4_000.0)  # so dear that a few cases reach a bound
CASES = [{"output": f"answer {number}"} for number in range(80)]


@pytest.fixture
def chat():
    chat = ChatSwitches(models=frozenset({"m"}), prices={"m": PRICE}, cache=False)
    return LocalBackend(Switches(latency=0.05, chat=chat))


def client(app, **facts):
    settings = {"price": PRICE, "max_tokens": 200, "concurrency": 1, "api_key": "sk-1", **facts}
    return AsyncEvaluator(backends=[Judge("m", base_url="http://127.0.0.1/v1", app=app, **settings)])


def charged(app):
    told = app.chat_statistics()["models"]["m"]
    return told["answered"], float(told["dollars"])


async def test_two_workers_stop_at_one_bound_and_go_on_with_a_higher_one(chat, run_url, seen):
    async with client(chat, max_cost=8.0) as one, client(chat, max_cost=8.0) as other:
        await one.load(CASES, CALM, run=run_url)
        done = await asyncio.gather(one.work(run_url, [CALM]), other.work(run_url, [CALM]))
        answered, dollars = charged(chat)
        # What the other spends until it is known may come on top: two that know nothing of each other would spend 16.
        assert 8.0 - 2 * dollars / answered < dollars < 13.0
        assert [each.is_complete for each in done] == [False, False]
        assert all("max_cost" in each.stopped for each in done)
        with seen() as view:
            assert view.count().statuses == {"scored": answered}
            assert view.spending().dollars == pytest.approx(dollars)
            assert view.count().pending == len(CASES) - answered
        report = await one.gather(CASES, CALM, run=run_url)
        assert [each.index for each in report.outcomes] == list(range(len(CASES)))
        left = [each for each in report.outcomes if each.status == "cancelled"]
        assert len(left) == len(CASES) - answered
        assert {type(each.error) for each in left} == {CostLimitError}
        change(RunUrl.parse(run_url), max_cost=1_000.0)
        done = await asyncio.gather(one.work(run_url, [CALM]), other.work(run_url, [CALM]))
        assert [each.is_complete for each in done] == [True, True]
    assert charged(chat)[0] == len(CASES)
