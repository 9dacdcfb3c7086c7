from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async import ConfigurationError
from fi_async.reports.conditions import parse_condition
from fi_async.reports.pairing import CaseScore
from fi_async.reports.quality_gate import Check, GateVerdict, Requirements, check_gate
from fi_async.reports.template_scores import scores_by_template
from runs_of import outcomes

PASSED, BELOW, INCONCLUSIVE, INFRASTRUCTURE = GateVerdict


def alone(found):
    """The checks without the cases that they name."""
    return [replace(each, cases=()) for each in found.checks]


def gated(values, *conditions, pending=0, **asked):
    return check_gate(
        Requirements([parse_condition(text) for text in conditions], **asked),
        scores_by_template(outcomes(values), pending=pending),
    )


@pytest.mark.parametrize(
    ("values", "condition", "verdict", "said"),
    [
        ("PPPF", "groundedness>=0.75", PASSED, "pass rate 0.75 of 4 cases"),
        ("PPPF", "groundedness>0.75", BELOW, "pass rate 0.75 of 4 cases"),
        ([0.1, 0.3], "groundedness<=0.2", PASSED, "mean score 0.2 of 2 cases"),
        ([0.1, 0.3], "groundedness<0.2", BELOW, "mean score 0.2 of 2 cases"),
        ("PPPP-", "groundedness>=0.8", PASSED, "pass rate 1 of 4 cases; 0.8 to 1 (1 missing)"),
        ("PPFF-", "groundedness>=0.8", BELOW, "pass rate 0.5 of 4 cases; 0.4 to 0.6 (1 missing)"),
        ("PPPF-", "groundedness>=0.75", INCONCLUSIVE, "pass rate 0.75 of 4 cases; 0.6 to 0.8 (1 missing)"),
        (
            [3, 4, None],
            "groundedness>=3",
            INCONCLUSIVE,
            "mean score 3.5 of 2 cases; those missing may have any (1 missing)",
        ),
        (["joy"], "groundedness>=0.5", INCONCLUSIVE, "no case has a mean score"),
        ([0.5], "groundedness.pass_rate>=0.5", INCONCLUSIVE, "no case has a pass rate"),
    ],
)
def test_without_a_coverage_the_missing_may_have_had_any_score(values, condition, verdict, said):
    found = gated(values, condition)
    assert alone(found) == [Check(condition, verdict, said)]
    assert found.verdict is verdict


def test_with_the_coverage_reached_the_missing_are_let_go():
    found = gated("PPPF-", "groundedness>=0.75", coverage=0.8)
    assert alone(found) == [
        Check("groundedness>=0.75", PASSED, "pass rate 0.75 of 4 cases"),
        Check("groundedness coverage>=0.8", PASSED, "4 of 5 cases have a score (80.0%)"),
    ]
    assert found.verdict is PASSED


@pytest.mark.parametrize(("bound", "verdict"), [(0.5, INCONCLUSIVE), (0.75, INCONCLUSIVE), (0.9, BELOW)])
def test_below_the_coverage_nothing_passes_and_what_is_certain_fails(bound, verdict):
    found = gated("PPPF-", f"groundedness>={bound}", coverage=0.9)
    assert found.checks[1].verdict is INCONCLUSIVE
    assert found.verdict is verdict


def test_pending_cases_are_missing():
    found = gated("PPPF", "groundedness>=0.7", pending=1, coverage=0.9)
    assert alone(found) == [
        Check("groundedness>=0.7", INCONCLUSIVE, "pass rate 0.75 of 4 cases; 0.6 to 0.8 (1 missing)"),
        Check("groundedness coverage>=0.9", INCONCLUSIVE, "4 of 5 cases have a score (80.0%), 1 have not ended"),
    ]


@pytest.mark.parametrize(
    ("bound", "verdict"), [(0.6, PASSED), (0.75, INCONCLUSIVE), (0.8, INCONCLUSIVE), (0.89, BELOW)]
)
def test_with_a_confidence_the_whole_interval_must_reach_the_bound(bound, verdict):
    found = gated("P" * 80 + "F" * 20, f"groundedness>={bound}", confidence=0.95)
    assert alone(found) == [
        Check(f"groundedness>={bound}", verdict, "pass rate 0.8 of 100 cases; 0.7112 to 0.8666 at 0.95 confidence")
    ]


def test_one_score_has_no_interval():
    assert gated([0.9], "groundedness>=0.5", confidence=0.9).checks == [
        Check("groundedness>=0.5", INCONCLUSIVE, "mean score 0.9 of 1 cases; too few different values for an interval")
    ]


@given(st.text("PF-", min_size=1, max_size=30), st.floats(0, 1), st.sampled_from([">=", ">", "<=", "<"]))
def test_no_score_of_a_missing_case_could_turn_a_verdict(values, bound, operator):
    condition = f"groundedness.mean{operator}{bound!r}"
    verdict = gated(values, condition).verdict
    if verdict in (PASSED, BELOW):
        assert {gated(values.replace("-", each), condition).verdict for each in "PF"} == {verdict}


def test_where_nothing_could_be_scored_the_verdict_is_on_the_infrastructure():
    asked = Requirements([parse_condition("groundedness>=0.5")])
    found = check_gate(asked, scores_by_template(outcomes("--")), trouble="ServerError: down")
    assert (found.verdict, found.unserved) == (INFRASTRUCTURE, "none of 2 evaluations has a score: ServerError: down")
    assert check_gate(asked, scores_by_template(outcomes("-P")), trouble="x").unserved == ""
    assert check_gate(asked, scores_by_template([], ["groundedness"])).verdict is INCONCLUSIVE


