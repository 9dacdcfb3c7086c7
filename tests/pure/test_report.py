"""What a run gives back, in numbers and in words."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest

from fi_async import (
    Case,
    Counts,
    EvalResult,
    EvaluationError,
    IncompleteRunError,
    InvalidCaseError,
    Outcome,
    OutcomeStatus,
    RateLimitError,
    Report,
    StalledError,
)

CASE = Case({"text": "x"})


def scored(index: int, output: object, template: str = "t", output_type: str = "score") -> Outcome:
    result = EvalResult(name=template, output=output, output_type=output_type)
    return Outcome(index, CASE, template, OutcomeStatus.SCORED, result=result)


def ended(index: int, status: OutcomeStatus, error: Exception | None = None, template: str = "t") -> Outcome:
    return Outcome(index, CASE, template, status, error=error)


MIXED = [
    scored(0, 0.5),
    scored(0, "Passed", "u", "Pass/Fail"),
    scored(1, 1.0),
    ended(1, OutcomeStatus.FAILED, EvaluationError("no"), "u"),
    ended(2, OutcomeStatus.STALLED, StalledError("slow")),
    scored(2, "Failed", "u", "Pass/Fail"),
    ended(3, OutcomeStatus.INVALID, InvalidCaseError("bad")),
    ended(3, OutcomeStatus.INVALID, InvalidCaseError("bad"), "u"),
]
NOTHING_SPENT = {"cost": None, "unknown_cost": 0, "tokens": None}
COUNTS = Counts(requests=9, polls=1, retries=2, throttled=3, ambiguous=4, possible_duplicates=5)


def test_a_summary_of_two_templates_is_exact():
    summary = Report(MIXED, 2.5, COUNTS).summary()
    assert summary == {
        "cases": 4,
        "evaluations": 8,
        "scored": 4,
        "failed": 1,
        "stalled": 1,
        "cancelled": 0,
        "invalid": 2,
        "replayed": 0,
        "reused": 0,
        "duplicate": 0,
        "coverage": 0.5,
        "wall_s": 2.5,
        "requests": 9,
        "polls": 1,
        "retries": 2,
        "throttled": 3,
        "ambiguous": 4,
        "possible_duplicates": 5,
        "removed": 0,
        **NOTHING_SPENT,
        "templates": {
            "t": {"mean_score": 0.75, "pass_rate": None, "n": 2, "answered_by": ["cloud"], **NOTHING_SPENT},
            "u": {"mean_score": 0.5, "pass_rate": 0.5, "n": 2, "answered_by": ["cloud"], **NOTHING_SPENT},
        },
    }
    assert json.loads(json.dumps(summary)) == summary


def test_a_summary_of_nothing():
    report = Report([], 0.0)
    assert report.summary() == {
        "cases": 0,
        "evaluations": 0,
        "scored": 0,
        "failed": 0,
        "stalled": 0,
        "cancelled": 0,
        "invalid": 0,
        "replayed": 0,
        "reused": 0,
        "duplicate": 0,
        "coverage": 1.0,
        "wall_s": 0.0,
        "requests": 0,
        "polls": 0,
        "retries": 0,
        "throttled": 0,
        "ambiguous": 0,
        "possible_duplicates": 0,
        "removed": 0,
        **NOTHING_SPENT,
        "templates": {},
    }
    assert (report.results, report.failures, report.coverage) == ([], [], 1.0)
    assert repr(report) == "<Report empty, coverage 100.0%, 0.0 s>"
    report.raise_for_failures()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([scored(0, ["joy"], output_type="choices")], {"mean_score": None, "pass_rate": None, "n": 1}),
        ([ended(0, OutcomeStatus.FAILED)], {"mean_score": None, "pass_rate": None, "n": 0}),
        (
            [scored(0, {"score": 0.25, "choice": "a"}, output_type="choices"), scored(1, 0.75)],
            {"mean_score": 0.5, "pass_rate": None, "n": 2},
        ),
        (
            [scored(i, "Passed" if i else "Failed", output_type="Pass/Fail") for i in range(4)],
            {"mean_score": 0.75, "pass_rate": 0.75, "n": 4},
        ),
    ],
)
def test_means_and_rates_are_over_scored_cases_only(outcomes, expected):
    told = {"t": {**expected, "answered_by": ["cloud"], **NOTHING_SPENT}}
    assert Report(outcomes, 1.0).summary()["templates"] == told


def test_templates_come_in_the_order_of_their_first_outcome():
    report = Report([scored(0, 1, "z"), scored(0, 1, "a"), scored(1, 1, "z")], 1.0)
    assert list(report.summary()["templates"]) == ["z", "a"]


def test_results_and_failures_are_in_input_order():
    report = Report(MIXED, 2.5)
    assert report.results == [MIXED[i].result for i in (0, 1, 2, 5)]
    assert report.failures == [MIXED[i] for i in (3, 4, 6, 7)]


@pytest.mark.parametrize(("done", "of"), [(1, 10), (1, 3), (2, 3), (9, 10), (0, 7), (7, 7)])
def test_coverage_is_scored_by_all(done, of):
    outcomes = [scored(i, 1.0) if i < done else ended(i, OutcomeStatus.FAILED) for i in range(of)]
    assert Report(outcomes, 1.0).coverage == done / of


def test_a_repr_counts_what_there_is():
    assert repr(Report(MIXED, 2.54)) == "<Report 4 scored, 1 failed, 1 stalled, 2 invalid, coverage 50.0%, 2.5 s>"


def test_a_run_without_failures_raises_nothing():
    Report([scored(0, 0.0)], 1.0).raise_for_failures()


def test_failures_are_raised_with_their_causes_most_frequent_first():
    outcomes = [
        scored(0, 1.0),
        ended(1, OutcomeStatus.FAILED, RateLimitError("a")),
        ended(2, OutcomeStatus.FAILED, EvaluationError("b")),
        ended(3, OutcomeStatus.FAILED, EvaluationError("c")),
        ended(4, OutcomeStatus.STALLED, StalledError("d")),
    ]
    report = Report(outcomes, 1.0)
    with pytest.raises(IncompleteRunError) as caught:
        report.raise_for_failures()
    assert caught.value.message == (
        "4 of 5 evaluations have no score"
        " (2 failed: EvaluationError, 1 failed: RateLimitError, 1 stalled: StalledError); the first: a"
    )
    assert caught.value.failures == outcomes[1:]
    assert pickle.loads(pickle.dumps(caught.value)).failures[0].status == OutcomeStatus.FAILED


def test_a_case_that_was_not_begun_has_no_cause_to_name():
    report = Report([ended(0, OutcomeStatus.CANCELLED)], 1.0)
    with pytest.raises(IncompleteRunError) as caught:
        report.raise_for_failures()
    assert caught.value.message == "1 of 1 evaluations have no score (1 cancelled)"


def test_each_report_counts_for_itself():
    Report([], 0.0).counts.requests += 1
    assert Report([], 0.0).counts == Counts()


def test_print_gives_the_scores_by_template():
    assert str(
        Report([scored(0, 0.5), scored(0, "Passed", "u", "Pass/Fail"), ended(1, OutcomeStatus.FAILED)], 2.54)
    ) == (
        "Report 2 scored, 1 failed, coverage 66.7%, 2.5 s\n"
        "  t: mean score 0.500 (n=1)\n"
        "  u: pass rate 100.0%, mean score 1.000 (n=1)\n"
        "  no score: 1 x failed (first: case 1)"
    )
    assert str(Report((), 0.0)) == "Report empty, coverage 100.0%, 0.0 s"


def test_print_says_why_cases_have_no_score_the_most_frequent_first():
    invalid = [ended(n, OutcomeStatus.INVALID, InvalidCaseError(f"case {n}: no 'text'\nat all")) for n in range(3)]
    others = [ended(n, OutcomeStatus.FAILED, EvaluationError(f"fault {n}")) for n in range(3, 7)]
    lines = str(Report([others[0], *invalid, *others[1:]], 1.0)).splitlines()
    assert lines[2:] == [
        "  no score: 3 x InvalidCaseError: no 'text' at all (first: case 0)",
        "  no score: 1 x EvaluationError: fault 3 (first: case 3)",
        "  no score: 1 x EvaluationError: fault 4 (first: case 4)",
        "  and 2 more causes",
    ]


def test_possible_duplicates_are_those_of_all_passes_of_a_run():
    paid = replace(scored(0, 0.5), possible_duplicates=2)
    outcomes = [
        paid,
        replace(paid, origin="replayed"),
        replace(paid, origin="duplicate"),
        replace(paid, origin="reused"),
    ]
    assert Report(outcomes, 1.0, Counts(possible_duplicates=1)).summary()["possible_duplicates"] == 4
