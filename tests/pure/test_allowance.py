"""How many requests a window takes when nobody said: learned from refusals, then probed."""

from __future__ import annotations

import math

import pytest

from fi_async.pacing.allowance import VOLLEY, Allowance


def opens(allowance: Allowance) -> float:
    return allowance.opens_at(is_given=False)


def going(allowance: Allowance, now: float) -> list[int]:
    """Let as many leave as may leave together, and return the windows they count in."""
    windows = []
    while opens(allowance) <= now and len(windows) < 1000:
        windows.append(allowance.left(now))
    return windows


def closed(sent: int, until: float = 10.0, ends: float | None = None) -> Allowance:
    """Return an allowance that a window closed after so many, at 1 s; all are answered."""
    allowance = Allowance()
    for _ in range(sent + 1):
        allowance.left(1.0)
    for _ in range(sent):
        allowance.answered(0, 0.5)
    assert allowance.refused(0, until, ends) is True
    return allowance


def test_what_left_before_the_refusal_is_what_a_window_takes():
    allowance = closed(5)
    assert (allowance.learned, allowance.closed_until, opens(allowance), allowance.rest(2.0)) == (5, 10.0, 10.0, 0)


def test_a_window_opens_at_its_end_whatever_is_still_in_flight():
    allowance = Allowance()
    for _ in range(6):
        allowance.left(1.0)
    allowance.refused(0, 10.0, None)
    assert opens(allowance) == 10.0
    assert allowance.rest(10.0) == 5
    assert going(allowance, 10.0) == [1] * 5
    for _ in range(5):
        allowance.answered(0, 30.0)
    assert opens(allowance) == math.inf, "those are of the window before: a probe waits for the present one's"
    for _ in range(5):
        allowance.answered(1, 0.5)
    assert going(allowance, 11.0) == [1]


def test_beyond_the_allowance_one_goes_ahead_then_ever_more():
    allowance, together = closed(2), []
    for _ in range(4):
        windows = going(allowance, 10.0)
        together.append(len(windows))
        for each in windows:
            allowance.answered(each, 0.5)
    assert together == [2, 1, 2, 4]
    allowance.refused(allowance.left(11.0), 20.0, None)
    assert allowance.learned == sum(together)


def test_a_probe_that_is_lost_lets_another_go():
    allowance = closed(1)
    assert going(allowance, 10.0) == [1]
    assert opens(allowance) == math.inf
    allowance.answered(1, None)
    assert going(allowance, 11.0) == [1]


@pytest.mark.parametrize("ends", [100.0, 100.0005, 90.0])
def test_a_late_refusal_by_a_window_that_has_ended_changes_nothing(ends):
    allowance = closed(3, ends=100.0)
    late = allowance.left(10.0) - 1
    assert allowance.refused(late, 12.0, ends) is False
    assert (allowance.closed_until, allowance.learned, opens(allowance)) == (0.0, 3, 0.0)


def test_a_late_refusal_by_the_present_window_closes_it():
    allowance = closed(3, ends=100.0)
    late = allowance.left(10.0) - 1
    allowance.left(10.0)
    assert allowance.refused(late, 20.0, 110.0) is True
    assert (allowance.closed_until, allowance.learned, allowance.period) == (20.0, 2, 10.0)


def test_a_late_refusal_that_names_no_end_is_taken_to_be_by_the_present_window():
    allowance = closed(3)
    late = allowance.left(10.0) - 1
    assert allowance.refused(late, 15.0, None) is True
    assert opens(allowance) == 15.0


def test_the_latest_end_that_was_named_counts():
    allowance = Allowance()
    for _ in range(3):
        allowance.left(1.0)
    for until in (5.0, 3.0, 7.0):
        allowance.refused(0, until, None)
        assert opens(allowance) == max(5.0, until)
    assert (allowance.learned, allowance.in_a_row) == (1, 1)


def test_a_refusal_that_another_client_met_closes_it_too():
    allowance = Allowance()
    for _ in range(2):
        allowance.left(1.0)
    allowance.close(5.0)
    assert (allowance.learned, opens(allowance), allowance.in_a_row) == (2, 5.0, 0)
    unused = Allowance()
    unused.close(5.0)
    assert unused.learned == 1, "one may always ask"


def test_the_ends_of_two_windows_that_refused_tell_their_length():
    allowance, found, now = Allowance(), [], 0.0
    for ends in (60.0, 60.0, None, 180.0, 190.0, 190.0, None, 200.0):
        now += 10.0
        allowance.refused(allowance.left(now), now + 5.0, ends)
        found.append(allowance.period)
    assert found == [None, None, None, 120.0, 10.0, 10.0, 10.0, 10.0]


def test_windows_that_refuse_one_after_the_other_are_counted_until_one_answers():
    allowance, found = Allowance(), []
    for now in (10.0, 20.0, 30.0):
        window = allowance.left(now)
        allowance.refused(window, now + 5.0, None)
        found.append(allowance.in_a_row)
    window = allowance.left(40.0)
    allowance.answered(window, None)
    found.append(allowance.in_a_row)
    window = allowance.left(41.0)
    allowance.answered(window, 0.1)
    found.append(allowance.in_a_row)
    assert found == [1, 2, 3, 3, 0]


def test_as_long_as_nothing_is_known_requests_leave_in_volleys():
    allowance = Allowance()
    assert VOLLEY == 64
    assert len(going(allowance, 1.0)) == VOLLEY
    assert opens(allowance) == 1.05
    assert allowance.opens_at(is_given=True) == 0.0, "a limit that is given keeps them to it"
    assert len(going(allowance, 1.05)) == VOLLEY


@pytest.mark.parametrize(("took", "next_at"), [(0.01, 1.01), (0.5, 1.05), (None, 1.05)])
def test_the_next_volley_leaves_when_the_quickest_answer_could_have_come(took, next_at):
    allowance = Allowance()
    going(allowance, 1.0)
    allowance.answered(0, took)
    assert opens(allowance) == next_at


def test_what_leaves_slowly_is_no_volley():
    allowance = Allowance()
    for turn in range(200):
        assert opens(allowance) <= turn * 0.001
        allowance.left(turn * 0.001)
    assert opens(allowance) == 0.0


def test_once_a_refusal_is_known_there_are_no_volleys():
    allowance = closed(500)
    assert len(going(allowance, 10.0)) == 500
