"""Capacity and quotas: when evaluations run, and which do not."""

from __future__ import annotations

import itertools

import anyio.lowlevel
import pytest

from fi_async.local import Lognormal, Quota
from fi_async.local.draws import latency, pick, uniform
from fi_async.local.limits import Lanes, Windows
from local.api import PARIS

pytestmark = pytest.mark.anyio

RATE_LIMITED = "API call not allowed: rate_limited"


async def ends(api, eval_ids):
    """Return when each evaluation is done, in seconds from now, by asking every half second."""
    began = api.clock.now
    done = {}
    while len(done) < len(eval_ids):
        for eval_id in eval_ids:
            if (await api.progress(eval_id))["eval_status"] == "completed":
                done.setdefault(eval_id, api.clock.now - began)
        api.clock.now += 0.5
    return [done[eval_id] for eval_id in eval_ids]


async def test_without_capacity_all_run_at_once(start):
    api = start(latency=2.0)
    assert await ends(api, [await api.submit() for _ in range(5)]) == [2.0] * 5


async def test_beyond_capacity_they_queue(start):
    api = start(latency=2.0, capacity=2)
    assert await ends(api, [await api.submit() for _ in range(5)]) == [2.0, 2.0, 4.0, 4.0, 6.0]


async def test_capacity_can_grow_and_shrink_while_it_runs(start):
    api = start(latency=2.0, capacity=3)
    first = [await api.submit() for _ in range(3)]
    api.clock.now += 0.5
    api.backend.switches = api.backend.switches.replace(capacity=1)
    shrunk = await api.submit()
    api.backend.switches = api.backend.switches.replace(capacity=None)
    free = await api.submit()
    assert await ends(api, [*first, shrunk, free]) == [1.5, 1.5, 1.5, 3.5, 2.0]


async def test_sync_requests_wait_for_their_turn(start):
    api = start(latency=2.0, capacity=2)
    began = api.clock.now
    answered = []

    async def evaluate(rows):
        await api.post({**PARIS, "inputs": {"text": ["Paris"] * rows}})
        answered.append((rows, api.clock.now - began))

    async with anyio.create_task_group() as group:
        for rows in (3, 1, 2):
            group.start_soon(evaluate, rows)
    # The one of three rows keeps its lane for six seconds; the other two share the second lane.
    assert sorted(answered) == [(1, 2.0), (2, 6.0), (3, 6.0)]
    assert api.backend.statistics()["peak_in_flight"] == 3
    assert api.backend.statistics()["in_flight"] == 0


async def test_a_sync_client_that_leaves_has_made_its_evaluation(start):
    api = start(latency=60.0)
    async with anyio.create_task_group() as group:
        group.start_soon(api.post, PARIS)
        while not api.backend.statistics()["in_flight"]:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert api.backend.statistics()["evaluations_made"] == 1
    assert api.backend.statistics()["in_flight"] == 0


@pytest.mark.parametrize(("queue_limit", "accepted"), [(None, 2), (3, 5)])
async def test_overload_can_be_refused(start, queue_limit, accepted):
    api = start(latency=2.0, capacity=2, overload="refuse", queue_limit=queue_limit)
    statuses = [(await api.post({**PARIS, "is_async": True})).status_code for _ in range(6)]
    assert statuses == [200] * accepted + [503] * (6 - accepted)
    assert api.backend.statistics()["refused_requests"] == 6 - accepted
    api.clock.now += 2.0
    assert (await api.post({**PARIS, "is_async": True})).status_code == 200


async def test_the_request_quota_is_answered_with_429_until_the_window_ends(start):
    api = start(requests=Quota(5, 60))
    api.clock.now = 60_016.5
    statuses = [(await api.get("get-evals/")).status_code for _ in range(3)]
    statuses += [(await api.post(PARIS)).status_code for _ in range(3)]
    assert statuses == [200] * 5 + [429]

    reply = await api.get("get-evals/")
    assert reply.headers["retry-after"] == "44"
    assert reply.json() == {
        "status": False,
        "result": {
            "code": "RATE_LIMITED",
            "message": "Rate limit exceeded: 5 api requests per minute",
            "retry_after": 44,
        },
    }
    assert (await api.as_key("other").post(PARIS)).status_code == 200
    assert api.backend.statistics()["refused_requests"] == 2
    api.clock.now = 60_060.0
    assert (await api.post(PARIS)).status_code == 200


