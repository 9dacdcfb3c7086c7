"""The limit that finds itself, against a simulated server: what a run takes, and what it costs in refusals."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from statistics import median

import pytest

from fi_async.pacing.concurrency import AdaptiveConcurrency

SWEEP = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SEEDS = range(1, 6)
CPU = 0.0006  # what a request costs the client, half as it leaves and half as it comes back
RTT = 0.005
MEAN = 1.1331  # of a lognormal with median 1 s and sigma 0.5


class Fixed:
    """A limit that stays."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def started(self, now):
        pass

    def ended(self, now, latency, *, outcome):
        pass


@dataclass
class Run:
    wall: float = 0.0
    requests: int = 0
    refused: list[float] = field(default_factory=list)
    completed: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)

    def limits_after(self, when: float) -> list[int]:
        return [limit for at, limit in self.limits if at >= when]


def lognormal(rng: random.Random) -> float:
    return rng.lognormvariate(0, 0.5)


class Simulation:
    """A client of one core and a server that evaluates `capacity` requests at once.

    Beyond that they queue; beyond `room` times the capacity they are refused, if room is given. A refused case
    comes back after the SDK's delay. A reply that took longer than `timeout` counts as none.
    """

    def __init__(
        self, control, *, capacity, room=None, cases=2000, latency=lognormal, seed=1, timeout=None, faults=0.0
    ):
        self.control, self.room, self.timeout, self.faults = control, room, timeout, faults
        self.capacity: Callable[[float], int] = capacity if callable(capacity) else lambda _: capacity
        self.rng = random.Random(seed)
        self.latencies = [latency(self.rng) for _ in range(cases)]
        self.heap, self.number = [], 0
        self.waiting = deque((case, 0) for case in range(cases))
        self.queue = deque()
        self.under_way = self.running = 0
        self.cpu_free = 0.0
        self.run = Run()

    def __call__(self) -> Run:
        self.pump(0.0)
        while len(self.run.completed) < len(self.latencies):
            now, _, happens, *data = heapq.heappop(self.heap)
            happens(now, *data)
            self.run.wall = now
        return self.run

    def at(self, when, happens, *data):
        self.number += 1
        heapq.heappush(self.heap, (when, self.number, happens, *data))

    def on_cpu(self, now, happens, *data):
        self.cpu_free = max(self.cpu_free, now) + CPU / 2
        self.at(self.cpu_free, happens, *data)

    def pump(self, now):
        while self.waiting and self.under_way < self.control.limit:
            self.under_way += 1
            self.on_cpu(now, self.send, *self.waiting.popleft())

    def send(self, now, case, failures):
        self.control.started(now)
        self.run.requests += 1
        full = self.room is not None and self.running + len(self.queue) >= int(self.capacity(now) * self.room)
        if full or (self.faults and self.rng.random() < self.faults):
            self.at(now + RTT, self.reply, case, failures, now, "overload")
        else:
            self.queue.append((case, failures, now))
            self.serve(now)

    def serve(self, now):
        while self.queue and self.running < self.capacity(now):
            case, failures, sent = self.queue.popleft()
            self.running += 1
            self.at(now + self.latencies[case], self.served, case, failures, sent)

    def served(self, now, case, failures, sent):
        self.running -= 1
        self.serve(now)
        self.at(now + RTT, self.reply, case, failures, sent, "ok")

    def reply(self, now, case, failures, sent, outcome):
        self.on_cpu(now, self.received, case, failures, sent, outcome)

    def received(self, now, case, failures, sent, outcome):
        if self.timeout is not None and now - sent > self.timeout:
            outcome = "overload"
        self.under_way -= 1
        self.control.ended(now, now - sent, outcome=outcome)
        self.run.limits.append((now, self.control.limit))
        if outcome == "ok":
            self.run.completed.append(now)
        else:
            self.run.refused.append(now)
            longest = min(0.5 * 2 ** min(failures, 4), 8.0)
            self.at(now + self.rng.uniform(longest / 2, longest), self.again, case, failures + 1)
        self.pump(now)

    def again(self, now, case, failures):
        self.waiting.appendleft((case, failures))
        self.pump(now)


def simulate(control, **how) -> Run:
    return Simulation(control, **how)()


