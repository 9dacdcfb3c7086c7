"""What the endpoint for judges refuses at once: keys, models, parameters, formats, lengths."""

from __future__ import annotations

import copy

import pytest

from local.chatting import COMPLETIONS, SCHEMA, about, error, formatted

pytestmark = pytest.mark.anyio

INVALID = "invalid_request_error"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer"])
async def test_a_request_without_a_key(header, chat):
    reply = await chat().client.post(COMPLETIONS, json={}, headers={"Authorization": header})
    assert reply.status_code == 401
    assert error(reply) == {
        "message": "You didn't provide an API key: put it in an Authorization header, as Bearer YOUR_KEY.",
        "type": INVALID,
        "param": None,
        "code": None,
    }


async def test_a_key_that_is_unknown(chat):
    api = chat(keys=frozenset({"sk-1", "sk-2"}))
    assert (await api.ask()).status_code == 200
    reply = await api.as_key("sk-3").ask()
    assert reply.status_code == 401
    assert error(reply) == {
        "message": "Incorrect API key provided.",
        "type": INVALID,
        "param": None,
        "code": "invalid_api_key",
    }
    assert "sk-" not in reply.text
    assert "sk-1" not in repr(api.backend.switches)


async def test_some_need_no_key_or_another_header(chat):
    body = {"model": "m", "messages": about()}
    for style, headers, status in [
        ("ollama", {"Authorization": ""}, 200),
        ("azure", {"Authorization": "", "api-key": "k"}, 200),
        ("openai", {"Authorization": "", "api-key": "k"}, 401),
    ]:
        assert (await chat(style=style).client.post(COMPLETIONS, json=body, headers=headers)).status_code == status
    api = chat(style="ollama", keys=frozenset({"k"}))
    assert (await api.client.post(COMPLETIONS, json=body, headers={"Authorization": ""})).status_code == 401


async def test_a_model_that_there_is_not(chat):
    api = chat(models=frozenset({"small"}))
    assert (await api.ask()).status_code == 200
    reply = await api.ask(model="large")
    assert reply.status_code == 404
    assert error(reply) == {
        "message": "The model `large` does not exist or you do not have access to it.",
        "type": INVALID,
        "param": None,
        "code": "model_not_found",
    }


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"5", b'{"model": "m", "temperature": NaN}', b"[" * 100_000, b"\xff\xfe"]
)
async def test_a_body_that_is_no_object(content, chat):
    reply = await chat().client.post(COMPLETIONS, content=content)
    assert reply.status_code == 400
    assert error(reply)["message"] == "We could not parse the JSON body of your request: it is to be an object."


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": None}, None, None),
        ({"model": 5}, None, None),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "invalid_type"),
        ({"messages": "Judge it."}, "messages", "invalid_type"),
        ({"messages": ["Judge it."]}, "messages[0]", "invalid_type"),
        ({"messages": [{"role": "judge", "content": ""}]}, "messages[0].role", "invalid_value"),
        ({"messages": [*about(), {"role": "user"}]}, "messages[2].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": ["text"]}]}, "messages[0].content", "invalid_type"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": "low"}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 5, "max_tokens": 5}, "max_completion_tokens", "invalid_parameter_combination"),
        ({"stream": True}, "stream", "unsupported_value"),
        ({"n": 2}, "n", "unsupported_value"),
        ({"response_format": "json"}, "response_format", "invalid_value"),
        ({"response_format": {"type": "yaml"}}, "response_format", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "messages", None),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema.name",
            "missing_required_parameter",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "v"}}},
            "response_format.json_schema.schema",
            "missing_required_parameter",
        ),
    ],
)
async def test_what_openai_refuses(changes, param, code, chat):
    reply = await chat().ask(**changes)
    assert reply.status_code == 400
    assert error(reply)["message"]
    assert (error(reply)["type"], error(reply)["param"], error(reply)["code"]) == (INVALID, param, code)


