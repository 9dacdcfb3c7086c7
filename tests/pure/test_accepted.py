"""How many evaluations a server is given between polls."""

from __future__ import annotations

import pytest

from fi_async.pacing.accepted import MOST, AcceptedLimit
from fi_async.pacing.planner import Room


def begun(held: int = 16, latency: float = 2.0) -> AcceptedLimit:
    accepted = AcceptedLimit()
    accepted.begin(10.0, held, latency)
    return accepted


def test_it_begins_with_four_times_what_was_held():
    accepted = AcceptedLimit()
    assert accepted.room(16) == Room(64, MOST, 4)
    accepted.done(1.0)  # polled by somebody before
    assert accepted.room(32) == Room(128, MOST, 4)
    accepted.begin(10.0, 16, 2.0)
    accepted.begin(11.0, 100, 9.0)
    assert accepted.room(100) == Room(64, MOST, 4)


def test_what_is_done_in_time_makes_room_for_four_times_as_many():
    accepted = begun()
    for _ in range(63):
        accepted.done(12.5)
    assert accepted.room(16).limit == 64
    accepted.done(12.5)
    assert accepted.room(16).limit == 256
    for _ in range(256 + 1024 + 4096):
        accepted.done(15.0)
    assert accepted.room(16) == Room(MOST, MOST, 4)
    assert not accepted.is_settled


@pytest.mark.parametrize(("in_time", "settled"), [(46, True), (47, False)])
def test_less_than_three_quarters_in_two_latencies_is_a_queue(in_time, settled):
    accepted = begun()
    for _ in range(in_time):
        accepted.done(13.9)
    accepted.done(14.0)
    assert accepted.is_settled is settled
    assert accepted.room(20) == (Room(20, 20) if settled else Room(256, MOST, 4))


def test_refusals_settle_it_and_are_of_its_own_making():
    accepted = begun()
    accepted.refused(11.0)
    accepted.refused(11.0)
    assert not accepted.is_settled
    assert not accepted.was_crowded(11.0)
    accepted.refused(11.0)
    assert repr(accepted) == "<AcceptedLimit limit=64 settled>"
    assert accepted.was_crowded(11.0)
    assert accepted.was_crowded(19.0)  # until what was accepted before is done
    assert not accepted.was_crowded(19.1)
    accepted.refused(30.0)
    assert not accepted.was_crowded(30.0)


def test_refusals_before_anything_was_polled_tell_nothing():
    accepted = AcceptedLimit()
    for _ in range(5):
        accepted.refused(1.0)
    assert not accepted.is_settled
    assert not accepted.was_crowded(0.0)
