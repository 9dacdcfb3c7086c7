"""How long to wait before trying again: the ladder and its jitter."""

from __future__ import annotations

import random

import pytest

from fi_async.pacing import backoff

LADDER = [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (7, 8.0), (1000, 8.0)]


class Edge(random.Random):
    """Draws what the test says, from 0 (the shortest) to 1 (the longest)."""

    def __init__(self, drawn: float) -> None:
        super().__init__(0)
        self.drawn = drawn

    def random(self) -> float:
        return self.drawn


@pytest.mark.parametrize(("attempts", "longest"), LADDER)
def test_a_delay_is_half_fixed_and_half_drawn(attempts, longest):
    assert backoff.delay(attempts, Edge(0.0)) == longest / 2
    assert backoff.delay(attempts, Edge(0.5)) == longest * 0.75
    assert backoff.delay(attempts, Edge(1.0)) == longest


@pytest.mark.parametrize("attempts", [0, -1])
def test_before_any_failure_the_delay_is_the_first(attempts):
    assert backoff.delay(attempts, Edge(1.0)) == 0.5


@pytest.mark.parametrize(("attempts", "longest"), LADDER)
def test_draws_fill_their_range(attempts, longest):
    rng = random.Random(7)
    drawn = [backoff.delay(attempts, rng) for _ in range(500)]
    assert longest / 2 <= min(drawn) < longest * 0.52
    assert longest * 0.98 < max(drawn) <= longest


def test_the_same_seed_draws_the_same_delays():
    rng = random.Random(42)
    drawn = [backoff.delay(n, rng) for n in (1, 2, 3)]
    again = random.Random(42)
    assert drawn == [again.uniform(0.25, 0.5), again.uniform(0.5, 1.0), again.uniform(1.0, 2.0)]


def test_the_bounds_have_names():
    assert (backoff.FIRST, backoff.LONGEST) == (0.5, 8.0)
