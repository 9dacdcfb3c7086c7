"""Workers that take permits in lots: never over a limit, and no slower than one machine that has it for itself."""

from __future__ import annotations

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import ConfigurationError, Limit, Timeout
from fi_async.local import Quota
from permits import Permits, worker

pytestmark = pytest.mark.anyio

LATENCY = 0.05


async def done(app, workers, count, **how):
    """The seconds that so many workers take for a part of the cases each, and their reports."""
    reports = []

    async def run(place, ev):
        async with ev:
            reports.append(await ev.gather(texts(count)[place :: len(workers)], "contains", eval_config=NEEDLE, **how))

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for place, ev in enumerate(workers):
            tasks.start_soon(run, place, ev)
    return anyio.current_time() - began, reports


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("cases", [230, 240], ids=["almost four windows", "exactly four windows"])
async def test_requests_are_never_refused_and_take_no_window_more(cases, workers):
    how = {"limits": [Limit(60, per=10.0)], "rows": 1, "strategy": "sync"}
    alone = backend(requests=Quota(60, 10.0), latency=LATENCY)
    took_alone, _ = await done(alone, [client(alone)], cases, **how)
    app, permits = backend(requests=Quota(60, 10.0), latency=LATENCY), Permits()
    await anyio.sleep((-anyio.current_time()) % 10.0)
    took, reports = await done(app, [worker(app, permits) for _ in range(workers)], cases, **how)
    assert app.statistics()["refused_requests"] == 0
    assert [report.coverage for report in reports] == [1.0] * workers
    assert took <= 1.05 * took_alone
    assert permits.exchanges / 4 <= 45 * workers


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
async def test_evaluations_of_a_plan_are_never_stopped_nor_paid_twice(workers):
    app, permits = backend(evaluations=(Quota(40, 10.0),), latency=LATENCY), Permits()
    how = {"limits": [Limit(40, per=10.0, of="evaluations")], "strategy": "sync"}
    took, reports = await done(app, [worker(app, permits) for _ in range(workers)], 180, **how)
    seen = app.statistics()
    assert (seen["refused_evaluations"], seen["duplicates"], seen["evaluations_made"]) == (0, 0, 180)
    assert [report.coverage for report in reports] == [1.0] * workers
    assert took <= 1.05 * (40.0 + LATENCY)


async def test_requests_and_evaluations_together_and_polls_too():
    quotas = {"requests": Quota(100, 10.0), "evaluations": (Quota(150, 60.0),)}
    app, permits = backend(**quotas, latency=2.0), Permits()
    limits = [Limit(100, per=10.0), Limit(150, of="evaluations")]
    took, reports = await done(app, [worker(app, permits) for _ in range(3)], 300, limits=limits, strategy="async")
    seen = app.statistics()
    assert (seen["refused_requests"], seen["refused_evaluations"]) == (0, 0)
    assert [report.coverage for report in reports] == [1.0] * 3
    assert took <= 60.0 + 25.0


@pytest.mark.parametrize("delay", [0.02, 0.3])
async def test_a_store_far_away_costs_time_and_no_refusal(delay):
    app = backend(requests=Quota(100, 10.0), latency=LATENCY)
    permits = Permits(delay)
    took, _ = await done(app, [worker(app, permits) for _ in range(4)], 250, limits=[Limit(100, per=10.0)], rows=1)
    assert app.statistics()["refused_requests"] == 0
    assert took <= 20.0 + 3.0


async def test_what_one_gives_back_another_uses_in_the_same_window():
    app, permits = backend(requests=Quota(60, 60.0), latency=LATENCY), Permits()
    limits = [Limit(60)]

    async def give_back():
        await anyio.sleep(5.0)
        permits.used[window] -= 30

    await anyio.sleep(5.0)
    async with worker(app, permits) as ev:
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, limits=limits)
        (window,) = permits.used
        permits.used[window] += 30
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_back)
            report = await ev.gather(texts(59), "contains", eval_config=NEEDLE, limits=limits, rows=1)
    assert 5.0 <= report.wall_s <= 6.5
    assert permits.used[window] == 60


