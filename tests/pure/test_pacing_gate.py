"""The gate: what keeps requests waiting, each with a time, and who is woken when that is over."""

from __future__ import annotations

import math
import random
import sqlite3
from contextlib import closing

import pytest

from fi_async._connection import Connection, Credentials
from fi_async._settings import Limit
from fi_async.engine.shared_budget import SharedBudget
from fi_async.pacing.allowance import LONGEST_WAIT
from fi_async.pacing.clock import end_said
from fi_async.pacing.gate import Gate
from fi_async.pacing.quota import OVERDUE, UNASKED
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms, Ticket
from fi_async.pacing.waiting import Obstacle
from pure.hand import EPOCH

GET, ONE = Need(), Need(post=True, rows=1)


def opens(gate: Gate, now: float = 0.0, terms: Terms | None = None) -> tuple[float, float]:
    terms = terms or Terms()
    return gate.opens_at(now, GET, terms), gate.opens_at(now, ONE, terms)


def leave(gate: Gate, now: float, need: Need = ONE, terms: Terms | None = None) -> Ticket:
    ticket = gate.issue(now, need, terms or Terms())
    assert ticket is not None
    return ticket


def knows_the_time(gate: Gate, now: float = 0.0) -> None:
    """Tell it the server's time to a millisecond, by answers that count in no window of 10 s that is to come."""
    for step in range(1001):
        at = now - 2 + step / 1000
        gate.clock.heard(at, at, float(int(at + EPOCH)))


# -- refusals of requests ----------------------------------------------------------------------------------------------


def test_a_gate_is_open_at_first():
    gate = Gate()
    assert opens(gate) == (0.0, 0.0)
    assert (gate.out, gate.refusals, gate.is_scarce, gate.counts_windows) == (0, 0, False, False)
    assert gate.obstacle(0.0, post=True, terms=Terms()) is None


def test_a_refusal_closes_it_to_all_until_the_latest_time_that_was_named():
    gate = Gate()
    tickets = [leave(gate, 0.0) for _ in range(3)]
    for ticket, said, until in zip(tickets, (5.0, 3.0, 7.0), (5.0, 5.0, 7.0), strict=True):
        ticket.refused(0.0, said, None)
        assert opens(gate) == (until, until)
        assert gate.issue(until - 0.01, GET, Terms()) is None
    assert (gate.refusals, gate.is_scarce) == (3, True)
    assert gate.obstacle(1.0, post=False, terms=Terms()) == Obstacle("request", 6.0)


@pytest.mark.parametrize(("said", "until"), [(0.0, 0.0), (119.9, 119.9), (120.5, LONGEST_WAIT), (3600.0, 120.0)])
def test_the_time_a_server_names_is_capped(said, until):
    gate = Gate()
    leave(gate, 0.0).refused(0.0, said, None)
    assert gate.opens_at(0.0, GET, Terms()) == until


def test_a_refusal_opens_at_its_time_though_slow_answers_are_still_in_flight():
    gate = Gate()
    slow = [leave(gate, 0.0) for _ in range(2)]
    leave(gate, 0.0).refused(0.1, 1.0, None)
    assert opens(gate, 0.1) == (1.1, 1.1)
    assert gate.issue(1.1, ONE, Terms()) is not None
    for ticket in slow:
        ticket.answered(30.0, 200, None)
    assert gate.statistics(30.0, Terms())["learned_requests_per_window"] == 2


@pytest.mark.parametrize("said", [None, 0.0])
def test_a_server_that_names_no_time_or_now_again_and_again_is_asked_ever_later(said):
    gate, rng, now = Gate(rng=random.Random(1)), random.Random(1), 0.0
    for turn, longest in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 8.0)):
        leave(gate, now).refused(now, said, None)
        until = now if said == 0.0 and turn == 0 else now + rng.uniform(longest / 2, longest)
        assert max(now, gate.opens_at(now, GET, Terms())) == until
        now = until


