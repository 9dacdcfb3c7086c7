"""How many requests a window takes when nobody said: learned from refusals, then probed."""

from __future__ import annotations

import math

import pytest

from fi_async.pacing.allowance import VOLLEY, Allowance, Leave


def opens(allowance: Allowance) -> float:
    return allowance.opens_at(is_given=False)


def going(allowance: Allowance, now: float) -> list[Leave]:
    """Let as many leave as may leave together, and return these."""
    gone: list[Leave] = []
    while opens(allowance) <= now and len(gone) < 1000:
        gone.append(allowance.left(now))
    return gone


def closed(sent: int, until: float = 10.0, ends: float | None = None) -> Allowance:
    """Return an allowance that a window closed after so many, at 1 s; all are answered."""
    allowance = Allowance()
    *passed, last = [allowance.left(1.0) for _ in range(sent + 1)]
    for each in passed:
        allowance.answered(each, 0.5)
    assert allowance.refused(last, until, ends) is True
    return allowance


def test_what_left_before_the_refusal_is_what_a_window_takes():
    allowance = closed(5)
    assert (allowance.learned, allowance.closed_until, opens(allowance), allowance.rest(2.0)) == (5, 10.0, 10.0, 0)


def test_a_window_opens_at_its_end_whatever_is_still_in_flight():
    allowance = Allowance()
    first = [allowance.left(1.0) for _ in range(6)]
    allowance.refused(first[-1], 10.0, None)
    assert opens(allowance) == 10.0
    assert allowance.rest(10.0) == 5
    second = going(allowance, 10.0)
    assert [each.window for each in second] == [1] * 5
    for each in first[:5]:
        allowance.answered(each, 30.0)
    assert opens(allowance) == math.inf, "those are of the window before: a probe waits for the present one's"
    for each in second:
        allowance.answered(each, 0.5)
    assert len(going(allowance, 11.0)) == 1


def test_beyond_the_allowance_one_goes_ahead_then_ever_more():
    allowance, together = closed(2), []
    for _ in range(4):
        gone = going(allowance, 10.0)
        together.append(len(gone))
        for each in gone:
            allowance.answered(each, 0.5)
    assert together == [2, 1, 2, 4]
    allowance.refused(allowance.left(11.0), 20.0, None)
    assert allowance.learned == sum(together)


def test_a_probe_that_is_lost_lets_another_go():
    allowance = closed(1)
    (probe,) = going(allowance, 10.0)
    assert opens(allowance) == math.inf
    allowance.answered(probe, None)
    assert len(going(allowance, 11.0)) == 1


@pytest.mark.parametrize("ends", [100.0, 100.0005, 90.0])
def test_a_late_refusal_by_a_window_that_has_ended_changes_nothing(ends):
    allowance = closed(3, ends=100.0)
    late = Leave(0, 3, 1.0)
    allowance.left(10.0)
    assert allowance.refused(late, 12.0, ends) is False
    assert (allowance.closed_until, allowance.learned, opens(allowance)) == (0.0, 3, 0.0)


def test_a_late_refusal_by_the_present_window_closes_it():
    allowance = closed(3, ends=100.0)
    late = Leave(0, 3, 1.0)
    allowance.left(10.0)
    allowance.left(10.0)
    assert allowance.refused(late, 20.0, 110.0) is True
    assert (allowance.closed_until, allowance.learned, allowance.period) == (20.0, 2, 10.0)


def test_a_late_refusal_that_names_no_end_is_taken_to_be_by_the_present_window():
    allowance = closed(3)
    late = Leave(0, 3, 1.0)
    allowance.left(10.0)
    assert allowance.refused(late, 15.0, None) is True
    assert opens(allowance) == 15.0


def test_the_latest_end_that_was_named_counts():
    allowance = Allowance()
    gone = [allowance.left(1.0) for _ in range(3)]
    for each, until in zip(gone, (5.0, 3.0, 7.0), strict=True):
        allowance.refused(each, until, None)
        assert opens(allowance) == max(5.0, until)
    assert (allowance.learned, allowance._in_a_row) == (1, 1)


def test_a_refusal_that_another_client_met_closes_it_too():
    allowance = Allowance()
    for _ in range(2):
        allowance.left(1.0)
    allowance.close(5.0)
    assert (allowance.learned, opens(allowance), allowance._in_a_row) == (2, 5.0, 0)
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
        found.append(allowance._in_a_row)
    window = allowance.left(40.0)
    allowance.answered(window, None)
    found.append(allowance._in_a_row)
    window = allowance.left(41.0)
    allowance.answered(window, 0.1)
    found.append(allowance._in_a_row)
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
    first, *_ = [allowance.left(1.0) for _ in range(VOLLEY + 1)]
    allowance.answered(first, took)
    assert opens(allowance) == next_at


def test_where_some_answers_take_longer_a_refusal_may_too():
    allowance = Allowance()
    for each, took in zip(going(allowance, 1.0), (0.2, 0.5), strict=False):
        allowance.answered(each, took)
    assert len(going(allowance, 1.1)) == 2, "so many were seen to pass"
    assert opens(allowance) == pytest.approx(1.35)
    for took in (0.2, 9.0):
        allowance.answered(Leave(0, 1, 1.0), took)
    assert opens(allowance) == pytest.approx(2.05), "a second at most"


def test_what_was_answered_has_passed_and_all_that_left_before_it():
    allowance = Allowance()
    gone = going(allowance, 1.0)
    allowance.answered(gone[40], 0.2)
    assert len(going(allowance, 1.01)) == 41


def test_of_many_that_passed_a_quarter_may_be_out():
    allowance = Allowance()
    for _ in range(400):
        allowance.answered(allowance.left(1.0), 0.01)
    assert len(going(allowance, 1.0)) == 100


def test_what_leaves_slowly_is_no_volley():
    allowance = Allowance()
    for turn in range(200):
        assert opens(allowance) <= turn * 0.01
        allowance.left(turn * 0.01)


def test_once_a_refusal_is_known_there_are_no_volleys():
    allowance = closed(500)
    assert len(going(allowance, 10.0)) == 500


# Windows of 10 s: 200 left in the last second of one, 300 in the next, and one more, which is refused at 11.5 s.


def across(doubt: float) -> Allowance:
    allowance = Allowance()
    *passed, last = [allowance.left(at) for at, count in ((9.0, 200), (11.0, 301)) for _ in range(count)]
    for each in passed:
        allowance.answered(each, 0.2)
    assert allowance.refused(last, 20.0, 86_420.0, doubt) is True
    return allowance


def test_what_left_in_the_window_before_may_be_too_many_for_the_next():
    allowance = across(0.5)
    assert (allowance.learned, allowance.sure, allowance.rest(20.0)) == (500, 300, 300)
    assert len(going(allowance, 20.0)) == 300 + VOLLEY


def test_a_run_may_begin_as_a_window_does():
    assert across(1.5).sure == 500
