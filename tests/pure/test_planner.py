from __future__ import annotations

from dataclasses import replace

import pytest

from fi_async.pacing.planner import Headroom, Plan, Room, Situation, decide

FIXED = Situation(allowed=3, remaining=1000, latency=0.2, held=Room(64, 64), polled=Room(256, 4096, 4))
MINUTE = Headroom("requests", 300, 60.0, left=300, next_in=60.0)


def chosen(situation: Situation, **changes: object) -> tuple[str, int]:
    plan = decide(replace(situation, **changes))
    return plan.kind, plan.rows


# -- what a limit lets through -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (9, (0.0, 9)),
        (90, (0.0, 99)),
        (92, (10.0, 1)),  # and a tenth: 101, of which 100 leave now
        (272, (10.0, 199)),
        (300, (10.0, 230)),
        (400, (70.0, 40)),
    ],
)
def test_the_last_of_many_leaves_in_its_window(amount, expected):
    assert Headroom("requests", 300, 60.0, left=100, next_in=10.0).last_of(amount) == expected


def test_a_limit_that_is_overdrawn_lets_nothing_through_before_the_next_window():
    assert Headroom("requests", 300, 60.0, left=-5, next_in=10.0).last_of(1) == (10.0, 1)


@pytest.mark.parametrize(
    ("room", "amount", "expected"),
    [
        (Room(16, 16), 0, 0),
        (Room(16, 16), 16, 1),
        (Room(16, 16), 17, 2),
        (Room(16, 64), 112, 3),  # 16 + 32 + 64
        (Room(16, 64), 113, 4),
        (Room(64, 4096, 4), 320, 2),
    ],
)
def test_rounds_grow_to_their_bound(room, amount, expected):
    assert room.rounds(amount) == expected


# -- what the user says ------------------------------------------------------------------------------------------------


def test_a_strategy_that_is_given_is_kept():
    assert chosen(FIXED, strategy="sync", latency=100.0) == ("sync", 1)
    assert chosen(FIXED, strategy="async", remaining=1) == ("async", 3)
    assert chosen(FIXED, strategy="async", allowed=1000, latency=None, may_resubmit=False) == ("async", 20)


def test_rows_are_as_many_as_the_user_wants_and_the_server_takes():
    assert chosen(FIXED, strategy="sync", wanted=2) == ("sync", 2)
    assert chosen(FIXED, strategy="sync", wanted=50) == ("sync", 3)
    assert chosen(FIXED, strategy="async", allowed=1000, wanted=1) == ("async", 1)
    assert chosen(FIXED, strategy="async", allowed=1000, wanted=50) == ("async", 50)


# -- held --------------------------------------------------------------------------------------------------------------


def test_as_long_as_nothing_is_known_one_case_is_held():
    assert chosen(FIXED, latency=None) == ("sync", 1)
    assert chosen(FIXED, latency=None, remaining=100_000) == ("sync", 1)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({"remaining": 64}, 1),  # they fit in the window, and run at once
        ({"remaining": 200}, 2),  # as quick as 200 of one row: fewer requests
        ({"remaining": 270}, 1),  # 297 with a tenth
        ({}, 3),  # one window more: 334 and a tenth, where two rows are 500 and a tenth
        ({"latency": None}, 3),
        ({"latency": 14.0, "strategy": "sync"}, 2),
        ({"latency": 100.0, "strategy": "sync"}, 1),
        ({"may_resubmit": False}, 1),
        ({"remaining": 6000, "allowed": 1000}, 20),
        ({"remaining": 60_000, "allowed": 1000}, 20),
        ({"remaining": 60_000, "allowed": 1000, "latency": 3.0, "held": Room(256, 256), "strategy": "sync"}, 10),
    ],
)
def test_rows_are_what_gets_all_through_the_fewest_windows(changes, rows):
    assert chosen(FIXED, limits=[MINUTE], **changes) == ("sync", rows)


def test_evaluations_that_are_limited_need_no_rows():
    assert chosen(FIXED, limits=[Headroom("evaluations", 50, 60.0, 50, 60.0)]) == ("sync", 1)


# -- polled ------------------------------------------------------------------------------------------------------------


def test_polls_have_to_save_ten_seconds_and_a_tenth_to_begin():
    slow = replace(FIXED, latency=2.0, held=Room(32, 256), remaining=1984)
    assert decide(slow) == Plan(
        "async",
        3,
        "polls save about 12 s: more evaluations run at once than requests are held",
        requests=3242,
        seconds=7.5,
        bound="the latency, 2 s",
    )
    assert chosen(slow, remaining=400) == ("sync", 1)
    assert chosen(slow, remaining=1400) == ("sync", 1)
    assert chosen(slow, remaining=1400, polling=True) == ("async", 3)
    assert chosen(slow, polled=Room(32, 32)) == ("sync", 1)  # no more run at once than requests can hold
    day = Headroom("evaluations", 1000, 86_400.0, 1000, 86_400.0)
    assert chosen(slow, limits=[day]) == ("sync", 1)


def test_a_plan_that_stops_evaluations_is_met_by_polls():
    assert chosen(FIXED, refused=True) == ("async", 3)
    assert chosen(FIXED, refused=True, latency=None) == ("async", 3)
    assert chosen(FIXED, refused=True, strategy="sync") == ("sync", 1)


def test_a_plan_says_what_sets_its_time():
    assert decide(FIXED).bound == "64 requests of 0.2 s at once"
    assert decide(replace(FIXED, held=Room(16, 256))).bound == "16 requests of 0.2 s at once, growing up to 256"
    assert decide(replace(FIXED, limits=[MINUTE], wanted=1)).bound == "300 requests per 60 s"
    assert decide(replace(FIXED, strategy="async", limits=[MINUTE])).bound == "300 requests per 60 s"