def test_the_end_of_a_window_is_the_servers_to_a_fraction_of_a_second():
    gate = Gate()
    for sent_at in (0.0, 0.95, 1.05):
        leave(gate, sent_at).answered(sent_at, 200, EPOCH + int(sent_at))
    one, other = leave(gate, 1.05), leave(gate, 1.05)
    one.refused(1.05, 9.0, EPOCH + 1)
    assert gate.opens_at(1.05, GET, Terms()) == pytest.approx(10.0, abs=0.001)
    other.refused(1.05, 9.95, EPOCH + 1)  # of whole seconds only, a Date says when they end
    assert gate.opens_at(1.05, GET, Terms()) == pytest.approx(11.0, abs=0.001)
    assert gate.refusals == 2


def test_when_the_refusing_window_is_over_its_count_begins_anew():
    gate = Gate()
    tickets = [leave(gate, 1.0) for _ in range(3)]
    for ticket in tickets[:2]:
        ticket.answered(1.1, 200, None)
    tickets[2].refused(1.1, 8.9, None)
    assert gate.statistics(2.0, Terms())["learned_requests_per_window"] == 2
    assert gate.statistics(2.0, Terms())["opens_in_s"] == 8.0
    tickets = [leave(gate, 10.0) for _ in range(2)]
    assert gate.opens_at(10.0, ONE, Terms()) == math.inf, "answers come first: the next is a probe"
    for ticket in tickets:
        ticket.answered(10.1, 200, None)
    leave(gate, 10.1)
    assert repr(gate).startswith("<Gate out=1 learned=3 refusals=1 ")


# -- evaluations -------------------------------------------------------------------------------------------------------


def test_a_quota_that_is_closed_lets_polls_leave_and_one_canary():
    gate = Gate()
    gate.canaries.stopped(None, 1.0)
    assert opens(gate, 1.0) == (0.0, 1.5)
    canary = leave(gate, 1.5)
    assert canary.canary is not None
    assert opens(gate, 1.5) == (0.0, 1.5 + OVERDUE)
    assert gate.opens_at(1.5, Need(post=True), Terms()) == 0.0, "what evaluates nothing is not its business"
    assert leave(gate, 1.5, GET).canary is None
    assert gate.obstacle(1.5, post=True, terms=Terms()) == Obstacle("evaluation", math.inf, by_canary=True)
    assert gate.obstacle(1.5, post=False, terms=Terms()) is None


def test_a_canary_that_nobody_tells_of_is_followed_by_another_and_late_word_of_it_changes_nothing():
    gate = Gate()
    gate.canaries.stopped(None, 0.0)
    old = leave(gate, 0.5)
    old.answered(1.0, 200, None)
    assert gate.issue(0.49 + OVERDUE, ONE, Terms()) is None
    new = leave(gate, 0.5 + OVERDUE)
    assert new.canary is not None
    canaries = gate.canaries
    for tell in (
        lambda each: canaries.ran(each, 130.0),
        lambda each: canaries.stopped(each, 130.0),
        lambda each: canaries.let_go(each, 130.0),
        lambda each: canaries.heard_of(each, 130.0),
        lambda each: canaries.entrust("id", each, 130.0),
    ):
        tell(old.canary)
        assert (gate.quota.is_closed, gate.quota.is_asking) == (True, True)
        assert gate.quota.opens_at() == 0.5 + 2 * OVERDUE
    assert gate.canaries.claim("id", 130.0) is None
    new.answered(131.0, 200, None)
    gate.canaries.ran(new.canary, 0.0)
    assert opens(gate, 131.0) == (0.0, 0.0)


def test_a_canary_that_was_started_is_waited_for_half_a_minute_unless_somebody_asks_for_it():
    gate = Gate()
    gate.canaries.stopped(None, 0.0)
    ticket = leave(gate, 0.5)
    ticket.answered(1.0, 200, None)
    gate.canaries.entrust("id", ticket.canary, 1.0)
    assert UNASKED == 30.0
    assert gate.opens_at(1.0, ONE, Terms()) == 31.0
    assert gate.canaries.claim("another", 2.0) is None
    assert gate.canaries.claim("id", 20.0) is ticket.canary
    assert gate.opens_at(20.0, ONE, Terms()) == 20.0 + OVERDUE
    assert gate.canaries.claim("id", 21.0) is None, "it is held"
    gate.canaries.heard_of(ticket.canary, 50.0)
    assert gate.opens_at(50.0, ONE, Terms()) == 50.0 + OVERDUE
    gate.canaries.ran(ticket.canary, 0.0)
    assert gate.opens_at(51.0, ONE, Terms()) == 0.0


