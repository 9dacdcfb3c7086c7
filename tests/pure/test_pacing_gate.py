"""The gate: closed to everyone until the latest time anyone was told."""

from __future__ import annotations

import pytest

from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.gate import Gate
from fi_async.pacing.windows import Allowance, Window

EPOCH = 1_000_000.0  # the server's time when ours is 0: a multiple of 10 s


def opens(gate: Gate, now: float = 0.0) -> tuple[float, float]:
    return gate.opens_at(now, post=False), gate.opens_at(now, post=True)


def test_a_gate_is_open_at_first():
    assert opens(Gate()) == (0.0, 0.0)


def test_a_hold_closes_it_to_all():
    gate = Gate()
    gate.hold(5.0)
    assert opens(gate) == (5.0, 5.0)


def test_a_quota_that_is_closed_lets_polls_leave_and_one_canary():
    gate = Gate()
    gate.refused(1.0, canary=False)
    assert opens(gate, 1.0) == (0.0, 1.5)
    assert gate.claim(1.5, post=True)
    assert gate.left(1.5, post=True) is True
    assert opens(gate, 1.5) == (0.0, float("inf"))
    assert gate.opens_at(1.5, post=True, is_canary=True) == 0.0
    assert gate.opens_at(1.5, post=True, rows=0) == 0.0, "what evaluates nothing is not its business"
    assert gate.claim(1.5, post=False)
    assert gate.left(1.5, post=False) is False


def test_the_latest_time_counts():
    gate = Gate()
    gate.hold(5.0)
    gate.hold(3.0)
    assert opens(gate) == (5.0, 5.0)
    gate.hold(7.0)
    assert opens(gate) == (7.0, 7.0)


def test_another_clocks_times_are_forgotten_and_its_own_are_kept():
    gate, clock, other = Gate(), object(), object()
    gate.go_by(clock)
    gate.hold(5.0)
    gate.go_by(clock)
    assert opens(gate) == (5.0, 5.0)
    gate.go_by(other)
    assert opens(gate) == (0.0, 0.0)


def told(offset: float = EPOCH, *, at: float = 0.0) -> ServerClock:
    """Return a clock that has heard so many replies that it knows the offset to a millisecond."""
    clock = ServerClock()
    for step in range(1001):
        now = at - 2 + step / 1000
        clock.heard(now, now, float(int(now + offset)))
    return clock


def test_the_clock_closes_in_on_the_servers_from_both_sides():
    clock = ServerClock()
    assert not clock.is_known
    clock.heard(0.0, 0.1, 100.0)  # written in [100, 101), between 0 and 0.1 of ours
    assert (clock.least, clock.most) == (99.9, 101.0)
    clock.heard(0.7, 0.8, 101.0)
    assert (clock.least, clock.most) == (pytest.approx(100.2), 101.0)
    clock.heard(0.75, 0.75, 101.0)
    assert (clock.earliest(1.0), clock.latest(1.0)) == (pytest.approx(101.25), 102.0)
    assert clock.ours(110.0) == pytest.approx(9.75)
    assert repr(clock) == "<ServerClock offset 100.250..101.000>"


def test_a_time_that_is_assumed_gives_way_to_the_first_that_is_told():
    clock = ServerClock()
    clock.assume(5.0, 105.0, within=1.0)
    assert (clock.is_known, clock.earliest(6.0), clock.latest(6.0)) == (True, 105.0, 107.0)
    clock.heard(6.0, 6.5, 107.0)
    assert (clock.least, clock.most) == (100.5, 102.0)


def test_a_clock_agrees_with_what_another_client_was_told():
    clock = ServerClock()
    clock.agree(99.0, 100.0)
    assert clock.told == (99.0, 100.0)
    clock.heard(0.0, 0.1, 99.0)  # in 98.9..100.0
    clock.agree(99.5, 100.5)
    assert clock.told == (99.5, 100.0)


def test_a_clock_believes_what_another_was_told_rather_than_what_is_assumed():
    clock = ServerClock()
    clock.assume(0.0, 100.0, within=1.0)
    assert clock.told is None
    clock.agree(200.0, 201.0)
    assert clock.told == (200.0, 201.0)


def test_a_clock_keeps_to_what_it_was_told_if_another_contradicts_it():
    clock = ServerClock()
    clock.heard(0.0, 0.0, 100.0)
    clock.agree(200.0, 201.0)
    assert clock.told == (100.0, 101.0)


def test_a_clock_that_was_set_is_learned_anew():
    clock = told()
    clock.heard(5.0, 5.0, 5_000.0)
    assert (clock.least, clock.most) == (4_995.0, 4_996.0)


def test_a_window_takes_its_count_and_opens_at_the_servers_next():
    clock, window = told(), Window(Limit(3, per=10.0))
    for _ in range(3):
        assert window.opens_at(2.0, 1, clock) == 2.0
        window.use(2.0, 1, clock)
    assert window.left(2.0, clock) == 0
    assert window.opens_at(2.0, 1, clock) == pytest.approx(10.0, abs=0.002)
    assert window.opens_at(10.01, 1, clock) == 10.01


