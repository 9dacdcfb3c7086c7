"""Clients that share a budget keep to it together, and are refused together."""

from __future__ import annotations

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import Limit
from fi_async.local import Quota

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budget"


async def gathered(clients, count, **options):
    """Return the reports of all clients' runs of so many cases each, begun together."""
    reports = {}

    async def run(place, ev):
        reports[place] = await ev.gather(texts(count), "contains", eval_config=NEEDLE, rows=1, **options)

    async with anyio.create_task_group() as tasks:
        for place, ev in enumerate(clients):
            tasks.start_soon(run, place, ev)
    return [reports[place] for place in range(len(clients))]


@pytest.mark.parametrize("begins", [0.0, 3.7, 9.9])
async def test_two_clients_keep_to_one_limit_and_use_it_whole(path, begins):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    await anyio.sleep(begins)
    limits = [Limit(300, per=10.0)]
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        first, second = await gathered([one, other], 500, concurrency=32, limits=limits)
        assert one.statistics()["limits"] == other.statistics()["limits"]
        assert one.statistics()["limits"][0]["left"] == 300 - 1000 % 300
        assert one.statistics()["shared_budget"] == str(path)
    assert first.coverage == second.coverage == 1.0
    assert app.statistics()["refused_requests"] == 0
    assert app.statistics()["posts"] == 1000
    bound = 3 * 10.0 - begins + 100 / 64 * 0.2  # three windows that are full, then the rest
    assert max(first.wall_s, second.wall_s) <= 1.2 * bound
    print(first.wall_s, second.wall_s, bound)


async def test_unknown(path):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        first, second = await gathered([one, other], 500, concurrency=32)
    print(first.wall_s, second.wall_s, app.statistics()["refused_requests"], one.statistics(), other.statistics())
    assert 0
