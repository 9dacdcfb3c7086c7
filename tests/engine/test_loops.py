"""One client in several event loops, one after the other: limits that are given hold over all of them."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from clock import EPOCH, VirtualClockLoop
from embedded import NEEDLE, client, texts
from fi_async import Limit
from fi_async.local import LocalBackend, Quota, Switches


class Machine:
    """The time of a machine whose loops count from zeros of their own."""

    def __init__(self):
        self.past = 0.0

    def time(self):
        return self.past + asyncio.get_running_loop().time()

    def run(self, function, *, begins=0.0):
        def begun():
            loop = VirtualClockLoop()
            loop.now = begins
            return loop

        async def timed():
            try:
                return await function()
            finally:
                self.past += asyncio.get_running_loop().time()

        self.past -= begins
        with asyncio.Runner(loop_factory=begun) as runner:
            return runner.run(timed())


def on(machine, **switches):
    return LocalBackend(Switches(**switches), clock=lambda: EPOCH + machine.time(), sleep=anyio.sleep)


@pytest.mark.parametrize("begins", [0.0, 1000.0])
@pytest.mark.parametrize(("of", "quota"), [("requests", Quota(5, 10.0)), ("evaluations", (Quota(5, 10.0),))])
def test_a_limit_that_is_given_holds_over_all_loops(of, quota, begins):
    machine = Machine()
    app = on(machine, latency=0.1, **{of: quota})
    ev = client(app, limits=[Limit(5, per=10.0, of=of)])
    ev._session.steady_clock = machine.time

    async def main():
        async with ev:
            return await ev.gather(texts(4), "contains", eval_config=NEEDLE, strategy="sync", rows=1)

    reports = [machine.run(main, begins=each) for each in (begins, 0.0, 3 * begins, begins)]
    assert [report.coverage for report in reports] == [1.0] * 4
    assert app.statistics()[f"refused_{of}"] == 0
    assert 30.0 <= machine.past <= 31.0, "sixteen, five a window: the fourth window at the earliest, and at once then"


def test_what_a_refusal_taught_is_forgotten_with_its_loop():
    machine = Machine()
    app = on(machine, requests=Quota(5, 10.0))
    ev = client(app)
    ev._session.steady_clock = machine.time

    async def main():
        async with ev:
            await ev.gather(texts(8), "contains", eval_config=NEEDLE, strategy="sync", rows=1)
            return ev.statistics().learned_requests_per_window

    async def later():
        async with ev:
            return ev.statistics()

    assert machine.run(main) == 5
    told = machine.run(later)
    assert told.learned_requests_per_window is None
    assert told.refusals > 0
