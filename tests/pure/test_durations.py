"""How long evaluations take, by what polls saw; and the schedule that is best for it."""

from __future__ import annotations

import random

import pytest

from fi_async.pacing.durations import CELLS, EDGES, Durations, after, before, edge, estimate
from fi_async.pacing.inspection import schedule, tolerance


def test_edges_are_a_twentieth_apart_from_a_tenth_of_a_second_to_an_hour():
    assert EDGES[:3] == (0.0, 0.1, pytest.approx(0.105))
    assert EDGES[-2] < 3600 < EDGES[-1]
    assert [edge(age) for age in (0.0, 0.04, 0.1, 0.104, 1e9)] == [0, 0, 1, 2, CELLS - 1]


def test_what_comes_a_little_after_an_edge_counts_as_at_it():
    at = EDGES[60]
    assert (before(at), edge(at), after(at)) == (60, 60, 60)
    assert (before(at * 1.01), edge(at * 1.01), after(at * 1.01)) == (60, 60, 60)
    assert (before(at * 1.03), edge(at * 1.03), after(at * 1.03)) == (60, 61, 61)
    assert (before(at * 1.02), edge(at * 1.02), after(at * 1.02)) == (60, 60, 61)


def test_with_nothing_known_half_take_no_longer_than_two_seconds():
    assert 1.8 < Durations().quantile(0.5) < 2.2


def test_what_one_bracket_leaves_open_a_narrower_one_decides():
    durations = Durations()
    for _ in range(8):
        durations.done(edge(1.8), edge(2.0))
    durations.masses()
    for _ in range(200):
        durations.done(None, edge(2.5))
    assert 1.75 < durations.quantile(0.1) < durations.quantile(0.9) < 2.1


def test_those_that_go_on_count():
    ends = {(edge(0.9), edge(1.0)): 10}
    alone = sum(estimate(ends)[: edge(1.0)])
    beside = sum(estimate({**ends, (edge(1.0), CELLS): 30})[: edge(1.0)])
    assert (alone, beside) == (pytest.approx(1.0, abs=0.02), pytest.approx(0.25, abs=0.02))


def test_a_known_law_is_found_from_polls_on_a_grid():
    rng, durations = random.Random(3), Durations()
    for _ in range(500):
        last = int((took := rng.lognormvariate(0.693, 0.8)) / 0.4)
        durations.done(edge(last * 0.4) if last else None, edge((last + 1) * 0.4))
    assert took > 0
    for share, expected in ((0.1, 0.72), (0.5, 2.0), (0.9, 5.58)):
        assert durations.quantile(share) == pytest.approx(expected, rel=0.15)


def test_the_lateness_is_what_is_expected_within_the_bracket():
    durations = Durations()
    for _ in range(100):
        durations.done(edge(1.9), edge(2.0))
    durations.masses()
    assert durations.lateness(0, edge(2.5)) == pytest.approx(EDGES[edge(2.5)] - 1.96, abs=0.1)
    assert 0 < durations.lateness(edge(2.0), edge(2.0)) < 0.1


def test_a_schedule_for_what_always_takes_the_same_asks_once_and_just_then():
    masses = [0.0] * CELLS
    masses[edge(2.0) - 1] = 1.0
    assert schedule(masses, 0.05)[0] == edge(2.0)


def test_a_schedule_skips_the_time_between_the_quick_and_the_slow():
    masses = [0.0] * CELLS
    masses[edge(0.5)] = masses[edge(30.0)] = 0.5
    then = schedule(masses, 0.05)
    assert then[0] == edge(0.5) + 1
    assert then[then[0]] == edge(30.0) + 1


def cost_of(masses: list[float], then: list[int], cost: float) -> float:
    total, at = 0.0, 0
    while at < CELLS - 1:
        total += cost * sum(masses[at:])
        for cell in range(at, then[at]):
            middle = (EDGES[cell] + EDGES[cell + 1]) / 2
            late = (EDGES[then[at]] - middle) / tolerance(middle)
            total += masses[cell] * (late if late > 1 else late**3)
        at = then[at]
    return total


def test_no_schedule_with_one_look_more_or_less_or_elsewhere_is_cheaper():
    rng = random.Random(5)
    masses = [rng.random() ** 3 for _ in range(CELLS)]
    masses = [mass / sum(masses) for mass in masses]
    then = schedule(masses, 0.05)
    looks, at = [], 0
    while at < CELLS - 1:
        looks.append(at := then[at])
    least = cost_of(masses, then, 0.05)
    for other in range(1, CELLS - 1):
        changed = sorted(set(looks) ^ {other})
        assert cost_of(masses, _then(changed), 0.05) >= least - 1e-9
        moved = sorted((set(looks) - {looks[other % (len(looks) - 1)]}) | {other})
        assert cost_of(masses, _then(moved), 0.05) >= least - 1e-9


def _then(looks: list[int]) -> list[int]:
    return [next((look for look in looks if look > at), CELLS - 1) for at in range(CELLS)]


def test_a_row_counts_once_whatever_was_asked_of_it():
    asked, alone = Durations(), Durations()
    asked.goes_on(None, 10)
    asked.goes_on(10, 20)
    asked.done(20, 21)
    asked.forget(20)
    alone.done(20, 21)
    assert asked.masses() == alone.masses()
