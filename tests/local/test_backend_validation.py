"""What the platform refuses, in its words."""

from __future__ import annotations

import gzip

import pytest

from local.api import PARIS

pytestmark = pytest.mark.anyio

WRONG_VALUES = "All input values must be either strings, lists of strings, or lists of lists of strings."
REQUIRED = "This field is required."


def assert_invalid(reply, messages):
    """Check the validation shape: the first field is the attr, unless the message is about none."""
    assert reply.status_code == 400, reply.text
    first = next(iter(messages))
    assert reply.json() == {
        "status": False,
        "type": "validation_error",
        "code": "invalid",
        **dict.fromkeys(("detail", "message", "error", "result"), "Validation failed"),
        **({} if first == "non_field_errors" else {"attr": first}),
        "details": messages,
        "errors": messages,
    }


def contains(text="x", **more):
    return {"eval_name": "contains", "inputs": {"text": text}, **more}


def recall(params):
    inputs = {"hypothesis": '["a"]', "reference": '["a"]'}
    return {"eval_name": "recall_at_k", "inputs": inputs, "config": {"params": params}}


def pair(first, second):
    return {"eval_name": "levenshtein_similarity", "inputs": {"output": first, "expected": second}}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({"inputs": {"text": "x"}}, {"eval_name": [REQUIRED]}),
        ({"eval_name": "contains"}, {"inputs": [REQUIRED]}),
        (
            {"inputs": {"text": "x"}, "foo": 1, "bar": 2},
            {"eval_name": [REQUIRED], "bar": ["Unknown field."], "foo": ["Unknown field."]},
        ),
        (contains(idempotency_key="abc"), {"idempotency_key": ["Unknown field."]}),
        (contains() | {"eval_name": ""}, {"eval_name": ["This field may not be blank."]}),
        (contains() | {"eval_name": None}, {"eval_name": ["This field may not be null."]}),
        (contains() | {"eval_name": True}, {"eval_name": ["Not a valid string."]}),
        (contains() | {"eval_name": "a\0b"}, {"eval_name": ["Null characters are not allowed."]}),
        (contains() | {"eval_name": 5}, {"non_field_errors": ["Evaluation template with name :5 not found."]}),
        (
            contains() | {"eval_name": "Contains"},
            {"non_field_errors": ["Evaluation template with name :Contains not found."]},
        ),
        (
            contains() | {"inputs": [{"text": "x"}]},
            {"inputs": ['Expected a dictionary of items but got type "list".']},
        ),
        (contains() | {"inputs": None}, {"inputs": ["This field may not be null."]}),
        (contains() | {"inputs": {}}, {"inputs": ["Missing required keys: text"]}),
        (
            contains() | {"inputs": {"text": "x", "zzz": "y"}},
            {"inputs": ["Unexpected keys provided: zzz. Accepted keys are: text"]},
        ),
        (
            contains() | {"inputs": {"zzz": "y"}},
            {"inputs": ["Unexpected keys provided: zzz. Accepted keys are: text"]},
        ),
        (
            {"eval_name": "groundedness", "inputs": {"output": "x"}},
            {"inputs": ["Missing required keys: context"]},
        ),
        (contains(config="p"), {"config": ['Expected a dictionary of items but got type "str".']}),
        (contains(config=None), {"config": ["This field may not be null."]}),
        (contains(is_async=None), {"is_async": ["This field may not be null."]}),
        (contains(is_async="maybe"), {"is_async": ["Must be a valid boolean."]}),
        (contains(trace_eval=[]), {"trace_eval": ["Must be a valid boolean."]}),
        (contains(model=[]), {"model": ["Not a valid string."]}),
        (pair(["a"] * 4, ["b"] * 4), {"inputs": ["Input lists cannot have more than 3 items, but found length 4."]}),
        (
            pair(["a"] * 4, ["b"] * 4) | {"is_async": True},
            {"inputs": ["Input lists cannot have more than 3 items, but found length 4."]},
        ),
        (pair(["a", "b"], ["b"]), {"inputs": ["All input lists must have the same length."]}),
        (recall({"kk": 1}), {"config": ["Unknown function params: kk"]}),
        (recall({"k": "abc"}), {"config": ["k must be an integer"]}),
        (recall({"k": 0}), {"config": ["k must be >= 1"]}),
        (
            recall([1]),
            {"config": ["Invalid function parameter input. Please check the value and try again."]},
        ),
        (None, {"eval_name": [REQUIRED], "inputs": [REQUIRED]}),
        ([1, 2], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        ("x", {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}),
    ],
)
async def test_a_wrong_body_is_refused_by_field(api, body, messages):
    assert_invalid(await api.post(body), messages)


@pytest.mark.parametrize(
    "value", [5, 1.5, True, None, {"a": "b"}, [{"role": "user"}], ["a", 1], ["a", None], [[["a"]]], ["a", ["b"]]]
)
async def test_values_are_strings_and_lists_of_them(api, value):
    assert_invalid(await api.post(contains(value)), {"inputs": [WRONG_VALUES]})


