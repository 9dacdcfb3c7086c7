"""The answers the platform's server gave, one request a line of `vectors/<template>.jsonl`, given again here."""

import json
from pathlib import Path

import pytest

from fi_async._catalogue import rows
from fi_async.local.metrics import ESTIMATES, answers, links
from fi_async.local.scoring import BlankInputError, EngineError, check_params, run_evaluator, supported

RECORDED = 1_662  # answers, in all files
FILES = sorted((Path(__file__).parent / "vectors").glob("*.jsonl"))
CASES = [
    pytest.param(json.loads(line), id=f"{file.stem}-{number}")
    for file in FILES
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
]


def answer(name, inputs, params):
    """What the server would say of one synchronous request, as the vectors have it."""
    if faults := check_params(name, params):
        return {"status": 400, "error": {"config": faults}}
    try:
        verdict = run_evaluator(name, inputs, params)
    except BlankInputError:
        return {"status": 500, "error": "Unable to run standalone evaluation. Please try again."}
    except EngineError as error:
        return {"status": 400, "error": str(error)}
    return {"status": 200, "output_type": rows()[name]["output"], **verdict._asdict()}


@pytest.mark.parametrize("case", CASES)
def test_answers_as_the_platform_does(case):
    expected = {key: case[key] for key in case.keys() - {"eval_name", "inputs", "params"}}
    if isinstance(expected.get("output"), float):
        expected["output"] = pytest.approx(expected["output"], rel=1e-9, abs=1e-12)
    assert answer(case["eval_name"], case["inputs"], case["params"]) == expected


def test_every_exact_template_has_vectors_but_those_that_have_no_recorded_answers():
    unrecorded = {*answers.METRICS, *links.METRICS}
    assert {file.stem for file in FILES} == supported() - ESTIMATES - unrecorded


def test_the_recorded_answers_are_all_here():
    assert len(CASES) == RECORDED
