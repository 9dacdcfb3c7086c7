"""What a server does in a second, and what one evaluation takes, told from how many were before each."""

from __future__ import annotations

import random

import pytest

from fi_async.pacing.queueing import Queueing


def seen(*ended: tuple[int, float]) -> Queueing:
    queue = Queueing()
    for before, took in ended:
        queue.ended(before, took)
    return queue


def test_times_that_grow_with_those_before_are_a_queue():
    queue = seen(*[(before, 0.1 * (before + 1)) for before in range(64)])
    assert (queue.rate, queue.latency) == (pytest.approx(10.0), pytest.approx(0.1))


@pytest.mark.parametrize("sigma", [0.0, 0.5, 0.8])
def test_times_that_do_not_are_latency(sigma):
    rng = random.Random(1)
    queue = seen(*[(rng.randrange(300), rng.lognormvariate(0.0, sigma)) for _ in range(400)])
    assert queue.rate is None


def test_late_polls_hide_no_queue():
    rng = random.Random(2)
    queue = seen(*[(before, (0.2 + before / 50) * rng.uniform(1.0, 1.25)) for before in range(320)])
    assert queue.rate == pytest.approx(50, rel=0.2)
    assert queue.latency < 1.0


def test_a_few_tell_nothing():
    assert seen(*[(before, before + 1.0) for before in range(15)]).rate is None


def test_where_as_many_are_before_each_their_number_over_their_time_is_the_rate():
    queue = seen(*[(before, 0.1 * (before + 1)) for before in range(64)])
    for _ in range(512):
        queue.ended(63, 3.2)
    assert (queue.rate, queue.latency) == (pytest.approx(20.0), pytest.approx(0.1))


def test_a_queue_that_is_gone_is_forgotten():
    queue = seen(*[(before, 0.1 * (before + 1)) for before in range(64)])
    for _ in range(512):
        queue.ended(63, 0.15)
    assert queue.rate is None


def test_it_shows_what_it_knows():
    assert repr(Queueing()) == "<Queueing rate=None latency=0.0>"
