"""Whether there is a server: others wait while one at a time tries."""

from __future__ import annotations

import math

import pytest

from fi_async.pacing.outage import NEVER_REACHED, Outage

LONG = 300.0


def reached() -> Outage:
    outage = Outage()
    assert outage.reached() is False
    return outage


def test_as_long_as_requests_get_through_nobody_waits():
    outage = reached()
    assert (outage.opens_at(5.0, LONG), outage.left(), outage.since) == (0.0, False, None)
    assert not outage.is_over(1e9, 0.0)


def test_one_at_a_time_tries_after_pauses_that_grow():
    outage, now, pauses = reached(), 100.0, []
    assert outage.failed(now, tried=False) is True
    for _ in range(8):
        opens = outage.opens_at(now, LONG)
        pauses.append(opens - now)
        assert outage.left() is True
        assert (outage.left(), outage.opens_at(opens, LONG)) == (False, math.inf)
        now = opens
        assert outage.failed(now, tried=True) is False
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert outage.since == 100.0


def test_those_that_had_left_before_change_nothing():
    outage = reached()
    outage.failed(100.0, tried=False)
    assert outage.failed(100.4, tried=False) is False
    assert outage.opens_at(100.4, LONG) == 100.5
    outage.left()
    outage.failed(100.6, tried=False)
    assert outage.opens_at(100.6, LONG) == math.inf, "another still tries"


def test_the_first_that_gets_through_opens_it_and_the_next_outage_begins_with_the_first_pause():
    outage = reached()
    outage.failed(100.0, tried=False)
    outage.left()
    outage.failed(100.5, tried=True)
    outage.left()
    assert outage.reached() is True
    assert (outage.opens_at(101.5, LONG), outage.since) == (0.0, None)
    assert outage.reached() is False
    assert outage.failed(200.0, tried=False) is True
    assert outage.opens_at(200.0, LONG) == 200.5


def test_a_try_that_told_nothing_lets_another_try_after_the_same_pause():
    outage = reached()
    outage.failed(100.0, tried=False)
    outage.left()
    outage.unknown(107.0, tried=False)
    assert outage.opens_at(107.0, LONG) == math.inf
    outage.unknown(107.0, tried=True)
    assert outage.opens_at(107.0, LONG) == 107.5


@pytest.mark.parametrize("patience", [5.0, 300.0])
def test_requests_fail_rather_than_wait_once_there_is_no_patience_left(patience):
    outage = reached()
    outage.failed(100.0, tried=False)
    outage.left()
    outage.failed(100.5, tried=True)
    before, after = 100.0 + patience - 0.01, 100.0 + patience
    assert (outage.is_over(before, patience), outage.is_over(after, patience)) == (False, True)
    assert (outage.opens_at(before, patience), outage.opens_at(after, patience)) == (101.5, 0.0)


@pytest.mark.parametrize(("patience", "ends"), [(5.0, 5.0), (300.0, NEVER_REACHED)])
def test_where_no_request_ever_got_through_there_is_less_patience(patience, ends):
    outage = Outage()
    outage.failed(0.0, tried=False)
    assert NEVER_REACHED == 30.0
    assert (outage.is_over(ends - 0.01, patience), outage.is_over(ends, patience)) == (False, True)


@pytest.mark.parametrize("patience", [29.0, 300.0])
def test_the_last_try_is_when_patience_ends(patience):
    outage, now, tries = Outage(), 0.0, []
    outage.failed(now, tried=False)
    while not outage.is_over(now, patience):
        now = outage.opens_at(now, patience)
        tries.append(now)
        outage.left()
        outage.failed(now, tried=True)
    assert tries == [0.5, 1.5, 3.5, 7.5, 15.5, 25.5, min(patience, NEVER_REACHED)]
