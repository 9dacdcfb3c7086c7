"""Whatever the situation: a plan can be carried out, covers all that remains, and keeps what the user said."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fi_async.pacing.planner import HELD, ROWS_AT_RISK, Headroom, Room, Situation, decide

counts = st.integers(1, 10_000)
rooms = st.builds(
    lambda limit, more, factor: Room(limit, limit + more, factor), counts, counts, st.sampled_from([2, 4])
)
limits = st.builds(
    Headroom,
    of=st.sampled_from(["requests", "evaluations"]),
    count=counts,
    seconds=st.sampled_from([1.0, 60.0, 86_400.0]),
    left=st.integers(-300, 10_000),
    next_in=st.floats(0, 86_400),
)
situations = st.builds(
    Situation,
    strategy=st.sampled_from(["auto", "sync", "async"]),
    wanted=st.just("auto") | st.integers(1, 5000),
    allowed=st.sampled_from([3, 1000]),
    remaining=st.integers(0, 100_000),
    latency=st.none() | st.floats(0, 1000),
    limits=st.lists(limits, max_size=3),
    held=rooms,
    polled=rooms,
    may_resubmit=st.booleans(),
    refused=st.booleans(),
    polling=st.booleans(),
)


@given(situations)
def test_a_plan_can_be_carried_out(situation):
    plan = decide(situation)
    assert 1 <= plan.rows <= situation.allowed
    assert situation.strategy in ("auto", plan.kind)
    if situation.wanted != "auto":
        assert plan.rows == min(situation.wanted, situation.allowed)
    else:
        assert plan.rows <= ROWS_AT_RISK
        if plan.kind == "sync" and plan.rows > 1:
            assert situation.may_resubmit
            assert any(limit.of == "requests" for limit in situation.limits)
            assert plan.rows * (situation.latency or 0.0) <= HELD
    polls = situation.remaining if plan.kind == "async" else 0
    assert plan.requests >= math.ceil(situation.remaining / plan.rows) + polls
    assert 0 <= plan.seconds < math.inf
    assert plan.why
    assert plan.bound


@given(limits, st.integers(0, 100_000))
def test_no_more_leave_in_a_window_than_it_lets_through(limit, amount):
    wait, last = limit.last_of(amount)
    assert wait >= 0
    assert last <= max(limit.count, limit.left, 0)
    assert limit.last_of(amount + 1)[0] >= wait


@given(rooms, st.integers(0, 1_000_000))
def test_rounds_are_between_those_of_the_limit_and_of_its_bound(room, amount):
    assert math.ceil(amount / room.most) <= room.rounds(amount) <= math.ceil(amount / room.limit)
