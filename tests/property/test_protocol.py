"""Whatever users hand in and servers say, the protocol either makes sense of it or says why not."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fi_async import (
    APIError,
    APIStatusError,
    Case,
    EvalResult,
    EvalStatus,
    EvaluationError,
    InvalidCaseError,
    ProtocolError,
    _catalogue,
)
from fi_async.wire import requests, responses, verdicts
from fi_async.wire.preflight import ALIASES, PreparedInputs, prepare, rows_of
from fi_async.wire.requests import Parameters
from fi_async.wire.responses import Reply
from fi_async.wire.templates import Templates

TEMPLATES = sorted(_catalogue.rows())
KNOWN_KEYS = sorted({key for row in _catalogue.rows().values() for key in row["required_keys"]} | set(ALIASES))

text = st.text(st.characters(codec="utf-8"), max_size=30)
wild_text = st.text(st.characters(), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | wild_text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wild_text, inner, max_size=3)
)
cases = st.dictionaries(st.sampled_from(KNOWN_KEYS) | text, values, max_size=5)


@st.composite
def good_cases(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A template, and a case that it takes: text for each of its keys."""
    name = draw(st.sampled_from(TEMPLATES))
    keys = _catalogue.rows()[name]["required_keys"] or ["any"]
    return name, {
        key: draw(text.map(lambda said: f"said {said}".replace("\0", ""))) for key in draw(st.permutations(keys))
    }


def encodable(said: str) -> bool:
    with suppress(UnicodeEncodeError):
        return said.encode().decode() == said
    return False


@settings(deadline=None, max_examples=300)
@given(cases, st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=3, unique=True), st.booleans(), st.booleans())
def test_a_case_becomes_rows_that_the_server_takes_or_refusals(inputs, names, fill_missing, ignore):
    templates = [Templates().find(name) for name in names]
    rules = {"fill_missing": fill_missing, "extra_keys": "ignore" if ignore else "forbid"}
    prepared = prepare(Case(inputs), templates, **rules)
    assert len(prepared) == len(templates)
    for template, row in zip(templates, prepared, strict=True):
        if not isinstance(row, PreparedInputs):
            assert type(row) is InvalidCaseError
            assert row.field is not None
            continue
        assert tuple(row.inputs) == (template.required_keys or tuple(inputs))
        for key, said in row.inputs.items():
            source = row.filled.get(key, key)
            assert type(said) is str
            assert encodable(said)
            assert "\0" not in said
            assert said.strip()
            assert said == inputs[source] if isinstance(inputs[source], str) else json.loads(said) == inputs[source]
        assert fill_missing or not row.filled


@settings(deadline=None, max_examples=200)
@given(good_cases())
def test_a_case_with_text_for_each_key_is_sent_as_it_is(chosen):
    name, inputs = chosen
    (row,) = prepare(Case(inputs), [Templates().find(name)])
    assert isinstance(row, PreparedInputs)
    assert row.inputs == inputs
    assert row.filled == {}


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 5), st.data(), st.booleans())
def test_a_body_reads_back_as_the_rows_in_their_order(count, data, is_async):
    keys = data.draw(st.lists(text, min_size=1, max_size=4, unique=True))
    rows = [{key: data.draw(text) for key in data.draw(st.permutations(keys))} for _ in range(count)]
    call = requests.new_eval(Parameters("t", config={"k": [1, None]}), rows, is_async=is_async)
    body = json.loads(call.body)
    inputs = body.pop("inputs")
    again = [inputs] if count == 1 else [{key: inputs[key][row] for key in inputs} for row in range(count)]
    assert again == rows
    assert list(inputs) == list(rows[0])
    assert body == {"eval_name": "t", "config": {"params": {"k": [1, None]}}} | ({"is_async": True} if is_async else {})


@settings(deadline=None, max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), wild_text, min_size=1), min_size=1, max_size=4))
def test_a_batch_of_columns_is_the_same_rows_as_a_list_of_dicts(rows):
    keys = set(rows[0])
    rows = [{key: row.get(key, "") for key in keys} for row in rows]
    columns = {key: [row[key] for row in rows] for key in keys}
    assert [case.inputs for case in rows_of(columns)] == [case.inputs for case in rows_of(rows)] == rows


@settings(deadline=None, max_examples=200)
@given(st.one_of(cases, st.lists(cases, max_size=3), values))
def test_any_inputs_are_rows_or_refused(inputs):
    with suppress(InvalidCaseError):
        rows = rows_of(inputs)
        assert rows
        assert all(isinstance(case, Case) for case in rows)


# -- replies -----------------------------------------------------------------------------------------------------------

