"""What a run waits for, in words."""

from __future__ import annotations

import math

import pytest

from fi_async.pacing.waiting import Obstacle, Standing, waiting_for

WINDOW = Obstacle("request", 13.2)


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (Standing(), None),
        (Standing(ready=1, slots=16), None),
        (Standing(ready=0, obstacle=WINDOW), None),
        (Standing(ready=1, obstacle=WINDOW, slots=1, taken=1), "request limit, 14 s to the next window"),
        (
            Standing(ready=1, obstacle=Obstacle("request", math.inf)),
            "the answer that tells whether the request limit is over",
        ),
        (Standing(ready=1, obstacle=Obstacle("evaluation", 60.0)), "evaluation limit, 60 s to the next window"),
        (
            Standing(ready=1, obstacle=Obstacle("evaluation", 2.5, by_canary=True)),
            "evaluation limit, 3 s until one evaluation tells whether it is over",
        ),
        (
            Standing(ready=1, obstacle=Obstacle("evaluation", math.inf, True)),
            "the evaluation that tells whether the evaluation limit is over",
        ),
        (
            Standing(ready=1, obstacle=Obstacle("server", 2.5)),
            "the server, which cannot be reached: 3 s to the next attempt",
        ),
        (
            Standing(ready=1, obstacle=Obstacle("server", math.inf)),
            "the answer that tells whether the server can be reached",
        ),
        (Standing(ready=1, slots=16, taken=16), "concurrency 16"),
        (Standing(ready=1, slots=16, taken=16, is_capacity=True), "concurrency 16: server's capacity"),
        (
            Standing(ready=1, obstacle=Obstacle("token", 13.2, at="judge m"), at="judge m"),
            "judge m: token limit, 14 s to the next window",
        ),
        (Standing(ready=1, slots=16, taken=16, at="judge m"), "judge m: concurrency 16"),
        (Standing(slots=16, taken=16), None),
        (Standing(polled=3, slots=16), "polls"),
        (Standing(polled=3, slots=16, taken=1), None),
    ],
)
def test_what_holds_up_all_is_said_first(standing, said):
    assert waiting_for(standing) == said


@pytest.mark.parametrize(
    ("standing", "seconds"),
    [
        (Standing(), 0.0),
        (Standing(obstacle=WINDOW), 0.0),
        (Standing(ready=1), 0.0),
        (Standing(ready=1, obstacle=WINDOW), 13.2),
        (Standing(ready=1, obstacle=WINDOW, slots=2, taken=2), 13.2),
        (Standing(ready=1, obstacle=Obstacle("request", math.inf), slots=2, taken=1), math.inf),
        (Standing(ready=1, obstacle=Obstacle("request", math.inf), slots=2, taken=2), 0.0),
    ],
)
def test_it_is_told_when_the_limit_opens(standing, seconds):
    assert standing.opens_in == seconds
