from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async.reports.conditions import parse_condition
from fi_async.reports.early_stopping import EarlyStopping, Evidence
from fi_async.reports.quality_gate import GateVerdict, Requirements, check_gate
from fi_async.reports.template_scores import scores_by_template
from runs_of import outcome, outcomes

PASSED, BELOW, INCONCLUSIVE, INFRASTRUCTURE = GateVerdict


def watched(values, *conditions, total=None, error_rate=0.0, coverage=None):
    """After how many cases a watch stops, and its verdict; None if it does not."""
    watch = EarlyStopping(
        Requirements([parse_condition(text) for text in conditions], coverage),
        ["groundedness"],
        total or len(values),
        error_rate,
    )
    for number, each in enumerate(outcomes(values), 1):
        if watch.add(each):
            return number, watch.result().verdict
    return None


@pytest.mark.parametrize(
    ("values", "condition", "expected"),
    [
        ("FFPPPPPPPP", "groundedness>=0.9", (2, BELOW)),
        ("PPPPPPPPPF", "groundedness>=0.9", (9, PASSED)),
        ("PPPPPPPPPF", "groundedness<=0.8", (9, BELOW)),
        ("FFFFFFFFFF", "groundedness<=0.8", (2, PASSED)),
        ("PPPPPPPPP-", "groundedness>=0.9", (9, PASSED)),
        ("-FPPPPPPPP", "groundedness>=0.9", None),
        ([0.5, 0.4], "groundedness>=0.8", (1, BELOW)),
        ([5, 6], "groundedness>=5", (2, PASSED)),
    ],
)
def test_without_an_error_rate_a_run_stops_when_nothing_can_turn_the_verdict(values, condition, expected):
    assert watched(values, condition) == expected


@given(st.text("PF-", min_size=1, max_size=40), st.integers(0, 20), st.sampled_from([">=", ">", "<=", "<"]))
def test_such_a_stop_is_never_wrong(values, twentieths, operator):
    condition = f"groundedness.mean{operator}{twentieths / 20}"
    stopped = watched(values, condition)
    if stopped is not None:
        expected = (
            check_gate(Requirements([parse_condition(condition)]), scores_by_template(outcomes(values)))
            .checks[0]
            .verdict
        )
        if expected is PASSED and set(values[: stopped[0]]) == {"-"}:
            expected = INFRASTRUCTURE  # no score was needed, and none came
        assert stopped[1] is expected


@pytest.mark.parametrize(
    ("values", "coverage", "expected"),
    [
        ("P--PPPPPPP", 0.9, (3, INCONCLUSIVE)),
        ("--PPPPPPPP", 0.9, (2, INFRASTRUCTURE)),
        ("-PPPPPPPPP", 0.9, (10, PASSED)),
        ("PPPPPPPPPP", 0.5, (5, PASSED)),
    ],
)
def test_a_coverage_out_of_reach_ends_a_run_too(values, coverage, expected):
    assert watched(values, "groundedness>=0.3", coverage=coverage) == expected


def test_cases_to_come_are_not_let_go_though_the_coverage_is_reached():
    assert watched("PPPPPFFFFF", "groundedness>=0.8", coverage=0.5) == (8, BELOW)


def test_all_that_is_asked_for_must_be_certain_to_pass_and_one_to_fail():
    watch = EarlyStopping(Requirements([parse_condition("a>=0.5"), parse_condition("b>=0.5")]), ["a", "b"], 2)
    assert not watch.add(outcome(0, "P", "a"))
    assert watch.add(outcome(0, "P", "b"))
    watch = EarlyStopping(Requirements([parse_condition("a>=0.6"), parse_condition("b>=0.6")]), ["a", "b"], 2)
    assert watch.add(outcome(0, "F", "a"))
    assert [check.verdict for check in watch.result().checks] == [BELOW, INCONCLUSIVE]


RATE = 0.1
RUNS = 150


@pytest.mark.parametrize(
    ("fails", "condition", "right"),
    [
        (20, "groundedness>=0.9", PASSED),  # at the bound: the hardest case
        (21, "groundedness>=0.9", BELOW),
        (100, "groundedness>=0.5", PASSED),
        (196, "groundedness<=0.02", PASSED),
        (195, "groundedness<=0.02", BELOW),
    ],
)
@pytest.mark.parametrize("missing", [0, 4])
def test_the_error_rate_is_no_more_than_stated(fails, condition, right, missing):
    rng = Random(f"{fails} {missing}")
    verdicts = Counter()
    values = [*("F" * fails), *("P" * (200 - fails))]
    for _ in range(RUNS):
        rng.shuffle(values)
        drawn = [*values, *("-" * missing)]
        if missing:
            rng.shuffle(drawn)
        stopped = watched("".join(drawn), condition, error_rate=RATE)
        verdicts[stopped[1] if stopped else None] += 1
    wrong = {PASSED: BELOW, BELOW: PASSED}[right]
    assert verdicts[wrong] <= RATE * RUNS
    if not missing:
        assert verdicts[None] == 0


def test_scores_that_are_no_verdicts_keep_the_rate_too():
    rng = Random(5)
    wrong = 0
    for _ in range(RUNS):
        evidence = Evidence(100, 0.5, RATE)
        values = [rng.random() for _ in range(50)]
        values = [*values, *(1 - value for value in values)]  # their mean is the bound
        rng.shuffle(values)
        for value in values:
            evidence.add(value)
        wrong += evidence.refuted
    assert wrong <= RATE * RUNS


def test_an_error_rate_saves_most_of_the_cases():
    values = ["F"] * 200 + ["P"] * 800
    Random(1).shuffle(values)
    certain, _ = watched(values, "groundedness>=0.9")
    likely, verdict = watched(values, "groundedness>=0.9", error_rate=0.05)
    assert (certain, likely, verdict) == (483, 149, BELOW)


def test_an_error_rate_is_said():
    watch = EarlyStopping(Requirements([parse_condition("groundedness>=0.9")]), ["groundedness"], 1_000, 0.05)
    for each in outcomes("F" * 20):
        if watch.add(each):
            break
    (check,) = watch.result().checks
    assert check.verdict is BELOW
    assert check.said.startswith("pass rate 0 of ")
    assert check.said.endswith("; certain up to an error rate of 0.05")


def test_cases_are_drawn_in_their_order_not_in_that_of_their_ends():
    watch = EarlyStopping(Requirements([parse_condition("groundedness>=0.9")]), ["groundedness"], 1_000, 0.05)
    late, *others = outcomes("F" * 60)
    assert not any(watch.add(each) for each in others)
    assert watch.add(late)


def test_a_score_beyond_0_and_1_leaves_nothing_to_infer():
    assert watched([2, *[0] * 80], "groundedness>=0.9", total=1_000, error_rate=0.5) is None
    assert watched([0] * 80, "groundedness>=1", total=1_000, error_rate=0.5) == (1, BELOW)
