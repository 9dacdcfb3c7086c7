"""As many requests under way as the server can do with, found by trying, beside the best that is known beforehand."""

from __future__ import annotations

import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import ConcurrencyStatistics
from fi_async.local import Lognormal
from scripted import Scripted, error, scored

pytestmark = pytest.mark.anyio


async def wall(capacity: int | None, concurrency: object, **switches: object) -> float:
    app = backend(latency=Lognormal(1.0, 0.5), capacity=capacity, seed=3, **switches)
    async with client(app, concurrency=concurrency) as ev:
        report = await ev.gather(texts(2000), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    return report.wall_s


@pytest.mark.parametrize("capacity", [8, 32, 128])
async def test_auto_is_as_quick_as_the_best_number(capacity):
    best = min([await wall(capacity, number) for number in (capacity, 2 * capacity)])
    assert await wall(capacity, "auto") <= 1.15 * best


async def test_a_server_that_refuses_what_is_too_much_loses_nothing():
    best = await wall(32, 32, overload="refuse")
    assert await wall(32, "auto", overload="refuse") <= 1.3 * best


async def test_a_number_stays_a_number():
    app = Scripted(error(503), error(503), error(503), error(503), scored())
    async with client(app, concurrency=5) as ev:
        await ev.gather(texts(20), "contains", eval_config=NEEDLE)
        assert ev.statistics().concurrency == ConcurrencyStatistics(limit=5)
        assert repr(ev._session.slots()) == "<Slots 0/5>"


async def test_what_is_found_is_told_with_its_reason():
    async with client(backend(latency=1.0), concurrency="auto") as ev:
        report = await ev.gather(texts(500), "contains", eval_config=NEEDLE)
        told = ev.statistics().concurrency
    assert report.coverage == 1.0
    assert told.limit == 256
    assert told.under_way == 0
    assert "growing" in told.why or "held" in told.why
