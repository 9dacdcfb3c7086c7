"""A plan's limit of evaluations: found closed, asked by canaries, its window learned from when it opens."""

from __future__ import annotations

import math

import pytest

from fi_async.pacing.clock import ServerClock
from fi_async.pacing.quota import FIRST, GROWTH, OVERDUE, EvaluationQuota

EPOCH = 86_400.0


def told() -> ServerClock:
    """Return a clock that knows the server's to a millisecond: it is one day ahead."""
    clock = ServerClock()
    clock.heard(-2.0, -2.0, EPOCH - 2)
    clock.heard(-1.001, -1.001, EPOCH - 2)
    return clock


def used(quota: EvaluationQuota, rows: int, clock: ServerClock, now: float = 0.0) -> None:
    assert quota.left(now, rows, clock) is False
    for _ in range(rows):
        quota.passed(canary=False, clock=clock)


def wait(quota: EvaluationQuota, now: float, opens: float, clock: ServerClock) -> tuple[float, int]:
    """Send canaries until one passes; return when that one left, and how many were refused."""
    refused = 0
    while True:
        now = max(now, quota.opens_at())
        assert now < math.inf
        assert quota.left(now, 1, clock) is True
        assert quota.opens_at() == now + OVERDUE
        if now >= opens:
            quota.passed(canary=True, clock=clock)
            return now, refused
        refused += 1
        quota.refused(now + 0.1, canary=True, clock=clock)


def test_nothing_is_held_before_a_refusal():
    quota = EvaluationQuota()
    used(quota, 1000, told())
    assert (quota.opens_at(), quota.room(), quota.is_closed) == (0.0, math.inf, False)
    assert repr(quota) == "<EvaluationQuota open learned=None period=None>"


def test_what_passed_before_the_refusal_is_what_a_window_takes():
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(1.0, canary=False, clock=clock)
    quota.refused(1.1, canary=False, clock=clock)
    assert (quota.learned, quota.is_closed, quota.room()) == (50, True, 1)
    assert quota.opens_at() == 1.0 + FIRST


def test_canaries_go_one_by_one_and_ever_later():
    quota, clock, gaps, now = EvaluationQuota(), told(), [], 0.0
    quota.refused(now, canary=False, clock=clock)
    for _ in range(4):
        opens = quota.opens_at()
        gaps.append(opens - now)
        quota.left(opens, 1, clock)
        now = opens
        quota.refused(now, canary=True, clock=clock)
    assert gaps == pytest.approx([FIRST, FIRST, FIRST * GROWTH, FIRST * GROWTH**2])


@pytest.mark.parametrize(("length", "closed_at"), [(10.0, 0.4), (60.0, 7.0), (3600.0, 400.0)])
def test_the_length_of_a_window_is_learned_from_when_it_opens(length, closed_at):
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(closed_at, canary=False, clock=clock)
    found_at, refused = wait(quota, closed_at, length, clock)
    assert found_at - length <= 0.25 * (length - closed_at)
    assert refused <= 40
    assert quota.period == length
    assert (quota.is_closed, quota.room()) == (False, 49)
    used(quota, 49, clock, found_at + 1)
    opens = quota.opens_at()
    assert opens == pytest.approx(2 * length, abs=0.01), "the next opening is met without asking"
    assert wait(quota, found_at + 1, 2 * length, clock)[1] == 0


def test_a_window_mistaken_for_a_shorter_one_is_put_right():
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(9.9, canary=False, clock=clock)
    wait(quota, 9.9, 10.0, clock)
    assert quota.period is not None
    assert quota.period < 10.0
    used(quota, 49, clock, 11.0)
    found_at, _ = wait(quota, 11.0, 20.0, clock)
    assert quota.period == 10.0
    assert found_at - 20.0 <= 0.25 * (20.0 - 11.0)


def test_a_refusal_that_is_found_late_tells_when_the_window_was_full():
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(9.9, canary=False, clock=clock, since=4.0)
    quota.refused(9.9, canary=False, clock=clock, since=0.4)
    quota.refused(9.9, canary=False, clock=clock, since=3.0)
    wait(quota, 9.9, 10.0, clock)
    assert quota.period == 10.0


@pytest.mark.parametrize(("length", "kept"), [(10.0, 10.0), (3600.0, 1.0)])
def test_an_opening_at_the_expected_time_leaves_a_short_window_as_it_is(length, kept):
    """A long one may hide a shorter: that is looked for again."""
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(0.4 * length, canary=False, clock=clock)
    found_at, _ = wait(quota, 0.4 * length, length, clock)
    assert quota.period == length
    used(quota, 49, clock, found_at + 1)
    assert wait(quota, found_at + 1, 2 * length, clock)[1] == 0
    assert quota.period == kept


def test_what_was_sent_in_an_earlier_window_does_not_fill_the_present_one():
    """One that is taken up again much later asks at once, and does not wait for the window after."""
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(400.0, canary=False, clock=clock)
    wait(quota, 400.0, 3600.0, clock)
    used(quota, 30, clock, 3700.0)
    used(quota, 19, clock, 9000.0)
    assert (quota.is_closed, quota.opens_at()) == (True, 9000.0 + FIRST)
    assert wait(quota, 9000.0, 7200.0, clock) == (9000.0 + FIRST, 0)


