"""Each kind of fault of the endpoint for judges: what the client sees, and what was charged all the same."""

from __future__ import annotations

from contextlib import suppress

import pytest

from fi_async.local import ChatFaults, Faults, Lognormal, Quota, draws
from fi_async.local.chat import content_of, count_tokens, verdict_for
from fi_async.local.chat.spoiling import REFUSAL, WRONG_CHOICE, WRONG_NUMBER
from local.chatting import SCHEMA, about, error, formatted, message

pytestmark = pytest.mark.anyio

CONTENT = '{"reason": "The test judge made up verdict 2324 of this case.", "result": "Fail"}'


def certain(kind):
    return ChatFaults(**{kind: 1.0})


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (500, "server_error", "The server had an error while processing your request."),
        (503, "server_error", "Service Unavailable"),
        (408, "invalid_request_error", "Request Timeout"),
    ],
)
async def test_a_status_instead_of_a_verdict(status, kind, text, chat):
    api = chat(faults=ChatFaults(status={status: 1.0}), latency=5.0)
    began = api.clock.now
    reply = await api.ask()
    assert reply.status_code == status
    assert error(reply) == {"message": text, "type": kind, "param": None, "code": None}
    assert api.clock.now == began
    assert (api.counted["answered"], api.counted["faults"]) == (0, {str(status): 1})


async def test_an_overload_has_anthropics_body(chat):
    reply = await chat(faults=ChatFaults(status={529: 1.0})).ask()
    content = reply.json()
    assert reply.status_code == 529
    assert content.pop("request_id").startswith("req_")
    assert content == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(("kind", "answered"), [("reset_before", 0), ("reset_after", 1)])
async def test_a_reset(kind, answered, chat):
    api = chat(faults=certain(kind), latency=2.0)
    began = api.clock.now
    with pytest.raises(ConnectionResetError):
        await api.ask()
    assert api.counted["answered"] == answered
    assert api.clock.now - began == 2.0 * answered
    assert api.counted["by_status"] == {"reset": 1}
    assert api.counted["faults"] == {kind: 1}
    assert api.counted["in_flight"] == 0


async def test_a_refusal_with_quota_left(chat):
    api = chat(faults=certain("early_429"), requests=Quota(9, 60), style="azure")
    reply = await api.ask()
    assert reply.status_code == 429
    assert reply.headers["x-ratelimit-remaining-requests"] == "9"
    assert (reply.headers["retry-after"], reply.headers["retry-after-ms"]) == ("1", "1000")
    assert (api.counted["refused"], api.counted["faults"]) == ({"early": 1}, {"early_429": 1})
    api.switch(faults=ChatFaults())
    assert (await api.ask()).headers["x-ratelimit-remaining-requests"] == "8"


async def test_a_reply_that_stops_half_way(chat):
    api = chat(faults=certain("cut_body"))
    reply = await api.ask()
    assert reply.status_code == 200
    assert reply.text.startswith('{"id":"chatcmpl-')
    with pytest.raises(ValueError, match="line 1"):
        reply.json()
    assert (api.counted["answered"], api.counted["faults"]) == (1, {"cut_body": 1})


async def test_a_slow_reply(chat):
    api = chat(faults=ChatFaults(slow=(1.0, 5.0)), latency=1.0)
    began = api.clock.now
    assert (await api.ask()).status_code == 200
    assert api.clock.now - began == 6.0


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("not_json", "I would say: Fail.", "stop"),
        ("cut_json", CONTENT[:40], "stop"),
        ("length", CONTENT[:40], "length"),
        (
            "prose",
            f"Here is my verdict:\n\n```json\n{CONTENT}\n```\n\nLet me know if I can help further.",
            "stop",
        ),
        ("wrong_value", CONTENT.replace("Fail", WRONG_CHOICE), "stop"),
        ("missing_field", CONTENT.replace(', "result": "Fail"', ""), "stop"),
        ("content_filter", None, "content_filter"),
        ("refusal", None, "stop"),
    ],
)
async def test_what_models_say_in_place_of_a_verdict(kind, content, reason, chat):
    api = chat(faults=certain(kind))
    reply = await api.ask()
    assert message(reply) == {
        "role": "assistant",
        "content": content,
        "refusal": REFUSAL if kind == "refusal" else None,
    }
    assert reply.json()["choices"][0]["finish_reason"] == reason
    said = REFUSAL if kind == "refusal" else content or ""
    assert reply.json()["usage"]["completion_tokens"] == api.counted["completion_tokens"] == count_tokens(said)
    assert (api.counted["answered"], api.counted["faults"]) == (1, {kind: 1})


