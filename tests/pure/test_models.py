"""What a result says by itself: score, verdict and labels for every type of output."""

from __future__ import annotations

import dataclasses
import json
import pickle

import pydantic
import pytest

from fi_async import BatchRunResult, Case, EvalResult, EvalStatus, Outcome, OutcomeStatus, Template
from fi_async._models import NamedTemplate

OUTPUTS = [
    # output, output_type, score, passed, choices
    ("Passed", "Pass/Fail", 1.0, True, None),
    ("Failed", "Pass/Fail", 0.0, False, None),
    ("Passed", None, 1.0, True, None),
    ("Failed", "", 0.0, False, None),
    ("Maybe", "Pass/Fail", None, None, None),
    (0.9, "score", 0.9, None, None),
    (0.0, "score", 0.0, None, None),
    (1, "score", 1.0, None, None),
    (-3, "numeric", -3.0, None, None),
    (0.5, None, 0.5, None, None),
    (True, "score", None, None, None),
    (float("nan"), "score", None, None, None),
    (float("-inf"), "score", None, None, None),
    (10**400, "score", None, None, None),
    (["joy", "surprise"], "choices", None, None, ["joy", "surprise"]),
    ([], "choices", None, None, []),
    ([1, 2], "choices", None, None, ["1", "2"]),
    ({"score": 0.66, "choice": "frequently"}, "choices", 0.66, None, ["frequently"]),
    ({"score": 1, "choice": 5}, "choices", 1.0, None, ["5"]),
    ({"score": None, "choice": "never"}, "choices", None, None, ["never"]),
    ({"score": "0.5"}, "choices", None, None, None),
    ({"choice": "never"}, "choices", None, None, ["never"]),
    ("joy", "choices", None, None, ["joy"]),
    ("Passed", "choices", None, None, ["Passed"]),
    ("4 words", "reason", None, None, None),
    ("Passed", "reason", None, None, None),
    ("0.5", "reason", None, None, None),
    (None, "Pass/Fail", None, None, None),
    (None, None, None, None, None),
]


@pytest.mark.parametrize(("output", "output_type", "score", "passed", "choices"), OUTPUTS)
def test_score_verdict_and_labels_of_each_type_of_output(output, output_type, score, passed, choices):
    result = EvalResult(output=output, output_type=output_type)
    assert (result.score, result.passed, result.choices) == (score, passed, choices)
    assert result.score is None or type(result.score) is float


def test_a_result_reads_as_json_with_what_it_says():
    result = EvalResult(name="tone", output=["joy"], output_type="choices", eval_id="e-1", runtime=5)
    assert json.loads(result.model_dump_json()) == {
        "name": "tone",
        "output": ["joy"],
        "reason": None,
        "runtime": 5.0,
        "output_type": "choices",
        "eval_id": "e-1",
        "model": None,
        "error_localizer_enabled": None,
        "error_localizer": None,
        "filled": {},
        "backend": "cloud",
        "estimate": False,
        "request_id": None,
        "usage": None,
        "cost": None,
        "score": None,
        "passed": None,
        "choices": ["joy"],
    }
    assert EvalResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("result", [EvalResult(output=0.5), BatchRunResult(eval_results=[])])
def test_results_cannot_be_changed(result):
    with pytest.raises(pydantic.ValidationError):
        result.message = "other"


def test_results_and_outcomes_survive_a_pickle():
    result = EvalResult(output={"score": 1.0, "choice": "never"}, filled={"input": "output"})
    ended = Outcome(0, Case({"a": ["x"]}, id="mine"), "t", OutcomeStatus.SCORED, result=result)
    assert pickle.loads(pickle.dumps(ended)) == ended
    assert pickle.loads(pickle.dumps(BatchRunResult(eval_results=[result]))).eval_results == [result]


def test_a_template_survives_a_pickle():
    template = Template("mine", ("output",), "Pass/Fail", partial=True, system=False)
    assert pickle.loads(pickle.dumps(template)) == template


def test_an_outcome_has_its_results_score_and_verdict():
    case = Case({"text": "x"})
    scored = Outcome(0, case, "t", OutcomeStatus.SCORED, result=EvalResult(output="Failed", output_type="Pass/Fail"))
    failed = Outcome(0, case, "t", OutcomeStatus.FAILED)
    assert (scored.score, scored.passed) == (0.0, False)
    assert (failed.score, failed.passed) == (None, None)
    assert (failed.attempts, failed.ambiguous, failed.possible_duplicates, failed.latency_s) == (0, 0, 0, None)
    assert failed.backend == "cloud"


def test_cases_and_outcomes_cannot_be_changed():
    for frozen in (Case({}), Outcome(0, Case({}), "t", OutcomeStatus.FAILED), Template("t", ())):
        for field in dataclasses.fields(frozen):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(frozen, field.name, "other")


def test_words_of_status_are_strings():
    assert [status.value for status in EvalStatus] == ["pending", "processing", "completed", "failed"]
    assert [status.value for status in OutcomeStatus] == ["scored", "failed", "stalled", "cancelled", "invalid"]
    assert f"{OutcomeStatus.SCORED}" == "scored" == OutcomeStatus.SCORED
    assert json.dumps(EvalStatus.PENDING) == '"pending"'


def test_whatever_has_an_eval_name_is_a_template():
    class Tone:
        eval_name = "tone"

    assert isinstance(Tone, NamedTemplate)
    assert isinstance(Tone(), NamedTemplate)
    assert not isinstance("tone", NamedTemplate)


def test_a_template_needs_a_name_and_keys_only():
    template = Template("t", ("a",))
    assert (template.output_type, template.choices, dict(template.params), template.partial, template.system) == (
        "",
        (),
        {},
        False,
        True,
    )