async def test_what_others_take(chat):
    api = chat(style="ollama")
    taken = {"temperature": 0, "n": 1, "seed": 5, "stream": False, "max_tokens": 99, "max_completion_tokens": 99}
    assert (await api.ask(**taken, response_format={"type": "json_object"})).status_code == 200


def altered(**changes):
    schema = copy.deepcopy(SCHEMA)
    schema.update(changes)
    return {name: value for name, value in schema.items() if value is not None}


LOOSE = [
    (altered(type="array"), 'type: "object"\''),
    (altered(additionalProperties=None), "'additionalProperties' is required"),
    (altered(required=["reason"]), "Missing 'result'."),
    (altered(required=None), "Missing 'reason'."),
    (altered(properties={"reason": altered(additionalProperties=True)}, required=["reason"]), "'additionalProperties'"),
]


@pytest.mark.parametrize(("schema", "said"), LOOSE)
async def test_a_schema_that_is_not_strict(schema, said, chat):
    reply = await chat().ask(response_format=formatted(schema))
    assert (reply.status_code, error(reply)["param"]) == (400, "response_format")
    assert said in error(reply)["message"]
    assert error(reply)["message"].startswith("Invalid schema for response_format 'verdict': ")
    assert (await chat().ask(response_format=formatted(schema, strict=False))).status_code == 200
    assert (await chat(style="gemini").ask(response_format=formatted(schema))).status_code == 200


async def test_parameters_that_a_model_does_not_take(chat):
    api = chat(refused_parameters=frozenset({"temperature", "small:max_tokens", "llama3:8b:response_format"}))
    reply = await api.ask(temperature=0)
    assert reply.status_code == 400
    assert error(reply) == {
        "message": "Unsupported value: 'temperature' is not supported with this model but for its default, 1.",
        "type": INVALID,
        "param": "temperature",
        "code": "unsupported_value",
    }
    reply = await api.ask(max_tokens=50)
    assert reply.status_code == 400
    assert error(reply) == {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead.",
        "type": INVALID,
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
    assert (await api.ask(max_completion_tokens=50)).status_code == 200
    assert (await api.ask(model="large", max_tokens=50)).status_code == 200
    assert error(await api.ask(model="llama3:8b"))["param"] == "response_format"
    assert (await api.ask(model="llama3:8b", response_format=None)).status_code == 200


async def test_json_schema_can_be_refused_or_ignored(chat):
    api = chat(json_schema="refused")
    reply = await api.ask()
    assert (reply.status_code, error(reply)["param"], error(reply)["code"]) == (400, "response_format", None)
    assert "'json_schema' is not supported" in error(reply)["message"]
    in_json = about("case", "Answer in JSON.")
    assert (await api.ask(messages=in_json, response_format={"type": "json_object"})).status_code == 200
    api.switch(json_schema="ignored")
    assert (await api.verdict())["result"] == "Pass"  # as without a schema


async def test_a_prompt_that_is_too_long(chat):
    api = chat(context_length=100)
    assert (await api.ask("x" * (400 - 9))).status_code == 200
    reply = await api.ask("x" * (401 - 9))
    assert reply.status_code == 400
    assert error(reply) == {
        "message": "This model's maximum context length is 100 tokens. However, you requested 101 tokens.",
        "type": INVALID,
        "param": "messages",
        "code": "context_length_exceeded",
    }
    assert (await api.ask("x" * (200 - 9), max_tokens=50)).status_code == 200
    assert (await api.ask("x" * (200 - 9), max_tokens=51)).status_code == 400


async def test_what_is_refused_is_not_charged(chat):
    api = chat(models=frozenset({"small"}))
    for changes in ({"model": "large"}, {"messages": []}):
        await api.ask(**changes)
    assert api.counted["by_status"] == {"404": 1, "400": 1}
    assert (api.counted["answered"], api.counted["prompt_tokens"], api.backend.judged()) == (0, 0, {})