async def test_json_null_is_no_data(api):
    reply = await api.post(content=b"null", headers={"Content-Type": "application/json"})
    assert_invalid(reply, {"non_field_errors": ["No data provided"]})


async def test_a_template_this_server_lacks_is_refused_with_those_it_has(api):
    reply = await api.post({"eval_name": "image_instruction_adherence", "inputs": {}})
    assert reply.status_code == 400
    reply = await api.post({"eval_name": "answer_refusal", "inputs": {"input": "a", "output": "b"}})
    (message,) = reply.json()["errors"]["non_field_errors"]
    assert message.startswith("The local backend has no evaluator for 'answer_refusal'. It has: ")
    assert "contains, contains_all" in message


@pytest.mark.parametrize(
    "body",
    [
        PARIS | {"is_async": "false"},
        PARIS | {"is_async": 0},
        PARIS | {"model": None, "span_id": "0123456789abcdef", "custom_eval_name": None, "trace_eval": True},
        PARIS | {"model": ""},
        PARIS | {"eval_name": " contains "},
        {**PARIS, "config": {"params": {"keyword": "Paris", "zzz": 1}}},
        {**PARIS, "config": {"keyword": "Paris"}},
    ],
)
async def test_what_the_platform_lets_pass(api, body):
    reply = await api.post(body)
    assert reply.status_code == 200, reply.text
    assert "output" in reply.json()["result"][0]["evaluations"][0]


@pytest.mark.parametrize("word", ["true", "True", "yes", 1, "1", "on"])
async def test_words_for_true(api, word):
    reply = await api.post(PARIS | {"is_async": word})
    assert "output" not in reply.json()["result"][0]["evaluations"][0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a":NaN}', "Out of range float values are not JSON compliant: 'NaN'"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
        (b'{"text":"\xff\xfe"}', "'utf-8' codec can't decode byte 0xff in position 9: invalid start byte"),
        (gzip.compress(b"{}"), "'utf-8' codec can't decode byte 0x8b in position 1: invalid start byte"),
        (
            b'{"eval_name": "contains", ',
            "Expecting property name enclosed in double quotes: line 1 column 27 (char 26)",
        ),
    ],
    ids=["nan", "bom", "utf8", "gzip", "cut"],
)
async def test_what_is_not_plain_json(api, body, text):
    reply = await api.post(content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    text = f"JSON parse error - {text}"
    assert reply.json() == {
        "status": False,
        "type": "validation_error",
        "code": "parse_error",
        **dict.fromkeys(("detail", "message", "error", "result"), text),
        "details": {"detail": [text]},
    }


async def test_json_nested_too_deep_crashes_the_platform(api):
    reply = await api.post(content=b"[" * 200_000, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")


async def test_of_a_repeated_json_key_the_last_counts(api):
    body = b'{"eval_name":"no_such","eval_name":"contains","inputs":{"text":"Paris"}}'
    reply = await api.post(content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/vnd.api+json", "multipart/form-data; boundary=b"]
)
async def test_other_media_types_are_refused(api, media_type):
    reply = await api.post(content=b"{}", headers={"Content-Type": media_type} if media_type else {})
    text = f'Unsupported media type "{media_type}" in request.'
    assert reply.status_code == 415
    assert reply.json() == {
        "status": False,
        "type": "api_error",
        "code": "unsupported_media_type",
        **dict.fromkeys(("detail", "message", "error", "result"), text),
        "details": {"detail": [text]},
    }


async def test_a_body_without_content_length_is_read_as_empty(api):
    async def body():
        yield b'{"eval_name":"contains","inputs":{"text":"Paris"}}'

    reply = await api.post(content=body(), headers={"Content-Type": "application/json"})
    assert_invalid(reply, {"eval_name": [REQUIRED], "inputs": [REQUIRED]})


@pytest.mark.parametrize(
    ("params", "messages"),
    [
        ({}, {"eval_id": [REQUIRED]}),
        ({"eval_id": ""}, {"eval_id": ["Must be a valid UUID."]}),
        ({"eval_id": "not-a-uuid"}, {"eval_id": ["Must be a valid UUID."]}),
        ({"eval_id": "e7af8a1d-eae9-4636-bb17-1727d68b3d2a", "foo": "1"}, {"foo": ["Unknown field."]}),
    ],
)
async def test_wrong_questions_about_an_evaluation(api, params, messages):
    assert_invalid(await api.get(**params), messages)


async def test_of_a_repeated_eval_id_the_last_counts(api):
    known, unknown = await api.submit(), "1e1f3b7a-585a-48eb-bae7-9982a94b0493"
    assert (await api.client.get(f"new-eval/?eval_id={unknown}&eval_id={known}")).status_code == 200
    reply = await api.client.get(f"new-eval/?eval_id={known}&eval_id={unknown}")
    assert (reply.status_code, reply.json()["detail"]) == (400, "Evaluation not found.")
