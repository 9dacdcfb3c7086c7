"""Gates of one budget: what one of them was told holds for all."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from fi_async import ConfigurationError, Limit
from fi_async._connection import Connection, Credentials
from fi_async.engine.shared_budget import SharedBudget
from fi_async.pacing.gate import Gate
from fi_async.pacing.quota import FIRST, OVERDUE
from fi_async.pacing.ticket import Need, Terms

AT = 1_000_005.0  # this machine's time, and the server's, when a loop's is 0
LOOK = 0.05  # seconds from one look at another's canary to the next
CLOSE = pytest.approx


class Client:
    """A gate in a process of its own, whose loop counts from a zero of its own."""

    def __init__(self, path, begins=0.0, limits=()):
        self.budget = SharedBudget(path, Connection("https://evals.test", Credentials("key", "secret")))
        self.budget.wall_clock = lambda: AT + self.now
        self.begins, self.now = begins, 0.0
        self.gate = Gate(self.budget, limits=limits)
        self.terms = Terms()
        self.ticket = None

    def opens_at(self, now, rows=1):
        self.now = now
        return self.gate.opens_at(now + self.begins, Need(post=True, rows=rows), self.terms) - self.begins

    def claims(self, now, rows=1):
        """Tell whether a request may leave, and let it."""
        self.now = now
        ticket = self.gate.issue(now + self.begins, Need(post=True, rows=rows), self.terms)
        self.ticket = ticket or self.ticket
        return ticket is not None

    def is_answered(self, now, date=None):
        self.ticket.answered(now + self.begins, 200, date)

    def passes(self):
        self.gate.canaries.ran(self.ticket.canary, 0.0)

    def sends(self, now, count):
        """Send so many requests, each answered at once, and each of an evaluation that passes."""
        for _ in range(count):
            assert self.opens_at(now) <= now
            assert self.claims(now)
            self.is_answered(now)
            self.passes()

    def is_refused(self, now, until):
        assert self.claims(now)
        self.ticket.refused(now + self.begins, until - now, None)

    def is_limited(self, now):
        if not self.ticket.is_settled:
            self.is_answered(now)
        self.gate.canaries.stopped(self.ticket.canary, now + self.begins)

    def room(self, now):
        return self.gate.room(now + self.begins, self.terms)

    def told(self, now, what):
        self.now = now
        return self.gate.statistics(now + self.begins, self.terms)[what]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budget"


@pytest.fixture
def clients(path):
    """Return two clients of one budget."""
    found = Client(path), Client(path, begins=777.25)
    yield found
    for each in found:
        each.budget.disconnect()


# -- limits that are given ---------------------------------------------------------------------------------------------


def meet_the_limit(one):
    """Let a client meet a limit of evaluations after ten, and send the canary."""
    one.sends(0.0, 10)
    assert one.claims(0.0)
    one.is_limited(0.0)
    assert one.claims(0.5)


def test_all_is_taken_or_nothing(clients):
    one, other = clients
    for each in clients:
        each.terms = Terms(limits=[Limit(3, per=10.0), Limit(5, per=10.0, of="evaluations")])
        each.gate.keep_count_of(each.terms.limits)
    assert one.claims(0.0, rows=4)
    assert not other.claims(0.0, rows=2)
    assert [other.claims(0.0), other.claims(0.0)] == [True, False]
    assert [limit["left"] for limit in other.told(0.0, "limits")] == [1, 0]


def test_more_than_a_window_has_is_granted_where_nobody_was(clients):
    one, other = clients
    for each in clients:
        each.terms = Terms(limits=[Limit(3, per=10.0, of="evaluations")])
        each.gate.keep_count_of(each.terms.limits)
    assert one.claims(0.0, rows=5)
    assert not other.claims(0.0, rows=1)
    assert not other.claims(0.0, rows=5)


# -- limits of requests that are not -----------------------------------------------------------------------------------


def test_a_refusal_closes_it_until_the_latest_time_that_anyone_was_told(clients):
    one, other = clients
    assert one.claims(0.0)
    assert other.claims(0.0)
    one.is_refused(0.0, until=5.0)
    other.ticket.refused(0.0 + other.begins, 3.0, None)
    assert not other.claims(3.0)
    assert other.opens_at(3.0) == CLOSE(5.0)
    assert other.claims(5.0 + 1e-6)


def test_what_had_left_before_anothers_refusal_is_what_may_leave_after_it(clients):
    one, other = clients
    other.sends(0.0, 2)
    one.is_refused(1.0, until=5.0)
    assert not other.claims(2.0)
    assert other.opens_at(2.0) == CLOSE(5.0)
    assert other.gate.is_scarce
    assert other.told(2.0, "learned_requests_per_window") == 2
    assert (one.gate.refusals, other.gate.refusals) == (1, 0)


def test_a_refusal_that_ran_out_while_one_did_not_ask_is_heard_of(clients):
    one, other = clients
    other.sends(0.0, 2)
    one.is_refused(1.0, until=5.0)
    other.sends(9.0, 1)
    assert other.told(9.0, "learned_requests_per_window") == 2


def test_a_refusal_that_ran_out_before_one_first_asked_is_nothing_to_go_by(clients):
    one, other = clients
    one.is_refused(1.0, until=5.0)
    other.sends(9.0, 5)
    assert other.told(9.0, "learned_requests_per_window") is None
    assert not other.gate.is_scarce


def test_a_file_that_is_locked_begins_no_window(clients, path):
    one, _ = clients
    one.sends(0.0, 2)
    one.is_refused(1.0, until=5.0)
    one.sends(5.0, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        assert not one.claims(6.0)
        assert one.opens_at(6.0) == 6.05
        another.execute("COMMIT")
    one.sends(6.05, 1)
    assert one.told(6.05, "learned_requests_per_window") == 3, "it was a probe, beyond the two of the window"


# -- limits of evaluations that are not --------------------------------------------------------------------------------


def test_what_clients_got_through_together_is_what_a_window_lets_through(clients):
    one, other = clients
    one.sends(0.0, 20)
    other.sends(0.0, 30)
    assert other.claims(0.0)
    other.is_limited(0.1)
    assert not one.claims(0.2)
    assert one.opens_at(0.2) == CLOSE(0.1 + FIRST)
    assert [each.told(0.2, "learned_evaluations_per_window") for each in clients] == [50, 50]
    assert [each.told(0.2, "refused_evaluations") for each in clients] == [0, 1]


def test_one_canary_goes_for_all_and_all_know_at_once_what_becomes_of_it(clients):
    one, other = clients
    meet_the_limit(one)
    assert one.ticket.canary is not None
    assert not other.claims(0.5)
    assert one.opens_at(0.6) == CLOSE(0.5 + OVERDUE), "it is waited for"
    assert other.opens_at(0.52) == CLOSE(0.5 + LOOK)
    one.is_limited(0.7)
    assert other.opens_at(0.7) == CLOSE(1.2)
    assert other.claims(1.2 + 1e-6)
    assert other.ticket.canary is not None
    assert not one.claims(1.3)
    other.is_answered(1.3)
    other.passes()
    assert one.opens_at(1.4) <= 1.4
    one.sends(1.4, 4)
    other.sends(1.4, 5)
    assert not one.claims(1.5), "these are the ten that a window lets through"


def test_a_canary_whose_process_ended_keeps_nobody_waiting_for_ever(clients):
    one, other = clients
    meet_the_limit(one)
    one.budget.disconnect()
    assert not other.claims(0.5 + OVERDUE - 0.01)
    assert other.claims(0.5 + OVERDUE + 0.01)
    assert other.ticket.canary is not None


def test_rows_that_another_client_left_no_room_for_are_planned_anew(clients):
    one, other = clients
    meet_the_limit(one)
    one.is_answered(0.6)
    one.passes()
    other.told(0.6, "limits")
    one.sends(0.6, 5)
    assert other.room(0.7) == 9
    assert other.opens_at(0.7, rows=9) <= 0.7
    assert not other.claims(0.7, rows=9)
    assert other.room(0.7) == 4
    assert other.claims(0.7, rows=4)
    assert not one.claims(0.7)


def test_what_the_last_request_of_one_got_through_counts_too(clients):
    one, other = clients
    meet_the_limit(one)
    one.is_answered(0.6)
    one.passes()
    one.sends(0.6, 5)
    assert other.claims(0.6)
    other.is_limited(0.7)
    assert other.told(0.7, "learned_evaluations_per_window") == 6


def test_what_could_not_be_told_is_told_with_the_next_claim(clients, path):
    one, other = clients
    meet_the_limit(one)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        one.is_answered(0.6)
        one.passes()
        another.execute("COMMIT")
    assert not other.claims(0.6)
    one.sends(0.6, 1)
    assert other.claims(0.7)


def test_what_cannot_be_told_costs_no_result(clients, path):
    one, _ = clients
    meet_the_limit(one)
    canary, out = one.ticket, one.gate.issue(0.5, Need(), one.terms)
    with closing(sqlite3.connect(path)) as another:
        another.execute("DROP TABLE learned")
    one.gate.canaries.stopped(None, one.begins)
    one.gate.canaries.ran(None, 0.0)
    out.refused(0.6, 5.0, None)
    canary.lost(one.begins)
    with pytest.raises(ConfigurationError, match="no such table: learned"):
        one.claims(9.0)


def test_a_file_that_was_damaged_is_told_by_the_claim(clients, path):
    one, other = clients
    meet_the_limit(one)
    assert not other.claims(0.5)
    with closing(sqlite3.connect(path)) as another:
        another.execute("DROP TABLE learned")
    assert other.opens_at(0.6) == CLOSE(0.6)
    with pytest.raises(ConfigurationError, match="no such table: learned"):
        other.claims(0.6 + LOOK)


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_one_knows_the_servers_time_that_another_was_told(clients):
    one, other = clients
    assert one.claims(0.0)
    one.is_answered(0.1, AT)  # of AT to a second later, between these two
    assert one.claims(0.2)
    assert other.claims(0.2)
    least, most = other.gate.clock.told
    assert (least + other.begins, most + other.begins) == CLOSE((AT - 0.1, AT + 1.0))
    assert other.claims(0.9)
    other.is_answered(0.95, AT)
    assert other.claims(1.0)
    assert one.claims(1.0)
    assert one.gate.clock.told == CLOSE((AT - 0.1, AT + 0.1))


@pytest.mark.parametrize(("later", "is_known"), [(599.0, True), (601.0, False)])
def test_the_servers_time_is_asked_for_again_after_a_while(clients, later, is_known):
    one, other = clients
    assert one.claims(0.0)
    one.is_answered(0.1, AT)
    assert one.claims(0.2)
    assert other.claims(later)
    assert (other.gate.clock.told is not None) == is_known


def test_what_was_learned_by_a_clock_that_was_wrong_is_void(clients):
    one, other = clients
    one.is_refused(86_400.0, until=86_400.0 + 300.0)
    assert other.claims(5.0)


def test_times_hold_when_this_machines_clock_is_set(clients):
    one, other = clients
    one.sends(0.0, 1)
    one.budget.wall_clock = other.budget.wall_clock = lambda: AT + 3600.0 + max(one.now, other.now)
    one.is_refused(1.0, until=5.0)
    assert not other.claims(2.0)
    assert other.opens_at(2.0) == CLOSE(5.0)
