"""Which works of a run are begun next, together with which, and how they are carried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fi_async import Case, Limit
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Context
from fi_async.engine.backlog import Backlog
from fi_async.engine.work import Work
from fi_async.pacing.accepted import MOST
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Terms
from fi_async.wire.preflight import PreparedInputs
from fi_async.wire.requests import Parameters
from pure.hand import context


def of(index: int, template: str = "tone", *keys: str) -> Work:
    row = PreparedInputs(dict.fromkeys(keys or ("output",), "text"), {})
    return Work(index, Case(row.inputs), Parameters(template), row)


def backlog(
    count: int = 0, *, run: Context | None = None, slots: int = 4, expected: int | None = None, **options: Any
) -> Backlog:
    run = run or context()
    run = replace(run, terms=replace(run.terms, slots=Slots(slots)))
    made = Backlog(run, RunOptions(**options), expected)
    for index in range(count):
        made.put(of(index))
    return made


def known(latency: float) -> Context:
    run = context()
    for _ in range(5):
        run.latencies.held("tone", latency)
    return run


def take(waiting: Backlog, now: float = 0.0) -> tuple[list[int], str]:
    works, kind = waiting.take(now)
    return [work.index for work in works], kind


def may_begin(waiting: Backlog, at_work: int) -> bool:
    return waiting.may_begin(0.0, at_work=at_work)


# -- which -------------------------------------------------------------------------------------------------------------


def test_the_case_that_was_read_first_is_begun_first():
    waiting = backlog()
    for index, template in ((0, "tone"), (0, "is_json"), (1, "tone"), (2, "is_json")):
        waiting.put(of(index, template))
    first = [waiting.take(0.0)[0][0] for _ in range(4)]
    assert [(work.index, work.parameters.template) for work in first] == [
        (0, "tone"),
        (0, "is_json"),
        (1, "tone"),
        (2, "is_json"),
    ]


def test_works_of_equal_keys_share_a_request():
    waiting = backlog(rows=3)
    for index, keys in enumerate(["a", "a", "a", "a", "ab", "ba", "ba", "a"]):
        waiting.put(of(index, "tone", *keys))
    taken = []
    while len(waiting):
        taken.append(take(waiting)[0])
    assert taken == [[0, 1, 2], [3], [4], [5, 6], [7]]


def test_works_of_several_templates_never_share_a_request():
    waiting = backlog(rows=3)
    for index in range(4):
        waiting.put(of(index, ("tone", "is_json")[index % 2]))
    assert [take(waiting)[0], take(waiting)[0]] == [[0, 2], [1, 3]]


def test_a_request_carries_no_more_rows_than_may_leave_together():
    run = context()
    run = replace(run, terms=Terms(limits=[Limit(2, per=60.0, of="evaluations")]))
    assert take(backlog(5, run=run, rows=5))[0] == [0, 1, 2, 3, 4], "nobody counts it yet"
    run.gate.keep_count_of(run.terms.limits)
    assert take(backlog(5, run=run, rows=5))[0] == [0, 1]


def test_a_request_carries_no_fewer_rows_for_the_limits_of_another_run():
    run = context()
    run.gate.keep_count_of([Limit(2, per=60.0, of="evaluations")])
    assert take(backlog(5, run=run, rows=5))[0] == [0, 1, 2, 3, 4]


# -- how ---------------------------------------------------------------------------------------------------------------


def test_what_is_put_back_comes_first_and_is_planned_anew():
    run = context()
    waiting = backlog(2000, run=run)
    works, kind = waiting.take(0.0)
    assert ([work.index for work in works], kind) == ([0], "sync")
    for _ in range(5):
        run.latencies.held("tone", 2.0)
    waiting.put_back(works)
    assert take(waiting) == (list(range(20)), "async")


def test_works_that_are_put_back_keep_their_order():
    waiting = backlog(6, rows=3)
    works, _ = waiting.take(0.0)
    waiting.put_back(works)
    assert [take(waiting)[0], take(waiting)[0]] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(("expected", "kind"), [(20, "sync"), (2000, "async")])
def test_a_plan_is_for_all_that_is_expected(expected, kind):
    waiting = backlog(2, run=known(2.0), expected=expected)
    waiting.is_fed = True
    waiting.came(2)
    assert take(waiting)[1] == kind


def test_what_was_expected_is_no_more_once_it_came():
    waiting = backlog(2, run=known(2.0), expected=2000)
    waiting.is_fed = True
    waiting.came(2000)
    assert take(waiting)[1] == "sync"


@pytest.mark.parametrize(("is_fed", "kind"), [(True, "async"), (False, "sync")])
def test_of_a_source_that_nobody_counted_as_much_is_to_come_as_has_come(is_fed, kind):
    run = context()
    waiting = backlog(400, run=run)
    for _ in range(399):
        assert take(waiting)[1] == "sync"
    for _ in range(5):
        run.latencies.held("tone", 2.0)
    waiting.is_fed = is_fed
    assert take(waiting, 1.0) == ([399], kind)


def test_what_was_put_back_has_not_been_begun():
    run = context()
    waiting = backlog(1, run=run)
    waiting.is_fed = True
    for _ in range(400):
        waiting.put_back(waiting.take(0.0)[0])
    for _ in range(5):
        run.latencies.held("tone", 2.0)
    assert take(waiting) == ([0], "sync")


# -- how many ----------------------------------------------------------------------------------------------------------


def test_no_more_are_polled_at_once_than_the_server_was_seen_to_work_on():
    waiting = backlog(2000, run=known(2.0))
    assert not may_begin(backlog(), 0)
    assert may_begin(waiting, 0)
    assert take(waiting) == (list(range(20)), "async")
    assert may_begin(waiting, 15)  # four times as many as are held
    assert not may_begin(waiting, 16)


@pytest.mark.parametrize("has_polled", [False, True])
def test_works_may_begin_beyond_that_just_if_they_will_be_held(has_polled):
    kinds = set()
    for count in range(1, 120):
        waiting = backlog(2000 if has_polled else 0, run=known(2.0))
        if has_polled:
            take(waiting)
            waiting.clear()
        for index in range(count):
            waiting.put(of(index))
        is_begun = may_begin(waiting, 10_000)
        _, kind = take(waiting)
        assert is_begun == (kind == "sync")
        kinds.add(kind)
    assert kinds == {"sync", "async"}


def test_held_ones_are_bounded_by_the_slots_alone():
    waiting = backlog(50)
    assert take(waiting) == ([0], "sync")
    assert may_begin(waiting, 10_000)


def test_who_asks_for_polls_gets_all_of_them():
    waiting = backlog(50, strategy="async")
    assert take(waiting) == (list(range(20)), "async")
    assert may_begin(waiting, 10_000)


def test_enough_is_read_ahead_for_the_next_request_of_each_slot():
    assert backlog().read_ahead() == 2 * 4
    assert backlog(strategy="async").read_ahead() == MOST
    several = backlog(50, rows=3)
    take(several)
    assert several.read_ahead() == 2 * 4 * 3
    polled = backlog(2000, run=known(2.0))
    take(polled)
    assert polled.read_ahead() == 16 + 2 * 4 * 20
    assert backlog(slots=10_000).read_ahead() == MOST


def test_it_is_done_when_nothing_waits_and_nothing_comes():
    waiting = backlog(3)
    assert (len(waiting), waiting.is_done) == (3, False)
    assert [work.index for work in waiting.clear()] == [0, 1, 2]
    assert (len(waiting), waiting.is_done) == (0, True)
    waiting.is_fed = True
    assert not waiting.is_done