async def test_nothing_is_held_once_a_run_has_ended():
    app, permits = backend(latency=LATENCY), Permits()
    await anyio.sleep(5.0)
    async with worker(app, permits) as ev:
        for count in (40, 7):
            await ev.gather(texts(count), "contains", eval_config=NEEDLE, limits=[Limit(1000)], rows=1)
            await anyio.sleep(0.1)
    assert list(permits.used.values()) == [47]


async def test_a_dead_holders_permits_come_back_with_the_next_window():
    app, permits = backend(requests=Quota(60, 60.0), latency=LATENCY), Permits()
    await anyio.sleep(5.0)
    async with worker(app, permits) as ev:
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, limits=[Limit(60)])
        (window,) = permits.used
        permits.used[window] = 60
        report = await ev.gather(texts(10), "contains", eval_config=NEEDLE, limits=[Limit(60)], rows=1)
    assert report.coverage == 1.0
    assert 54.0 <= report.wall_s <= 57.0


async def test_nothing_leaves_while_the_store_is_away_and_all_goes_on_after():
    app, permits = backend(latency=LATENCY), Permits()
    events = []
    async with worker(app, permits, concurrency=8) as ev:
        ev._session.on_event = events.append
        ev._session.gate._holds._tell = events.append

        async def away():
            await anyio.sleep(1.0)
            permits.away = "the server closed the connection"
            await anyio.sleep(0.6)
            before = app.statistics()["posts"]
            await anyio.sleep(20.0)
            assert app.statistics()["posts"] == before
            assert "the shared budget, which cannot be reached" in ev.statistics().waiting_for
            permits.away = ""

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(away)
            report = await ev.gather(
                texts(400), "contains", eval_config=NEEDLE, limits=[Limit(10_000)], rows=1, strategy="sync"
            )
    assert report.coverage == 1.0
    assert app.statistics()["posts"] == 400
    held = [event for event in events if getattr(event, "cause", "") == "shared budget away"]
    assert [type(event).__name__ for event in held] == ["HoldBegun", "HoldEnded"]


@pytest.mark.parametrize(("was_reached", "bound"), [(True, 40.0), (False, 30.0)])
async def test_patience_with_a_store_ends(was_reached, bound):
    app, permits = backend(), Permits()
    async with worker(app, permits, limits=[Limit(100)]) as ev:
        if was_reached:
            await ev.gather(texts(1), "contains", eval_config=NEEDLE)
        permits.away = "connection refused"
        began = anyio.current_time()
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather(texts(3), "contains", eval_config=NEEDLE, timeout=Timeout(patience=40.0))
        assert bound <= anyio.current_time() - began <= bound + 6.0
    assert str(caught.value) == (
        f"shared_budget permits could not be reached for {bound:g} s (connection refused): nothing is sent without it."
        " A kept run made again goes on"
    )
    assert app.statistics()["posts"] == was_reached


async def test_a_store_that_never_answers_is_not_waited_for_without_end():
    app, permits = backend(), Permits(delay=1e6)
    async with worker(app, permits, limits=[Limit(100)]) as ev:
        with pytest.raises(ConfigurationError, match=r"could not be reached for 30 s \(it gives no answer\)"):
            await ev.gather(texts(3), "contains", eval_config=NEEDLE)
        assert 30.0 <= anyio.current_time() <= 36.0


async def test_what_trying_again_does_not_mend_ends_the_call_at_once():
    app, permits = backend(), Permits()
    permits.away, permits.is_final = "password authentication failed", True
    async with worker(app, permits, limits=[Limit(100)]) as ev:
        with pytest.raises(ConfigurationError, match="cannot be used: password authentication failed"):
            await ev.gather(texts(3), "contains", eval_config=NEEDLE)
    assert app.statistics()["posts"] == 0


async def test_limits_that_are_not_given_are_learned_by_each():
    app, permits = backend(requests=Quota(60, 10.0), latency=LATENCY), Permits()
    _, reports = await done(app, [worker(app, permits) for _ in range(2)], 150, rows=1)
    assert [report.coverage for report in reports] == [1.0] * 2
    assert permits.exchanges == 0
    assert 0 < app.statistics()["refused_requests"] <= 150
