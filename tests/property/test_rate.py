"""Never over a limit in any window of the server's clock, however far that clock is from ours."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async._settings import Limit
from fi_async.pacing.gate import Gate
from fi_async.pacing.ticket import Need, Terms

ONE = Need(post=True, rows=1)


@settings(deadline=None, max_examples=150)
@given(
    offset=st.floats(-1e6, 1e6).map(lambda value: value + 1.7e9),
    count=st.integers(1, 20),
    length=st.sampled_from([1.0, 7.5, 10.0, 60.0]),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=120),
    transit=st.floats(0, 0.2),
)
def test_no_window_is_overfilled_and_every_request_leaves(offset, count, length, gaps, transit):
    gate, terms = Gate(limits=[Limit(count, per=length)]), Terms()
    arrivals: Counter[int] = Counter()
    now = 0.0
    for gap in gaps:
        now += gap
        opens = gate.opens_at(now, ONE, terms)
        assert opens < math.inf, "every answer is in"
        assert opens <= now + 2 * length + 1
        now = max(now, opens)
        ticket = gate.issue(now, ONE, terms)
        assert ticket is not None
        arrived = now + transit
        arrivals[math.floor((arrived + offset) / length)] += 1
        now = arrived + transit
        ticket.answered(now, 200, float(math.floor(arrived + offset)))
    assert max(arrivals.values()) <= count


@settings(deadline=None, max_examples=150)
@given(
    offset=st.floats(0, 60).map(lambda value: value + 1.7e9),
    counts=st.tuples(st.integers(1, 6), st.integers(1, 9)),
    loops=st.lists(
        st.tuples(st.floats(0, 1e5), st.lists(st.floats(0, 3), min_size=1, max_size=12)), min_size=2, max_size=6
    ),
    transit=st.floats(0, 0.2),
    is_dated=st.booleans(),
)
def test_no_window_is_overfilled_over_several_loops_whose_clocks_count_from_anywhere(
    offset, counts, loops, transit, is_dated
):
    limits = [Limit(counts[0], per=7.5), Limit(counts[1], per=60.0, of="evaluations")]
    gate, terms = Gate(limits=limits), Terms()
    arrivals: list[float] = []
    now = 0.0  # by the machine's clock
    for begins, gaps in loops:
        gate.go_by(object(), -begins)
        for gap in gaps:
            now += gap
            opens = gate.opens_at(now + begins, ONE, terms)
            assert opens <= now + begins + 2 * 60 + 1, "what was used is not kept for ever"
            now = max(now, opens - begins + 1e-6)  # a rounding
            ticket = gate.issue(now + begins, ONE, terms)
            assert ticket is not None
            arrivals.append(now + transit + offset)
            now += 2 * transit
            ticket.answered(now + begins, 200, float(math.floor(arrivals[-1])) if is_dated else None)
    for limit in limits:
        used = Counter(math.floor(each / limit.seconds) for each in arrivals)
        assert max(used.values()) <= limit.count
        if not is_dated:  # then it is kept in every span
            assert all(
                later - first >= limit.seconds for first, later in zip(arrivals, arrivals[limit.count :], strict=False)
            )


@settings(deadline=None, max_examples=100)
@given(
    offset=st.floats(0, 60).map(lambda value: value + 1.7e9),
    count=st.integers(1, 30),
    width=st.integers(1, 12),
    total=st.integers(1, 150),
)
def test_a_limit_that_nobody_told_is_learned_and_all_get_through(offset, count, width, total):
    gate, terms, length = Gate(), Terms(), 60.0
    taken: Counter[int] = Counter()
    refused: Counter[int] = Counter()
    now, done, rounds = 0.0, 0, 0
    while done < total:
        rounds += 1
        assert rounds < 10 * total + 100, "it does not end"
        going = []
        while len(going) < min(width, total - done) and gate.opens_at(now, ONE, terms) <= now:
            going.append(gate.issue(now, ONE, terms))
        if not going:
            now = gate.opens_at(now, ONE, terms)
            assert now < math.inf
            continue
        sent_at, now = now, now + 0.05
        for ticket in going:
            server = sent_at + offset
            window = math.floor(server / length)
            date = float(math.floor(server))
            if taken[window] >= count:
                refused[window] += 1
                ticket.refused(now, math.ceil((window + 1) * length - server), date)
            else:
                ticket.answered(now, 200, date)
                taken[window] += 1
                done += 1
    assert max(refused.values(), default=0) <= width
    assert max(taken) - min(taken) <= math.ceil(total / count), "no window is left unused"
