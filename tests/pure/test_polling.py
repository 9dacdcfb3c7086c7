"""When to ask for an evaluation's result."""

from __future__ import annotations

import pytest

from fi_async.pacing.polling import LONGEST, SHORTEST, Completions


def learned(*ages: float, template: str = "t") -> Completions:
    completions = Completions()
    for age in ages:
        completions.learn(template, age)
    return completions


@pytest.mark.parametrize(
    ("age", "then"),
    [(0.0, 0.25), (0.25, 0.5), (1.0, 1.25), (2.0, 2.5), (10.0, 12.5), (20.0, 25.0), (100.0, 105.0), (600.0, 605.0)],
)
def test_polls_come_late_by_a_quarter_of_the_age_within_bounds(age, then):
    assert Completions().next_poll("t", age) == then


def test_the_bounds_have_names():
    assert (SHORTEST, LONGEST) == (0.25, 5.0)


@pytest.mark.parametrize("interval", [0.1, 3.0, 60.0])
@pytest.mark.parametrize("age", [0.0, 5.0, 1000.0])
def test_a_fixed_interval_is_kept_whatever_was_learned(interval, age):
    completions = Completions(interval)
    for _ in range(10):
        completions.learn("t", 50.0)
    assert completions.next_poll("t", age) == age + interval


def test_the_first_poll_waits_for_the_quickest_of_the_recent():
    assert learned(9, 7, 30, 8, 10).next_poll("t", 0.0) == 7


def test_four_completions_are_not_enough_to_be_trusted():
    assert learned(9, 7, 30, 8).next_poll("t", 0.0) == 0.25


@pytest.mark.parametrize(("count", "expected"), [(9, 1), (10, 2), (19, 2), (20, 3), (100, 11)])
def test_the_quickest_tenth_is_passed_over(count, expected):
    assert learned(*range(count, 0, -1)).next_poll("t", 0.0) == expected


def test_once_that_time_is_over_polls_go_on_at_the_usual_pace():
    completions = learned(*[10.0] * 5)
    assert completions.next_poll("t", 0.0) == 10.0
    assert completions.next_poll("t", 9.9) == 9.9 + 9.9 / 4
    assert completions.next_poll("t", 10.0) == 12.5


def test_each_template_is_learned_for_itself():
    completions = learned(*[10.0] * 5)
    assert completions.next_poll("other", 0.0) == 0.25


def test_only_the_latest_200_are_remembered():
    completions = learned(*[10.0] * 200)
    for age in [1.0] * 20:
        completions.learn("t", age)
    assert completions.next_poll("t", 0.0) == 10.0
    completions.learn("t", 1.0)
    assert completions.next_poll("t", 0.0) == 1.0
    for age in [20.0] * 200:
        completions.learn("t", age)
    assert completions.next_poll("t", 0.0) == 20.0