@cache
def best_fixed(capacity: int, room: float | None, seed: int) -> float:
    # Half the capacity takes twice as long, and from four times it on nothing is new: those need no simulation. Nor do
    # limits of which a server refuses some all the time: none is quicker by more than 0.5 %, and they take the longest.
    near = [limit for limit in SWEEP if capacity / 2 <= limit <= (room or 4) * capacity]
    return min(simulate(Fixed(limit), capacity=capacity, room=room, seed=seed).wall for limit in near)


def feed(control, now, count, latency, outcome="ok"):
    """So many requests, one after the other; the time after the last."""
    for _ in range(count):
        control.started(now)
        control.ended(now + latency, latency, outcome=outcome)
        now += latency + 0.001
    return now


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("capacity", [8, 32, 128])
def test_a_server_that_queues_is_used_as_well_as_with_the_best_fixed_limit(capacity, seed):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=capacity, seed=seed)
    assert run.wall <= 1.15 * best_fixed(capacity, None, seed)
    assert 0.9 * capacity <= control.limit <= 4 * capacity


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("room", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("capacity", [8, 32, 128])
def test_a_server_that_refuses_is_used_well_and_seldom_has_to(capacity, room, seed):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=capacity, room=room, seed=seed)
    assert run.wall <= 1.3 * best_fixed(capacity, room, seed)
    first_episode = (run.refused or [0.0])[0] + 0.05
    assert sum(when > first_episode for when in run.refused) <= 0.02 * run.requests


@pytest.mark.parametrize("seed", SEEDS)
def test_a_capacity_that_drops_and_refuses_is_followed(seed):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=lambda now: 64 if now < 20 else 8, room=1.0, cases=2000, seed=seed)
    later = [when for when in run.completed if when >= 26]
    assert len(later) / (later[-1] - 26) >= 0.9 * 8 / MEAN
    settled = run.limits_after(26)
    assert sum(7 <= limit <= 9 for limit in settled) >= 0.9 * len(settled)
    assert min(settled) >= 5
    assert sum(when >= 26 for when in run.refused) <= 0.02 * run.requests


@pytest.mark.parametrize("seed", SEEDS)
def test_a_capacity_that_drops_and_queues_shrinks_the_limit(seed):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=lambda now: 64 if now < 20 else 8, cases=2000, seed=seed)
    assert control.statistics()["episodes"] >= 1
    assert median(run.limits_after(100)) <= 50  # it now and then doubles, to see whether there is more
    assert run.wall <= 1.15 * simulate(Fixed(64), capacity=lambda now: 64 if now < 20 else 8, seed=seed).wall


@pytest.mark.parametrize("room", [None, 1.0])
def test_a_capacity_that_grows_is_found(room):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=lambda now: 8 if now < 60 else 64, room=room, cases=3000)
    assert control.limit >= 0.85 * 64
    assert max(limit for when, limit in run.limits if when < 90) >= 56


@pytest.mark.parametrize("latency", [0.2, 2.0, 60.0])
def test_without_a_bound_it_grows_to_the_most_in_as_many_rounds_as_it_takes_to_double(latency):
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=10**9, latency=lambda _: latency)
    reached = next(when for when, limit in run.limits if limit == 256)
    assert reached <= 4 * (latency + 0.1) + 0.2  # 16, 32, 64, 128, 256
    assert control.limit == 256


def test_where_the_client_is_the_bottleneck_it_stays_and_takes_no_harm():
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=10**9, latency=lambda _: 0.01, cases=5000)
    assert run.wall <= 5000 * CPU * 1.05
    assert control.statistics()["episodes"] == 0
    assert control.limit >= 0.01 / CPU


def test_refusals_that_load_does_not_cause_hardly_matter():
    for faults in (0.01, 0.03):
        run = simulate(AdaptiveConcurrency(), capacity=128, faults=faults)
        assert run.wall <= 1.25 * simulate(Fixed(128), capacity=128, faults=faults).wall


def test_work_that_becomes_slower_gets_its_limit_back():
    number = iter(range(2000))

    def latency(rng):
        return lognormal(rng) * (1 if next(number) < 1000 else 6)

    control = AdaptiveConcurrency()
    run = simulate(control, capacity=64, latency=latency)
    assert run.wall <= 1.15 * (1000 + 6000) * MEAN / 64 + 6 * 4  # the last ones, of four times the median, end alone
    assert max(run.limits_after(80)) >= 64


