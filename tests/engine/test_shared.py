"""Clients that share a budget keep to it together, and are refused together."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import ConfigurationError, Limit, LimitStatistics
from fi_async.local import Quota

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budget"


async def gathered(clients, count, apart=0.0, **options):
    """Return the reports of all clients' runs of so many cases each, begun so many seconds apart."""
    reports = {}

    async def run(place, ev):
        await anyio.sleep(place * apart)
        reports[place] = await ev.gather(texts(count), "contains", eval_config=NEEDLE, rows=1, **options)

    async with anyio.create_task_group() as tasks:
        for place, ev in enumerate(clients):
            tasks.start_soon(run, place, ev)
    return [reports[place] for place in range(len(clients))]


@pytest.mark.parametrize(("begins", "last_window"), [(0.0, 30.0), (3.7, 26.3), (9.9, 30.1)])
async def test_two_clients_keep_to_one_limit_and_use_it_whole(path, begins, last_window):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    await anyio.sleep(begins)
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        reports = await gathered([one, other], 500, concurrency=32, limits=[Limit(300, per=10.0)])
    assert [report.coverage for report in reports] == [1.0, 1.0]
    assert (app.statistics()["posts"], app.statistics()["refused_requests"]) == (1000, 0)
    assert max(report.wall_s for report in reports) <= 1.05 * last_window + 0.2


async def test_two_clients_keep_to_the_evaluations_of_a_plan(path):
    app = backend(evaluations=(Quota(50, 60.0), Quota(120, 3600.0)), latency=1.0)
    limits = [Limit(50, of="evaluations"), Limit(120, per="hour", of="evaluations")]
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        reports = await gathered([one, other], 100, limits=limits)
    assert [report.coverage for report in reports] == [1.0, 1.0]
    assert app.statistics()["refused_evaluations"] == 0
    assert max(report.wall_s for report in reports) <= 3600 + 60 + 10


async def test_a_client_that_comes_later_finds_what_is_used_and_uses_the_rest(path):
    app = backend(requests=Quota(60, 60.0))
    limits = [Limit(60)]
    async with client(app, shared_budget=path) as one:
        await gathered([one], 40, limits=limits)
    async with client(app, shared_budget=path, limits=limits) as other:
        (report,) = await gathered([other], 20)
        told = other.statistics()
        assert report.wall_s == 0.0
        assert told.limits == (LimitStatistics(60, 60.0, "requests", left=0),)
        assert told.shared_budget == str(path)
        assert told.opens_in_s > 50
    assert app.statistics()["refused_requests"] == 0


async def test_what_is_left_is_told_of_all_clients(path):
    app, limits = backend(), [Limit(60)]
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        await gathered([one, other], 10, limits=limits)
        await gathered([one], 5, limits=limits)
        assert other.statistics().limits[0].left == one.statistics().limits[0].left == 35


async def test_a_refusal_that_one_client_meets_holds_the_other(path):
    app = backend(requests=Quota(40, 10.0), latency=0.2)
    async with client(app, shared_budget=path, concurrency=8) as one, client(app, shared_budget=path) as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gathered, [one], 50)
            await anyio.sleep(5.0)
            assert 0 < app.statistics()["refused_requests"] <= 8
            refused, posts = app.statistics()["refused_requests"], app.statistics()["posts"]
            tasks.start_soon(gathered, [other], 20)
            await anyio.sleep(4.9)
            assert (app.statistics()["posts"], app.statistics()["refused_requests"]) == (posts, refused)
        assert other.statistics().refusals == 0
        assert app.statistics()["refused_requests"] == refused


async def test_a_limit_that_nobody_told_is_learned_together(path):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        reports = await gathered([one, other], 500, concurrency=32)
        learned = [ev.statistics().learned_requests_per_window for ev in (one, other)]
    assert [report.coverage for report in reports] == [1.0, 1.0]
    assert sum(learned) == 300
    assert app.statistics()["refused_requests"] <= 64 + 2 * 3  # those under way, then a probe of each
    assert max(report.wall_s for report in reports) <= 1.05 * 30.0


