"""What takes the least time is found without being told, and said before anything is spent."""

from __future__ import annotations

import json

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import ConfigurationError, Limit, RunPlan, TemplatePlan
from fi_async.local import Lognormal, Quota
from scripted import Scripted, error

pytestmark = pytest.mark.anyio

PAIRS = [{"output": f"case {index}", "expected": f"case {index if index % 2 else -1}"} for index in range(1000)]


# -- strategy="auto", concurrency="auto" -------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", ["auto", 64])
@pytest.mark.parametrize("template", ["levenshtein_similarity", "contains"])
async def test_given_limits_are_planned_with_from_the_first_request(template, concurrency):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    cases, config = (PAIRS, None) if template.startswith("lev") else (texts(1000), NEEDLE)
    async with client(app, concurrency=concurrency) as ev:
        report = await ev.gather(cases, template, eval_config=config, limits=[Limit(300, per=10.0)])
    assert report.coverage == 1.0
    assert app.statistics()["refused_requests"] == 0
    assert report.wall_s <= 1.1 * 10.0
    assert report.summary()["polls"] == report.summary()["possible_duplicates"] == 0


@pytest.mark.parametrize(("concurrency", "most"), [(64, 12.6), (16, 19.2), ("auto", 11.0)])
async def test_limits_that_nobody_told_turn_singles_into_rows(concurrency, most):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    async with client(app, concurrency=concurrency) as ev:
        report = await ev.gather(PAIRS, "levenshtein_similarity")
    assert report.coverage == 1.0
    assert app.statistics()["refused_requests"] <= 64
    assert report.wall_s <= most + 1e-6


@pytest.mark.parametrize("template", ["levenshtein_similarity", "contains"])
async def test_thousands_of_slow_cases_are_polled(template):
    async def wall(strategy: str) -> tuple[float, float]:
        cases, config = (2 * PAIRS, None) if template.startswith("lev") else (texts(2000), NEEDLE)
        async with client(backend(latency=2.0)) as ev:
            report = await ev.gather(cases, template, eval_config=config, strategy=strategy)
        assert report.coverage == 1.0
        return report.wall_s, report.summary()["requests"] / 2000

    held, _ = await wall("sync")
    found, requests = await wall("auto")
    assert held == pytest.approx(22.15)  # 256 at once, in volleys of 64
    assert 8.0 <= found <= 1.05 * 8.0  # the last polls come a little late
    assert requests <= 1.4


@pytest.mark.parametrize(("capacity", "polls"), [(8, 0.5), (32, 0.5), (128, 0.5)])
async def test_a_server_that_does_no_more_at_once_is_not_asked_again_and_again(capacity, polls):
    async def run(strategy: str) -> tuple[float, int]:
        app = backend(latency=Lognormal(1.0, 0.5), capacity=capacity, seed=3)
        async with client(app, strategy=strategy) as ev:
            report = await ev.gather(texts(2000), "contains", eval_config=NEEDLE)
        return report.wall_s, report.summary()["polls"]

    held, _ = await run("sync")
    found, asked = await run("auto")
    assert found <= 1.05 * held
    assert asked <= polls * 2000


async def test_a_handful_of_cases_is_held():
    async with client(backend(latency=2.0)) as ev:
        report = await ev.gather(texts(10), "contains", eval_config=NEEDLE)
    assert (report.wall_s, report.summary()["requests"], report.summary()["polls"]) == (2.0, 10, 0)


async def test_what_was_seen_before_is_planned_with_at_once():
    async with client(backend(latency=4.0), concurrency=4) as ev:
        await ev.gather(texts(8), "contains", eval_config=NEEDLE)
        report = await ev.gather(texts(100), "contains", eval_config=NEEDLE)
        assert report.summary()["polls"] >= 100
        assert (await ev.plan(texts(100), "contains")).templates[0].latency_is == "learned"


