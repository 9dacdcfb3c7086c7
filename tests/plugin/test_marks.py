from __future__ import annotations

import pytest

from fi_async import Case, ConfigurationError, EvalResult
from fi_async.integrations.pytest_marks import Expectation, read_mark

PARAMETERS = {"question": "Where?", "answer": "Paris", "n": 3}


def read(*args, **kwargs):
    return read_mark(pytest.mark.fi_eval(*args, **kwargs).mark, PARAMETERS)


def test_a_mark_without_inputs_leaves_them_to_the_test():
    asked = read("contains", threshold=0.5, eval_config={"keyword": "x"}, model_name="turing_small")
    assert asked.question == Expectation("contains", 0.5, {"keyword": "x"}, "turing_small")
    assert asked.read is None


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("question, answer", {"question": "Where?", "answer": "Paris"}),
        (["answer"], {"answer": "Paris"}),
        ("answer,", {"answer": "Paris"}),
        ({"text": "as it stands"}, {"text": "as it stands"}),
        (Case({"text": "a"}, id="1"), Case({"text": "a"}, id="1")),
        (lambda answer, n, unit="km": {"text": f"{answer} {n} {unit}"}, {"text": "Paris 3 km"}),
        (lambda *_, **all_of_them: all_of_them, PARAMETERS),
    ],
)
def test_inputs_are_values_or_names_of_parameters_or_a_function_of_these(inputs, expected):
    asked = read("contains", inputs=inputs)
    assert asked.read() == expected
    assert asked.is_computed is callable(inputs)


ONE = 'a mark takes one template, such as @pytest.mark.fi_eval("groundedness"); for several, write a mark for each'


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, ONE),
        (("a", "b"), {}, ONE),
        (
            ("a",),
            {"treshold": 1},
            "a mark has no keyword 'treshold'; it takes inputs, threshold, eval_config, model_name",
        ),
        (("a",), {"threshold": "0.8"}, "threshold must be a number, not '0.8'"),
        (("a",), {"threshold": True}, "threshold must be a number, not True"),
        (("a",), {"threshold": float("nan")}, "threshold must be a number, not nan"),
        (
            ("a",),
            {"inputs": 3},
            (
                "inputs must be the names of parameters of the test, a function of these, or a dict of inputs by key,"
                " not int"
            ),
        ),
        (
            ("a",),
            {"inputs": "question, anwser"},
            (
                "inputs asks for 'anwser', which is no parameter of the test; it has question, answer, n."
                " What a fixture makes is given by calling fi_eval in the test"
            ),
        ),
        (
            ("a",),
            {"inputs": lambda client: {"text": client}},
            (
                "inputs asks for 'client', which is no parameter of the test; it has question, answer, n."
                " What a fixture makes is given by calling fi_eval in the test"
            ),
        ),
    ],
)
def test_what_cannot_be_meant_so_is_refused(args, kwargs, message):
    with pytest.raises(ConfigurationError) as caught:
        read(*args, **kwargs)
    assert str(caught.value) == f"fi_eval: {message}"


def test_what_is_no_template_is_refused():
    with pytest.raises(ConfigurationError) as caught:
        read(3)
    assert str(caught.value) == "eval_templates must be a template's name or an object with an eval_name, not int"


VERDICT = {"output_type": "Pass/Fail", "reason": "It says so.", "eval_id": "7"}


@pytest.mark.parametrize(
    ("threshold", "result", "expected"),
    [
        (None, {**VERDICT, "output": "Passed"}, ""),
        (None, {**VERDICT, "output": "Failed"}, "t: Failed\n  reason: It says so.\n  evaluation: 7"),
        (None, {"output": 0.0, "output_type": "score"}, ""),
        (0.8, {**VERDICT, "output": "Passed"}, ""),
        (
            0.8,
            {**VERDICT, "output": "Failed"},
            "t scored 0, below the threshold of 0.8\n  reason: It says so.\n  evaluation: 7",
        ),
        (0.1 + 0.2, {"output": 0.3, "output_type": "score"}, ""),
        (0.8, {"output": 0.79999, "output_type": "score"}, "t scored 0.8, below the threshold of 0.8"),
        (
            0.8,
            {"output": ["joy"], "output_type": "choices"},
            "t: ['joy'] has no score to hold against the threshold of 0.8",
        ),
    ],
)
def test_a_result_falls_short_or_will_do(threshold, result, expected):
    assert Expectation("t", threshold).shortfall(EvalResult(name="t", **result)) == expected


def test_questions_that_one_run_may_answer_have_one_key():
    first = Expectation("t", 0.5, {"a": 1, "b": 2}, "judge")
    assert first.key == Expectation("t", 0.9, {"b": 2, "a": 1}, "judge").key
    assert len({first.key, Expectation("t").key, Expectation("t", eval_config={"a": 1}).key}) == 3
