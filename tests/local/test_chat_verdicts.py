"""What the endpoint for judges answers, and that anyone can tell it beforehand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async.local.chat import UnfillableSchemaError, content_of, schema_shown, verdict_for
from local.chatting import COMPLETIONS, MODELS, SCHEMA, about, error, formatted, message

pytestmark = pytest.mark.anyio

VERDICT = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "choice": {"enum": ["never", "sometimes", "always"]},
        "passed": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "tones": {"type": "array", "items": {"type": "string", "enum": ["joy", "anger", "fear"]}},
    },
}


async def test_a_reply_has_openais_shape(chat, clock):
    clock.now = 1_700_000_000.75
    reply = await chat().ask()
    content = reply.json()
    assert content.pop("id").startswith("chatcmpl-")
    assert content == {
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "small",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": '{"reason": "The test judge made up verdict 2324 of this case.", "result": "Fail"}',
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 21,
            "total_tokens": 28,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert reply.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert reply.headers["x-request-id"]
    assert not [name for name in reply.headers if "ratelimit" in name or "retry" in name]


async def test_verdicts_are_those_of_the_public_function(chat):
    api = chat()
    for number in range(30):
        verdict = await api.verdict(f"case {number}", response_format=formatted(VERDICT, strict=False))
        assert verdict == verdict_for(about(f"case {number}"), VERDICT)


def test_these_verdicts_stay_as_they_are():
    assert verdict_for(about("case 1"), VERDICT) == {
        "reason": "The test judge made up verdict 3139 of this case.",
        "choice": "always",
        "passed": False,
        "score": 0.7,
        "stars": 3,
        "tones": ["joy", "anger"],
    }


def test_a_verdict_depends_on_the_last_message_of_the_user_alone():
    said = verdict_for(about("case", "Judge it."), SCHEMA)
    assert verdict_for([*about("other"), *about("case", "Be strict.")], SCHEMA) == said
    assert verdict_for([*about("case"), {"role": "assistant", "content": "Hm."}], SCHEMA) == said
    parts = [{"type": "text", "text": "ca"}, {"type": "image_url"}, {"type": "text", "text": "se"}]
    assert verdict_for([{"role": "user", "content": parts}], SCHEMA) == said
    assert len({str(verdict_for(about(f"case {number}"), SCHEMA)) for number in range(100)}) > 95


def test_every_value_is_drawn():
    verdicts = [verdict_for(about(f"case {number}"), VERDICT) for number in range(300)]
    assert {verdict["choice"] for verdict in verdicts} == {"never", "sometimes", "always"}
    assert {verdict["passed"] for verdict in verdicts} == {True, False}
    assert {verdict["stars"] for verdict in verdicts} == {1, 2, 3, 4, 5}
    assert {len(verdict["tones"]) for verdict in verdicts} == {1, 2}
    assert {tone for verdict in verdicts for tone in verdict["tones"]} == {"joy", "anger", "fear"}
    scores = [verdict["score"] for verdict in verdicts]
    assert all(score == round(score, 2) for score in scores)
    assert min(scores) < 0.05
    assert max(scores) > 0.95


BOUNDS = st.tuples(st.integers(-20, 20), st.integers(0, 20))
SIMPLE = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({}),
    st.builds(lambda names: {"enum": names}, st.lists(st.text(max_size=3), min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, st.integers() | st.text(max_size=3)),
    st.builds(lambda most: {"type": "string", "maxLength": most}, st.integers(0, 80)),
    st.builds(lambda least: {"type": "string", "minLength": least}, st.integers(0, 80)),
    st.builds(
        lambda kind, low, span: {"type": kind, "minimum": low, "maximum": low + span},
        st.sampled_from(["integer", "number"]),
        st.integers(-20, 20),
        st.integers(0, 20),
    ),
    st.builds(
        lambda kind, low, span: {"type": kind, "exclusiveMinimum": low, "exclusiveMaximum": low + span},
        st.sampled_from(["integer", "number"]),
        st.integers(-20, 20),
        st.integers(2, 20),
    ),
    st.builds(
        lambda kind, bound, at: {"type": kind, bound: at},
        st.sampled_from(["integer", "number"]),
        st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
        st.integers(-20, 20),
    ),
)
SCHEMAS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(
            lambda items, least, span: {"type": "array", "items": items, "minItems": least, "maxItems": least + span},
            inner,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.builds(
            lambda found: {"type": "object", "properties": found, "required": list(found)},
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        st.builds(lambda ways: {"anyOf": ways}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is one of the schema, as far as the schemas of this file go."""
    if "anyOf" in schema:
        return any(fits(value, way) for way in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    return KINDS[schema.get("type", "string")](value, schema)


def is_object(value: Any, schema: dict[str, Any]) -> bool:
    wanted = schema["properties"]
    if not isinstance(value, dict) or value.keys() != wanted.keys():
        return False
    return all(fits(value[name], wanted[name]) for name in wanted)


def is_array(value: Any, schema: dict[str, Any]) -> bool:
    if not isinstance(value, list) or not schema["minItems"] <= len(value) <= schema["maxItems"]:
        return False
    return all(fits(item, schema["items"]) for item in value)


def is_number(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if schema["type"] == "integer" else int | float):
        return False
    return schema.get("minimum", value) <= value <= schema.get("maximum", value) and schema.get(
        "exclusiveMinimum", value - 1
    ) < value < schema.get("exclusiveMaximum", value + 1)


KINDS = {
    "object": is_object,
    "array": is_array,
    "number": is_number,
    "integer": is_number,
    "boolean": lambda value, _: isinstance(value, bool),
    "null": lambda value, _: value is None,
    "string": lambda value, schema: (
        isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 99)
    ),
}