def test_what_leaves_at_a_boundary_counts_on_both_sides():
    clock, window = told(), Window(Limit(3, per=10.0))
    window.use(9.9, 3, clock)
    assert window.opens_at(9.9, 1, clock) == pytest.approx(20.0, abs=0.002)


def test_what_left_before_the_time_was_known_is_not_forgotten():
    clock, window = ServerClock(), Window(Limit(3, per=10.0))
    window.use(1.0, 2, clock)
    assert (window.opens_at(1.0, 1, clock), window.opens_at(1.0, 2, clock)) == (1.0, float("inf"))
    assert window.left(1.0, clock) == 1
    window.settle(1.0, told())
    assert window.left(1.0, told()) == 1
    assert window.opens_at(1.0, 2, told()) == pytest.approx(10.0, abs=0.002)


def test_more_than_a_window_takes_goes_alone():
    clock, window = told(), Window(Limit(3, per=10.0))
    assert window.opens_at(2.0, 5, clock) == 2.0
    window.use(2.0, 5, clock)
    assert window.opens_at(2.0, 1, clock) == pytest.approx(10.0, abs=0.002)


def test_an_allowance_is_what_left_before_the_refusal():
    allowance = Allowance()
    for _ in range(6):
        assert allowance.may_leave()
        allowance.left()
    for _ in range(5):
        allowance.answered()
    allowance.refused()
    assert allowance.learned == 5


def test_the_ends_of_two_windows_that_refused_tell_their_length():
    allowance = Allowance()
    for ends in (60.0, 60.0, None):
        allowance.left()
        allowance.refused(ends)
    assert allowance.period is None
    found = []
    for ends in (180.0, 190.0, None, 190.0, 200.0):
        allowance.begin_window()
        allowance.refused(ends)
        found.append(allowance.period)
    assert found == [120.0, 10.0, 10.0, 10.0, 10.0]


def test_beyond_the_allowance_one_goes_ahead_then_ever_more():
    allowance = Allowance(learned=2)
    together = []
    for _ in range(4):
        going = 0
        while allowance.may_leave() and going < 100:
            allowance.left()
            going += 1
        together.append(going)
        for _ in range(going):
            allowance.answered()
    assert together == [2, 1, 2, 4]
    allowance.refused()
    assert allowance.learned == sum(together) - 1


def test_a_gate_keeps_to_the_strictest_limit():
    gate = Gate()
    gate.keep_to([Limit(10, per=10.0), Limit(2, per=10.0, of="evaluations"), Limit(10, per=10.0)])
    gate.answered(0.0, 0.0, EPOCH, refused=False)
    gate.left(1.0, post=True, rows=2)
    gate.answered(1.0, 1.0, EPOCH + 1, refused=False)
    assert gate.opens_at(1.0, post=False) == 1.0
    assert gate.opens_at(1.0, post=True) == pytest.approx(10.0, abs=0.01)
    assert gate.statistics(1.0)["limits"] == [
        {"count": 10, "seconds": 10.0, "of": "requests", "left": 9},
        {"count": 2, "seconds": 10.0, "of": "evaluations", "left": 0},
    ]
    gate.keep_to([Limit(10, per=10.0)])
    assert gate.opens_at(1.0, post=True) == 1.0
    assert gate.statistics(1.0)["limits"][0]["left"] == 9


def test_the_end_of_a_window_is_the_servers_to_a_fraction_of_a_second():
    gate = Gate()
    for sent_at in (0.0, 0.95, 1.05):
        gate.left(sent_at, post=True)
        gate.answered(sent_at, sent_at, EPOCH + int(sent_at), refused=False)
    gate.hold(1.05 + 9, server_until=EPOCH + 10)
    assert gate.opens_at(1.05, post=True) == pytest.approx(10.0, abs=0.001)
    gate.hold(11.0, server_until=EPOCH + 10)
    assert gate.opens_at(1.05, post=True) == pytest.approx(10.0, abs=0.001)
    assert gate.refusals == 2


def test_when_the_refusing_window_is_over_its_count_begins_anew():
    gate = Gate()
    for _ in range(3):
        gate.left(1.0, post=True)
    gate.answered(1.0, 1.1, None, refused=False)
    gate.answered(1.0, 1.1, None, refused=False)
    gate.answered(1.0, 1.1, None, refused=True)
    gate.hold(10.0)
    assert gate.statistics(2.0)["learned_requests_per_window"] == 2
    assert gate.statistics(2.0)["opens_in_s"] == 8.0
    for _ in range(2):
        assert gate.opens_at(10.0, post=True) <= 10.0
        gate.left(10.0, post=True)
    assert gate.opens_at(10.0, post=True) == float("inf"), "answers come first: the next is a probe"
    gate.answered(10.0, 10.1, None, refused=False)
    gate.answered(10.0, 10.1, None, refused=False)
    gate.left(10.1, post=True)
    assert repr(gate).startswith("<Gate learned=3 refusals=1 ")