def test_another_clocks_times_are_forgotten_and_its_own_are_kept():
    gate, clock, other = Gate(), object(), object()
    gate.go_by(clock)
    leave(gate, 0.0).refused(0.0, 5.0, None)
    gate.canaries.stopped(None, 0.0)
    gate.go_by(clock)
    assert gate.opens_at(0.0, GET, Terms()) == 5.0
    gate.go_by(other)
    assert opens(gate) == (0.0, 0.0)


# -- a server that is not there ----------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_tried_by_one_at_a_time():
    gate = Gate()
    leave(gate, 0.0).answered(0.0, 200, None)
    first, second = leave(gate, 1.0), leave(gate, 1.0)
    first.unreachable(1.0)
    second.unreachable(1.0)
    assert opens(gate, 1.0) == (1.5, 1.5)
    assert gate.obstacle(1.0, post=False, terms=Terms()) == Obstacle("server", 0.5)
    tries = leave(gate, 1.5, GET)
    assert opens(gate, 1.5) == (math.inf, math.inf)
    tries.unreachable(1.6)
    assert opens(gate, 1.6) == (2.6, 2.6)
    assert gate.statistics(2.0, Terms())["unreachable_for_s"] == 1.0
    leave(gate, 2.6).answered(2.7, 500, None)
    assert opens(gate, 2.7) == (0.0, 0.0)


@pytest.mark.parametrize("end", ["lost", "refused", "returned", "dropped"])
def test_a_try_that_says_nothing_lets_another_try(end):
    gate = Gate()
    leave(gate, 0.0).answered(0.0, 200, None)
    leave(gate, 0.0).unreachable(0.0)
    with leave(gate, 0.5) as ticket:
        if end == "lost":
            ticket.lost(0.7)
        elif end == "refused":
            ticket.refused(0.7, 0.5, None)
        elif end == "returned":
            ticket.returned(0.7)
    assert gate.opens_at(0.7, GET, Terms()) == pytest.approx({"dropped": 1.0}.get(end, 1.2))


def test_a_run_without_patience_does_not_wait_for_a_server():
    gate = Gate()
    leave(gate, 0.0).unreachable(0.0)
    assert gate.opens_at(0.0, GET, Terms(patience=0.0)) == 0.0
    assert gate.opens_at(29.0, GET, Terms(patience=300.0)) == 0.5
    assert gate.opens_at(30.0, GET, Terms(patience=300.0)) == 0.0, "none ever got through"


# -- limits that are given ---------------------------------------------------------------------------------------------


def test_a_gate_keeps_to_the_strictest_limit():
    limits = [Limit(10, per=10.0), Limit(2, per=10.0, of="evaluations"), Limit(10, per=10.0)]
    gate = Gate(limits=limits)
    knows_the_time(gate)
    leave(gate, 1.0, Need(post=True, rows=2)).answered(1.0, 200, EPOCH + 1)
    assert gate.opens_at(1.0, GET, Terms()) == 1.0
    assert gate.opens_at(1.0, ONE, Terms()) == pytest.approx(10.0, abs=0.01)
    told = gate.statistics(1.0, Terms())
    assert told["limits"] == [
        {"count": 10, "seconds": 10.0, "of": "requests", "left": 9},
        {"count": 2, "seconds": 10.0, "of": "evaluations", "left": 0},
    ]
    assert told["limits_by_clock_of"] == "server"


def test_without_a_date_it_says_that_limits_are_kept_by_this_machines_clock():
    gate = Gate(limits=[Limit(3, per=1.0)])
    for _ in range(3):
        leave(gate, 0.0).answered(0.0, 200, None)
    assert gate.opens_at(0.0, ONE, Terms()) == 1.25
    assert gate.statistics(0.0, Terms())["limits_by_clock_of"] == "machine"


