"""How much of a limit that is given is used: in the server's windows, or in any span where it tells no time."""

from __future__ import annotations

import math

import pytest

from fi_async import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Use
from fi_async.pacing.windows import TRANSIT, Window
from pure.hand import EPOCH, told

EXACT = pytest.approx


def window(count: int = 3, per: float = 10.0) -> Window:
    return Window(Limit(count, per=per))


# -- with a Date -------------------------------------------------------------------------------------------------------


def test_a_window_takes_its_count_and_opens_at_the_servers_next():
    clock, one = told(), window()
    for _ in range(3):
        assert one.opens_at(2.0, 1, clock) == 2.0
        one.use(2.0, 1, clock)
    assert (one.left(2.0, clock), one.was_full) == (0, False)
    assert one.opens_at(2.0, 1, clock) == EXACT(10.0, abs=0.002)
    assert one.was_full
    assert one.opens_at(10.01, 1, clock) == 10.01
    assert one.next_in(2.0, clock) == EXACT(8.0, abs=0.002)


def test_what_leaves_at_a_boundary_counts_on_both_sides():
    clock, one = told(), window()
    assert one.use(9.9, 3, clock) == range(100_000, 100_002)
    assert one.opens_at(9.9, 1, clock) == EXACT(20.0, abs=0.002)


def test_more_than_a_window_takes_goes_alone():
    clock, one = told(), window()
    assert one.opens_at(2.0, 5, clock) == 2.0
    one.use(2.0, 5, clock)
    assert one.opens_at(2.0, 1, clock) == EXACT(10.0, abs=0.002)
    one.use(12.0, 1, clock)
    assert one.opens_at(12.0, 5, clock) == EXACT(20.0, abs=0.002), "the window has to be empty"


def test_what_uses_nothing_of_a_limit_is_counted_nowhere():
    clock, one = told(), window()
    assert one.use(2.0, 0, clock) is None
    assert one.use(2.0, 0, ServerClock()) is None
    assert one.left(2.0, clock) == 3
    assert one.still_open(99.0, 0, clock, None)


def test_what_all_clients_used_counts():
    clock, one = told(), window()
    one.learn(100_000, 2)
    assert one.left(2.0, clock) == 1
    assert one.opens_at(2.0, 2, clock) == EXACT(10.0, abs=0.002)
    assert [(use.window, use.amount) for use in one.uses(9.9, 2, clock)] == [(100_000, 2), (100_001, 2)]


def test_what_leaves_in_a_later_window_than_it_was_counted_in_needs_room_there():
    clock, one = told(), window()
    since = one.use(2.0, 1, clock)
    one.use(2.0, 2, clock)
    assert one.still_open(9.0, 1, clock, since), "in the same window it was counted"
    one.use(11.0, 2, clock)
    assert one.still_open(11.0, 1, clock, since)
    one.use(11.0, 1, clock)
    assert not one.still_open(11.0, 1, clock, since)


def test_it_is_counted_once_in_each_window_that_it_may_arrive_in():
    clock, one = told(), window()
    since = one.use(9.9, 1, clock)
    assert one.use(10.5, 1, clock, since) == range(100_001, 100_002)
    assert one.left(10.5, clock) == 2
    assert one.use(20.5, 1, clock, since) == range(100_002, 100_003)
    assert one.left(20.5, clock) == 2


# -- without one -------------------------------------------------------------------------------------------------------


def test_without_a_date_no_span_of_its_length_takes_more_than_its_count():
    unknown, one = ServerClock(), window()
    for now in (1.0, 2.0, 4.0):
        assert one.opens_at(now, 1, unknown) == now
        one.use(now, 1, unknown)
    assert (one.left(4.0, unknown), one.was_full) == (0, False)
    assert one.opens_at(4.0, 1, unknown) == 11.0 + TRANSIT
    assert one.opens_at(4.0, 2, unknown) == 12.0 + TRANSIT
    assert one.opens_at(4.0, 3, unknown) == 14.0 + TRANSIT
    assert one.was_full
    assert one.next_in(4.0, unknown) == 7.0 + TRANSIT
    assert one.opens_at(11.25, 1, unknown) == 11.25
    one.use(11.25, 1, unknown)
    assert one.opens_at(11.25, 1, unknown) == 12.0 + TRANSIT


def test_without_a_date_more_than_the_limit_goes_alone():
    unknown, one = ServerClock(), window()
    assert one.opens_at(1.0, 5, unknown) == 1.0
    one.use(1.0, 5, unknown)
    assert one.opens_at(1.0, 1, unknown) == one.opens_at(1.0, 5, unknown) == 11.0 + TRANSIT
    one.use(12.0, 1, unknown)
    assert one.opens_at(12.0, 5, unknown) == 22.0 + TRANSIT


def test_what_is_used_steadily_is_let_through_steadily():
    """What is counted together to save memory is of one thousandth of the span, however little lies between."""
    unknown, one = ServerClock(), window(1000, 10.0)
    for turn in range(1000):
        now = turn * 0.005
        assert one.opens_at(now, 1, unknown) == now
        one.use(now, 1, unknown)
    assert one.opens_at(5.0, 1, unknown) == EXACT(10.25, abs=0.011)
    assert one.opens_at(5.0, 500, unknown) == EXACT(12.75, abs=0.011)


