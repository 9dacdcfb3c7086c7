"""Shards of a run: each does its own cases, at its part of what is given."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import Case, ConfigurationError, CostLimitError, Limit, Timeout, template
from fi_async.local import Quota
from judged import CALM, PRICE, Endpoint, talks
from judged import client as judged_by

pytestmark = pytest.mark.anyio


async def gathered(app, of, cases, *asked, **how):
    """The reports of all shards of a run, done at once by a client each, and the seconds that they took."""
    reports: list[Any] = [None] * of

    async def shard(number):
        async with client(app) as ev:
            reports[number - 1] = await ev.gather(cases, *asked, shard=(number, of), **how)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for number in range(1, of + 1):
            tasks.start_soon(shard, number)
    return reports, anyio.current_time() - began


def told(outcomes):
    return [(each.index, each.case.id, each.template, each.status.value, each.passed) for each in outcomes]


async def test_shards_do_together_what_one_run_does():
    cases = [Case(inputs, str(n)) for n, inputs in enumerate([*texts(40), {"text": ""}, {"txt": "odd"}, *texts(5)])]
    reports, _ = await gathered(backend(), 3, cases, ["contains", "is_json"], eval_config={"contains": NEEDLE})
    async with client(backend()) as ev:
        whole = await ev.gather(cases, ["contains", "is_json"], eval_config={"contains": NEEDLE})
    parts = [told(report.outcomes) for report in reports]
    assert sorted(each for part in parts for each in part) == sorted(told(whole.outcomes))
    assert all(parts)
    for part in parts:
        assert part == [each for each in told(whole.outcomes) if each in part]  # in order, a case as a whole
        homes = {each[0] for each in part}
        assert len(part) == 2 * len(homes)
        assert {n - 42 for n in homes if n >= 42} == homes & set(range(5))  # equal cases are together


async def test_a_column_that_is_not_sent_moves_no_case():
    plain, noted = texts(30), [{**each, "note": n} for n, each in enumerate(texts(30))]
    homes = []
    for cases in (plain, noted):
        async with client(backend()) as ev:
            report = await ev.gather(cases, "contains", eval_config=NEEDLE, shard="2/4", extra_keys="ignore")
            homes.append([each.index for each in report.outcomes])
    assert homes[0] == homes[1] != []


@pytest.mark.parametrize(
    ("limit", "quota"),
    [
        (Limit(40, per=10.0), {"requests": Quota(40, 10.0)}),
        (Limit(40, per=10.0, of="evaluations"), {"evaluations": (Quota(40, 10.0),)}),
    ],
    ids=["requests", "evaluations"],
)
async def test_given_limits_are_kept_to_together(limit, quota):
    app = backend(**quota, latency=0.1)
    reports, took = await gathered(
        app, 4, texts(100), "contains", eval_config=NEEDLE, limits=[limit], rows=1, strategy="sync"
    )
    assert [report.coverage for report in reports] == [1.0] * 4
    seen = app.statistics()
    assert (seen["refused_requests"], seen["refused_evaluations"], seen["evaluations_made"]) == (0, 0, 100)
    assert took <= 31.0, "the largest shard has some 30 cases, 10 in each window"


async def test_a_concurrency_that_is_given_is_divided():
    app = backend(latency=1.0)
    reports, _ = await gathered(
        app, 2, texts(60), "contains", eval_config=NEEDLE, concurrency=10, strategy="sync", rows=1
    )
    assert [report.wall_s for report in reports] == [float(-(-len(report.outcomes) // 5)) for report in reports]


async def test_a_limit_that_cannot_be_divided_ends_the_call_before_anything_is_sent():
    app = backend()
    async with client(app) as ev:
        with pytest.raises(ConfigurationError, match="cannot be divided among 8 shards"):
            await ev.gather(texts(3), "contains", eval_config=NEEDLE, limits=[Limit(7)], shard=(1, 8))
    assert app.statistics()["requests"] == 0


async def test_a_judge_has_its_part_of_limits_and_money():
    endpoint = Endpoint(prices={"m": PRICE}, requests=Quota(20, 60.0), latency=0.1)
    judge = endpoint.judge(price=PRICE, limits=[Limit(20)], max_cost=0.0036)
    spent, cut = 0.0, 0
    for number in (1, 2):
        async with judged_by(judge) as ev:
            report = await ev.gather(talks(60), CALM, shard=(number, 2))
            spent += sum(each.cost or 0.0 for each in report.outcomes)
            cut += sum(isinstance(each.error, CostLimitError) for each in report.outcomes)
            limits = [each.count for each in ev.statistics().endpoints[0].limits]
            assert limits == [20, 10]
    assert cut > 0
    assert 0.0018 < spent <= 0.0036
    assert endpoint.counted["refused"] == {}


async def test_a_plan_is_of_the_shards_cases():
    async with client(backend()) as ev:
        plans = [
            await ev.plan(texts(100), "contains", eval_config=NEEDLE, shard=(number, 3), limits=[Limit(30)])
            for number in (1, 2, 3)
        ]
        report = await ev.gather(texts(100), "contains", eval_config=NEEDLE, shard=(2, 3))
    assert sum(plan.cases for plan in plans) == sum(plan.evaluations for plan in plans) == 100
    assert plans[1].cases == len(report.outcomes)


async def test_cases_that_a_timeout_kept_from_being_read_are_the_shards_own():
    app = backend(latency=1.0)
    async with client(app, concurrency=2, strategy="sync") as ev:
        report = await ev.gather(
            texts(3000), "contains", eval_config=NEEDLE, shard=(1, 3), timeout=Timeout(call=1.5), rows=1
        )
        plan = await ev.plan(texts(3000), "contains", eval_config=NEEDLE, shard=(1, 3))
    assert len(report.outcomes) == plan.cases


async def test_objects_without_a_text_of_their_own_are_in_one_shard_each():
    @template
    def first(output) -> float:
        return 1.0

    cases = [{"output": {n}} for n in range(20)]
    reports, _ = await gathered(backend(), 2, cases, first)
    assert sorted(each.index for report in reports for each in report.outcomes) == [*range(20)]
