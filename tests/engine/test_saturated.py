"""A server that has more to do than it can: its queue is not taken for latency, and nobody asks it again and again."""

from __future__ import annotations

import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async.local import Lognormal

pytestmark = pytest.mark.anyio

HERE = 0.002  # seconds that a reply takes beside


@pytest.mark.parametrize(
    ("capacity", "latency", "count"), [(1, 0.04, 500), (4, 0.04, 2000), (2, Lognormal(0.2, 0.5), 500)]
)
async def test_what_was_polled_on_a_saturated_server_is_held_from_then_on(capacity, latency, count):
    switches = {"capacity": capacity, "latency": latency, "overhead": HERE, "seed": 3}
    async with client(backend(**switches)) as ev:
        before = await ev.gather(texts(500), "contains", eval_config=NEEDLE, strategy="async")
        plan = await ev.plan(texts(count), "contains")
        report = await ev.gather(texts(count), "contains", eval_config=NEEDLE)
        after = await ev.plan(texts(count), "contains")
    assert report.coverage == before.coverage == 1.0
    assert report.summary()["polls"] == 0
    assert report.summary()["requests"] == count
    ideal = before.wall_s * count / 500
    assert report.wall_s <= 1.1 * ideal
    assert 60 * plan.minutes == pytest.approx(ideal, rel=0.2)  # no more is promised than the server does
    assert 60 * after.minutes == pytest.approx(ideal, rel=0.15)
    assert (plan.templates[0].strategy, plan.limit.split(",")[0]) == ("sync", "the server")
    median = 0.2 if capacity == 2 else latency
    assert after.templates[0].latency_s == pytest.approx(median, rel=0.75)


async def test_held_requests_that_queue_do_not_begin_polls_in_the_next_run():
    async with client(backend(capacity=2, latency=0.2, overhead=HERE)) as ev:
        first = await ev.gather(texts(500), "contains", eval_config=NEEDLE)
        second = await ev.gather(texts(2000), "contains", eval_config=NEEDLE)
    assert first.summary()["polls"] == second.summary()["polls"] == 0
    assert second.wall_s <= 1.05 * 4 * first.wall_s


async def test_what_became_quicker_is_polled_again():
    app = backend(capacity=8, latency=2.0)
    async with client(app) as ev:
        await ev.gather(texts(500), "contains", eval_config=NEEDLE, strategy="async")
        held = await ev.gather(texts(200), "contains", eval_config=NEEDLE)
        assert held.summary()["polls"] == 0
        app.switches = app.switches.replace(capacity=None)
        await ev.gather(texts(200), "contains", eval_config=NEEDLE)
        report = await ev.gather(texts(3000), "contains", eval_config=NEEDLE)
    assert report.summary()["polls"] >= 2000
    assert report.wall_s <= 14.0  # 24 s, were all of them held