def test_the_limit_of_a_day_needs_little_memory():
    unknown, one = ServerClock(), window(100_000, 86_400.0)
    for turn in range(50_000):
        one.use(turn * 1.7, 1, unknown)
    assert len(one._moments) <= 1000
    assert one.left(50_000 * 1.7, unknown) == 50_000


def test_what_was_used_before_the_first_date_is_counted_in_its_window():
    unknown, clock, one = ServerClock(), told(), window()
    one.use(1.0, 2, unknown)
    one.use(9.9, 1, unknown)
    one.settle(unknown)
    assert one.left(9.9, unknown) == 0, "it is not known yet"
    one.settle(clock)
    assert one.opens_at(9.9, 1, clock) == EXACT(10.0, abs=0.002)
    assert one.left(12.0, clock) == 2, "what left at the boundary counts on both sides"
    one.settle(clock)
    assert one.left(12.0, clock) == 2, "once"


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("gap", [0.0, 0.003, 0.3, 3.0])
def test_without_a_date_it_opens_always(count, gap):
    unknown, one, now, sent = ServerClock(), window(count), 0.0, []
    for _ in range(5 * count):
        now = one.opens_at(now + gap, 1, unknown)
        assert now < math.inf
        one.use(now, 1, unknown)
        sent.append(now)
    assert all(later - earlier > 10.249 for earlier, later in zip(sent, sent[count:], strict=False))


def test_without_a_date_what_leaves_later_than_it_was_counted_counts_once_and_from_then():
    unknown, one = ServerClock(), window()
    since = one.use(1.0, 1, unknown)
    assert one.still_open(3.0, 1, unknown, since)
    since = one.use(3.0, 1, unknown, since)
    assert one.left(3.0, unknown) == 2
    assert one.opens_at(3.0, 3, unknown) == 13.0 + TRANSIT
    one.use(4.0, 2, unknown)
    assert one.still_open(13.2, 1, unknown, since), "those that left since have made room for it"


def test_without_a_date_what_counts_no_more_needs_room_again():
    unknown, one = ServerClock(), window()
    since = one.use(1.0, 1, unknown)
    one.use(12.0, 3, unknown)
    assert not one.still_open(12.0, 1, unknown, since)
    assert one.still_open(22.25, 1, unknown, since)


def test_what_was_counted_before_the_first_date_is_not_counted_again_in_the_same_window():
    unknown, clock, one = ServerClock(), told(), window()
    since = one.use(1.0, 1, unknown)
    one.settle(clock)
    one.use(2.0, 2, clock)
    assert one.still_open(3.0, 1, clock, since)
    assert one.use(3.0, 1, clock, since) == range(100_000, 100_001)
    assert one.left(3.0, clock) == 0
    assert one.still_open(11.0, 1, clock, since)
    one.use(11.0, 3, clock)
    assert not one.still_open(11.0, 1, clock, since)


# -- with a clock that was wrong ---------------------------------------------------------------------------------------


def test_what_was_used_by_a_clock_that_was_wrong_is_counted_where_it_was_used():
    clock, one = ServerClock(), window()
    clock.assume(0.0, EPOCH + 300.0, within=0.001)
    since = one.use(1.0, 1, clock)
    one.use(2.0, 1, clock)
    assert since == range(100_030, 100_031)
    clock.heard(2.0, 2.0, EPOCH + 2)
    assert one.settle(clock) == [Use(one.limit, 100_000, 1)] * 2
    assert one.left(2.0, clock) == 1
    assert one.settle(clock) == [], "once"


def test_what_was_used_by_a_clock_that_is_only_known_better_is_not_counted_again():
    clock, one = ServerClock(), window()
    clock.assume(0.0, EPOCH, within=1.0)
    one.use(2.0, 1, clock)
    clock.heard(1.0, 33.0, EPOCH + 33)  # bounds that are wider than those that were assumed, and allow them
    assert one.settle(clock) == []


def test_what_leaves_late_by_a_clock_that_was_wrong_is_counted_in_an_earlier_window():
    clock, one = ServerClock(), window(1)
    clock.assume(0.0, EPOCH + 300.0, within=0.001)
    since = one.use(1.0, 1, clock)
    clock.heard(2.0, 2.0, EPOCH + 2)
    assert one.still_open(2.0, 1, clock, since)
    assert one.use(2.0, 1, clock, since).start == 100_000
    assert not one.still_open(2.0, 1, clock, None)


# -- tokens ------------------------------------------------------------------------------------------------------------


def tokens() -> Window:
    return Window(Limit(100, per=10.0, of="tokens"))


def test_tokens_are_corrected_in_each_window_that_they_may_have_been_used_in():
    clock, one = told(), tokens()
    since = one.use(9.9, 10, clock)
    one.correct(30, since)
    assert [one.left(now, clock) for now in (9.7, 10.5)] == [60, 60]
    one.correct(-35, since)
    assert [one.left(now, clock) for now in (9.7, 10.5)] == [95, 95]


def test_tokens_that_were_reckoned_before_the_first_date_are_corrected_after_it():
    unknown, clock, one = ServerClock(), told(), tokens()
    since = one.use(1.0, 10, unknown)
    one.settle(clock)
    one.correct(30, since)
    assert one.left(2.0, clock) == 60
