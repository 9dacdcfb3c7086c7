from __future__ import annotations

import pytest

from fi_async.runs.intervals import Interval, mean_interval, wilson


# Reference values: R 4.3, prop.test(x, n, correct = FALSE).
@pytest.mark.parametrize(
    ("passes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0), (81, 263, 0.2552617, 0.3661694), (1, 2, 0.0945312, 0.9054688)],
)
def test_wilson(passes, n, low, high):
    found = wilson(passes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_of_a_mean():
    found = mean_interval({0.0: 50, 1.0: 50})
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.4015081, 0.5984919), abs=1e-7)


def test_it_does_not_leave_what_was_seen():
    assert mean_interval({0.9: 1, 1.0: 1}) == Interval(0.9, 1.0)


def test_one_value_has_no_interval():
    assert mean_interval({1.0: 1}) is None
    assert mean_interval({}) is None
