from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import AsyncEvaluator, AuthenticationError, Counts, Stream, Timeout
from fi_async.local import LocalBackend
from scripted import Scripted, error, scored

pytestmark = pytest.mark.anyio


async def collected(ev, cases, **options):
    return [outcome async for outcome in ev.stream(cases, "contains", eval_config=NEEDLE, **options)]


async def test_outcomes_come_as_they_complete():
    app = Scripted(error(503), scored())
    async with client(app, concurrency=2) as ev:
        outcomes = await collected(ev, texts(3))
    assert [outcome.index for outcome in outcomes] == [1, 2, 0]


class Counted:
    """A source of cases that counts how many were read."""

    def __init__(self, count: int) -> None:
        self.count, self.read = count, 0

    def __iter__(self) -> Iterator[dict[str, str]]:
        for case in texts(self.count):
            self.read += 1
            yield case


@pytest.mark.parametrize("strategy", ["sync", "async"])
async def test_a_slow_consumer_slows_the_reading(strategy):
    cases = Counted(20_000)
    async with client(backend(), concurrency=4, strategy=strategy) as ev:
        taken = 0
        async for _ in (stream := ev.stream(cases, "contains", eval_config=NEEDLE)):
            taken += 1
            await anyio.sleep(1)
            assert cases.read - taken <= {"sync": 2 * 4, "async": 4096}[strategy]
            if taken == 20:
                break
        await stream.aclose()


async def test_leaving_the_loop_stops_the_run():
    tasks = asyncio.all_tasks()
    app = backend(latency=1)
    async with client(app, concurrency=4) as ev:
        async for _ in ev.stream(texts(1000), "contains", eval_config=NEEDLE):
            break
        await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.1)
        assert asyncio.all_tasks() == tasks
        assert app.statistics()["requests"] <= 8
        assert len(await collected(ev, texts(3))) == 3


async def test_a_source_that_waits_holds_up_nothing_else():
    async def trickle() -> AsyncIterator[dict[str, str]]:
        for case in texts(3):
            yield case
            await anyio.sleep(100)

    async with client(backend(latency=1)) as ev:
        outcomes = ev.stream(trickle(), "contains", eval_config=NEEDLE)
        times = [(outcome.index, anyio.current_time()) async for outcome in outcomes]
    assert times == [(0, 1.0), (1, 101.0), (2, 201.0)]


async def test_outcomes_before_an_error_are_handed_out_first():
    app = Scripted(scored(), error(401, "revoked"))
    async with client(app, concurrency=1) as ev:
        outcomes = ev.stream(texts(10), "contains", eval_config=NEEDLE)
        assert (await anext(outcomes)).index == 0
        with pytest.raises(AuthenticationError, match="revoked"):
            await anext(outcomes)


async def test_the_timeout_of_the_call_ends_a_stream_that_never_would():
    def endless() -> Iterator[dict[str, str]]:
        while True:
            yield {"text": "needle"}

    async with client(backend(latency=1), concurrency=2) as ev:
        outcomes = await collected(ev, endless(), timeout=Timeout(call=3.5))
    assert [str(outcome.status) for outcome in outcomes].count("scored") == 6
    assert {str(outcome.status) for outcome in outcomes} == {"scored", "cancelled"}
    assert len(outcomes) <= 6 + 4


async def test_two_streams_share_the_clients_bound():
    app = backend(latency=1)
    async with client(app, concurrency=3) as ev, anyio.create_task_group() as group:
        group.start_soon(collected, ev, texts(9))
        group.start_soon(collected, ev, texts(9))
    assert app.statistics()["peak_in_flight"] == 3


async def test_leaving_the_block_ends_the_run_and_no_request_leaves_later():
    tasks = asyncio.all_tasks()
    app = backend(latency=1)
    counts = []
    async with client(app, concurrency=4) as ev:
        async with ev.stream(texts(1000), "contains", eval_config=NEEDLE) as run:
            assert isinstance(run, Stream)
            async for outcome in run:
                assert (outcome.status, run.counts.requests >= 4) == ("scored", True)
                assert run.statistics().concurrency.limit == 4
                break
            counts.append(run.counts.requests)
        asked = app.statistics()["requests"]
        assert asyncio.all_tasks() == tasks
        await anyio.sleep(100)
        assert app.statistics()["requests"] == asked <= 8
        with pytest.raises(StopAsyncIteration):
            await anext(run)


async def test_an_exception_within_the_block_ends_the_run_and_stays():
    app = backend(latency=1)
    async with client(app, concurrency=4) as ev:

        async def fail() -> None:
            async with ev.stream(texts(1000), "contains", eval_config=NEEDLE) as run:
                async for _ in run:
                    raise LookupError

        with pytest.raises(LookupError):
            await fail()
        asked = app.statistics()["requests"]
        await anyio.sleep(100)
        assert app.statistics()["requests"] == asked


async def test_a_stream_says_what_it_waits_for_itself():
    async with client(backend(latency=5.0), concurrency=2) as ev:
        quick, slow = ev.stream(texts(1), "contains", eval_config=NEEDLE), ev.stream(texts(9), "contains", rows=1)
        async with quick, slow, anyio.create_task_group() as tasks:
            assert quick.statistics().waiting_for is None
            tasks.start_soon(anext, slow)
            await anyio.sleep(1)
            assert (slow.statistics().waiting_for, quick.statistics().waiting_for) == ("concurrency 2", None)
            tasks.cancel_scope.cancel()


async def test_counts_that_are_given_are_those_of_the_stream():
    counts = Counts()
    async with client(backend()) as ev, ev.stream(texts(3), "contains", counts=counts, rows=1) as run:
        assert run.counts is counts
        assert len([outcome async for outcome in run]) == 3
    assert counts.requests == 3


async def test_a_generator_stays_what_it_was_in_other_hands():
    async with client(backend()) as ev:
        outcomes = ev.stream(texts(3), "contains", eval_config=NEEDLE)
        assert (await outcomes.asend(None)).index == 0
        with pytest.raises(KeyError):
            await outcomes.athrow(KeyError("x"))
        async with aclosing(ev.stream(texts(3), "contains")) as others:
            await anext(others)
        assert [outcome async for outcome in others] == []


def test_a_loop_that_is_broken_off_leaves_no_task_to_the_end_of_the_program():
    """Of a task that is cancelled before it begins, Python would say that its coroutine was never awaited."""

    async def first():
        async with AsyncEvaluator.local(LocalBackend()) as ev:
            async for _ in ev.stream(texts(1_000), "contains", eval_config=NEEDLE):
                break
        others = asyncio.all_tasks() - {asyncio.current_task()}
        return len(others)

    assert asyncio.run(first()) <= 1  # that of the event loop which closes the generator
    gc.collect()
