"""Polls go forward, are not too many, and end: whatever the evaluations do."""

from __future__ import annotations

import heapq
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async.pacing.durations import CELLS, EDGES, Durations, edge
from fi_async.pacing.inspection import schedule
from fi_async.pacing.polling import Completions

took = st.floats(0, 600) | st.sampled_from([0.0, 0.2, 2.0, 60.0])
lives = st.lists(st.tuples(st.floats(0, 60), took, st.booleans()), min_size=1, max_size=60)
brackets = st.lists(st.tuples(st.none() | st.integers(0, CELLS - 1), st.integers(0, CELLS - 1)), max_size=80)


@settings(deadline=None, max_examples=60)
@given(brackets, st.floats(1e-3, 10))
def test_an_estimate_is_a_law_and_its_schedule_goes_forward(seen, cost):
    durations = Durations()
    for after, by in seen:
        durations.goes_on(None, after)
        durations.done(after, by)
        durations.forget(after)
    masses = durations.masses()
    assert all(mass > 0 for mass in masses)
    assert math.isclose(sum(masses), 1.0, rel_tol=1e-6)
    assert 0 <= durations.quantile(0.5) <= EDGES[-1]
    for after, by in seen:
        assert 0 <= durations.lateness(after or 0, by) <= EDGES[max(by, 1)]
    then = schedule(masses, cost)
    assert all(at < after < CELLS for at, after in enumerate(then[:-1]))


@settings(deadline=None, max_examples=60)
@given(lives, st.booleans(), st.booleans())
def test_each_row_is_asked_until_it_is_done_in_a_bounded_number_of_polls(given_lives, scarce, urgent):
    """Rows are accepted at these times, take so long, and the polls of some get no answer the first time."""
    completions = Completions()
    order = sorted(given_lives)
    events = [(at, number, None) for number, (at, _, _) in enumerate(order)]
    heapq.heapify(events)
    polls, looks, done = [0] * len(order), [0] * len(order), set()
    while events:
        now, number, row = heapq.heappop(events)
        at, lasts, is_lost = order[number]
        row = row or completions.accepted("t", at, scarce=scarce)
        age = now - row.at
        look = completions.next_look(row, age, scarce=scarce, urgent=urgent)
        looks[number] += 1
        assert math.isfinite(look)
        assert look >= age
        if look > age:
            assert row.at + look > now
            heapq.heappush(events, (row.at + look, number, row))
            continue
        polls[number] += 1
        if is_lost and polls[number] == 1:
            completions.lost(row, age)
        elif age < lasts:
            completions.pending(row, age)
        else:
            completions.done(row, age)
            completions.left(row)
            done.add(number)
            continue
        heapq.heappush(events, (now, number, row))
    assert len(done) == len(order)
    for count, seen, (_, lasts, _) in zip(polls, looks, order, strict=True):
        # Every quarter second to 5 s, then by a twentieth; one lost, one that finds it done, one early.
        most = 4 * min(lasts, 5.0) + math.log(max(lasts, 5.0) / 5.0) / math.log(1.05) + 4
        assert count <= most
        assert seen <= 2 * count + 8 * (lasts + 60)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1e6), max_size=20), st.floats(0, 1e6), st.floats(0.001, 1e4))
def test_a_fixed_interval_is_kept_whatever_was_learned(learned, age, interval):
    completions = Completions(interval)
    for each in learned:
        row = completions.accepted("t", 0.0)
        completions.done(row, each)
        completions.left(row)
    row = completions.accepted("t", 0.0)
    completions.pending(row, age)
    assert completions.next_look(row, age) == age + interval
    assert 0 <= edge(age) < CELLS
