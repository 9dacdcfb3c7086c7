"""The real gate, told anything in any order: whatever it is told, it opens again, and no limit is ever exceeded.

The liveness invariant: if no ticket is out, the time from which any request may leave is finite.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fi_async._connection import Connection, Credentials
from fi_async._settings import Limit
from fi_async.engine.shared_budget import SharedBudget
from fi_async.pacing.gate import Gate
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Canary, Need, Terms, Ticket

EPOCH = 1.7e9
CONNECTION = Connection("https://evals.test", Credentials("key", "secret"))
NEEDS = (Need(), Need(post=True), Need(post=True, rows=1), Need(post=True, rows=3))
STATUSES = (200, 200, 200, 302, 400, 404, 500, 503)
RETRY_AFTERS = (None, 0.0, 0.5, 7.0, 44.0, 1e9)
IDS = ("a", "b")
LOOKS = 1.0  # seconds from one look at another client's canary to the next: shorter ones would be most of the time
MOST_LOOKS = 400  # until a request leaves: each is at least a second later than the one before

owns = st.integers(0, 1)
which = st.integers(0, 50)


@dataclass
class Arrival:
    """A request that the server received, at this time of its clock."""

    at: float
    client: int
    terms: int
    need: Need


@dataclass
class Out:
    """A request under way."""

    ticket: Ticket
    client: int
    terms: int
    loop: object
    arrived: float | None = None  # our time; None while its connection is being opened


class Client:
    """A gate in a process of its own, whose loop counts from a zero of its own, and three kinds of runs."""

    def __init__(self, budget: SharedBudget | None, begins: float, limits: list[Limit], own: Limit) -> None:
        self.gate = Gate(budget, limits=limits)
        self.goes_by_another_loop(begins)
        self.gate.keep_count_of([own])
        shared = Slots(4)
        self.terms = (Terms(shared), Terms(Slots(1), [own], 40.0), Terms(Slots("auto"), patience=0.0))
        self.canaries: list[Canary] = []

    def goes_by_another_loop(self, begins: float) -> None:
        self.loop, self.begins = object(), begins
        self.gate.go_by(self.loop, -begins)  # the machine's own time is what is the same in all loops


class Gates(RuleBasedStateMachine):
    """One or two clients, which may share a budget, before a server that may tell the time."""

    @initialize(
        is_shared=st.booleans(),
        begins=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
        server=st.tuples(
            st.floats(0, 60),
            st.floats(-0.9, 0.9),
            st.floats(1e-3, 0.2),
            st.sampled_from(["never", "sometimes", "always"]),
        ),
        counts=st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6)),
    )
    def start(self, is_shared, begins, server, counts):
        self.now, self.is_shared = 0.0, is_shared
        past, self.skew, self.transit, self.dates = server
        self.offset = EPOCH + past
        self.limits = [] if counts is None else [Limit(counts[0], per=10), Limit(counts[1], per=20, of="evaluations")]
        self.own = Limit(2, per=5)
        self.directory = tempfile.TemporaryDirectory()
        self.patch = patch("fi_async.pacing.gate._LOOK_AGAIN", LOOKS)
        self.patch.start()
        path = Path(self.directory.name) / "budget"
        self.budgets = [SharedBudget(path, CONNECTION, self._wall_clock) for _ in begins] if is_shared else [None] * 2
        self.clients = [Client(*each, self.limits, self.own) for each in zip(self.budgets, begins, strict=True)]
        self.out: list[Out] = []
        self.arrivals: list[Arrival] = []

    def _wall_clock(self) -> float:
        return self.now + self.offset + self.skew

    # -- what is done to it ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.3, 1.0, 5.0, 10.0, 31.0, 121.0]) | st.floats(0, 20))
    def wait(self, seconds):
        self.now += seconds

    @rule(ahead=st.floats(-0.1, 0.3), windows=st.integers(1, 3))
    def wait_until_a_window_of_the_server_is_about_to_end(self, ahead, windows):
        length = self.own.seconds
        ends = (math.floor((self.now + self.offset) / length) + windows) * length - self.offset
        self.now = max(self.now, ends - ahead)

    @rule(own=owns, terms=st.integers(0, 2), need=st.sampled_from(NEEDS))
    def wait_until_it_opens(self, own, terms, need):
        opens = self._opens_at(own, terms, need)
        self.now = max(self.now, opens if opens < math.inf else self.now)

    @rule(
        own=owns, terms=st.integers(0, 2), need=st.sampled_from(NEEDS), connects=st.booleans(), many=st.integers(1, 5)
    )
    def send(self, own, terms, need, connects, many):
        for _ in range(many):
            if self._opens_at(own, terms, need) > self.now:
                return
            out = self._issue(own, terms, need)
            if out is None:
                assert self.is_shared, "it was open"
                return
            if not connects:
                self._arrive(out)

    @precondition(lambda self: self.out)
    @rule(place=which)
    def connected(self, place):
        out = self.out[place % len(self.out)]
        if out.arrived is None:
            if out.ticket.may_leave(self._time(out.client)):
                self._arrive(out)
            else:
                self.out.remove(out)
                out.ticket.returned(self._time(out.client))

    @precondition(lambda self: self.out)
    @rule(place=which, status=st.sampled_from(STATUSES), is_dated=st.booleans(), is_late=st.booleans())
    def answered(self, place, status, is_dated, is_late):
        out = self._taken(place)
        if out is not None:
            out.ticket.answered(self._time(out.client), status, self._date(out, is_dated, is_late))
            if out.ticket.canary is not None:
                self.clients[out.client].canaries.append(out.ticket.canary)

    @precondition(lambda self: self.out)
    @rule(place=which, after=st.sampled_from(RETRY_AFTERS), is_dated=st.booleans(), is_late=st.booleans())
    def refused(self, place, after, is_dated, is_late):
        out = self._taken(place)
        if out is not None:
            out.ticket.refused(self._time(out.client), after, self._date(out, is_dated, is_late))
            assert out.ticket.canary is None or out.loop != self.clients[out.client].loop

    @precondition(lambda self: self.out)
    @rule(place=which, how=st.sampled_from(["unreachable", "lost", "timed out", "dropped", "returned"]))
    def ended_without_an_answer(self, place, how):
        out = self.out.pop(place % len(self.out))
        ticket, now = out.ticket, self._time(out.client)
        if how == "dropped":
            with pytest.raises(ZeroDivisionError), ticket:
                raise ZeroDivisionError
        elif how == "unreachable" and out.arrived is None:
            ticket.unreachable(now)
        elif how == "returned" and out.arrived is None:
            ticket.returned(now)
        else:
            ticket.lost(now, timed_out=how == "timed out")
        assert ticket.is_settled
        assert ticket.canary is None or out.loop != self.clients[out.client].loop

    @rule(own=owns, place=which, what=st.sampled_from(["ran", "stopped", "let go", "heard", "entrusted", "claimed"]),
          name=st.sampled_from(IDS), keeps=st.booleans())  # fmt: skip
    def told_of_a_canary(self, own, place, what, name, keeps):
        client, now = self.clients[own], self._time(own)
        held, gate = client.canaries, client.gate
        canary = held[place % len(held)] if held else None
        if what == "claimed":
            claimed = gate.canaries.claim(name, now)
            held += [] if claimed is None else [claimed]
            return
        if canary is not None and not keeps:  # else it is told of again, as by a bug of ours
            held.remove(canary)
        if what == "ran":
            gate.canaries.ran(canary, 0.0)
        elif what == "stopped":
            gate.canaries.stopped(canary, now, since=now - 1)
        elif what == "let go":
            gate.canaries.let_go(canary, now)
        elif what == "heard":
            gate.canaries.heard_of(canary, now)
        else:
            gate.canaries.entrust(name, canary, now)

    @rule(own=owns, loop=st.integers(0, 3), begins=st.sampled_from([0.0, 7.0]) | st.floats(0, 1e5))
    def goes_by_another_loop(self, own, loop, begins):
        if loop == 0:
            self.clients[own].goes_by_another_loop(begins)

    # -- what holds ------------------------------------------------------------------------------------------------

    @invariant()
    def it_opens_if_no_ticket_is_out(self):
        for own, client in enumerate(getattr(self, "clients", ())):
            if client.gate.out == 0:
                for terms in range(3):
                    if client.terms[terms].slots.free > 0:
                        for need in NEEDS:
                            assert self._opens_at(own, terms, need) < math.inf

    def teardown(self):
        if not hasattr(self, "clients"):
            return
        try:
            for out in self.out:
                out.ticket.lost(self._time(out.client))
            for client in self.clients:
                assert client.gate.out == 0
                assert [terms.slots.taken for terms in client.terms] == [0, 0, 0]
            for own in range(2):
                for terms in range(3):
                    for need in NEEDS:
                        self._leaves_in_the_end(own, terms, need)
        finally:
            self.patch.stop()
            for budget in self.budgets:
                if budget is not None:
                    budget.disconnect()
            self.directory.cleanup()

    def _leaves_in_the_end(self, own, terms, need):
        for _ in range(MOST_LOOKS):
            opens = self._opens_at(own, terms, need)
            assert opens < math.inf
            self.now = max(self.now, opens)
            out = self._issue(own, terms, need)
            if out is not None:
                self._arrive(out)
                self.now += self.transit
                out.ticket.answered(self._time(own), 200, self._date(out, True, False))
                if out.ticket.canary is not None:
                    self.clients[own].gate.canaries.ran(out.ticket.canary, 0.0)
                return
        raise AssertionError("it does not leave")

    # -- how -------------------------------------------------------------------------------------------------------

    def _time(self, own: int) -> float:
        return self.now + self.clients[own].begins

    def _opens_at(self, own: int, terms: int, need: Need) -> float:
        client = self.clients[own]
        time = self._time(own)
        opens = client.gate.opens_at(time, need, client.terms[terms])
        return self.now if opens <= time else opens - client.begins + 1e-6  # a rounding

    def _issue(self, own: int, terms: int, need: Need) -> Out | None:
        client = self.clients[own]
        ticket = client.gate.issue(self._time(own), need, client.terms[terms])
        if ticket is None:
            return None
        out = Out(ticket, own, terms, client.loop)
        self.out.append(out)
        return out

    def _taken(self, place: int) -> Out | None:
        out = self.out[place % len(self.out)]
        if out.arrived is None:
            return None
        self.out.remove(out)
        return out

    def _date(self, out: Out, is_dated: bool, is_late: bool) -> float | None:
        if self.dates == "never" or (self.dates == "sometimes" and not is_dated):
            return None
        return float(math.floor((self.now if is_late else min(self.now, out.arrived)) + self.offset))

    def _arrive(self, out: Out) -> None:
        out.arrived = self.now + self.transit
        arrival = Arrival(out.arrived + self.offset, out.client, out.terms, out.ticket.need)
        self.arrivals.append(arrival)
        for limit in self.limits:
            self._check(limit, [each for each in self.arrivals if self.is_shared or each.client == out.client])
        if out.terms == 1:
            self._check(self.own, [each for each in self.arrivals if (each.client, each.terms) == (out.client, 1)])

    def _check(self, limit: Limit, arrivals: list[Arrival]) -> None:
        last = arrivals[-1]
        window = math.floor(last.at / limit.seconds)
        same = [each for each in arrivals if math.floor(each.at / limit.seconds) == window]
        if self.dates == "never" and not self.is_shared:
            same = [each for each in arrivals if each.at > last.at - limit.seconds]
        used = [amount for each in same if (amount := each.need.of(limit))]
        assert sum(used) <= limit.count or len(used) == 1


TestGates = Gates.TestCase
TestGates.settings = settings(deadline=None, max_examples=200, stateful_step_count=50)


# What was once found in it: the steps of `Gates` that an exceeded limit needs.


def leaves_late(gates: Gates) -> None:
    gates.send(own=0, terms=0, need=Need(), connects=True, many=2)
    gates.wait(31.0)
    gates.connected(0)
    gates.connected(1)
    gates.answered(0, 200, is_dated=True, is_late=False)


def is_answered_late(gates: Gates) -> None:
    """Such a reply tells little of the server's time: a request may fall into many windows."""
    gates.send(own=0, terms=0, need=Need(), connects=False, many=2)
    gates.wait(31.0)
    gates.answered(0, 200, is_dated=True, is_late=True)
    gates.send(own=0, terms=0, need=Need(), connects=False, many=2)
    gates.wait(0.3)
    gates.answered(len(gates.out) - 1, 200, is_dated=True, is_late=False)


@pytest.mark.parametrize("steps", [leaves_late, is_answered_late])
@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("is_shared", [True, False])
def test_no_limit_is_exceeded_after(steps, count, is_shared):
    gates = Gates()
    gates.start(is_shared=is_shared, begins=(0.0, 0.0), server=(0.02, 0.0, 0.125, "always"), counts=(count, 1))
    try:
        steps(gates)
        gates.send(own=1, terms=0, need=Need(), connects=False, many=1)
        gates.send(own=0, terms=0, need=Need(), connects=False, many=3)
    finally:
        gates.teardown()
