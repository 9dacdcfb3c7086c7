"""Which request of a run leaves next."""

from __future__ import annotations

import math

import pytest

from fi_async import Limit
from fi_async.engine.attempts import Job, Send, Work
from fi_async.engine.ready_queue import Lineup, Ready
from fi_async.engine.submissions import score
from fi_async.pacing.gate import Gate
from fi_async.wire.requests import get_eval
from pure.hand import IDS, begin, context, work


def post(one: Work, since: float = 0.0) -> Ready:
    job = score([one], context())
    send = begin(job)
    assert isinstance(send, Send)
    return Ready(since, job, send)


def canary(index: int) -> Ready:
    one = work(index)
    one.is_canary = True
    return post(one)


def poll(index: int) -> Ready:
    one = work(index)
    one.eval_id = IDS[index]
    return Ready(0.0, Job(iter(()), [one]), Send(get_eval(IDS[index])))


def taken(lineup: Lineup, now: float = 0.0) -> list[int]:
    places = []
    while (ready := lineup.take(now)) is not None:
        places.append(ready.job.works[0].index)
    return places


def test_polls_leave_first_then_canaries_then_other_evaluations():
    lineup = Lineup(Gate())
    for ready in (post(work(0)), canary(1), poll(2), post(work(3)), canary(4), poll(5)):
        lineup.put(ready)
    assert taken(lineup) == [2, 5, 1, 4, 0, 3]


def test_what_could_not_leave_is_first_of_its_kind_again():
    lineup = Lineup(Gate())
    for ready in (post(work(0)), post(work(1)), poll(2), poll(3)):
        lineup.put(ready)
    first = lineup.take(0.0)
    second = lineup.take(0.0)
    third = lineup.take(0.0)
    assert first is not None
    assert second is not None
    assert third is not None
    for ready in (third, second, first):
        lineup.put_back(ready)
    assert taken(lineup) == [2, 3, 0, 1]


def test_nothing_leaves_before_the_gate_opens():
    gate = Gate()
    lineup = Lineup(gate)
    lineup.put(post(work(0)))
    lineup.put(poll(1))
    gate.hold(10.0)
    assert lineup.take(9.9) is None
    assert lineup.next_at(9.9) == 10.0
    assert taken(lineup, 10.0) == [1, 0]


def test_while_a_canary_is_out_only_it_and_polls_leave():
    gate = Gate()
    lineup = Lineup(gate)
    gate.refused(0.0, canary=False)
    opens = gate.opens_at(0.0, post=True)
    assert gate.claim(opens, post=True)
    assert gate.left(opens, post=True)
    lineup.put(post(work(0)))
    assert lineup.next_at(opens) == math.inf
    lineup.put(canary(1))
    lineup.put(poll(2))
    assert taken(lineup, opens) == [2, 1]
    assert (lineup.posts, lineup.next_at(opens)) == (1, math.inf)


def test_a_request_leaves_when_its_limit_lets_all_its_rows_through():
    gate = Gate()
    gate.keep_to([Limit(2, per=60.0, of="evaluations")])
    lineup = Lineup(gate)
    job = score([work(0), work(1)], context())
    send = begin(job)
    assert isinstance(send, Send)
    gate.left(0.0, post=True)
    lineup.put(Ready(0.0, job, send))
    assert lineup.take(0.0) is None
    lineup.put(post(work(2)))
    assert lineup.take(0.0) is None  # whoever waits longest is not overtaken


def test_jobs_rest_until_they_are_due_the_earliest_first():
    lineup = Lineup(Gate())
    jobs = [Job(iter(())) for _ in range(4)]
    assert lineup.due_at == math.inf
    for job, until in zip(jobs, (3.0, 1.0, 1.0, 2.0), strict=True):
        lineup.rest(job, until)
    assert lineup.due_at == 1.0
    assert list(lineup.due(0.5)) == []
    assert [jobs.index(job) for job in lineup.due(2.5)] == [1, 2, 3]
    assert lineup.due_at == 3.0


def test_what_is_put_to_rest_for_no_time_is_due_at_once():
    lineup = Lineup(Gate())
    first, second = Job(iter(())), Job(iter(()))
    lineup.rest(first, 1.0)
    due = lineup.due(1.0)
    assert next(due) is first
    lineup.rest(second, 1.0)
    assert next(due) is second
    with pytest.raises(StopIteration):
        next(due)


def test_it_tells_what_waits():
    lineup = Lineup(Gate())
    lineup.put(canary(0))
    assert (lineup.gets, lineup.posts, lineup.has_new, lineup.polled) == (0, 1, False, 0)
    lineup.put(post(work(1)))
    lineup.put(poll(2))
    lineup.rest(poll(3).job, 5.0)
    lineup.rest(post(work(4)).job, 5.0)
    lineup.rest(Job(iter(())), 5.0)
    assert (lineup.gets, lineup.posts, lineup.has_new, lineup.polled) == (1, 2, True, 1)
    assert repr(lineup) == "<Lineup gets=1 posts=2 resting=3>"