@pytest.mark.parametrize(
    ("properties", "field", "wrong"),
    [
        ({"reason": {"type": "string"}, "score": {"type": "number"}, "label": {"enum": ["a"]}}, "score", WRONG_NUMBER),
        ({"passed": {"type": "boolean"}, "reason": {"type": "string"}}, "passed", WRONG_CHOICE),
        ({"tones": {"type": "array", "items": {"enum": ["joy"]}}}, "tones", [WRONG_CHOICE]),
        ({"reason": {"type": "string"}, "text": {"type": "string"}}, "text", 0),
        ({"result": {"$ref": "#/$defs/Result"}, "reason": {"type": "string"}}, "result", WRONG_CHOICE),
    ],
)
async def test_the_field_that_is_wrong_is_the_verdict(properties, field, wrong, chat):
    schema = {"type": "object", "properties": properties, "$defs": {"Result": {"enum": ["yes", "no"]}}}
    right = verdict_for(about(), schema)
    api = chat(faults=certain("wrong_value"))
    assert await api.verdict(response_format=formatted(schema, strict=False)) == {**right, field: wrong}
    api.switch(faults=certain("missing_field"))
    del right[field]
    assert await api.verdict(response_format=formatted(schema, strict=False)) == right


@pytest.mark.parametrize("kind", ["not_json", "wrong_value", "missing_field"])
@pytest.mark.parametrize("text", ["Pass", "[1]", "{}", "5"])
async def test_there_is_no_field_in_other_texts(kind, text, chat):
    reply = await chat(lambda *_: text, faults=certain(kind)).ask()
    assert message(reply)["content"] == "I would rather not say."


async def test_faults_strike_the_verdicts_of_an_own_judge(chat):
    api = chat(lambda *_: {"reason": "No.", "result": "Fail"}, faults=certain("missing_field"))
    assert await api.verdict() == {"reason": "No."}


async def test_a_refusal_is_cut_at_its_tokens_too(chat):
    api = chat(faults=certain("refusal"))
    reply = await api.ask(max_tokens=3)
    assert message(reply) == {"role": "assistant", "content": "", "refusal": None}
    assert reply.json()["choices"][0]["finish_reason"] == "length"


async def test_the_same_seed_meets_the_same_fate(chat):
    kinds = ("not_json", "cut_json", "refusal", "reset_after")
    faults = ChatFaults(status={503: 0.2}, **dict.fromkeys(kinds, 0.2))

    async def everything(seed):
        api = chat(seed=seed, faults=faults, latency=Lognormal(2, 0.8))
        began = api.clock.now
        for number in range(40):
            with suppress(ConnectionResetError):
                await api.ask(f"case {number}")
        return api.counted, api.clock.now - began

    counted, seconds = await everything(1)
    assert (counted, pytest.approx(seconds)) == await everything(1)
    assert counted != (await everything(2))[0]
    assert counted["faults"].keys() == {"503", *kinds}
    assert counted["answered"] == 40 - counted["faults"]["503"]


async def test_each_request_has_a_latency_of_its_own(chat):
    latency = Lognormal(2, 0.8)
    api = chat(seed=3, latency=latency)
    for number in range(3):
        began = api.clock.now
        await api.ask()
        assert api.clock.now - began == pytest.approx(draws.latency(latency, 3, number, "chat latency"))


async def test_which_request_meets_which_fault_can_be_told(chat):
    faults = ChatFaults(not_json=0.3, status={503: 0.3})
    api = chat(seed=5, faults=faults)
    fates = [draws.pick(faults.chances(), draws.uniform(5, "chat", number)) for number in range(20)]
    assert set(fates) == {None, "503", "not_json"}
    for number, fate in enumerate(fates):
        reply = await api.ask(f"case {number}")
        assert reply.status_code == (503 if fate == "503" else 200)
        if fate is None:
            assert message(reply)["content"] == content_of(verdict_for(about(f"case {number}"), SCHEMA))


async def test_evaluations_and_verdicts_have_faults_of_their_own(chat):
    api = chat()
    api.backend.switches = api.backend.switches.replace(faults=Faults(status={503: 1.0}), requests=Quota(0, 60))
    assert (await api.ask()).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"not_json": 1.5}, "the probability of not_json is from 0 to 1, not 1.5"),
        ({"refusal": True}, "the probability of refusal"),
        ({"status": {200: 0.1}}, "400 to 599"),
        ({"not_json": 0.6, "slow": (0.6, 1.0)}, "sum to 1.2"),
        ({"slow": (0.5, -1.0)}, "seconds late"),
    ],
)
def test_wrong_faults(wrong, said):
    with pytest.raises(ValueError, match=said):
        ChatFaults(**wrong)