NAMES = """status result evaluations eval_status evalStatus eval_id evalId output output_type outputType value name
reason runtime model error_message errorMessage error_localizer code detail details errors message error retry_after
backend estimate"""
FIELDS = NAMES.split()
WORDS = """Passed Failed score numeric choices Pass/Fail pending completed failed 0.5 nan 1e999 ['a'] rate_limited
{'score':1,'choice':'a'} {[1]:2} ["""
said = st.sampled_from([*WORDS.split(), "", "x not found."])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text | said | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | text, inner, max_size=6),
    max_leaves=20,
)
results = st.fixed_dictionaries(
    {},
    optional={
        "output": json_values,
        "value": json_values,
        "output_type": said | st.none(),
        "name": text,
        "reason": text | st.none(),
        "runtime": st.floats() | st.integers() | st.none(),
        "error_message": said | st.none(),
        "eval_id": text,
    },
)
bodies = (
    json_values
    | st.fixed_dictionaries({"status": st.just(True), "result": json_values})
    | st.fixed_dictionaries(
        {
            "status": st.just(True),
            "result": st.fixed_dictionaries({"eval_status": said, "result": results | json_values})
            | st.lists(st.fixed_dictionaries({"evaluations": st.lists(results, max_size=3)}), max_size=2),
        }
    )
    | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)
)
contents = st.binary(max_size=50) | bodies.map(lambda body: json.dumps(body).encode())
headers = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": text | st.sampled_from(["5", "-1", "1e400", "Sun, 22 Nov 2026 12:00:30 GMT"]),
        "date": text | st.just("Sun, 22 Nov 2026 12:00:00 GMT"),
        "content-type": text,
        "location": text,
        "x-request-id": text,
    },
)
replies = st.builds(
    Reply,
    st.sampled_from([200]) | st.sampled_from([200, 201, 301, 400, 401, 403, 404, 429, 500, 503]),
    headers,
    contents,
)


@settings(deadline=None, max_examples=300)
@given(replies)
@example(Reply(429, {}, json.dumps({"result": {"retry_after": 10**400}}).encode()))
@example(Reply(400, {}, json.dumps({"errors": [1], "details": {"a": None}}).encode()))
def test_any_reply_is_read_or_refused_with_its_status(reply):
    problem = body = None
    try:
        body = responses.read_body(reply)
    except APIError as error:
        problem = error
    if problem is None:
        assert reply.status < 300
        assert isinstance(body, dict)
        return
    assert (problem.status, problem.request_id) == (reply.status, reply.request_id)
    assert isinstance(problem, APIStatusError) or reply.status < 400
    assert problem.server_message
    retry_after = getattr(problem, "retry_after", None)
    assert retry_after is None or 0 <= retry_after < float("inf")


@settings(deadline=None, max_examples=300)
@given(replies, st.integers(0, 3))
@example(Reply(200, {}, b'{"result":[{"evaluations":[{"reason":{"a":1}}]}]}'), 1)
def test_any_reply_to_a_new_evaluation_names_each_row_or_is_an_error(reply, rows):
    with suppress(APIError, EvaluationError):
        items = verdicts.started(reply, "", rows, is_async=False)
        assert len(items) == rows
        assert all(type(item) in (EvalResult, ProtocolError) for item in items)


@settings(deadline=None, max_examples=300)
@given(replies)
@example(Reply(200, {}, b'{"result":{"eval_status":"completed","result":{"value":"x","runtime":"soon"}}}'))
@example(
    Reply(200, {}, b'{"result":{"eval_status":"completed","result":{"value":"{[1]: 2}","output_type":"choices"}}}')
)
def test_any_reply_to_a_poll_says_where_it_stands_or_is_an_error(reply):
    with suppress(APIError):
        progress = verdicts.polled(reply, "job-1")
        assert progress.is_done is (progress.status in (EvalStatus.COMPLETED, EvalStatus.FAILED))
        assert (progress.result is not None) is (progress.status is EvalStatus.COMPLETED)
        assert (progress.error is not None) is (progress.status is EvalStatus.FAILED)


def polled(value: Any, output_type: str) -> Any:
    record = {"value": value, "output_type": output_type}
    content = json.dumps({"status": True, "result": {"eval_status": "completed", "result": record}}).encode()
    reply = Reply(200, {}, content)
    return verdicts.polled(reply, "job-1").result.output


@settings(deadline=None, max_examples=200)
@given(
    st.lists(text)
    | st.fixed_dictionaries({"score": st.floats(allow_nan=False, allow_infinity=False) | st.none(), "choice": text})
)
def test_choices_come_back_from_pythons_own_spelling(output):
    assert polled(repr(output), "choices") == output
    assert polled(json.dumps(output), "choices") == output


@settings(deadline=None, max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["score", "numeric"]))
def test_scores_come_back_from_text(number, output_type):
    assert polled(repr(number), output_type) == polled(number, output_type) == number


@settings(deadline=None, max_examples=200)
@given(text, st.sampled_from(["reason", "Pass/Fail", ""]))
def test_other_outputs_are_left_as_they_are(output, output_type):
    assert polled(output, output_type) == output


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6))
def test_both_spellings_keep_every_field_and_are_stable(body):
    spelled = responses.both_spellings(body)
    assert set(body) <= set(spelled)
    # Compared as text: NaN is not equal to itself.
    assert all(repr(spelled[name]) == repr(value) for name, value in body.items() if name != "result")
    assert json.dumps(responses.both_spellings(spelled)) == json.dumps(spelled)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_can_be_asked(name):
    template = Templates().find(name)
    (row,) = prepare(Case(dict.fromkeys(template.required_keys or ("any",), "text")), [template])
    assert isinstance(row, PreparedInputs)
