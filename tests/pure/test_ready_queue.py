"""Which request of a run leaves next."""

from __future__ import annotations

import math

import pytest

from fi_async import Limit
from fi_async.engine.attempts import Job, Send
from fi_async.engine.ready_queue import Ready, ReadyQueue
from fi_async.engine.submissions import score
from fi_async.engine.work import Work
from fi_async.pacing.gate import Gate
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms
from fi_async.wire.requests import get_eval, get_evals
from pure.hand import IDS, begin, context, work


def post(*works: Work, since: float = 0.0) -> Ready:
    job = score(works, context())
    send = begin(job)
    assert isinstance(send, Send)
    return Ready(since, job, send)


def poll(index: int) -> Ready:
    one = work(index)
    one.attempt.eval_id = IDS[index]
    return Ready(0.0, Job(iter(()), [one]), Send(get_eval(IDS[index])))


def taken(queue: ReadyQueue, now: float = 0.0) -> list[int]:
    places = []
    while (leaving := queue.take(now)) is not None:
        places.append(leaving[0].job.works[0].index)
    return places


def test_polls_leave_before_what_starts_evaluations_and_of_each_kind_the_first_that_came():
    queue = ReadyQueue(Gate(), Terms())
    for ready in (post(work(0)), poll(2), post(work(3)), poll(5)):
        queue.put(ready)
    assert taken(queue) == [2, 5, 0, 3]


def test_a_request_leaves_with_the_ticket_of_what_it_uses():
    gate, terms = Gate(), Terms(Slots(9))
    queue = ReadyQueue(gate, terms)
    for ready in (post(work(0), work(1)), poll(2), Ready(0.0, Job(iter(())), Send(get_evals()))):
        queue.put(ready)
    tickets = [ticket for _, ticket in iter(lambda: queue.take(7.0), None)]
    assert [ticket.need for ticket in tickets] == [Need(False, 1), Need(False, 0), Need(True, 2)]
    assert {(ticket.issued_at, ticket.slots, ticket.is_settled) for ticket in tickets} == {(7.0, terms.slots, False)}
    assert (gate.out, terms.slots.taken) == (3, 3)


def test_what_could_not_leave_is_first_of_its_kind_again():
    queue = ReadyQueue(Gate(), Terms())
    for ready in (post(work(0)), post(work(1)), poll(2), poll(3)):
        queue.put(ready)
    leaving = [queue.take(0.0) for _ in range(3)]
    for ready, ticket in reversed(leaving):
        ticket.returned(0.0)
        queue.put_back(ready)
    assert taken(queue) == [2, 3, 0, 1]


def test_nothing_leaves_before_the_gate_opens():
    gate = Gate()
    queue = ReadyQueue(gate, Terms())
    gate.issue(0.0, Need(), Terms()).refused(0.0, 10.0, None)
    queue.put(post(work(0)))
    queue.put(poll(1))
    assert queue.take(9.9) is None
    assert queue.next_at(9.9) == 10.0
    assert taken(queue, 10.0) == [1], "one is the window's number"
    assert queue.next_at(10.0) == math.inf, "its answer comes first"


def test_nothing_leaves_without_a_slot():
    queue = ReadyQueue(Gate(), Terms(Slots(1)))
    queue.put(post(work(0)))
    queue.put(poll(1))
    ready, ticket = queue.take(0.0)
    assert ready.job.works[0].index == 1
    assert (queue.take(0.0), queue.next_at(0.0)) == (None, math.inf)
    ticket.answered(1.0, 200, None)
    assert taken(queue, 1.0) == [0]


def test_while_a_canary_is_out_only_polls_leave():
    gate = Gate()
    queue = ReadyQueue(gate, Terms())
    gate.canaries.stopped(None, 0.0)
    queue.put(post(work(0)))
    queue.put(post(work(1)))
    assert queue.next_at(0.0) == 0.5
    ready, ticket = queue.take(0.5)
    assert (ready.job.works[0].index, ticket.canary is not None) == (0, True)
    assert (queue.take(0.5), queue.next_at(0.5)) == (None, 120.5)
    queue.put(poll(2))
    assert taken(queue, 0.6) == [2]
    ticket.answered(0.7, 200, None)
    gate.canaries.ran(ticket.canary, 0.0)
    assert taken(queue, 0.7) == [1]


def test_a_request_leaves_when_its_limit_lets_all_its_rows_through():
    limit = Limit(2, per=60.0, of="evaluations")
    gate, terms = Gate(limits=[limit]), Terms()
    queue = ReadyQueue(gate, terms)
    gate.issue(0.0, Need(post=True, rows=1), terms)
    queue.put(post(work(0), work(1)))
    queue.put(post(work(2)))
    assert queue.take(0.0) is None, "whoever waits longest is not overtaken"
    assert queue.next_at(0.0) == 60.25
    assert taken(queue, 60.25) == [0]


def test_the_limits_of_a_run_bind_it_alone():
    gate, limit = Gate(), Limit(1, per=60.0)
    bound, free = ReadyQueue(gate, Terms(limits=[limit])), ReadyQueue(gate, Terms())
    gate.keep_count_of([limit])
    for index in range(3):
        bound.put(post(work(index)))
        free.put(post(work(index)))
    assert (taken(free), taken(bound), bound.next_at(0.0)) == ([0, 1, 2], [], 60.25)


def test_jobs_rest_until_they_are_due_the_earliest_first():
    queue = ReadyQueue(Gate(), Terms())
    jobs = [Job(iter(())) for _ in range(4)]
    assert queue.due_at == math.inf
    for job, until in zip(jobs, (3.0, 1.0, 1.0, 2.0), strict=True):
        queue.rest(job, until)
    assert queue.due_at == 1.0
    assert list(queue.due(0.5)) == []
    assert [jobs.index(job) for job in queue.due(2.5)] == [1, 2, 3]
    assert queue.due_at == 3.0


def test_what_is_put_to_rest_for_no_time_is_due_at_once():
    queue = ReadyQueue(Gate(), Terms())
    first, second = Job(iter(())), Job(iter(()))
    queue.rest(first, 1.0)
    due = queue.due(1.0)
    assert next(due) is first
    queue.rest(second, 1.0)
    assert next(due) is second
    with pytest.raises(StopIteration):
        next(due)


def test_it_tells_what_waits():
    queue = ReadyQueue(Gate(), Terms())
    assert (queue.gets, queue.posts, queue.next_at(0.0)) == (0, 0, math.inf)
    queue.put(post(work(1)))
    queue.put(post(work(0)))
    queue.put(poll(2))
    queue.rest(poll(3).job, 5.0)
    queue.rest(post(work(4)).job, 5.0)
    queue.rest(Job(iter(())), 5.0)
    assert (queue.gets, queue.posts, queue.polled) == (1, 2, 1)
    assert repr(queue) == "<ReadyQueue gets=1 posts=2 resting=3>"
