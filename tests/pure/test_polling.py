"""When to ask for an evaluation's result."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from fi_async.pacing.lateness import Tally
from fi_async.pacing.polling import LONGEST, SHORTEST, Accepted, Completions


def rows(completions: Completions, count: int, *, at: float = 0.0, template: str = "t") -> list[Accepted]:
    return [completions.accepted(template, at) for _ in range(count)]


def finish(completions: Completions, row: Accepted, *ages: float) -> None:
    """Let a row be asked at these ages, and be done at the last."""
    for age in ages[:-1]:
        completions.pending(row, age)
    completions.done(row, ages[-1])
    completions.left(row)


def known(*ages: float, count: int = 8, template: str = "t", completions: Completions | None = None) -> Completions:
    """Completions of a template whose rows were found done at the last of these ages."""
    completions = completions or Completions()
    for row in rows(completions, count, at=-1000.0, template=template):
        finish(completions, row, *ages)
    return completions


def asked_at(completions: Completions, row: Accepted, until: float) -> list[float]:
    """The ages at which a row is asked that is not done until that age."""
    age, asked = 0.0, []
    while age < until:
        look = completions.next_look(row, age)
        if look <= age:
            asked.append(round(age, 3))
            completions.pending(row, age)
        else:
            age = look
    return asked


def test_the_bounds_have_names():
    assert (SHORTEST, LONGEST) == (0.25, 30.0)


def test_a_row_of_an_unknown_template_is_asked_every_quarter_second_then_each_twentieth_of_its_age():
    completions = Completions()
    (row,) = rows(completions, 1)
    asked = asked_at(completions, row, 100.0)
    assert asked[:6] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    gaps = [(after - before) / before for before, after in pairwise(asked) if before > 25]
    assert all(0.0499 <= gap <= 0.1 for gap in gaps)


def test_while_nothing_is_known_some_rows_are_asked_in_each_third_of_an_age_and_never_the_same():
    completions = Completions()
    waiting = rows(completions, 161)
    asked: dict[float, list[int]] = {}
    for age in (0.25, 0.34, 0.46, 0.63, 0.86, 1.12, 1.37, 1.62):
        for number, row in enumerate(waiting):
            if completions.next_look(row, age) <= age:
                asked.setdefault(age, []).append(number)
                completions.pending(row, age)
    # The first to be accepted is asked early besides. Fewer than 16 before 0.5 s, and where they are asked more often.
    assert [len(each) for each in asked.values()] == [9, 11, 15, 16, 13, 10, 8, 7]
    assert len(set().union(*asked.values())) == 89


def test_the_oldest_of_those_that_wait_is_looked_at_as_often_as_the_scouts():
    completions = Completions()
    _, other, *_ = rows(completions, 1000)
    age, looks = 0.0, []
    while age < 1.3:
        age = completions.next_look(other, age)
        looks.append(round(age, 4))
    # Some were asked at each second of these ages, and may be answered at the one after it.
    assert looks == [0.25, 0.3125, 0.3375, 0.4, 0.4556, 0.5181, 0.6151, 0.6776, 0.8304, 0.8929, 1.0804, 1.1429, 1.3304]


def test_who_answers_late_is_asked_sooner():
    def asked(late: float) -> float:
        completions = known(1.9, 2.0)
        many = rows(completions, 301)
        for row in many[:300]:
            age = completions.next_look(row, completions.next_look(row, 0.3))
            completions.lost(row, age + late)  # it teaches nothing else
        return completions.next_look(many[300], 0.3)

    assert asked(0.0) == pytest.approx(2.06, abs=0.01)
    assert asked(0.1) == pytest.approx(2.01, abs=0.01)
    assert asked(5.0) == pytest.approx(2.06 - SHORTEST / 2, abs=0.01)  # so long no turn takes: a gate was shut


def test_the_others_look_as_soon_as_those_may_be_answered():
    completions = Completions()
    waiting = rows(completions, 20)
    looks = [completions.next_look(row, 0.5) for row in waiting]
    assert looks == [0.5] * 16 + [0.5625] * 4


def test_what_is_found_brings_the_others_forward():
    completions = Completions()
    scout, *others = rows(completions, 20)
    finish(completions, scout, 1.75, 2.0)
    assert [completions.next_look(row, 2.0625) for row in others] == [2.0625] * 19


def test_older_rows_tell_more_than_younger_ones():
    completions = Completions()
    old, young = rows(completions, 50), rows(completions, 50, at=1.5)
    for now in (1.75, 2.0):
        asked = [row.at for row in young + old if completions.next_look(row, now - row.at) <= now - row.at]
    assert asked == [1.5] + [0.0] * 4  # one of the young is asked early, and once


def test_a_known_template_is_asked_when_it_is_likely_done():
    completions = known(1.9, 2.0)
    scout, *others = rows(completions, 100)
    assert scout.is_scout
    assert {round(completions.next_look(row, 0.3), 2) for row in others} <= {0.55}  # few wait: they look again
    many = rows(completions, 100)
    assert {round(completions.next_look(row, 0.3), 2) for row in many} == {2.06}


def test_one_row_in_a_quarter_second_is_asked_early_as_a_limit_shows_in_the_last():
    completions = known(1.9, 2.0)
    early = [completions.accepted("t", at / 10).is_early for at in range(10)]
    assert early == [True, False, False, True, False, False, True, False, False, True]
    early = [completions.accepted("t", 10 + at / 10, scarce=True).is_early for at in range(20)]
    assert [place for place, is_early in enumerate(early) if is_early] == [0, 10]


def test_a_row_that_others_wait_for_is_asked_every_quarter_second():
    completions = known(1.9, 2.0)
    row = rows(completions, 300)[-1]
    assert completions.next_look(row, 0.0, urgent=True) == 0.25
    completions.pending(row, 0.25)
    assert completions.next_look(row, 0.25, urgent=True) == 0.5


def test_scarce_requests_are_spent_less_freely():
    def polls(*, scarce: bool) -> int:
        completions = Completions()
        for number, row in enumerate(rows(completions, 200, at=-1000.0)):
            finish(completions, row, 1.0 + number / 50, 1.1 + number / 50)
        row = rows(completions, 300)[-1]
        age = count = 0
        while age < 5.1:
            age = completions.next_look(row, age, scarce=scarce)
            if completions.next_look(row, age, scarce=scarce) <= age:
                count += 1
                completions.pending(row, age)
        return count

    assert polls(scarce=True) <= polls(scarce=False) / 2


@pytest.mark.parametrize("interval", [0.1, 3.0, 60.0])
@pytest.mark.parametrize("age", [0.0, 5.0, 1000.0])
def test_a_fixed_interval_is_kept_whatever_was_learned(interval, age):
    completions = known(49.0, 50.0, completions=Completions(interval))
    (row,) = rows(completions, 1)
    if age:
        completions.pending(row, age)
    assert completions.next_look(row, age) == age + interval


def test_each_template_is_learned_for_itself():
    completions = known(9.0, 10.0)
    assert 9.0 < completions.typical("t") < 10.5
    assert completions.typical("other") is None
    (row,) = rows(completions, 1, template="other")
    assert completions.typical("other") is None
    assert completions.next_look(row, 0.0) == 0.25


def test_what_held_requests_took_is_known_when_polls_begin():
    completions = Completions()
    for _ in range(8):
        completions.held("t", 2.0)
    assert 1.9 < completions.typical("t") < 2.2
    row = rows(completions, 500)[-1]
    assert 2.0 <= asked_at(completions, row, 3.0)[0] < 2.2


def test_an_evaluation_that_got_no_answer_is_asked_again_later():
    completions = known(1.9, 2.0)
    row = rows(completions, 200)[-1]
    completions.lost(row, 2.1)
    assert completions.next_look(row, 2.1) >= 2.1 + SHORTEST
    assert row.alive == 0.0


def test_times_are_learned_anew_when_the_server_gets_quicker():
    completions = known(9.5, 10.0, count=600)
    for _ in range(3):
        known(0.9, 1.0, count=200, completions=completions)
    assert 0.8 < completions.typical("t") < 1.1


def test_no_evaluation_is_called_stalled_before_a_hundred_have_ended():
    completions = known(1.9, 2.0, count=99)
    (row,) = rows(completions, 1)
    assert not completions.is_stalled(row, 1e6)
    known(1.9, 2.0, count=1, completions=completions)
    assert completions.is_stalled(row, 120.0)
    assert not completions.is_stalled(row, 119.9)


def test_what_takes_long_stalls_later():
    completions = known(19.0, 20.0, count=100)
    (row,) = rows(completions, 1)
    assert not completions.is_stalled(row, 180.0)
    assert completions.is_stalled(row, 220.0)


def test_stuck_rows_do_not_hide_that_they_are():
    completions = Completions()
    waiting = rows(completions, 220)
    for row in waiting[:200]:
        finish(completions, row, 1.9, 2.0)
    for row in waiting[200:]:
        completions.pending(row, 119.0)
    assert completions.is_stalled(waiting[-1], 120.0)


def test_what_polls_took_is_told():
    tally = Tally()
    assert tally.statistics() == {
        "evaluations": 0,
        "polls_per_evaluation": None,
        "lateness_s": None,
        "lateness_bound_p95_s": None,
    }
    known(1.8, 2.0, count=8, completions=Completions(tally=tally))
    told = tally.statistics()
    assert (told["evaluations"], told["polls_per_evaluation"]) == (8, 2.0)
    assert told["lateness_bound_p95_s"] == pytest.approx(0.2)
    assert 0.05 < told["lateness_s"] < 0.15


def test_a_row_that_is_gone_is_waited_for_no_more():
    completions = Completions()
    for row in rows(completions, 8):
        completions.pending(row, 600.0)
        completions.left(row)
    assert math.isfinite(completions.next_look(rows(completions, 1)[0], 0.0))
    finish(completions, rows(completions, 1)[0], 0.9, 1.0)
    assert completions.typical("t") < 1.1


def test_the_last_rows_are_asked_more_often():
    completions = Completions()
    for number, each in enumerate(rows(completions, 200, at=-1000.0)):
        finish(completions, each, 1.0 + number / 50, 1.1 + number / 50)
    *others, row = rows(completions, 300)
    completions.pending(row, 2.0)
    many = completions.next_look(row, 2.0)
    for each in others:
        completions.left(each)
    assert completions.next_look(row, 2.0) == 2.25 < many
