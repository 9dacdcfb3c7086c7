"""The verdict in the words of a model: found whatever stands around it, and never made up."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import LABELS, PASS_FAIL, RUBRICS, SCORE, SCORED, SEVERAL
from fi_async.wire.verdict_text import NoVerdictError, object_in, output_of

ONE = '{"reason": "a", "result": "Pass"}'
OTHER = '{"reason": "b", "result": "Fail"}'


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (ONE, "Pass"),
        (f"\n  {ONE}\n", "Pass"),
        (f"Sure, here it is:\n{ONE}\nI hope that helps.", "Pass"),
        (f"```json\n{ONE}\n```", "Pass"),
        (f"```\n{ONE}\n```", "Pass"),
        (f"[{ONE}]", "Pass"),
        (f'{{"verdict": {ONE}}}', "Pass"),
        (f"<think>First I thought {OTHER}, but no.</think>\n{ONE}", "Pass"),
        (f"<THINKING>{OTHER}</THINKING>{ONE}", "Pass"),
        (f"First I thought {OTHER}\n</think>\n\n{ONE}", "Pass"),  # the server cut off the beginning of the thought
        ('{"reason": "it says </think> at its end", "result": "Fail"}', "Fail"),
        ('```json\n{"reason": "it says </think>", "result": "Fail"}\n```', "Fail"),
        (f"A draft: {OTHER}. After another look: {ONE}", "Pass"),
        (f'{{"not": "it"}} {ONE} {{"nor": "this"}}', "Pass"),
        (f'{{"reason": "broken, {ONE}', "Pass"),
        ('{"reason": "x", "result": "Fail", "more": {"result": "Pass"}}', "Fail"),
        ('{"reason": "quotes {\\"result\\": \\"Pass\\"}", "result": "Fail"}', "Fail"),
        ('{"reason": "line\nbreak", "result": "Pass"}', "Pass"),
        ('{" Result ": "Pass"}', "Pass"),
        ('{"reason": "twice the same", "result": "Pass", "result": "Pass"}', "Pass"),
        ('{"result": NaN}', None),
        ('{"result": -Infinity}', None),
        (f'{{"result": 1{"0" * 5000}}}', float("inf")),
        ('{"result": 1e999}', float("inf")),
    ],
)
def test_the_result_is_found(text, result):
    assert object_in(text)["result"] == result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'it holds no JSON object with the key "result"'),
        ("Pass", 'it holds no JSON object with the key "result"'),
        ('{"reason": "a"}', 'it holds no JSON object with the key "result"'),
        ('{"reason": "a", "result": "Pa', 'it holds no JSON object with the key "result"'),
        ("{'reason': 'a', 'result': 'Pass'}", 'it holds no JSON object with the key "result"'),
        ('"{\\"result\\": \\"Pass\\"}"', 'it holds no JSON object with the key "result"'),
        (f"<think>It may be {ONE}", "it thinks, and comes to no verdict"),
        (f"<think>It may be {ONE}</think> So.", 'it holds no JSON object with the key "result"'),
        (f"It may be {ONE}\n</think>\nI do not know.", 'it holds no JSON object with the key "result"'),
        ('{"result": "Pass", "result": "Fail"}', 'it names two different "result"'),
        (f'Well: {{"result": "Pass", "Result": "Fail"}} {ONE}', 'it names two different "result"'),
    ],
)
def test_what_holds_no_verdict_says_why(text, why):
    with pytest.raises(NoVerdictError) as caught:
        object_in(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("rubric", "result", "output"),
    [
        (PASS_FAIL, "Pass", "Passed"),
        (PASS_FAIL, " failed ", "Failed"),
        (PASS_FAIL, True, "Passed"),
        (PASS_FAIL, False, "Failed"),
        (SCORE, 0.85, 0.85),
        (SCORE, 0, 0.0),
        (SCORE, 1, 1.0),
        (SCORE, "0.5", 0.5),
        (SCORE, " 1 ", 1.0),
        (LABELS, "Calm", ["Calm"]),
        (LABELS, "calm ", ["Calm"]),
        (LABELS, ["rude"], ["rude"]),
        (SCORED, "curt", {"score": 0.5, "choice": "curt"}),
        (SEVERAL, ["fear", "joy", "Fear"], ["joy", "fear"]),
        (SEVERAL, "joy", ["joy"]),
    ],
)
def test_a_result_takes_the_platforms_form(rubric, result, output):
    assert output_of(result, rubric) == output


def test_a_score_of_minus_zero_is_zero():
    assert str(output_of(-0.0, SCORE)) == "0.0"


def test_a_label_that_is_a_number_is_told_by_it():
    grades = SCORED.__class__("g", "[output]", ("output",), "choices", choices={"1": 0.0, "2": 1.0})
    assert output_of(2, grades) == {"score": 1.0, "choice": "2"}
    with pytest.raises(NoVerdictError, match="true, which is none of the labels"):
        output_of(True, grades)


@pytest.mark.parametrize(
    ("rubric", "result", "why"),
    [
        (PASS_FAIL, None, 'its result is null, and neither "Pass" nor "Fail"'),
        (PASS_FAIL, 1, 'its result is 1, and neither "Pass" nor "Fail"'),
        (PASS_FAIL, "Pass or Fail", 'its result is "Pass or Fail", and neither "Pass" nor "Fail"'),
        (PASS_FAIL, ["Pass"], 'its result is a list, and neither "Pass" nor "Fail"'),
        (SCORE, None, "its result is null, and no number from 0 to 1"),
        (SCORE, True, "its result is true, and no number from 0 to 1"),
        (SCORE, float("inf"), "its result is Infinity, and no number from 0 to 1"),
        (SCORE, "80%", 'its result is "80%", and no number from 0 to 1'),
        (SCORE, "nan", 'its result is "nan", and no number from 0 to 1'),
        (SCORE, 8, "its result is 8, and not from 0 to 1"),
        (SCORE, -0.1, "its result is -0.1, and not from 0 to 1"),
        (LABELS, "polite", 'its result is "polite", which is none of the labels'),
        (LABELS, "calm, rude", 'its result is "calm, rude", which is none of the labels'),
        (LABELS, ["Calm", "rude"], "its result names 2 labels instead of one"),
        (LABELS, [], "its result names 0 labels instead of one"),
        (LABELS, {"a": 1}, "its result is an object, which is none of the labels"),
        (SEVERAL, [], "its result names no label"),
        (SEVERAL, ["joy", "love"], 'its result is "love", which is none of the labels'),
        (SCORED, 0.5, "its result is 0.5, which is none of the labels"),
        (PASS_FAIL, "x" * 500, f'its result is "{"x" * 59}, and neither "Pass" nor "Fail"'),
    ],
)
def test_a_result_that_is_none_says_why(rubric, result, why):
    with pytest.raises(NoVerdictError) as caught:
        output_of(result, rubric)
    assert str(caught.value) == why


PIECES = [
    "{",
    "}",
    '{"',
    '"',
    ":",
    ",",
    "[",
    "]",
    '"result"',
    '"reason"',
    "Pass",
    "1e9",
    "NaN",
    "<think>",
    "</think>",
    "`",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5)).map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        found = object_in(text)
    except NoVerdictError:
        return
    assert "result" in found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=5,
)


@given(JSON, st.sampled_from(RUBRICS))
def test_any_result_is_taken_or_refused(result, rubric):
    try:
        output = output_of(result, rubric)
    except NoVerdictError:
        return
    if rubric is SCORE:
        assert 0.0 <= output <= 1.0
    elif rubric is SCORED:
        assert output["score"] == rubric.choices[output["choice"]]
    elif rubric is PASS_FAIL:
        assert output in ("Passed", "Failed")
    else:
        assert output
        assert set(output) <= set(rubric.choices)


@given(
    st.text(), st.text(alphabet=st.characters(exclude_characters="{"), max_size=50), st.sampled_from(["Pass", "Fail"])
)
def test_a_verdict_is_found_in_any_prose_without_braces(reason, prose, result):
    text = f"{prose.replace('<', '')}{json.dumps({'reason': reason, 'result': result})} {prose.replace('<', '')}"
    assert object_in(text) == {"reason": reason, "result": result}


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 200_000,
        '{"' * 500_000,
        '{"a":[' * 200_000 + "1",
        '{"a":"' + "x" * 1_000_000,
        "</think>" * 100_000,
        '{"a":{"b":"' + '\\"' * 400_000,
        ('{"a":"' + "y" * 300 + '","b":') * 3_000,
        ('{"a":[' + "1," * 3_000) * 300,
    ],
)
def test_no_text_takes_long(text):
    began = time.process_time()
    with pytest.raises(NoVerdictError):
        object_in(text)
    assert time.process_time() - began < 1.0