def test_the_limits_of_a_call_bind_it_alone_and_those_of_the_client_bind_all():
    gate, own = Gate(limits=[Limit(4, per=10.0)]), Limit(2, per=3600.0)
    bound = Terms(limits=[own])
    leave(gate, 0.0)
    assert gate.opens_at(0.0, GET, bound) == 0.0, "nobody counts it yet"
    gate.keep_count_of([own])
    leave(gate, 0.0, terms=Terms())
    leave(gate, 0.0, terms=bound)
    assert (gate.opens_at(0.0, GET, bound), gate.opens_at(0.0, GET, Terms())) == (3600.25, 0.0), "all are counted"
    leave(gate, 0.0)
    assert opens(gate) == (10.25, 10.25)
    assert [each["left"] for each in gate.statistics(0.0, Terms())["limits"]] == [0, -1]
    gate.keep_count_of([own])
    assert gate.opens_at(11.0, GET, bound) == 3600.25, "what was used is not forgotten"


def test_a_plan_is_told_of_limits_that_nobody_counts_and_changes_nothing():
    gate, own = Gate(), Limit(2, per=60.0)
    (told,) = gate.headroom(0.0, Terms(), [own])
    assert (told.of, told.count, told.seconds) == ("requests", 2, 60.0)
    assert (gate.counts_windows, gate.headroom(0.0, Terms(limits=[own]))) == (False, [])


def test_no_more_rows_leave_together_than_a_limit_has_left():
    gate = Gate(limits=[Limit(5, per=10.0, of="evaluations")])
    assert gate.room(0.0, Terms()) == 5
    leave(gate, 0.0, Need(post=True, rows=3))
    assert gate.room(0.0, Terms()) == 2
    leave(gate, 0.0, Need(post=True, rows=2))
    assert gate.room(0.0, Terms()) == 1
    assert Gate().room(0.0, Terms()) == math.inf


# -- later than reckoned -----------------------------------------------------------------------------------------------


def test_a_request_may_leave_later_in_the_window_it_was_counted_in():
    gate = Gate(limits=[Limit(2, per=10.0)])
    knows_the_time(gate)
    ticket = leave(gate, 1.0)
    leave(gate, 1.0)
    assert [ticket.may_leave(1.0), ticket.may_leave(5.0), ticket.may_leave(9.7)] == [True] * 3
    assert gate.opens_at(9.7, GET, Terms()) == pytest.approx(10.0, abs=0.002), "it is not counted again"


def test_one_that_leaves_in_a_later_window_is_counted_there_or_refused_to_leave():
    gate = Gate(limits=[Limit(2, per=10.0)])
    knows_the_time(gate)
    late, later = leave(gate, 1.0), leave(gate, 1.0)
    leave(gate, 11.0)
    assert late.may_leave(11.0)
    assert gate.opens_at(11.0, GET, Terms()) == pytest.approx(20.0, abs=0.002), "both count in the new window"
    assert not later.may_leave(11.0)
    later.returned(11.0)
    assert late.may_leave(12.0)


def test_without_a_date_one_that_leaves_later_is_counted_once():
    gate = Gate(limits=[Limit(3, per=10.0)])
    ticket = leave(gate, 1.0)
    assert [ticket.may_leave(1.1), ticket.may_leave(1.2)] == [True, True]
    assert gate.statistics(1.2, Terms())["limits"][0]["left"] == 2
    assert [gate.issue(1.2, GET, Terms()) is not None for _ in range(3)] == [True, True, False]
    assert ticket.may_leave(3.0)
    assert gate.opens_at(11.5, Need(), Terms()) == 11.5
    assert gate.statistics(11.5, Terms())["limits"][0]["left"] == 2, "it counts from when it left"


def test_nothing_leaves_after_a_refusal_closed_the_gate_but_what_tries_for_a_server():
    gate = Gate()
    ticket, refused = leave(gate, 0.0), leave(gate, 0.0)
    refused.refused(0.1, 5.0, None)
    assert [ticket.may_leave(0.2), ticket.may_leave(5.1)] == [False, True]


@pytest.fixture
def pair(tmp_path):
    """Return two gates of one budget, with a limit of two requests in 10 s; machine and server agree on the time."""
    connection = Connection("https://evals.test", Credentials("key", "secret"))
    at = {"now": 0.0}
    budgets = [SharedBudget(tmp_path / "budget", connection, lambda: EPOCH + at["now"]) for _ in range(2)]
    gates = [Gate(budget, limits=[Limit(2, per=10.0)]) for budget in budgets]
    for gate in gates:
        knows_the_time(gate)
    yield (*gates, at)
    for budget in budgets:
        budget.disconnect()