@pytest.mark.parametrize("max_retries", [2, 4])
@pytest.mark.parametrize(("drops_at", "latency"), [(10.0, Lognormal(1.0, 0.5)), (7.0, 1.133)])
async def test_a_capacity_that_drops_loses_nothing(drops_at, latency, max_retries):
    switches = {"latency": latency, "seed": 3, "overload": "refuse"}
    app = backend(**switches, capacity=64)
    done = 0

    async def drop() -> None:
        nonlocal done
        await anyio.sleep(drops_at)
        done = app.statistics()["evaluations_made"]
        app.switches = backend(**switches, capacity=8).switches

    async with client(app, max_retries=max_retries) as ev, anyio.create_task_group() as tasks:
        tasks.start_soon(drop)
        report = await ev.gather(texts(2000), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    # Those under way at the drop end on their own; the mean latency is 1.133 s.
    assert report.wall_s <= drops_at + 1.1 * (2000 - done + 64) * 1.133 / 8


async def test_a_server_that_is_down_is_given_up():
    async with client(Scripted(error(503, "down"))) as ev:
        report = await ev.gather(texts(50), "contains", eval_config=NEEDLE)
    assert {str(outcome.status) for outcome in report.outcomes} == {"failed"}
    assert all(outcome.ambiguous == outcome.attempts for outcome in report.outcomes)
    assert max(outcome.attempts for outcome in report.outcomes) <= 16
    assert report.wall_s <= 240.0


# -- ev.plan() ---------------------------------------------------------------------------------------------------------


async def test_a_plan_says_what_a_run_takes_and_sends_nothing():
    app = backend()
    cases = [*PAIRS[:10], PAIRS[0], {"output": "x"}, {"output": "", "expected": "x"}]
    async with client(app) as ev:
        plan = await ev.plan(cases, "levenshtein_similarity", latency=2.0)
    assert app.statistics()["requests"] == 0
    assert plan == RunPlan(
        cases=13,
        templates=[
            TemplatePlan(
                template="levenshtein_similarity",
                evaluations=11,
                requests=11,
                minutes=2.0 / 60,
                strategy="sync",
                rows=1,
                why="one case a request: nothing is quicker",
                limit="16 requests of 2 s at once, growing up to 256",
                latency_s=2.0,
                latency_is="given",
                backend="local",
            )
        ],
        minutes=2.0 / 60,
        limit="16 requests of 2 s at once, growing up to 256",
        duplicates=1,
        invalid=2,
        invalid_because=plan.invalid_because,
    )
    assert [because.partition(":")[0] for because in plan.invalid_because] == ["case 11", "case 12"]
    assert json.loads(json.dumps(plan.as_dict()))["templates"][0]["rows"] == 1
    assert repr(plan) == "<RunPlan 13 cases, 11 evaluations, 11 requests, about 2.0 s>"


async def test_a_plan_is_a_table_for_people():
    async with client(backend(), strategy="sync") as ev:
        plan = await ev.plan([*texts(600), texts(1)[0], {"text": ""}], ["contains", "one_line"], limits=[Limit(100)])
    assert str(plan) == TABLE


TABLE = """\
602 cases, 1,202 evaluations, 172 requests, about 67.0 s. What sets the time: 100 requests per 60 s

template     by  evaluations  requests    time  strategy  rows
contains  local          601        86  21.0 s      sync     7
one_line  local          601        86  21.0 s      sync     7

contains: requests are scarce: 7 rows each run one after the other; 1 s an evaluation, assumed
one_line: requests are scarce: 7 rows each run one after the other; 1 s an evaluation, assumed
duplicates of earlier cases, which would be paid again: 1
invalid cases, which cannot be sent: 1
  case 601: the input 'text' is blank, and the server refuses blank inputs: give it text, or leave this case out
evaluate_pipeline() is one request, but gives aggregates only and may never end: gather() gives every outcome."""


async def test_a_plan_takes_limits_that_are_given():
    async with client(backend()) as ev:
        plan = await ev.plan(PAIRS, "levenshtein_similarity", limits=[Limit(50, of="evaluations")])
    assert plan.limit == "50 evaluations per 60 s"
    assert 21 <= plan.minutes <= 22.1  # a tenth is added for what is repeated


@pytest.mark.parametrize(("latency", "count"), [(2.0, 500), (Lognormal(2.0, 0.8), 300)])
async def test_a_plan_reckons_with_the_polls_that_evaluations_took(latency, count):
    async with client(backend(latency=latency, seed=3), strategy="async") as ev:
        (before,) = (await ev.plan(texts(count), "contains")).templates
        await ev.gather(texts(count), "contains", eval_config=NEEDLE)
        plan = await ev.plan(texts(count), "contains")
        report = await ev.gather(texts(count), "contains", eval_config=NEEDLE)
    (after,) = plan.templates
    assert (before.polls, before.late_s, before.polls_are) == (1.3, 0.25, "assumed")
    assert after.polls_are == "learned"
    assert 0.1 < after.late_s < 0.3
    assert report.summary()["requests"] == pytest.approx(plan.requests, rel=0.1)
    assert (
        str(plan)
        .splitlines()[-2]
        .endswith(f" s an evaluation, learned; {after.polls:.1f} polls each, {after.late_s:.2g} s late, learned")
    )


async def test_a_plan_says_what_it_assumes_of_polls():
    async with client(backend(), strategy="async") as ev:
        plan = await ev.plan(texts(10), "contains", latency=4.0)
    assert str(plan).splitlines()[-2] == (
        'contains: strategy="async"; 4 s an evaluation, given; 1.3 polls each, 1 s late, assumed'
    )
    assert plan.minutes == pytest.approx(5.05 / 60)


@pytest.mark.parametrize(
    ("count", "limit"), [(400, "300 requests per 60 s, an assumed length"), (1000, "300 requests per 10 s")]
)
async def test_a_plan_goes_by_the_window_that_was_learned_or_says_what_it_assumes(count, limit):
    async with client(backend(requests=Quota(300, 10.0), latency=0.2)) as ev:
        await ev.gather(texts(count), "contains", eval_config=NEEDLE, rows=1)
        plan = await ev.plan(texts(3000), "contains", rows=1)
    assert plan.limit == limit


async def test_a_plan_of_nothing_takes_nothing():
    async with client(backend()) as ev:
        plan = await ev.plan([], "contains")
    assert (plan.cases, plan.requests, plan.minutes) == (0, 0, 0.0)


async def test_a_latency_that_is_none_is_refused():
    async with client(backend()) as ev:
        with pytest.raises(ConfigurationError, match="latency must be a number of seconds above 0, not 0"):
            await ev.plan([], "contains", latency=0)


# -- ev.statistics() ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "options", "at", "said"),
    [
        ({"latency": 5.0}, {"concurrency": 4}, 1.0, "concurrency 4"),
        ({"latency": 5.0}, {"strategy": "async", "poll_interval": 3.0}, 1.0, "polls"),
        ({"requests": Quota(5, 10.0)}, {}, 4.0, "request limit, 6 s to the next window"),
        ({}, {"limits": [Limit(5, per=10.0)]}, 4.0, "request limit, 6 s to the next window"),
        ({}, {"limits": [Limit(5, per=10.0, of="evaluations")]}, 4.0, "evaluation limit, 6 s to the next window"),
        ({"latency": 5.0}, {}, 1.0, None),
    ],
)
async def test_it_is_said_what_is_waited_for(switches, options, at, said):
    async with client(backend(**switches)) as ev, anyio.create_task_group() as tasks:
        assert ev.statistics().waiting_for is None
        count = 10 if said else 2
        tasks.start_soon(lambda: ev.gather(texts(count), "contains", eval_config=NEEDLE, rows=1, **options))
        await anyio.sleep(at)
        assert ev.statistics().waiting_for == said