@pytest.mark.parametrize("seed", SEEDS)
def test_quick_and_slow_work_may_be_mixed(seed):
    mixed = {"capacity": 64, "latency": lambda rng: 0.1 if rng.random() < 0.9 else 10.0, "seed": seed}
    run = simulate(AdaptiveConcurrency(), **mixed)
    assert run.wall <= 1.25 * simulate(Fixed(64), **mixed).wall


def test_after_an_outage_it_recovers_in_a_few_rounds():
    control = AdaptiveConcurrency()
    run = simulate(control, capacity=lambda now: 0 if 20 < now < 40 else 64, room=1.0, cases=6000)
    again = next(when for when in run.completed if when >= 40)
    assert next(when for when, limit in run.limits if when >= 40 and limit >= 32) <= again + 40
    assert control.limit >= 50


def test_a_burst_of_timeouts_is_one_episode_and_soon_forgotten():
    control = AdaptiveConcurrency(start=64)
    for _ in range(64):
        control.started(0.0)
    for late in range(40):
        control.ended(30.0 + late / 1000, 30.0 + late / 1000, outcome="overload")
    assert control.limit == 32
    assert control.statistics()["episodes"] == 1
    for late in range(24):
        control.ended(30.1 + late / 1000, 30.1, outcome="ok")
    assert control.limit == 32
    now = 31.0
    for _ in range(8):
        for _ in range(control.limit):
            control.started(now)
        for _ in range(control.limit):
            control.ended(now + 1, 1.0, outcome="ok")
        now += 1
    assert control.limit >= 64


def test_fewer_requests_than_the_limit_say_nothing_of_it():
    control = AdaptiveConcurrency()
    for _ in range(4):
        control.started(0.0)
    for step in range(1000):
        now = 0.25 * (step + 1)
        control.ended(now, 1.0, outcome="ok")
        control.started(now)
    assert control.limit == 16
    assert "fewer requests" in repr(control)


def test_what_says_nothing_of_the_load_changes_nothing():
    control = AdaptiveConcurrency()
    for _ in range(16):
        control.started(0.0)
    for _ in range(16):
        control.ended(1.0, 1.0, outcome="neutral")
    assert control.limit == 16
    assert control.statistics()["under_way"] == 0


def test_one_refusal_or_two_are_no_episode_but_three_are():
    control = AdaptiveConcurrency()
    now = feed(control, 1.0, 2, 0.01, "overload")
    assert control.limit == 16
    feed(control, now, 1, 0.01, "overload")
    assert control.limit == 8
    assert "shrunk: refusals or timeouts at 16" in control.statistics()["why"]


def test_completions_make_up_for_refusals():
    control = AdaptiveConcurrency()
    now = 1.0
    for _ in range(20):
        now = feed(control, now, 1, 0.01, "overload")
        now = feed(control, now, 7, 0.01)
    assert control.statistics()["episodes"] == 0


def test_it_says_why():
    control = AdaptiveConcurrency()
    seen = set()
    run = Simulation(control, capacity=32)
    received = run.received

    def noting(*data):
        received(*data)
        seen.add(str(control.statistics()["why"]).split(" rises")[0].split(" rose")[0])

    run.received = noting
    run()
    assert {"growing: from the start", "growing: throughput", "growing: to see whether there is more"} <= seen
    assert "held: throughput no longer" in seen
    assert set(control.statistics()) == {"limit", "why", "under_way", "throughput", "latency", "episodes"}
    assert control.statistics()["throughput"] == pytest.approx(32 / MEAN, rel=0.2)


@pytest.mark.parametrize(("start", "least", "most", "limit"), [(16, 1, 8, 8), (1, 4, 8, 4), (0, 0, 0, 1), (5, 9, 2, 9)])
def test_it_starts_within_its_bounds(start, least, most, limit):
    assert AdaptiveConcurrency(start, least, most).limit == limit


def test_more_completions_than_are_remembered_are_still_a_rate():
    control = AdaptiveConcurrency(start=2, most=2)
    now = 0.0
    control.started(now)
    for _ in range(100):
        control.started(now)
        now += 0.01
        control.ended(now, 0.01, outcome="ok")
    assert control.statistics()["throughput"] == pytest.approx(100, rel=0.05)
    control.ended(now, now, outcome="ok")
    for _ in range(128):
        control.started(now)
        control.started(now)
        now += 0.01
        control.ended(now, 0.01, outcome="ok")
        control.ended(now, 0.01, outcome="ok")
    assert control.statistics()["throughput"] == pytest.approx(200, rel=0.3)
