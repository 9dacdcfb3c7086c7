"""Conditions on how often k tries of a case pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fi_async import Case, ConfigurationError, EvalResult, Outcome, OutcomeStatus, UndecidedError
from fi_async.reports.conditions import parse_condition
from fi_async.reports.early_stopping import EarlyStopping
from fi_async.reports.quality_gate import GateVerdict, Requirements, check_gate
from fi_async.reports.template_scores import scores_by_template, value_of


def sample(index: int, output: object, number: int = 0) -> Outcome:
    result = EvalResult(name="t", output=output)
    return Outcome(index, Case({}), "t", OutcomeStatus.SCORED, result, sample=number)


def repeated(index: int, *outputs: object) -> Outcome:
    samples = [sample(index, output, number) for number, output in enumerate(outputs)]
    mean = sum(each.score or 0.0 for each in samples) / len(samples)
    result = EvalResult(name="t", output=mean, output_type="score")
    return Outcome(index, Case({}), "t", OutcomeStatus.SCORED, result, samples=samples)


P, F = "Passed", "Failed"


def verdict(text: str, *outcomes: Outcome, **required: object) -> tuple[GateVerdict, str]:
    required_ = Requirements([parse_condition(text)], **required)  # type: ignore[arg-type]  # of a test
    found = check_gate(required_, scores_by_template(outcomes, ["t"]))
    return found.verdict, found.checks[0].said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t:pass^3>=0.5", "pass^3 0.5 of 2 cases"),
        ("t:pass^2>=0.6", "pass^2 0.6667 of 2 cases"),
        ("t:pass@1>=0.8", "pass@1 0.8333 of 2 cases"),
        ("t:pass@2>=1", "pass@2 1 of 2 cases"),
    ],
)
def test_they_are_means_over_cases(text, said):
    assert verdict(text, repeated(0, P, P, P), repeated(1, P, F, P)) == (GateVerdict.PASSED, said)


def test_one_that_is_missed_is_below():
    assert verdict("t:pass^3>=0.6", repeated(0, P, P, P), repeated(1, P, F, P))[0] is GateVerdict.BELOW


def test_samples_without_a_verdict_between_them_are_tries():
    undecided = replace(repeated(1, P, F), status=OutcomeStatus.FAILED, result=None, error=UndecidedError("1 of 2"))
    cancelled = replace(repeated(2, P, P), status=OutcomeStatus.CANCELLED, result=None)
    assert verdict("t:pass^2>=0.6", repeated(0, P, P), undecided)[0] is GateVerdict.BELOW
    assert verdict("t:pass^2>=0.6", repeated(0, P, P), undecided, coverage=0.5)[0] is GateVerdict.BELOW
    assert verdict("t:pass^2>=0.6", repeated(0, P, P), cancelled)[0] is GateVerdict.INCONCLUSIVE


def test_a_coverage_lets_no_cases_go_that_lack_samples():
    outcomes = [repeated(0, P, P, P), *(repeated(n, P, P) for n in range(1, 4))]
    said = "pass^3 1 of 1 cases; 0.25 to 1 (3 missing)"
    assert verdict("t:pass^3>=0.9", *outcomes, coverage=0.9) == (GateVerdict.INCONCLUSIVE, said)
    assert verdict("t:pass^3>=0.9", *outcomes, coverage=0.25)[0] is GateVerdict.PASSED


def test_samples_that_were_asked_for_as_others_did_not_agree_are_left_out():
    case = replace(repeated(0, P, F, F, P, P, P), at_first=3)
    assert verdict("t:pass@3>=1", case) == (GateVerdict.PASSED, "pass@3 1 of 1 cases")
    assert verdict("t:pass^1<=0.4", case) == (GateVerdict.PASSED, "pass^1 0.3333 of 1 cases")
    assert verdict("t.pass_rate<=0.4", case) == (GateVerdict.PASSED, "pass rate 0.3333 of 1 cases")
    assert verdict("t:pass^4>=0.1", case)[0] is GateVerdict.INCONCLUSIVE


def test_a_run_stops_early_by_what_its_gate_is_about():
    median = [replace(repeated(n, P, P, F), result=sample(n, 1.0).result) for n in range(30)]
    stopping = EarlyStopping(Requirements([parse_condition("t>=0.9")]), ["t"], 10**4, error_rate=0.05)
    for each in median:
        assert value_of(each, None) == pytest.approx(2 / 3)
        stopping.add(each)
    assert stopping.result().checks[0].verdict is GateVerdict.BELOW


def test_without_enough_samples_nobody_knows():
    found = verdict("t:pass^3>=0.1", sample(0, P), sample(1, P))
    assert found[0] is GateVerdict.INCONCLUSIVE
    assert found[1] == "no case has pass^3: that takes 3 samples of each case with a score (repeats)"


def test_a_case_with_fewer_samples_may_be_either():
    said = "pass^3 1 of 1 cases; 0.5 to 1 (1 missing)"
    assert verdict("t:pass^3>=0.6", repeated(0, P, P, P), repeated(1, P, P)) == (GateVerdict.INCONCLUSIVE, said)


def test_a_score_passes_from_a_half_on():
    assert verdict("t:pass^2>=0.5", repeated(0, 0.5, 0.9), repeated(1, 0.49, 0.9))[0] is GateVerdict.PASSED


def test_the_pass_rate_of_repeated_verdicts_is_the_mean_share_and_its_interval_by_case():
    outcomes = [repeated(0, P, P, F, F), repeated(1, P, P, P, P)]
    scores = scores_by_template(outcomes, ["t"])["t"]
    assert (scores.pass_rate.value, scores.pass_rate.n, scores.pass_rate.verdicts) == (0.75, 2, False)


@pytest.mark.parametrize("text", ["t:pass^0>=0.5", "t:pass@1001>=0.5", "t:pass^3>=1.2", "t:pass@99999999999>=0.5"])
def test_what_cannot_be_is_refused(text):
    with pytest.raises(ConfigurationError, match="--min t:pass"):
        parse_condition(text)


@pytest.mark.parametrize("text", ["t:pass^3>=0.8", "t:pass@12<0.5", "t.mean>=0.3", "t>=0.5", "t.pass_rate>0.1"])
def test_a_condition_is_written_as_it_was(text):
    assert str(parse_condition(text)) == text


def test_a_run_may_stop_early_at_a_certain_pass_hat_k():
    watch = EarlyStopping(Requirements([parse_condition("t:pass^3>=0.5")]), ["t"], 4)
    assert [watch.add(repeated(n, P, P, F)) for n in range(3)] == [False, False, True]
    assert watch.result().verdict is GateVerdict.BELOW