@pytest.mark.parametrize("strategy", ["sync", "async"])
@pytest.mark.parametrize(("begins", "count"), [(0.0, 2), (3.7, 4)])
async def test_a_plan_that_nobody_told_is_learned_together(path, begins, count, strategy):
    app = backend(evaluations=(Quota(50, 10.0),), latency=0.2)
    await anyio.sleep(begins)
    clients = [client(app, shared_budget=path, strategy=strategy) for _ in range(count)]
    reports = await gathered(clients, 500 // count, apart=0.137, concurrency=32 // count)
    told = [ev.statistics() for ev in clients]
    for ev in clients:
        await ev.aclose()
    assert [report.coverage for report in reports] == [1.0] * count
    assert {each.learned_window_s for each in told} <= {5.0, 10.0}
    assert all(50 <= each.learned_evaluations_per_window <= 66 for each in told)
    assert max(report.wall_s for report in reports) <= 1.05 * (90.0 + 0.2), "as one client that sends all of them"


async def test_one_canary_at_a_time_asks_for_all_clients(path):
    app = backend(evaluations=(Quota(20, 60.0),), latency=1.0)
    clients = [client(app, shared_budget=path, concurrency=4) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gathered, clients, 20)
        await anyio.sleep(20.0)
        refused = app.statistics()["refused_evaluations"]
        waits = [ev.statistics().waiting_for for ev in clients]
        await anyio.sleep(39.9)
        canaries = app.statistics()["refused_evaluations"] - refused
        await anyio.sleep(15.0)
        assert app.statistics()["evaluations_made"] == 40
        tasks.cancel_scope.cancel()
    for ev in clients:
        await ev.aclose()
    assert set(waits) <= {
        "the evaluation that tells whether the evaluation limit is over",
        *(f"evaluation limit, {n} s until one evaluation tells whether it is over" for n in range(9)),
    }
    assert 3 <= canaries <= 6


async def test_a_client_that_comes_later_knows_what_a_window_lets_through(path):
    app = backend(evaluations=(Quota(50, 10.0),), latency=0.2)
    async with client(app, shared_budget=path) as one:
        await gathered([one], 120)
    refused = app.statistics()["refused_evaluations"]
    async with client(app, shared_budget=path) as other:
        (report,) = await gathered([other], 100)
    assert report.coverage == 1.0
    assert app.statistics()["refused_evaluations"] - refused <= 3
    assert report.wall_s <= 20.0


@pytest.mark.parametrize("count", [2, 4])
async def test_short_windows_are_used_whole_by_several_clients(path, count):
    """Of the server's clock each knows what all were told: none counts near a boundary what others need not."""
    app = backend(requests=Quota(40, 2.0), latency=0.1)
    await anyio.sleep(0.63)
    clients = [client(app, shared_budget=path) for _ in range(count)]
    reports = await gathered(clients, 480 // count, apart=0.137, concurrency=32 // count, limits=[Limit(40, per=2.0)])
    for ev in clients:
        await ev.aclose()
    assert app.statistics()["refused_requests"] == 0
    assert max(report.wall_s for report in reports) <= 22.5, "twelve windows, the first begun, the last a latency"


async def test_one_that_is_alone_again_takes_the_others_part(path):
    app = backend(requests=Quota(60, 10.0), latency=0.1)
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path) as other:
        await gathered([one, other], 50, concurrency=16)
        (report,) = await gathered([one], 300, concurrency=16)
    assert report.coverage == 1.0
    assert report.wall_s <= 60.0


async def test_other_keys_have_a_budget_of_their_own(path):
    app, limits = backend(), [Limit(60, per="day")]
    keys = {"fi_api_key": "theirs", "fi_secret_key": "secret"}
    async with client(app, shared_budget=path) as one, client(app, shared_budget=path, **keys) as other:
        await gathered([one], 60, limits=limits)
        (report,) = await gathered([other], 60, limits=limits)
    assert report.wall_s == 0.0


async def test_a_lock_that_passes_is_waited_out(path):
    app = backend()
    async with client(app, shared_budget=path) as ev:
        with closing(sqlite3.connect(path, isolation_level=None)) as another:
            another.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: gathered([ev], 20, limits=[Limit(60)]))
                await anyio.sleep(0.52)
                assert app.statistics()["posts"] == 0
                another.execute("COMMIT")
                await anyio.sleep(0.04)
                assert app.statistics()["posts"] == 20


async def test_a_lock_that_stays_ends_the_run_with_what_was_done(path):
    async with client(backend(latency=1.0), shared_budget=path, concurrency=4) as ev:
        with closing(sqlite3.connect(path, isolation_level=None)) as another:

            async def lock():
                await anyio.sleep(2.5)
                another.execute("BEGIN IMMEDIATE")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lock)
                with pytest.raises(ConfigurationError) as caught:
                    await ev.gather(texts(50), "contains", eval_config=NEEDLE, rows=1, limits=[Limit(60)])
    assert str(caught.value) == (
        f"shared_budget {path} stays locked: end the program that holds it, or name another file"
    )
    assert len(caught.value.report.outcomes) == 12


async def test_a_file_that_is_damaged_in_the_course_of_a_run_ends_it(path):
    async with client(backend(requests=Quota(5, 60.0)), shared_budget=path) as ev:
        with closing(sqlite3.connect(path)) as another:
            another.execute("DROP TABLE learned")
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather(texts(50), "contains", eval_config=NEEDLE)
        with pytest.raises(ConfigurationError):
            ev.statistics()
    assert str(caught.value) == (
        f"shared_budget {path} is damaged, or no shared budget (no such table: learned):"
        " name another file, or delete it once nothing uses it"
    )


async def test_a_refusal_that_cannot_be_told_ends_the_run(path):
    async with client(backend(requests=Quota(5, 60.0), latency=1.0), shared_budget=path) as ev:

        async def damage():
            await anyio.sleep(0.5)
            with closing(sqlite3.connect(path)) as another:
                another.execute("DROP TABLE learned")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(damage)
            with pytest.raises(ConfigurationError, match="no such table: learned"):
                await ev.gather(texts(50), "contains", eval_config=NEEDLE, concurrency=16)


async def test_a_client_may_be_used_again_after_it_was_closed(path):
    ev = client(backend(), shared_budget=path)
    await gathered([ev], 5, limits=[Limit(60)])
    await ev.aclose()
    assert sorted(each.name for each in path.parent.iterdir()) == ["budget"], "SQLite's own files are gone"
    narrow = ev.with_options(concurrency=2)
    await gathered([narrow], 5, limits=[Limit(60)])
    assert ev.statistics().limits[0].left == 50
    await narrow.aclose()
    assert sorted(each.name for each in path.parent.iterdir()) == ["budget"]