@given(SCHEMAS, st.text(max_size=5))
def test_a_verdict_fits_its_schema(schema, case):
    whole = {"type": "object", "properties": {"it": schema}}
    assert fits(verdict_for(about(case), whole)["it"], schema)


def test_a_schema_in_parts_is_put_together():
    schema = {
        "$defs": {
            "Grade": {"enum": ["good", "bad"]},
            "Named": {"type": "object", "properties": {"name": {"const": "n"}}},
        },
        "allOf": [{"$ref": "#/$defs/Named"}, {"properties": {"grade": {"$ref": "#/$defs/Grade"}}}],
    }
    assert verdict_for(about(), schema)["name"] == "n"
    assert verdict_for(about(), schema)["grade"] in ("good", "bad")


def test_what_is_required_is_put_together():
    one = {"properties": {"a": {"const": 1}}, "required": ["a"]}
    two = {"properties": {"b": {"const": 2}, "c": {"const": 3}}, "required": ["b"]}
    schema = {"type": "object", "allOf": [one, two]}
    for _ in range(6):  # so deep that only what is required is there
        schema = {"type": "object", "properties": {"in": schema}, "required": ["in"]}
    assert content_of(verdict_for(about(), schema)).endswith('{"a": 1, "b": 2}' + 6 * "}")


def test_a_type_may_be_one_of_several_or_left_out():
    schema = {
        "properties": {
            "either": {"type": ["boolean", "null"]},
            "list": {"items": {"const": 1}},
            "inner": {"properties": {}},
            "text": {"title": "Text"},
            "any": True,
            "choice": {"anyOf": [{"enum": ["yes", "no"]}, {"type": "null"}]},
        }
    }
    verdicts = [verdict_for(about(f"case {number}"), schema) for number in range(40)]
    assert {verdict["either"] for verdict in verdicts} == {True, False, None}
    assert {verdict["choice"] for verdict in verdicts} == {"yes", "no", None}
    assert {len(verdict["list"]) for verdict in verdicts} == {1, 2}
    assert all(verdict["inner"] == {} for verdict in verdicts)
    assert all(isinstance(verdict[name], str) for verdict in verdicts for name in ("text", "any"))


def test_a_schema_may_hold_itself_where_it_can_end():
    tree = {
        "type": "object",
        "properties": {"left": {"anyOf": [*(9 * [{"$ref": "#"}]), {"type": "null"}]}, "right": {"$ref": "#"}},
        "required": ["left"],
    }
    assert all(json.dumps(verdict_for(about(f"case {number}"), tree)) for number in range(20))


