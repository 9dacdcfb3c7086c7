"""The queue on a virtual clock, before the embedded backend."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import AuthenticationError, Case, ConfigurationError, InvalidCaseError, NotFoundError, Timeout
from fi_async.background import Offer, Statistics
from fi_async.background.line import OfferLine
from fi_async.background.offers import offer_ids
from scripted import Scripted, error, scored

pytestmark = pytest.mark.anyio


class Taken(list):
    """A sink that keeps what it is given."""

    async def __call__(self, outcome):
        self.append(outcome)

    @property
    def texts(self):
        return [outcome.case.inputs["text"] for outcome in self]


@asynccontextmanager
async def queue_of(app, sink, **given):
    async with client(app) as ev, ev.background("contains", sink=sink, eval_config=NEEDLE, **given) as queue:
        yield queue


async def test_what_is_offered_is_evaluated_and_handed_to_the_sink():
    taken = Taken()
    async with queue_of(backend(latency=1), taken) as queue:
        assert [queue.offer(case) for case in texts(3)] == [True, True, True]
        assert queue.statistics() == Statistics(offered=3, waiting=3)
        assert await queue.drained() is True
        assert anyio.current_time() == 1.0
        assert queue.statistics() == Statistics(offered=3, done=3)
    taken.sort(key=lambda outcome: outcome.index)
    assert [outcome.passed for outcome in taken] == [True, False, False]
    offers = [outcome.case for outcome in taken]
    assert all(type(offer) is Offer for offer in offers)
    assert sorted({offer.offer_id for offer in offers}) == [offer.offer_id for offer in offers]


async def test_leaving_waits_for_what_is_in_the_queue():
    taken = Taken()
    async with queue_of(backend(latency=3), taken, concurrency=16, strategy="sync") as queue:
        for case in texts(40):
            queue.offer(case)
    assert len(taken) == 40
    assert anyio.current_time() == 9.0  # 16 at once
    assert queue.offer({"text": "late"}) is False
    assert queue.statistics() == Statistics(offered=41, dropped=1, done=40)


async def test_what_the_drain_cuts_off_is_counted_and_reported(caplog):
    taken = Taken()
    async with queue_of(backend(latency=3), taken, drain=4.0) as queue:
        for case in texts(40):
            queue.offer(case)
    assert anyio.current_time() == 4.0
    assert queue.statistics() == Statistics(offered=40, dropped=24, done=16, cut_off=24)
    assert caplog.messages == ["cases dropped, not evaluated by the end of the drain: 24"]


async def test_a_block_that_is_cancelled_is_drained_too():
    taken = Taken()

    async def application(begun):
        async with queue_of(backend(latency=3), taken, concurrency=16, strategy="sync") as queue:
            queue.offer(texts(1)[0])
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    running = asyncio.create_task(application(begun))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (len(taken), anyio.current_time()) == (1, 3.0)


async def test_an_exception_in_the_block_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"):
        async with queue_of(backend(), Taken()):
            raise KeyError("mine")


async def test_a_full_queue_drops_and_counts():
    taken = Taken()
    async with queue_of(backend(latency=1), taken, max_queue=2) as queue:
        assert [queue.offer(case) for case in texts(4)] == [True, True, False, False]
        assert await queue.put({"text": "dropped too"}) is False
    assert taken.texts == ["case 0 needle", "case 1 straw"]
    assert queue.statistics() == Statistics(offered=5, dropped=3, done=2)


async def test_put_waits_for_room():
    taken = Taken()
    async with client(backend(latency=1), concurrency=1) as ev:
        asked = {"sink": taken, "eval_config": NEEDLE, "max_queue": 1, "on_full": "wait"}
        async with ev.background("contains", **asked) as queue:
            times = []
            for case in texts(6):
                assert await queue.put(case) is True
                times.append(anyio.current_time())
    # One under way, one that the engine reads ahead, one in the queue.
    assert times == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert queue.statistics() == Statistics(offered=6, done=6)


async def test_room_wakes_one_who_waits_and_not_all():
    line = OfferLine(1, None)
    line.push(Offer({}))
    woken = []

    async def wait(number):
        await line.room()
        woken.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(4)]
    offers = line.offers()
    await anyio.wait_all_tasks_blocked()
    tasks[0].cancel()
    await anext(offers)
    await anyio.wait_all_tasks_blocked()
    assert woken == [1]
    line.push(Offer({}))
    await anext(offers)
    tasks[2].cancel()  # its turn has come, and it does not take it
    await anyio.wait_all_tasks_blocked()
    assert woken == [1, 3]
    await offers.aclose()


async def test_who_waits_for_room_is_told_when_the_queue_closes():
    answers = []
    async with anyio.create_task_group() as tasks, client(backend(latency=1), concurrency=1) as ev:
        asked = {"sink": Taken(), "max_queue": 1, "on_full": "wait", "drain": 0.0}
        async with ev.background("is_json", **asked) as queue:
            for number in range(5):
                tasks.start_soon(lambda number=number: _answered(answers, queue.put({"text": str(number)})))
            await anyio.sleep(0.5)
    assert answers == [True, True, True, False, False]
    assert queue.statistics() == Statistics(offered=5, dropped=5, cut_off=3)


async def _answered(answers, awaitable):
    answers.append(await awaitable)


@pytest.mark.parametrize("wrong", ["text", 7, None])
async def test_what_is_no_case_is_refused_where_it_is_offered(wrong):
    async with queue_of(backend(), Taken()) as queue:
        with pytest.raises(InvalidCaseError, match="a case must be a dict of inputs by key, or a Case, not"):
            queue.offer(wrong)
    assert queue.statistics() == Statistics()


async def test_a_case_that_cannot_be_sent_goes_to_the_sink_as_invalid():
    taken = Taken()
    async with queue_of(backend(), taken) as queue:
        queue.offer(Case({"text": ""}, id="mine"))
    assert [(outcome.status, outcome.case.id) for outcome in taken] == [("invalid", "mine")]
    assert queue.statistics() == Statistics(offered=1, done=1, failed=1)


async def test_inputs_may_change_once_they_are_offered():
    taken, case = Taken(), {"text": "needle"}
    async with queue_of(backend(), taken) as queue:
        queue.offer(case)
        case.clear()
    assert taken[0].passed is True


async def test_a_case_of_two_templates_counts_once():
    taken = Taken()
    async with (
        client(backend()) as ev,
        ev.background(["contains", "is_json"], sink=taken, eval_config={"contains": NEEDLE}) as queue,
    ):
        queue.offer({"text": "[1]"})
        queue.offer({"text": ""})
    assert sorted((outcome.case.inputs["text"], outcome.template) for outcome in taken) == [
        ("", "contains"), ("", "is_json"), ("[1]", "contains"), ("[1]", "is_json"),
    ]  # fmt: skip
    assert queue.statistics() == Statistics(offered=2, done=2, failed=1)


async def test_a_sink_that_raises_ends_nothing_and_shows_no_input(caplog):
    class DownError(Exception):
        pass

    calls = []

    async def sink(outcome):
        calls.append(outcome)
        if len(calls) in (2, 3):
            raise DownError(outcome.case.inputs)

    async with queue_of(backend(), sink) as queue:
        for case in texts(4):
            queue.offer(case)
    assert len(calls) == 4
    assert queue.statistics() == Statistics(offered=4, done=4, sink_errors=2)
    assert type(queue.last_error) is DownError
    assert caplog.messages == ["the sink raised DownError; see last_error"]  # once, until it works again


async def test_a_sink_that_awaits_what_is_cancelled_ends_nothing():
    calls = []

    async def sink(outcome):
        calls.append(outcome)
        raise asyncio.CancelledError

    async with queue_of(backend(), sink) as queue:
        queue.offer({"text": "1"})
        queue.offer({"text": "2"})
    assert len(calls) == 2
    assert queue.statistics() == Statistics(offered=2, done=2, sink_errors=2)
    assert str(queue.last_error) == "the sink awaited what was cancelled"


@pytest.mark.parametrize("raised", [ValueError, StopIteration])
async def test_a_plain_function_is_called_in_a_thread(raised):
    threads = []

    def sink(outcome):
        threads.append(threading.current_thread())
        if len(threads) == 1:
            raise raised

    async with queue_of(backend(), sink) as queue:
        queue.offer({"text": "1"})
        queue.offer({"text": "2"})
    assert len(threads) == 2
    assert threading.current_thread() not in threads
    assert queue.statistics() == Statistics(offered=2, done=2, sink_errors=1)


class Store(Taken):
    """A sink of the other kind, that raises what it is told to."""

    def __init__(self, **raises):
        super().__init__()
        self.raises = raises
        self.calls = []

    def _called(self, name):
        self.calls.append(name)
        if name in self.raises:
            raise self.raises[name]

    def open(self):
        self._called("open")

    def write(self, outcomes):
        self._called("write")
        self.extend(outcomes)

    def close(self):
        self._called("close")


@pytest.mark.parametrize("raised", [ValueError(), StopIteration()])
async def test_a_store_that_raises_ends_nothing(raised):
    store = Store(write=raised)
    async with queue_of(backend(), store) as queue:
        queue.offer({"text": "1"})
        assert await queue.drained(60) is True
    assert store.calls == ["open", "write", "close"]
    assert queue.statistics() == Statistics(offered=1, done=1, sink_errors=1)


async def test_a_function_that_returns_a_coroutine_has_it_awaited():
    taken = Taken()

    def sink(outcome):
        return taken(outcome)

    async with queue_of(backend(), sink) as queue:
        queue.offer({"text": "1"})
    assert taken.texts == ["1"]


async def test_a_store_of_coroutines_has_them_awaited():
    class Awaited(Store):
        async def open(self):
            self._called("open")

        async def write(self, outcomes):
            self._called("write")
            self.extend(outcomes)

        async def close(self):
            self._called("close")

    store = Awaited()
    async with queue_of(backend(), store) as queue:
        queue.offer({"text": "1"})
    assert store.calls == ["open", "write", "close"]
    assert queue.statistics() == Statistics(offered=1, done=1)


async def test_a_slow_sink_slows_the_engine_and_loses_nothing():
    seen = []

    async def sink(outcome):
        await anyio.sleep(1)
        seen.append(outcome)

    async with queue_of(backend(), sink, drain=3600) as queue:
        for case in texts(2000):
            queue.offer(case)
        await anyio.sleep(100.5)
        told = queue.statistics()
        assert (told.done, told.running) == (
            100,
            2 * 256 + 512 + 1,
        )  # twice what may be under way, and what is handed over
    assert (len(seen), anyio.current_time()) == (2000, 2000.0)


async def test_a_sink_that_hangs_holds_up_leaving_for_the_drain_only():
    async def sink(_):
        await asyncio.Event().wait()

    async with queue_of(backend(), sink, drain=5) as queue:
        queue.offer({"text": "1"})
    assert anyio.current_time() == 5.0
    assert queue.statistics() == Statistics(offered=1, dropped=1, cut_off=1)


def test_threads_may_take_ids_at_the_same_time():
    ids, taken, interval = offer_ids(1.0), [], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            for each in [threads.submit(lambda: [next(ids) for _ in range(20_000)]) for _ in range(4)]:
                taken += each.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(set(taken)) == 80_000


async def test_other_threads_may_offer():
    taken = Taken()

    def offer(queue, number):
        for place in range(200):
            queue.offer({"text": f"{number} {place}"})

    async with queue_of(backend(), taken) as queue:
        threads = [threading.Thread(target=offer, args=(queue, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            await anyio.lowlevel.checkpoint()
        assert await queue.drained()
    assert len({*taken.texts}) == 800
    assert queue.statistics() == Statistics(offered=800, done=800)


async def test_who_waits_for_the_rest_is_told_of_what_was_cut_off():
    answers = []
    async with anyio.create_task_group() as tasks, queue_of(backend(latency=10), Taken(), drain=1) as queue:
        queue.offer({"text": "1"})
        tasks.start_soon(lambda: _answered(answers, queue.drained()))
    assert answers == [False]
    assert await queue.drained() is False


async def test_waiting_for_the_rest_has_a_bound():
    async with queue_of(backend(latency=10), Taken()) as queue:
        queue.offer({"text": "1"})
        assert await queue.drained(timeout=2) is False
        assert anyio.current_time() == 2.0


async def test_a_refused_key_pair_ends_the_queue_and_is_raised_on_leaving(caplog):
    app = Scripted(scored(), error(401, "revoked"))
    taken = Taken()
    with pytest.raises(AuthenticationError, match="revoked"):  # noqa: PT012  # on leaving the block
        async with queue_of(app, taken, concurrency=1, rows=1) as queue:
            queue.offer({"text": "1"})
            await queue.drained()
            queue.offer({"text": "2"})
            assert await queue.drained() is False
            assert queue.offer({"text": "3"}) is False
    assert queue.statistics() == Statistics(offered=3, dropped=2, done=1, cut_off=1)
    assert isinstance(queue.error, AuthenticationError)
    assert caplog.messages == [
        "the queue has ended, and takes no more cases: AuthenticationError; see its error",
        "cases dropped, not evaluated by the end of the drain: 1",
    ]


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"max_queue": 0}, ConfigurationError, "max_queue must be a whole number from 1, not 0"),
        ({"on_full": "block"}, ConfigurationError, "on_full must be one of 'drop', 'wait', not 'block'"),
        ({"drain": -1}, ConfigurationError, "drain must be a number of seconds from 0, not -1"),
        ({"sink": 7}, ConfigurationError, "sink must be a function that takes an outcome, or a Sink, not 7"),
        ({"concurrency": 0}, ConfigurationError, 'concurrency must be "auto" or a whole number from 1, not 0'),
        ({"eval_templates": "contians"}, NotFoundError, "contians"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
async def test_what_is_wrong_is_raised_on_entering(given, kind, message):
    async with client(backend()) as ev:
        with pytest.raises(kind) as raised:
            async with ev.background(**{"eval_templates": "contains", "sink": Taken(), **given}):
                pytest.fail("entered")
    assert message in str(raised.value)


async def test_a_sink_that_cannot_be_opened_is_raised_on_entering():
    store = Store(open=PermissionError("no"), close=OSError("not open"))
    with pytest.raises(PermissionError, match="no"):
        async with queue_of(backend(), store):
            pytest.fail("entered")
    assert store.calls == ["open"]


async def test_the_timeout_of_a_call_does_not_end_the_queue():
    taken = Taken()
    async with queue_of(backend(), taken, timeout=Timeout(call=1, case=7)) as queue:
        await anyio.sleep(100)
        queue.offer({"text": "1"})
    assert taken[0].status == "scored"


async def test_its_repr_tells_where_it_stands():
    async with queue_of(backend(), Taken()) as queue:
        queue.offer({"text": "secret"})
        assert repr(queue) == "<BackgroundQueue waiting=1 running=0 done=0 dropped=0>"


async def test_no_task_is_left():
    before = asyncio.all_tasks()
    async with queue_of(backend(latency=60), Taken(), drain=1) as queue:
        queue.offer({"text": "1"})
    assert asyncio.all_tasks() == before
