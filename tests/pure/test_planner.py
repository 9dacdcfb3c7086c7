from __future__ import annotations

import pytest

from fi_async.pacing.planner import Situation, rows


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (Situation("sync", allowed=3), 1),
        (Situation("sync", allowed=3, scarce=True), 3),
        (Situation("sync", allowed=3, scarce=True, latency=2.0), 3),
        (Situation("sync", allowed=3, scarce=True, latency=14.0), 2),
        (Situation("sync", allowed=3, scarce=True, latency=100.0), 1),
        (Situation("sync", allowed=1000, scarce=True), 20),
        (Situation("sync", allowed=1000, scarce=True, latency=3.0), 10),
        (Situation("sync", allowed=3, scarce=True, on_ambiguous="fail"), 1),
        (Situation("async", allowed=3), 3),
        (Situation("async", allowed=1000), 20),
        (Situation("async", allowed=3, latency=100.0, on_ambiguous="fail"), 3),
    ],
)
def test_rows_are_as_many_as_serve_best(situation, expected):
    assert rows(situation) == expected


def test_rows_are_as_many_as_the_user_wants_and_the_server_takes():
    assert rows(Situation("sync", allowed=3), 2) == 2
    assert rows(Situation("sync", allowed=3), 50) == 3
    assert rows(Situation("async", allowed=1000), 1) == 1