def test_what_is_excluded_is_never_drawn():
    schema = {
        "properties": {
            "above": {"type": "number", "exclusiveMinimum": 0},
            "below": {"type": "number", "exclusiveMaximum": 0},
        }
    }
    verdicts = [verdict_for(about(f"case {number}"), schema) for number in range(600)]
    assert {verdict["above"] for verdict in verdicts} == {place / 100 for place in range(1, 101)}
    assert {round(verdict["below"], 2) for verdict in verdicts} == {-place / 100 for place in range(1, 101)}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#"}, "without end"),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "without end"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "without end"),
        ({"type": "array", "minItems": 900, "items": {"$ref": "#"}}, "without end"),
        ({"$ref": "#/$defs/nowhere"}, "refers to #/\\$defs/nowhere, which it does not have"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "no integer from 5 to 4"),
        ({"type": "number", "minimum": 5, "exclusiveMaximum": 5}, "no number from 5 to 5"),
    ],
)
async def test_a_schema_without_values_is_refused(schema, said, chat):
    with pytest.raises(UnfillableSchemaError, match=said):
        verdict_for(about(), schema)
    reply = await chat().ask(response_format=formatted(schema, strict=False))
    assert (reply.status_code, error(reply)["param"]) == (400, "response_format")


@pytest.mark.parametrize("form", [None, {"type": "text"}, {"type": "json_object"}])
async def test_without_a_schema_that_of_the_prompt_is_filled(form, chat):
    shown = f"Answer by this JSON schema:\n```json schema\n{json.dumps(VERDICT)}\n```\nNo other words."
    messages = about("case 1", shown)
    assert await chat().verdict(messages=messages, response_format=form) == verdict_for(about("case 1"), VERDICT)


def test_which_schema_a_prompt_shows():
    small, large = {"properties": {"a": {}}}, {"type": "object", "properties": {"b": {"const": 1}}}
    both = f"Not {json.dumps(small)} but {json.dumps(large)} and {{no}} {{'x': 1}} {{"
    assert schema_shown(about("case", both)) == large
    assert schema_shown(about("case", f"{both}\n```json\n{json.dumps(small)}\n```")) == small
    assert schema_shown(about(json.dumps(large), json.dumps(small))) == small
    assert schema_shown(about(json.dumps(large), '{"properties": 5}')) == large
    assert schema_shown(about()) is None
    assert verdict_for(about()) == {"reason": verdict_for(about(), SCHEMA)["reason"], "result": "Pass"}
    assert verdict_for(about(), {"const": 5}) == {"result": 5}


async def test_an_own_judge_gives_the_verdict(chat):
    asked = []

    def judge(messages, schema):
        asked.append((messages, schema))
        return {"result": "Fail", "reason": "ünfit"} if schema else "No."

    api = chat(judge)
    assert message(await api.ask())["content"] == '{"result": "Fail", "reason": "ünfit"}'
    assert message(await api.ask(response_format=None))["content"] == "No."
    assert asked == [(about(), SCHEMA), (about(), None)]


async def test_an_own_judge_is_not_asked_about_what_is_refused(chat):
    api = chat(lambda *_: pytest.fail("it was asked"), insufficient_quota_after=0)
    assert (await api.ask()).status_code == 429


def test_what_a_judge_may_give():
    assert content_of("as it is") == "as it is"
    with pytest.raises(TypeError, match="as a dict or as a str, not as list"):
        content_of([1])
    with pytest.raises(ValueError, match="Out of range"):
        content_of({"score": float("nan")})


async def test_models_are_listed(chat, clock):
    clock.now = 1_700_000_000.0
    api = chat()
    listed = (await api.client.get(MODELS)).json()
    assert listed == {
        "object": "list",
        "data": [{"id": "local-judge", "object": "model", "created": 1_700_000_000, "owned_by": "fi_async"}],
    }
    api.switch(prices={"b": (1, 2)})
    assert [each["id"] for each in (await api.client.get(MODELS)).json()["data"]] == ["b"]
    api.switch(models=frozenset({"small", "large"}))
    assert [each["id"] for each in (await api.client.get(MODELS)).json()["data"]] == ["large", "small"]
    assert (await api.client.get(MODELS, headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize(("method", "url"), [("GET", COMPLETIONS), ("PUT", COMPLETIONS), ("POST", MODELS)])
async def test_other_methods_are_refused(method, url, chat):
    assert (await chat().client.request(method, url)).status_code == 405
