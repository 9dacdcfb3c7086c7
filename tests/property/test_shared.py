"""Whatever several clients of one budget do, and in whatever order: never over a limit, and none waits for nothing."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async._connection import Connection, Credentials
from fi_async._settings import Limit
from fi_async.engine.shared_budget import SharedBudget
from fi_async.pacing.gate import Gate
from fi_async.pacing.quota import OVERDUE
from fi_async.pacing.ticket import Need, Terms

EPOCH = 1.7e9
CONNECTION = Connection("https://evals.test", Credentials("key", "secret"))


class Client:
    """A gate in a process of its own, whose loop's clock begins anywhere."""

    def __init__(self, path: Path, begins: float, skew: float, limits: list[Limit]) -> None:
        self.path, self.begins, self.skew, self.limits = path, begins, skew, limits
        self.start(0.0)

    def start(self, now: float) -> None:
        """Begin as a process does, that knows nothing but the file."""
        self.budget = SharedBudget(self.path, CONNECTION, wall_clock=lambda: self.time + self.skew)
        self.gate, self.terms = Gate(self.budget, limits=self.limits), Terms()
        self.time = now + EPOCH

    def ask(self, now: float, rows: int) -> float:
        """Take what a request needs, and return the time; or the later time at which to ask again."""
        self.time, ours = now + EPOCH, now + self.begins
        need = Need(post=True, rows=rows)
        opens = self.gate.opens_at(ours, need, self.terms)
        assert opens < math.inf, "every answer is in"
        if opens <= ours:
            ticket = self.gate.issue(ours, need, self.terms)
            if ticket is not None:
                self.ticket = ticket
                return now
            opens = self.gate.opens_at(ours, need, self.terms)
            assert opens > ours, "what was refused has to wait for something"
        return opens - self.begins

    def answered(self, now: float, arrived: float) -> None:
        self.ticket.answered(now + self.begins, 200, float(math.floor(arrived + EPOCH)))


STEPS = st.tuples(
    st.integers(0, 2), st.floats(0, 2), st.integers(1, 3), st.sampled_from(["sent"] * 6 + ["crashed", "closed"])
)


NUMBERS = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))


@settings(deadline=None, max_examples=60)
@given(
    counts=st.tuples(st.integers(1, 12), st.integers(3, 20)),
    length=st.sampled_from([1.0, 7.5, 10.0, 60.0]),
    clocks=st.tuples(NUMBERS, st.floats(-0.9, 0.9)),
    steps=st.lists(STEPS, min_size=1, max_size=60),
    transit=st.floats(1e-6, 0.2),  # with none at all, a rounding decides on which side of a boundary a request arrives
)
def test_no_window_is_overfilled_and_every_request_leaves(counts, length, clocks, steps, transit):
    (requests, evaluations), (begins, skew) = counts, clocks
    limits = [Limit(requests, per=length), Limit(evaluations, per=2 * length, of="evaluations")]
    sent: Counter[int] = Counter()
    started: Counter[int] = Counter()
    now = 0.0
    with tempfile.TemporaryDirectory() as directory:
        clients = [Client(Path(directory) / "budget", each, skew, limits) for each in begins]
        for who, gap, rows, what in steps:
            client = clients[who]
            now += gap
            asked = now
            while (then := client.ask(now, rows)) > now:
                now = then
                assert now <= asked + 4 * length + 4, "a window of the other limit, and the clocks' uncertainty"
            if what == "crashed":
                client.budget.disconnect()
                client.start(now)
                continue
            if what == "closed":
                client.budget.disconnect()
            arrived = now + transit
            sent[math.floor((arrived + EPOCH) / length)] += 1
            started[math.floor((arrived + EPOCH) / (2 * length))] += rows
            client.answered(arrived + transit, arrived)
            now = arrived + transit
        for client in clients:
            client.budget.disconnect()
    assert max(sent.values(), default=0) <= requests
    assert max(started.values(), default=0) <= evaluations


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 40),
    asks=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 2)), max_size=80),
)
def test_a_window_that_has_room_refuses_nobody(count, asks):
    used: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        limits = [Limit(count, per=10.0, of="evaluations")]
        clients = [Client(Path(directory) / "budget", 0.0, 0.0, limits) for _ in range(3)]
        for who, rows, window in sorted(asks, key=lambda ask: ask[2]):
            fits = used[window] + rows <= max(count, rows)
            now = 10.0 * window + 5.0
            assert (clients[who].ask(now, rows) == now) == fits
            used[window] += rows if fits else 0
        for client in clients:
            client.budget.disconnect()


class Plan:
    """A server that lets so many evaluations through in each window, and says nothing of it before they are refused."""

    def __init__(self, count: int, length: float) -> None:
        self.count, self.length = count, length
        self.passed: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()

    def evaluates(self, now: float) -> bool:
        window = math.floor((now + EPOCH) / self.length)
        passes = self.passed[window] < self.count
        (self.passed if passes else self.refused)[window] += 1
        return passes


TURNS = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 1.5), st.floats(0, 0.2), st.sampled_from(["told"] * 15 + ["crashed"])),
    min_size=40,
    max_size=120,
)


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, 20), length=st.sampled_from([10.0, 60.0]), begins=NUMBERS, turns=TURNS)
def test_a_plan_that_nobody_told_is_kept_to_together(count, length, begins, turns):
    """One canary at a time between all clients, whoever of them ends without a word; and none waits for ever."""
    plan, now, canaries = Plan(count, length), 0.0, 0.0
    # Looks at a canary that will not come back would be most of what this test does.
    with tempfile.TemporaryDirectory() as directory, patch("fi_async.pacing.gate._LOOK_AGAIN", 1.0):
        clients = [Client(Path(directory) / "budget", each, 0.3, []) for each in begins]
        for who, gap, took, what in turns:
            client = clients[who]
            now += gap
            asked = now
            while (then := client.ask(now, 1)) > now:
                now = then
                assert now <= asked + 1.25 * length + OVERDUE + 10, "a window, its canaries, and one that was lost"
            if client.ticket.canary is not None:
                assert now >= canaries - 1e-6, "another client's is out"
                canaries = now + (OVERDUE if what == "crashed" else 0.0)
            passes = plan.evaluates(now)
            if what == "crashed":
                client.budget.disconnect()
                client.start(now)
                continue
            client.answered(now + took, now)
            now += took
            if passes:
                client.gate.canaries.ran(client.ticket.canary, 0.0)
            else:
                client.gate.canaries.stopped(client.ticket.canary, now + client.begins, since=now + client.begins)
        for client in clients:
            client.budget.disconnect()
