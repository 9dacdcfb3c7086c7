"""What the server's clock says, from the Date headers of its replies."""

from __future__ import annotations

import pytest

from fi_async.pacing.clock import ServerClock
from pure.hand import told


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


def test_it_is_told_how_often_what_was_known_was_wrong():
    clock = ServerClock()
    clock.assume(0.0, 100.0, within=1.0)
    clock.heard(0.0, 0.0, 100.0)
    clock.heard(0.5, 0.5, 100.0)
    clock.agree(100.0, 100.2)
    assert clock.times_set == 1, "the first is the first that was known, and all others allow it"
    clock.heard(0.5, 0.5, 200.0)
    clock.agree(100.0, 100.2)
    assert clock.times_set == 2, "what another says is not believed"