def test_each_window_is_reckoned_from_the_one_before():
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(0.4, canary=False, clock=clock)
    now, _ = wait(quota, 0.4, 10.0, clock)
    for window in (2, 3, 4):
        used(quota, int(quota.room()), clock, now + 1)
        assert quota.opens_at() == pytest.approx(10.0 * window, abs=0.01)
        now, _ = wait(quota, now + 1, 10.0 * window, clock)


def test_without_the_servers_time_canaries_go_on():
    quota, clock = EvaluationQuota(), ServerClock()
    used(quota, 5, clock)
    quota.refused(1.0, canary=False, clock=clock)
    found_at, _ = wait(quota, 1.0, 10.0, clock)
    assert (quota.period, quota.room()) == (None, 4)
    used(quota, 4, clock, found_at)
    assert quota.opens_at() == found_at + FIRST


def test_a_canary_that_is_lost_makes_room_for_another():
    quota, clock = EvaluationQuota(), told()
    quota.refused(1.0, canary=False, clock=clock)
    quota.left(1.5, 1, clock)
    quota.lost(2.0)
    assert quota.opens_at() == 2.5
    quota.lost(9.0)
    assert quota.opens_at() == 2.5, "there was none out"


def test_a_canary_that_nobody_tells_of_is_waited_for_until_its_time_and_then_another_leaves():
    quota, clock = EvaluationQuota(), told()
    assert (quota.is_asking, quota.opens_at()) == (False, 0.0)
    quota.refused(1.0, canary=False, clock=clock)
    assert (quota.is_asking, quota.opens_at()) == (False, 1.5)
    assert quota.left(1.5, 1, clock)
    assert (quota.is_asking, quota.opens_at()) == (True, 1.5 + OVERDUE)
    assert quota.left(1.5 + OVERDUE, 1, clock)
    assert (quota.is_asking, quota.opens_at()) == (True, 1.5 + 2 * OVERDUE)
    quota.refused(200.0, canary=True, clock=clock)
    assert quota.opens_at() == pytest.approx(200.0 + FIRST * GROWTH), (
        "the one that was overdue counts as one that asked"
    )


@pytest.mark.parametrize("until", [3.0, 500.0])
def test_a_canary_is_waited_for_as_long_as_whoever_holds_it_says(until):
    quota, clock = EvaluationQuota(), told()
    quota.refused(1.0, canary=False, clock=clock)
    quota.left(1.5, 1, clock)
    quota.wait_for_canary(until)
    assert quota.opens_at() == until


def test_a_canary_that_never_got_there_makes_room_for_another_at_once():
    quota, clock = EvaluationQuota(), told()
    quota.refused(1.0, canary=False, clock=clock)
    quota.left(1.5, 1, clock)
    quota.returned(2.0)
    assert (quota.is_asking, quota.opens_at()) == (False, 2.0)
    quota.left(2.0, 1, clock)
    quota.lost(3.0)
    assert quota.opens_at() == 3.0 + FIRST, "the pause did not grow"


def test_what_is_known_is_the_same_by_another_clock():
    quota, other, clock = EvaluationQuota(), EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(0.5, canary=False, clock=clock)
    quota.left(1.0, 1, clock)
    other.restore(quota.state(1000.0), 995.0)
    assert other.opens_at() == quota.opens_at() + 5.0 == 1.0 + OVERDUE + 5.0
    quota.lost(1.25)
    other.restore(quota.state(1000.0), 995.0)
    assert other.opens_at() == quota.opens_at() + 5.0
    assert other.state(0.0) == quota.state(5.0)


def test_a_late_word_of_an_evaluation_before_changes_nothing():
    quota, clock = EvaluationQuota(), told()
    quota.refused(1.0, canary=False, clock=clock)
    quota.passed(canary=False, clock=clock)
    assert quota.is_closed
    quota.left(1.5, 1, clock)
    quota.passed(canary=True, clock=clock)
    quota.passed(canary=True, clock=clock)
    assert quota.learned == 1


def test_what_a_window_let_through_may_be_found_done_after_its_refusal():
    quota, clock = EvaluationQuota(), told()
    quota.left(0.0, 60, clock)
    quota.refused(0.1, canary=False, clock=clock)
    assert quota.learned == 1
    for _ in range(50):
        quota.passed(canary=False, clock=clock)
    quota.refused(0.2, canary=False, clock=clock)
    assert quota.learned == 50


def test_a_window_that_let_all_through_is_tried_with_more_the_next_times():
    quota, clock = EvaluationQuota(), told()
    used(quota, 50, clock)
    quota.refused(0.4, canary=False, clock=clock)
    now, learned = 0.4, []
    for window in (1, 2, 3):
        now, _ = wait(quota, now, 10.0 * window, clock)
        used(quota, int(quota.room()), clock, now)
        learned.append(quota.learned)
    assert learned == [51, 53, 57]
    now, _ = wait(quota, now, 40.0, clock)
    used(quota, 50, clock)
    quota.refused(now + 1, canary=False, clock=clock)
    assert quota.learned == 51, "the canary is one of them"
