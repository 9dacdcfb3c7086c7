"""What polling costs and how late it is, over whole runs on the virtual clock."""

from __future__ import annotations

import uuid

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import OutcomeStatus, Timeout
from fi_async.local import Faults, Lognormal
from fi_async.local.store import MemoryStore

pytestmark = pytest.mark.anyio


def grounded(count: int) -> list[dict[str, str]]:
    """Return cases of three keys, of which a request carries three."""
    return [
        {"output": f"Tower {n} is in Paris.", "context": f"Tower {n} stands in Paris.", "input": "Where?"}
        for n in range(count)
    ]


@pytest.mark.parametrize("concurrency", [64, "auto"])
async def test_what_takes_the_same_is_asked_for_once(concurrency):
    app = backend(latency=2.0)
    async with client(app, concurrency=concurrency, strategy="async") as ev:
        report = await ev.gather(grounded(2000), "groundedness")
        told = ev.statistics().polling
    assert report.coverage == 1.0
    assert report.wall_s <= 2.3
    assert app.statistics()["requests"] <= 1.4 * 2000
    assert told.evaluations == 2000
    assert told.polls_per_evaluation == app.statistics()["gets"] / 2000 == report.counts.polls / 2000


async def test_what_takes_long_or_short_is_found_soon_after_it_ends():
    app = backend(latency=Lognormal(2.0, 0.8))
    ended: dict[str, float] = {}
    late: list[bool] = []
    async with client(app, concurrency=64, strategy="async") as ev:
        async for outcome in ev.stream(grounded(500), "groundedness"):
            ended[outcome.eval_id] = anyio.current_time()
        wall = anyio.current_time()
        told = ev.statistics().polling
    slowest = 0.0
    assert isinstance(app._store, MemoryStore)
    for row in app._store._rows.values():
        took = row.ready - row.start
        slowest = max(slowest, took)
        late.append(ended[str(uuid.UUID(bytes=row.id))] - took > max(0.5, 0.1 * took))
    assert len(late) == 500
    assert wall <= 1.05 * slowest
    assert sum(late) <= 0.05 * 500
    assert app.statistics()["requests"] <= 7.05 * 500
    assert told.lateness_s == pytest.approx(0.25, abs=0.15)


async def test_a_stuck_row_ends_by_what_others_took_unless_a_timeout_is_given():
    for timeout, ends in ((Timeout(), (120.0, 140.0)), (Timeout(case=400.0), (400.0, 400.0))):
        app = backend(latency=1.0, faults=Faults(stuck=0.02))
        async with client(app, strategy="async", timeout=timeout) as ev:
            began = anyio.current_time()
            report = await ev.gather(texts(300), "contains", eval_config=NEEDLE)
        stalled = [each for each in report.outcomes if each.status is not OutcomeStatus.SCORED]
        assert {each.status for each in stalled} == {OutcomeStatus.STALLED}
        assert len(stalled) == app.statistics()["faults"]["stuck"] > 0
        assert ends[0] - 1e-6 <= anyio.current_time() - began <= ends[1] + 1e-6


async def test_a_fixed_interval_is_kept_to_by_every_row():
    app = backend(latency=5.0)
    async with client(app, strategy="async", poll_interval=2.0) as ev:
        report = await ev.gather(texts(40), "contains", eval_config=NEEDLE)
    assert report.wall_s == 6.0
    assert app.statistics()["gets"] == 3 * 40
