"""configure-evaluations: 500 for the platform's templates, a verdict for the organisation's own."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

RIGHT = {
    "eval_config": {"eval_templates": "contains", "inputs": {"text": "output.value"}, "model_name": None},
    "platform": "langfuse",
    "custom_eval_name": "my-eval",
    "langfuse_secret_key": "sk",
    "langfuse_public_key": "pk",
    "langfuse_host": "https://lf.example",
    "span_id": "0123456789abcdef",
    "trace_id": "0" * 32,
}
CREDENTIALS = ("langfuse_secret_key", "langfuse_public_key", "langfuse_host")
REQUIRED = "This field is required."
PATH = "configure-evaluations/"


def without(*names):
    return {name: value for name, value in RIGHT.items() if name not in names}


def with_config(**config):
    return {**RIGHT, "eval_config": config}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({"platform": "langfuse"}, {"eval_config": [REQUIRED]}),
        (without("platform"), {"platform": [REQUIRED]}),
        (with_config(inputs={}), {"eval_config.eval_templates": [REQUIRED]}),
        (
            with_config(eval_templates="nope", inputs={"text": "x"}),
            {"eval_config.non_field_errors": ["Evaluation template with name :nope not found."]},
        ),
        (
            with_config(eval_templates="groundedness", inputs={"output": "x"}),
            {"eval_config.inputs": ["Missing required keys: context"]},
        ),
    ],
)
async def test_wrong_fields(api, body, messages):
    reply = await api.post(body, path=PATH)
    assert (reply.status_code, reply.json()["errors"]) == (400, messages)
    assert reply.json()["attr"] == next(iter(messages))


@pytest.mark.parametrize("body", [RIGHT, without("custom_eval_name"), {**RIGHT, "platform": "nope"}])
async def test_system_templates_end_in_a_500(api, body):
    reply = await api.post(body, path=PATH)
    assert (reply.status_code, reply.json()["result"]) == (500, "Failed to configure evaluations.")


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({**RIGHT, "platform": "nope"}, "platform", "Value 'nope' is not a valid choice."),
        (without("custom_eval_name"), "name", "This field cannot be null."),
        (
            without(*CREDENTIALS),
            "credentials",
            "Missing required credentials for langfuse platform: " + ", ".join(CREDENTIALS),
        ),
        (
            {**RIGHT, "langfuse_host": None},
            "credentials",
            "Values for these credentials cannot be null or empty for langfuse platform: langfuse_host",
        ),
    ],
)
async def test_own_templates_are_looked_at_further(start, body, field, text):
    reply = await start(own_templates=frozenset({"contains"})).post(body, path=PATH)
    assert reply.status_code == 400
    assert reply.json() == {
        "status": False,
        "type": "validation_error",
        "code": "invalid",
        **dict.fromkeys(("detail", "message", "error", "result"), f"{field}: {text}"),
        "attr": field,
        "details": {field: [text]},
    }


async def test_a_right_configuration_of_an_own_template(start):
    reply = await start(own_templates=frozenset({"contains"})).post(RIGHT, path=PATH)
    assert reply.json() == {"status": True, "result": {"message": "Configuration is valid."}}
