"""What a kept run has spent: over all of its passes, of failed cases too, and as its file tells."""

from __future__ import annotations

import pytest

from embedded import backend
from fi_async import AsyncEvaluator, CostLimitError, Criteria, Judge, JudgeError, OutcomeStatus, RunFile
from fi_async._spending import Spending
from fi_async.journal.view import open_view
from fi_async.local import ChatFaults, ChatSwitches
from fi_async.reports.run_files import load_run, outcomes_of

CALM = Criteria("calm", "Does {{output}} stay calm?")
CASES = [{"output": f"answer {number}"} for number in range(40)]
PRICES = {"m": (1_000.0, 4_000.0)}  # so dear that a few cases reach a bound

pytestmark = pytest.mark.anyio


def chat(**switches):
    return backend(chat=ChatSwitches(models=frozenset({"m"}), prices=PRICES, cache=False, **switches))


def evaluator(app, **facts):
    settings = {"price": PRICES["m"], "max_tokens": 200, "concurrency": 1, "api_key": "sk-1", **facts}
    return AsyncEvaluator(backends=[Judge("m", base_url="http://127.0.0.1/v1", app=app, **settings)])


async def gathered(app, path, cases=CASES, *, retry=(), **facts):
    async with evaluator(app, **facts) as ev:
        return await ev.gather(cases, CALM, run=RunFile(path, retry=retry))


def charged(app):
    told = app.chat_statistics()["models"]["m"]
    return told["answered"], float(told["dollars"])


def of_file(path):
    spending = Spending()
    for each in outcomes_of(load_run(path)):
        spending.add(each)
    with open_view(path) as view:
        assert view.spending().as_dict() == spending.as_dict()
    return spending.as_dict()


async def test_a_bound_counts_what_earlier_passes_spent(path):
    app = chat()
    stopped = await gathered(app, path, max_cost=5.0)
    answered, cost = charged(app)
    assert 0 < answered < len(CASES)
    assert cost <= 5.0
    left = [each for each in stopped.outcomes if each.status is OutcomeStatus.CANCELLED]
    assert len(left) == len(CASES) - answered
    assert {type(each.error) for each in left} == {CostLimitError}
    assert stopped.summary()["cost"] == pytest.approx(cost, abs=1e-9)

    again = await gathered(app, path, max_cost=5.0)
    assert charged(app) == (answered, cost)
    assert again.summary() | {"wall_s": 0} == again.summary() | {"wall_s": 0, "cost": stopped.summary()["cost"]}

    all_of_them = await gathered(app, path, max_cost=100.0)
    assert all_of_them.coverage == 1.0
    assert charged(app)[0] == len(CASES)
    assert all_of_them.summary()["cost"] == pytest.approx(charged(app)[1], abs=1e-9)
    assert of_file(path) == {name: all_of_them.summary()[name] for name in ("cost", "unknown_cost", "tokens")}


async def test_what_a_failure_took_is_counted_on_when_it_is_tried_again(path):
    app = chat(faults=ChatFaults(missing_field=1.0))
    failed = await gathered(app, path, CASES[:4])
    assert {type(each.error) for each in failed.outcomes} == {JudgeError}
    assert failed.summary()["cost"] == pytest.approx(charged(app)[1])
    app.switches = app.switches.replace(chat=app.switches.chat.replace(faults=ChatFaults()))
    scored = await gathered(app, path, CASES[:4], retry=["failed"])
    assert scored.coverage == 1.0
    assert charged(app)[0] == 4 * 2 + 4  # each was asked once more for a verdict before it failed
    assert scored.summary()["cost"] == pytest.approx(charged(app)[1])
    assert of_file(path)["cost"] == scored.summary()["cost"]
    before = charged(app)
    await gathered(app, path, CASES[:5], max_cost=before[1])
    assert charged(app) == before


async def test_what_another_run_paid_for_costs_nothing_here(path, tmp_path):
    app = chat()
    first = tmp_path / "first.db"
    await gathered(app, first, CASES[:3])
    before = charged(app)
    for _ in range(2):
        async with evaluator(app) as ev:
            report = await ev.gather([*CASES[:3], CASES[0]], CALM, run=RunFile(path, reuse=str(first)))
        assert charged(app) == before
        assert (report.summary()["cost"], report.summary()["tokens"]) == (None, None)
        assert [each.cost is not None for each in report.outcomes] == [True] * 4
        assert of_file(path)["cost"] is None


async def test_an_equal_case_costs_once(path):
    app = chat()
    report = await gathered(app, path, [CASES[0], CASES[1], CASES[0]])
    assert report.summary()["cost"] == pytest.approx(charged(app)[1])
    assert of_file(path)["cost"] == report.summary()["cost"]


async def test_a_cost_that_nobody_knows_is_said_and_not_nothing(path):
    report = await gathered(backend(chat=ChatSwitches(usage=False)), path, CASES[:3])
    assert report.coverage == 1.0
    assert of_file(path) == {"cost": None, "unknown_cost": 3, "tokens": None}
    assert repr(report).endswith("unknown cost of 3 answers>")
