"""The limit stays within its bounds and shrinks once an episode, whatever happens in whatever order."""

from __future__ import annotations

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fi_async.pacing.concurrency import AdaptiveConcurrency

outcomes = st.sampled_from(["ok", "ok", "ok", "overload", "neutral"])
# (seconds since the last event, seconds under way, what came of it, how many of the kind)
steps = st.tuples(st.sampled_from([0.0, 0.001, 0.1, 1.0, 60.0]), st.floats(0, 100), outcomes, st.integers(1, 40))
bounds = st.tuples(st.integers(-5, 300), st.integers(-5, 50), st.integers(-5, 300))


def play(control, history, check):
    now = 0.0
    for gap, latency, outcome, count in history:
        now += gap
        for _ in range(count):
            control.started(now)
        for _ in range(count):
            control.ended(now + latency, latency, outcome=outcome)
            check(now + latency)
        now += latency
    return now


@settings(deadline=None, max_examples=200)
@given(bounds, st.lists(steps, max_size=60))
@example(of=(0, 0, 0), history=[(0.0, 5e-324, "ok", 16)])
def test_the_limit_is_a_whole_number_within_its_bounds(of, history):
    control = AdaptiveConcurrency(*of)
    least = max(of[1], 1)
    most = max(of[2], least)

    def check(now):
        assert type(control.limit) is int
        assert least <= control.limit <= most
        figures = control.statistics()
        assert all(math.isfinite(each) for each in figures.values() if not isinstance(each, str))
        assert figures["limit"] == control.limit

    play(control, history, check)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), outcomes), max_size=300))
def test_times_that_make_no_sense_do_no_harm(history):
    control = AdaptiveConcurrency(most=40)
    for starts, now, latency, outcome in history:
        if starts:
            control.started(now)
        else:
            control.ended(now, latency, outcome=outcome)
        assert type(control.limit) is int
        assert 1 <= control.limit <= 40
        assert repr(control)


@settings(deadline=None, max_examples=200)
@given(st.lists(steps, max_size=30), st.lists(st.tuples(st.floats(0, 100), outcomes), max_size=100))
def test_what_was_sent_before_a_cut_does_not_cut_again(history, stragglers):
    control = AdaptiveConcurrency()
    now = play(control, history, lambda _: None) + 1.0
    for _ in range(200):
        control.started(now)
    cut = now + 1.0
    episodes = control.statistics()["episodes"]
    while control.statistics()["episodes"] == episodes:
        control.ended(cut, 1.0, outcome="overload")
    limit = control.limit
    for late, outcome in stragglers:
        control.ended(cut + late, late + 1.0, outcome=outcome)
        assert control.limit == limit
        assert control.statistics()["episodes"] == episodes + 1


@settings(deadline=None, max_examples=100)
@given(st.lists(steps, max_size=60))
def test_episodes_are_told_apart_by_three_signals_sent_since_the_last(history):
    control = AdaptiveConcurrency()
    seen = 0
    signals = 0

    def check(_):
        nonlocal seen
        seen = max(seen, int(control.statistics()["episodes"]))

    for step in history:
        signals += step[3] if step[2] == "overload" else 0
    play(control, [step for step in history if step[2] == "overload"], check)
    assert seen <= signals / 3


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 10)), max_size=300), st.integers(1, 14))
def test_what_is_not_used_does_not_grow(times, under_way):
    control = AdaptiveConcurrency()
    now = 0.0
    for _ in range(under_way):
        control.started(now)
    for gap, latency in times:
        now += gap
        control.ended(now, latency, outcome="ok")
        control.started(now)
        assert control.limit == 16
