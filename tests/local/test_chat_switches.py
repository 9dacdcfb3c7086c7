"""The switches of the endpoint for judges: from Python, from short texts, and over HTTP."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fi_async.local import ChatFaults, ChatSwitches, Lognormal, Quota, Switches, parse_switches
from local.chatting import about, formatted

CONTROL = "http://local/_local/switches"

pytestmark = pytest.mark.anyio

TEXTS = {
    "style": "gemini",
    "hints": ["body", "reset"],
    "models": "small",
    "keys": ["sk-1"],
    "latency": "2~0.8",
    "capacity": 8,
    "queue_limit": 0,
    "requests": "600/min",
    "tokens": "100000/min",
    "reserve": 99,
    "insufficient_quota_after": 7,
    "context_length": 8192,
    "refused_parameters": ["temperature", "small:max_tokens"],
    "json_schema": "refused",
    "reasoning_tokens": 64,
    "cache": False,
    "usage": False,
    "prices": ["a=1:2", "b=c=1:0.1:2"],
    "faults": ["503=0.05", "not_json=0.1", "slow=0.1:5"],
}
READ = ChatSwitches(
    style="gemini",
    hints=frozenset({"body", "reset"}),
    models=frozenset({"small"}),
    keys=frozenset({"sk-1"}),
    latency=Lognormal(2.0, 0.8),
    capacity=8,
    queue_limit=0,
    requests=Quota(600, 60),
    tokens=Quota(100_000, 60),
    reserve=99,
    insufficient_quota_after=7,
    context_length=8192,
    refused_parameters=frozenset({"temperature", "small:max_tokens"}),
    json_schema="refused",
    reasoning_tokens=64,
    cache=False,
    usage=False,
    prices={"a": (Decimal(1), Decimal(2)), "b=c": (Decimal(1), Decimal("0.1"), Decimal(2))},
    faults=ChatFaults(status={503: 0.05}, not_json=0.1, slow=(0.1, 5.0)),
)


def test_all_switches_from_texts_and_values():
    assert TEXTS.keys() == {field.name for field in fields(ChatSwitches)}
    assert parse_switches({"chat": TEXTS}) == Switches(chat=READ)
    assert parse_switches({"chat": READ}).chat is READ
    values = {name: getattr(READ, name) for name in TEXTS}
    assert parse_switches({"chat": values}).chat == READ


def test_what_is_not_named_stays_as_it_is():
    changed = parse_switches({"chat": {"hints": None, "prices": {"a": [1, 0.5, 2], "b": "3:4"}}}, Switches(chat=READ))
    assert changed.chat == READ.replace(hints=None, prices={"a": (1, 0.5, 2), "b": (Decimal(3), Decimal(4))})
    assert parse_switches({"chat": {"faults": {"503": 0.5}}}).chat.faults == ChatFaults(status={503: 0.5})
    assert parse_switches({"latency": 1}, Switches(chat=READ)).chat is READ


WRONG = [
    ({"nope": 1}, "there is no switch 'nope' of chat; there are style, "),
    ({"style": "mistral"}, 'style of chat is "openai" or "azure" or .*, not \'mistral\''),
    ({"style": ["openai"]}, "style"),
    ({"hints": ["header"]}, "hints of chat is a frozenset of body, reset, retry-after, retry-after-ms, or None"),
    ({"models": [5]}, "models"),
    ({"keys": 5}, "keys of chat is a frozenset of keys, or None$"),
    ({"latency": -1}, "latency of chat is 0 seconds or more, not -1"),
    ({"latency": "soon"}, "'soon' is not a latency"),
    ({"capacity": 0}, "capacity of chat is 1 or more, or None, not 0"),
    ({"queue_limit": -1}, "queue_limit of chat is 0 or more"),
    ({"requests": 5}, "requests of chat is a quota, or None, not 5"),
    ({"tokens": "5"}, "'5' is not a quota"),
    ({"reserve": None}, "reserve"),
    ({"reserve": True}, "reserve"),
    ({"insufficient_quota_after": -1}, "insufficient_quota_after"),
    ({"context_length": 0}, "context_length"),
    ({"refused_parameters": None}, "refused_parameters"),
    ({"json_schema": "yes"}, "json_schema"),
    ({"reasoning_tokens": 1.5}, "reasoning_tokens"),
    ({"cache": 1}, "cache of chat is true or false"),
    ({"usage": None}, "usage"),
    ({"prices": 5}, "prices of chat is 2 or 3 prices of 0 dollars or more by model, not 5"),
    ({"prices": {"a": [1]}}, "prices"),
    ({"prices": {"a": [1, -1]}}, "prices"),
    ({"prices": {"a": [1, "1"]}}, "prices"),
    ({"prices": "a=1"}, "'a=1' is not a price; write it as MODEL=1.25:10"),
    ({"prices": "a=1:b"}, "is not a price"),
    ({"prices": "a=1:inf"}, "is not a price"),
    ({"prices": "=1:2"}, "is not a price"),
    ({"faults": 5}, "faults of chat is of the type ChatFaults"),
    ({"faults": ["gets=off"]}, "'gets=off' is not a fault of chat; write it as 503=0.05 or slow=0.1:5; there are"),
    ({"faults": {"status": 0.5}}, "is not a fault of chat"),
    ({"faults": ["not_json=0.6", "503=0.6"]}, "sum to 1.2"),
    (5, "chat is of the type ChatSwitches$"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_wrong_switches(wrong, said):
    with pytest.raises(ValueError, match=said):
        parse_switches({"chat": wrong})


@pytest.mark.parametrize("amount", [Decimal("nan"), Decimal("inf"), float("nan"), True])
def test_prices_that_are_no_amounts(amount):
    with pytest.raises(ValueError, match="prices"):
        ChatSwitches(prices={"a": (amount, 1)})


async def test_switches_over_http(chat):
    api = chat(latency=1.0)
    reply = await api.client.post(CONTROL, json={"chat": {"models": ["large"], "prices": {"large": "1:2"}}})
    assert (reply.status_code, reply.json()) == (200, {"changed": ["chat"]})
    assert api.backend.switches.chat == ChatSwitches(
        latency=1.0, models=frozenset({"large"}), prices={"large": (Decimal(1), Decimal(2))}
    )
    assert (await api.ask()).status_code == 404
    reply = await api.client.post(CONTROL, json={"chat": {"capacity": 0}})
    assert (reply.status_code, reply.json()) == (400, {"error": "capacity of chat is 1 or more, or None, not 0"})


async def test_what_there_is_to_control_is_said(chat):
    reply = await chat().client.post("http://local/_local/chat")
    assert reply.status_code == 404
    assert "GET /_local/chat" in reply.json()["error"]


def test_no_key_shows():
    switches = Switches(chat=ChatSwitches(keys=frozenset({"sk-secret"})))
    assert "sk-secret" not in repr(switches)
    with pytest.raises(ValueError, match="keys") as caught:
        parse_switches({"chat": {"keys": {"sk-secret": 1}}})
    assert "sk-secret" not in str(caught.value)
    with pytest.raises(ValueError, match="ChatSwitches") as caught:
        Switches(chat={"keys": ["sk-secret"]})
    assert "sk-secret" not in str(caught.value)


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, 5e-324, -0.0]))
NEAR = st.sampled_from(
    [
        "1e999",
        "-1",
        "nan",
        "1e9~1e9",
        "~",
        "5/0s",
        "0/s",
        "503=1",
        "²=1",
        "slow=1:inf",
        "refusal=1",
        "a=1:1e99",
        "a=1:0",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | NEAR | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.dictionaries(st.sampled_from(sorted(TEXTS)), JSON, max_size=3)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
@example({"latency": 1e999})
@example({"prices": {"small": [10**400, 1]}})
@example({"prices": "small=1e-999999999:1"})
@example({"reserve": 10**400, "tokens": "5/s"})
@example({"reasoning_tokens": 10**400, "prices": {"small": [1, 1]}})
@example({"tokens": "0/0.001s", "hints": []})
def test_whatever_the_endpoint_is_told_nothing_breaks(chat, changes):
    async def ask():
        api = chat()
        reply = await api.client.post(CONTROL, content=json.dumps({"chat": changes}))
        assert reply.status_code in (200, 400), reply.text
        if reply.status_code == 400:
            assert reply.json()["error"].strip()
            assert api.backend.switches == Switches()
        try:
            assert (await api.ask()).status_code < 600
        except ConnectionResetError:
            assert api.backend.switches.chat.faults != ChatFaults()
        assert (await api.client.get("http://local/_local/chat")).status_code == 200

    anyio.run(ask)


BODIES = st.fixed_dictionaries(
    {"model": st.just("small") | JSON, "messages": st.just(about()) | JSON},
    optional={
        "response_format": JSON
        | JSON.map(lambda schema: formatted(schema, strict=False))
        | st.dictionaries(
            st.sampled_from(["type", "enum", "const", "anyOf", "allOf", "$ref", "properties", "items", "minItems"]),
            JSON | st.sampled_from(["object", "array", "number", "integer", "#"]),
        ).map(formatted),
        "max_tokens": JSON,
        "temperature": JSON,
        "stream": JSON,
    },
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES)
@example({"model": "small", "messages": about(), "response_format": formatted({"const": 1e999}, strict=False)})
def test_whatever_is_asked_nothing_breaks(chat, body):
    async def ask():
        api = chat()
        reply = await api.client.post("http://local/v1/chat/completions", content=json.dumps(body))
        assert reply.status_code in (200, 400)
        reply.json()

    anyio.run(ask)