def test_a_bound_that_is_missed_weighs_more_than_what_nobody_can_tell():
    found = check_gate(
        Requirements([parse_condition("a>=0.5"), parse_condition("b>=0.5"), parse_condition("c>=0.5")]),
        scores_by_template([*outcomes("P", "a"), *outcomes("F", "b"), *outcomes("-", "c")]),
    )
    assert [check.verdict for check in found.checks] == [PASSED, BELOW, INCONCLUSIVE]
    assert found.verdict is BELOW


def test_a_template_of_no_name_in_the_run_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean groundedness"):
        gated("P", "groundednes>=0.9")


@pytest.mark.parametrize(
    ("values", "condition", "said"),
    [
        ([0.89999] * 3, "groundedness>=0.9", "mean score 0.89999 of 3 cases"),
        ([0.9000001] * 3, "groundedness<=0.9", "mean score 0.9000001 of 3 cases"),
        ([0.9 - 1e-12] * 3, "groundedness>=0.9", "mean score 0.9 of 3 cases"),
    ],
)
def test_rounding_does_not_hide_on_which_side_of_its_bound_a_value_is(values, condition, said):
    assert [check.said for check in gated(values, condition).checks] == [said]


def regressed(before, after, **asked):
    scores = [[CaseScore.of(each) for each in outcomes(values)] for values in (before, after)]
    (check,) = [
        check
        for check in check_gate(
            Requirements(**asked), scores_by_template(outcomes(after)), case_scores=scores[1], baseline=scores[0]
        ).checks
        if "regressions" in check.name
    ]
    return check


@pytest.mark.parametrize(
    ("runs", "asked", "verdict", "said", "cases"),
    [
        (("PPF", "PFP"), {}, BELOW, "1 of 3 cases got worse, paired by inputs", [1]),
        (("PPF", "PFP"), {"max_regressions": 1}, PASSED, "1 of 3 cases got worse, paired by inputs", [1]),
        (("PP-", "PF-"), {"max_regressions": 1}, PASSED, "1 of 2 cases got worse, paired by inputs", [1]),
        (("PP", "P-"), {}, INCONCLUSIVE, "0 of 1 cases got worse, paired by inputs; 1 had a score and have none", [1]),
        (("PP", "P-"), {"coverage": 0.5}, PASSED, "0 of 1 cases got worse, paired by inputs", []),
        (([0.8], [0.75]), {"tolerance": 0.05}, PASSED, "0 of 1 cases got worse, paired by inputs", []),
        (("", "P"), {}, INCONCLUSIVE, "0 of 0 cases got worse, paired by inputs", []),
        (
            ("PP", "P"),
            {},
            PASSED,
            "0 of 1 cases got worse, paired by inputs; 1 of the baseline are not in this run",
            [],
        ),
    ],
)
def test_regressions(runs, asked, verdict, said, cases):
    named = [f"case {index} (groundedness)" for index in cases]
    most = asked.get("max_regressions", 0)
    assert regressed(*runs, **asked) == Check(f"regressions<={most}", verdict, said, named)


def test_a_template_that_only_the_baseline_has_is_gone_from_this_run():
    scores = [CaseScore.of(each) for each in (*outcomes("P"), *outcomes("P", "tone"))]
    found = check_gate(
        Requirements(coverage=0.5), scores_by_template(outcomes("P")), case_scores=scores[:1], baseline=scores
    )
    assert found.checks[-1].said == "0 of 1 cases got worse, paired by inputs; 1 of the baseline are not in this run"


def test_with_an_upper_bound_a_higher_score_is_a_regression():
    assert regressed([0.1], [0.2]).verdict is PASSED
    assert regressed([0.1], [0.2], conditions=[parse_condition("groundedness<=0.5")]).verdict is BELOW


def test_plain_values():
    assert gated("P", "groundedness>=0.5").as_dict() == {
        "verdict": "passed",
        "checks": [{"name": "groundedness>=0.5", "verdict": "passed", "said": "pass rate 1 of 1 cases", "cases": ()}],
        "unserved": "",
        "estimates": [],
        "doubts": [],
        "judges": "",
        "part": "",
        "cost": None,
        "unknown_cost": 0,
        "tokens": None,
    }


def test_a_condition_that_is_not_met_names_the_cases_that_do_not_meet_it_the_worst_first():
    (check,) = gated([0.9, 0.2, 0.5, 0.1], "groundedness>=0.5").checks
    assert check.cases == ("case 3 (0.1)", "case 1 (0.2)")
    (check,) = gated([0.9, 0.2, 0.5, 0.7], "groundedness<=0.5").checks
    assert check.cases == ("case 0 (0.9)", "case 3 (0.7)")
    assert gated([0.9, 0.4], "groundedness>=0.5").checks[0].cases == ()
    assert len(gated([0.1] * 100, "groundedness>=0.5").checks[0].cases) == 20


def test_doubts_leave_every_verdict_open():
    required = Requirements([parse_condition("groundedness>=0.5")])
    for values in ("PPPP", "FFFF"):
        found = check_gate(required, scores_by_template(outcomes(values)), doubts=["nobody knows"])
        assert (found.verdict, found.as_dict()["doubts"]) == (INCONCLUSIVE, ["nobody knows"])
    unserved = check_gate(Requirements(coverage=0.5), scores_by_template(outcomes("--")), doubts=["x"])
    assert unserved.verdict is INFRASTRUCTURE
