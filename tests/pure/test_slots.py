"""Places for requests under way: a number of them, or as many as the server can do with."""

from __future__ import annotations

from typing import Any

import pytest

from fi_async.pacing.concurrency import AdaptiveConcurrency
from fi_async.pacing.planner import Room
from fi_async.pacing.slots import OVERLOADED, Slots


def test_a_number_stays_a_number_whatever_the_server_says():
    slots = Slots(5)
    for status in (200, 503, 429, None):
        slots.take(0.0)
        slots.give_back(0.0, 1.0, status, timed_out=status is None)
    assert (slots.count, slots.free, slots.taken, slots.room) == (5, 5, 0, Room(5, 5))
    assert (slots.is_settled, slots.was_crowded(0.0)) == (False, False)
    assert slots.statistics() == {"limit": 5, "under_way": 0}


def test_what_is_taken_is_free_again_when_it_is_given_back():
    slots = Slots(2)
    slots.take(0.0)
    slots.take(0.0)
    assert (slots.free, repr(slots)) == (0, "<Slots 2/2>")
    slots.give_back(0.0, 1.0, 200)
    assert (slots.free, slots.statistics()) == (1, {"limit": 2, "under_way": 1})


def told(status: int | None, *, timed_out: bool = False) -> Slots:
    """Return slots that were all taken some times, and given back with such an end."""
    slots = Slots("auto")
    for turn in range(2):
        for _ in range(slots.free):
            slots.take(float(turn))
        while slots.taken:
            slots.give_back(float(turn), turn + 0.5, status, timed_out=timed_out)
    return slots


def by_hand(outcome: Any) -> AdaptiveConcurrency:
    adaptive = AdaptiveConcurrency()
    for turn in range(2):
        taken = adaptive.limit
        for _ in range(taken):
            adaptive.started(float(turn))
        for _ in range(taken):
            adaptive.ended(turn + 0.5, 0.5, outcome=outcome)
    return adaptive


@pytest.mark.parametrize(
    ("status", "timed_out", "outcome"),
    [
        *((status, False, "overload") for status in sorted(OVERLOADED)),
        (None, True, "overload"),
        *((status, False, "ok") for status in (200, 400, 404, 500)),
        (429, False, "neutral"),
        (None, False, "neutral"),
    ],
)
def test_what_each_end_says_of_the_server(status, timed_out, outcome):
    slots, adaptive = told(status, timed_out=timed_out), by_hand(outcome)
    assert (slots.count, slots.room, slots.is_settled) == (adaptive.limit, adaptive.room, adaptive.is_settled)
    assert slots.was_crowded(0.0) is adaptive.was_crowded(0.0) is (outcome == "overload")


def test_fewer_than_are_taken_leave_none_free_until_enough_are_given_back():
    slots, now = Slots("auto"), 0.0
    while slots.free >= 0:
        now += 1.0
        while slots.free > 0:
            slots.take(now)
        slots.give_back(now, now + 0.5, 503)
        slots.take(now)
    while slots.free < 0:
        slots.give_back(now, now + 0.5, None)
    assert (slots.free, slots.taken) == (0, slots.count)


def test_what_follows_the_server_begins_as_that_does_and_says_why():
    slots = Slots("auto")
    assert (slots.count, slots.room) == (AdaptiveConcurrency().limit, AdaptiveConcurrency().room)
    assert slots.statistics()["why"] == AdaptiveConcurrency().statistics()["why"]
