"""How long evaluations take, over runs and kinds of requests."""

from __future__ import annotations

import pytest

from fi_async.pacing.latencies import Latencies


def held(latencies: Latencies, *seconds: float) -> Latencies:
    for each in seconds:
        latencies.held("t", each)
    return latencies


def test_a_few_tell_nothing():
    assert held(Latencies(), 2.0, 2.0, 2.0, 2.0).typical("t") is None
    assert held(Latencies(), 1.0, 9.0, 2.0, 3.0, 2.5).typical("t") == 2.5


def test_the_latest_count():
    assert held(Latencies(), *[1.0] * 200, *[5.0] * 101).typical("t") == 5.0


def test_what_earlier_runs_saw_is_known_and_kept_up_to_date():
    known = {"t": 4.0}
    latencies = Latencies(known)
    assert latencies.typical("t") == 4.0
    held(latencies, *[1.0] * 5)
    assert known == {"t": 1.0}


def test_what_polls_find_typical_is_taken_over():
    latencies = held(Latencies(), *[1.0] * 5)
    latencies.polled("t", None)
    assert latencies.typical("t") == 1.0
    latencies.polled("t", 3.0)
    assert latencies.typical("t") == 3.0


@pytest.mark.parametrize(("seconds", "queued"), [(1.5, False), (1.6, True)])
def test_held_requests_that_take_half_as_long_again_are_queued(seconds, queued):
    latencies = held(Latencies({"t": 0.1}), *[1.0] * 16)
    assert not latencies.is_queued("t")
    assert not latencies.is_queued("other")
    assert held(latencies, *[seconds] * 17).is_queued("t") is queued