def test_one_that_leaves_in_a_later_window_is_counted_there_for_all_clients(pair):
    one, other, at = pair
    late, later = leave(one, 1.0), leave(one, 1.0)
    at["now"] = 11.0
    leave(other, 11.0)
    assert late.may_leave(11.0)
    assert other.issue(11.0, GET, Terms()) is None
    assert not later.may_leave(11.0), "the other client's is counted"
    assert late.may_leave(12.0)
    at["now"] = 21.0
    assert [other.issue(21.0, GET, Terms()) is not None for _ in range(3)] == [True, True, False]


def test_one_that_leaves_late_is_not_sent_while_what_clients_share_is_locked(pair, tmp_path):
    one, _, at = pair
    late = leave(one, 1.0)
    at["now"] = 11.0
    with closing(sqlite3.connect(tmp_path / "budget", isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        assert not late.may_leave(11.0), "nobody else would know of it"
    assert late.may_leave(11.0)


def test_what_was_used_by_a_machine_whose_clock_was_wrong_is_counted_for_all(tmp_path):
    """By then two had left; from the first Date on no more do in that window."""
    connection = Connection("https://evals.test", Credentials("key", "secret"))
    budgets = [SharedBudget(tmp_path / "budget", connection, lambda: EPOCH + 300.0) for _ in range(2)]
    one, other = (Gate(budget, limits=[Limit(2, per=10.0)]) for budget in budgets)
    first, _ = leave(one, 5.0), leave(one, 5.0)
    first.answered(5.0, 200, EPOCH + 5.0)
    assert one.issue(5.1, GET, Terms()) is None
    assert other.issue(5.1, GET, Terms()) is None
    assert other.opens_at(5.1, GET, Terms()) == pytest.approx(10.0, abs=1.0)
    for budget in budgets:
        budget.disconnect()


def test_a_date_tells_of_the_time_since_the_request_left():
    gate = Gate(limits=[Limit(2, per=10.0)])
    ticket = leave(gate, 0.0)
    assert ticket.may_leave(30.0)
    ticket.answered(30.5, 200, EPOCH + 30)
    assert (gate.clock.least, gate.clock.most) == (EPOCH - 0.5, EPOCH + 1)


def test_one_that_leaves_in_a_later_window_than_refused_counts_in_what_that_takes():
    gate, terms = Gate(), Terms()
    late, later, refused = leave(gate, 0.0), leave(gate, 0.0), leave(gate, 0.0)
    refused.refused(0.1, 5.0, None)  # so two are what a window takes
    leave(gate, 5.2).answered(5.2, 200, None)
    assert late.may_leave(5.2)
    assert not later.may_leave(5.2), "it would be one more than that, and another asks"
    later.returned(5.2)
    assert gate.opens_at(5.2, GET, terms) == math.inf
    late.answered(5.3, 200, None)
    assert gate.opens_at(5.3, GET, terms) == 0.0


def test_no_evaluation_leaves_late_once_a_plans_limit_stopped_another():
    gate = Gate()
    ran, late, poll = leave(gate, 0.0), leave(gate, 0.0), leave(gate, 0.0, GET)
    ran.answered(0.1, 200, None)
    gate.canaries.stopped(None, 0.1, since=0.0)
    assert [late.may_leave(0.2), poll.may_leave(0.2)] == [False, True]
    canary = leave(gate, 0.6)
    assert canary.may_leave(0.7)
    canary.answered(0.8, 200, None)
    gate.canaries.ran(canary.canary, 0.9)
    assert late.may_leave(0.9)


def test_a_canary_tells_of_the_time_at_which_it_left():
    gate = Gate()
    knows_the_time(gate)
    leave(gate, 3.0).answered(3.0, 200, None)
    gate.canaries.ran(None, 3.0)
    gate.canaries.stopped(None, 6.0, since=3.0)
    canary = leave(gate, 9.0)
    assert canary.may_leave(14.0)
    canary.answered(14.1, 200, None)
    gate.canaries.ran(canary.canary, 14.1)
    assert gate.quota.period == 10.0, "a window began between 9 and 14: at 9 it was not seen to be open"


# -- who waits ---------------------------------------------------------------------------------------------------------


class Waiter:
    """Waits in turn as a run does: takes what it may when it is woken, waits on for the rest, and passes on."""

    def __init__(self, gate: Gate, terms: Terms, log: list[str], name: str, wants: int = 1) -> None:
        self.gate, self.terms, self.log, self.name, self.wants = gate, terms, log, name, wants
        self.tickets: list[Ticket] = []
        gate.waiters.wait(self.wake)

    def wake(self) -> None:
        self.log.append(self.name)

    def goes_on(self, now: float) -> None:
        while self.wants and (ticket := self.gate.issue(now, ONE, self.terms)) is not None:
            self.wants -= 1
            self.tickets.append(ticket)
        if self.wants:
            self.gate.waiters.wait(self.wake)
        self.gate.waiters.pass_on()


def test_those_who_wait_are_woken_in_turn_one_for_each_slot():
    gate, terms, log = Gate(), Terms(Slots(1)), []
    held = leave(gate, 0.0, terms=terms)
    waiters = {name: Waiter(gate, terms, log, name) for name in "abc"}
    for name in "abc":
        held.answered(1.0, 200, None)
        assert log[-1] == name
        waiters[name].goes_on(1.0)
        (held,) = waiters[name].tickets
    held.answered(1.0, 200, None)
    assert log == ["a", "b", "c"]


def test_whoever_does_not_use_its_turn_passes_it_on_and_none_is_forgotten():
    gate, shared, own, log = Gate(), Terms(Slots(2)), Terms(Slots(1)), []
    held = [leave(gate, 0.0, terms=shared), leave(gate, 0.0, terms=shared), leave(gate, 0.0, terms=own)]
    waiters = {"own": Waiter(gate, own, log, "own"), "one": Waiter(gate, shared, log, "one")}
    held[0].answered(1.0, 200, None)
    assert log == ["own"]
    waiters["own"].goes_on(1.0)
    assert (waiters["own"].wants, log) == (1, ["own", "one"])
    waiters["one"].goes_on(1.0)
    assert (waiters["one"].wants, log) == (0, ["own", "one"])
    held[2].answered(2.0, 200, None)
    assert log == ["own", "one", "own"]


def test_one_who_leaves_the_gate_is_not_woken_and_lets_the_next_be():
    gate, terms, log = Gate(), Terms(Slots(1)), []
    held = leave(gate, 0.0, terms=terms)
    first, second = Waiter(gate, terms, log, "first"), Waiter(gate, terms, log, "second")
    held.answered(1.0, 200, None)
    gate.waiters.forget(first.wake)
    gate.waiters.pass_on()
    assert log == ["first", "second"]
    gate.waiters.forget(second.wake)
    leave(gate, 1.0, terms=terms).answered(2.0, 200, None)
    assert log == ["first", "second"]


@pytest.mark.parametrize("end", ["ran", "stopped", "let go"])
def test_what_becomes_of_a_canary_wakes_all_who_wait(end):
    gate, log = Gate(), []
    gate.canaries.stopped(None, 0.0)
    ticket = leave(gate, 0.5)
    ticket.answered(1.0, 200, None)
    for name in "abc":
        Waiter(gate, Terms(), log, name)
    tell = {
        "ran": lambda each: gate.canaries.ran(each, 2.0),
        "stopped": lambda each: gate.canaries.stopped(each, 2.0),
        "let go": lambda each: gate.canaries.let_go(each, 2.0),
    }
    tell[end](ticket.canary)
    assert log == ["a", "b", "c"]
    tell[end](ticket.canary)
    assert log == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("date", "wait", "ends"),
    [
        (100.0, 2.0, 102.0),
        (100.0, 0.05, None),
        (100.0, 1.5, None),
        (100.0, 0.0, None),
        (None, 2.0, None),
        (1.0, None, None),
    ],
)
def test_a_date_tells_the_end_of_waits_of_whole_seconds_alone(date, wait, ends):
    assert end_said(date, wait) == ends


@pytest.mark.parametrize(("limits", "may"), [([Limit(5, per=10.0)], False), ([], True)])
def test_a_ticket_of_an_earlier_loop_leaves_only_where_nothing_counts_it(limits, may):
    gate = Gate(limits=limits)
    gate.go_by("one", 100.0)
    ticket = leave(gate, 0.0)
    gate.go_by("another", 90.0)
    assert ticket.may_leave(20.0) is may