async def test_evaluations_over_a_quota_end_in_a_500_or_fail_later(start):
    api = start(evaluations=(Quota(2, 60), Quota(3, 3600)), latency=1.0)
    assert [(await api.post(PARIS)).status_code for _ in range(3)] == [200, 200, 500]
    failed = await api.progress(await api.submit())
    assert (failed["eval_status"], failed["result"]["error_message"]) == ("failed", RATE_LIMITED)
    assert (await api.as_key("other").post(PARIS)).status_code == 200

    counted = api.backend.statistics()
    assert (counted["evaluations_made"], counted["refused_evaluations"]) == (3, 2)
    api.clock.now += 60.0
    assert [(await api.post(PARIS)).status_code for _ in range(2)] == [200, 500]  # the hour's third, and over


async def test_a_sync_batch_dies_at_the_row_over_the_quota(start):
    api = start(evaluations=(Quota(2, 60),))
    assert (await api.post({**PARIS, "inputs": {"text": ["Paris"] * 3}})).status_code == 500
    assert api.backend.statistics()["evaluations_made"] == 2


async def test_a_quota_counts_in_the_window_in_which_an_evaluation_starts(start):
    api = start(evaluations=(Quota(1, 60),), latency=30.0, capacity=1)
    api.clock.now = 60_000.0
    results = [await api.submit() for _ in range(4)]
    api.clock.now += 300.0
    statuses = [(await api.progress(eval_id))["eval_status"] for eval_id in results]
    # The second would start within the first's minute; refused, it leaves its place to the third, and so on.
    assert statuses == ["completed", "failed", "failed", "failed"]


def test_windows_forget_what_is_past():
    windows, quota = Windows(), Quota(1, 10)
    for at in range(0, 100, 10):
        assert windows.take("key", [quota], at, at) is None
    assert windows.take("key", [quota], 95, 95) is quota
    assert windows.take("key", [quota], 95, 100) is None
    assert list(windows._used["key", quota]) == [9, 10]


def test_never_more_than_capacity_run_at_once():
    lanes = Lanes()
    spans = []
    for n in range(200):
        now, seconds, capacity = n * 0.25, 1 + uniform(1, "test", n), 4
        start = lanes.start(now, capacity)
        lanes.hold(start, start + seconds, capacity)
        spans.append((start, start + seconds))
    for start, _ in spans:
        assert sum(begin <= start < end for begin, end in spans) <= 4
    assert lanes.waiting(spans[-1][0]) == 0


def test_draws_depend_on_seed_purpose_and_number_only():
    assert uniform(7, "POST", 3) == uniform(7, "POST", 3)
    draws = [uniform(seed, purpose, n) for seed in (1, 2) for purpose in ("POST", "GET") for n in range(1000)]
    assert len(set(draws)) == len(draws)
    assert all(0 < draw < 1 for draw in draws)
    assert sum(draws) / len(draws) == pytest.approx(0.5, abs=0.02)


def test_a_draw_falls_on_names_as_wide_as_their_probability():
    chances = [("a", 0.25), ("none", 0.0), ("b", 0.5)]
    assert [pick(chances, draw) for draw in (0.1, 0.25, 0.7, 0.75)] == ["a", "b", "b", None]


def test_latencies_are_lognormal():
    drawn = sorted(latency(Lognormal(2.0, 0.8), 1, n) for n in range(2001))
    assert drawn[1000] == pytest.approx(2.0, rel=0.1)
    assert drawn[1900] == pytest.approx(2.0 * 2.718 ** (0.8 * 1.645), rel=0.15)
    assert latency(1.5, 1, 0) == 1.5
    assert all(a < b for a, b in itertools.pairwise(drawn))
