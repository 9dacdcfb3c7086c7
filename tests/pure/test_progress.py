from __future__ import annotations

import dataclasses
import math

import pytest

from fi_async import Case, Outcome, OutcomeStatus, Progress, Usage
from fi_async.progress.displays import line
from fi_async.progress.meter import WINDOW, Meter

SCORED = Outcome(0, Case({}), "t", OutcomeStatus.SCORED, attempts=1)
INVALID = Outcome(0, Case({}), "t", OutcomeStatus.INVALID)
REPLAYED = dataclasses.replace(SCORED, origin="replayed")


def meter(*times, total=None, began=0.0):
    made = Meter(began, total)
    for time in times:
        made.add(SCORED, time)
    return made


def test_a_run_that_has_just_begun():
    assert meter(total=4, began=7.0).progress(7.0) == Progress(0, 0, 4, 0, 0.0, 0.0)
    assert meter(total=4).progress(0.0).eta_s is None


def test_it_counts_and_tells_how_long():
    made = meter(1.0, 2.0, 4.0, began=-6.0, total=10)
    made.add(INVALID, 4.0)
    assert made.progress(4.0, in_flight=5) == Progress(4, 1, 10, 5, 0.3, 10.0, pytest.approx(20.0))


def test_what_was_not_sent_in_this_run_says_nothing_of_its_rate():
    made = meter(total=100)
    for outcome in (INVALID, REPLAYED) * 20:
        made.add(outcome, 1.0)
    assert (made.progress(2.0).rate, made.progress(2.0).eta_s) == (0.0, None)


def test_a_run_that_goes_on_begins_where_it_stood():
    made = Meter(0.0, 10, stood=(5, 2))
    failed = dataclasses.replace(REPLAYED, status=OutcomeStatus.FAILED)
    for outcome in (SCORED, REPLAYED, failed):
        made.add(outcome, 1.0)
        told = made.progress(2.0)
        assert (told.done, told.failed, told.rate, told.eta_s) == (6, 2, 0.5, 8.0)
    made.end()
    assert (made.progress(2.0).done, made.progress(2.0).failed) == (3, 1), "the others were removed"


def test_more_may_come_again_than_was_known():
    made = Meter(0.0, None, stood=(1, 0))
    for outcome in (REPLAYED, REPLAYED, dataclasses.replace(REPLAYED, status=OutcomeStatus.FAILED)):
        made.add(outcome, 1.0)
    assert (made.progress(2.0).done, made.progress(2.0).failed) == (3, 1)


def test_the_rate_is_that_of_the_last_minute():
    made = meter(*(float(n) for n in range(600)), total=1000)
    assert made.progress(600.0).rate == pytest.approx(1.0)
    assert made.progress(600.0 + WINDOW + 1).rate == 0.0


def test_a_burst_before_a_limit_promises_no_other():
    made = meter(*(n / 100 for n in range(300)), total=900)
    assert made.progress(3.0).eta_s == pytest.approx(6.0)
    held = made.progress(3.0, opens_in=57.0)
    assert held.rate == 5.0
    assert held.eta_s == pytest.approx(120.0, abs=0.02)
    assert made.progress(30.0, opens_in=30.0).eta_s == pytest.approx(held.eta_s - 27.0)


def test_no_run_ends_before_its_limit_opens():
    made = meter(*(n / 100 for n in range(300)), total=301)
    assert made.progress(3.0, opens_in=57.0).eta_s == 57.0
    assert made.progress(50.0, opens_in=10.0).eta_s == 10.0


def test_a_limit_that_does_not_say_when_it_ends():
    said = "the answer that tells whether the request limit is over"
    held = meter(1.0).progress(2.0, opens_in=math.inf, waiting_for=said)
    assert held == Progress(1, 0, None, 0, 0.5, 2.0, None, said)


def test_all_done_takes_no_longer():
    assert meter(1.0, 2.0, total=2).progress(3.0).eta_s == 0.0
    assert meter(1.0, 2.0, total=1).progress(3.0).eta_s == 0.0
    assert meter(1.0, 2.0).progress(3.0).eta_s is None


def test_the_time_left_stays_while_an_answer_is_waited_for_and_when_nothing_ended_lately():
    assert meter(1.0, total=2).progress(3.0, opens_in=math.inf).eta_s == 3.0
    assert meter(1.0, total=2).progress(200.0).eta_s == 200.0
    assert meter(total=2).progress(200.0).eta_s is None


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(0, 0, None, 1, 0.0, 5.0), "0/?  scored 0  failed 0  0.0/s  elapsed 0:00:05"),
        (Progress(9, 2, 90, 1, 0.9, 10.0, 90.0), "9/90  scored 7  failed 2  0.9/s  elapsed 0:00:10  eta 0:01:30"),
        (Progress(9, 0, None, 0, 1.0, 1e5, 0.0), "9/?  scored 9  failed 0  1.0/s  elapsed 27:46:40"),
        (
            Progress(9, 0, None, 0, 1.0, 3700.0, None, "request limit, 3 s to the next window"),
            "9/?  scored 9  failed 0  1.0/s  elapsed 1:01:40  waiting for request limit, 3 s to the next window",
        ),
    ],
)
def test_a_line(progress, said):
    assert line(progress) == said


def test_what_judges_took_is_told_with_what_earlier_passes_took():
    made = meter(1.0)
    assert (made.progress(2.0).tokens, made.progress(2.0).cost) == (None, None)
    judged = dataclasses.replace(SCORED, backend="judge", usage=Usage(input_tokens=900, output_tokens=100), cost=0.25)
    for origin in ("evaluated", "replayed", "reused", "duplicate"):
        made.add(dataclasses.replace(judged, origin=origin), 1.0)
    told = made.progress(2.0)
    assert (told.tokens, told.cost) == (2_000, 0.5)
    assert "  2,000 tokens  $0.5000" in line(told)
    assert "token" not in line(meter(1.0).progress(2.0))
