"""What the endpoint for judges counts: tokens, dollars, requests and cases, all of which can be counted again."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async.local.chat import case_hash, count_tokens, dollars, prompt_tokens, tokens
from fi_async.local.chat.tokens import PromptCache, cut_to
from local.chatting import SCHEMA, about, formatted, message

pytestmark = pytest.mark.anyio

LONG = "Judge it by all that follows. " * 40  # 1200 bytes: 300 tokens


def test_four_bytes_are_a_token():
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "äöü", "\ud800")] == [0, 1, 1, 2, 2, 1]
    messages = [{"role": "system", "content": "abc"}, {"role": "user", "content": [{"type": "text", "text": "de"}]}]
    assert prompt_tokens(messages) == 2
    assert [cut_to("aäaäa", most) for most in (0, 1, 2)] == ["", "aäa", "aäaäa"]


def shared(one: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@given(st.lists(st.text("ab", max_size=9).map(lambda text: "".join(letter * 100 for letter in text)), max_size=6))
def test_what_is_cached_is_the_longest_beginning_shared_in_whole_blocks(prompts):
    cache = PromptCache()
    for number, prompt in enumerate(prompts):
        longest = max((shared(prompt, earlier) for earlier in prompts[:number]), default=0)
        messages = [{"role": "user", "content": prompt}]
        assert cache.read("small", messages) == longest // 256 * 64
    assert all(cache.read("other", [{"role": "user", "content": prompt}]) == 0 for prompt in prompts[:1])


def test_what_was_not_used_for_long_is_forgotten(monkeypatch):
    monkeypatch.setattr(tokens, "_MOST_BLOCKS", 2)
    cache = PromptCache()
    first, second, third = ([{"role": "user", "content": letter * 256}] for letter in "abc")
    for messages, cached in [(first, 0), (second, 0), (first, 64), (third, 0), (first, 64), (second, 0)]:
        assert cache.read("small", messages) == cached


def test_what_follows_a_forgotten_block_is_not_read(monkeypatch):
    monkeypatch.setattr(tokens, "_MOST_BLOCKS", 1)
    cache, messages = PromptCache(), [{"role": "user", "content": "a" * 512}]
    assert [cache.read("small", messages) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (None, "0"),
        ((1.25, 10), "0.0020"),
        ((Decimal("1.25"), Decimal("0.125"), 10), "0.0012800"),
        ((0.1, 0.3), "0.00011"),
    ],
)
def test_dollars_are_exact(price, expected):
    assert dollars(price, 800, 640, 100) == Decimal(expected)


async def test_usage_is_charged_by_model(chat):
    api = chat(prices={"small": (1, 0.5, 2), "large": (10, 20)}, reasoning_tokens=10)
    expected = Counter()
    cost = {"small": Decimal(0), "large": Decimal(0)}
    for number, model in enumerate(["small", "small", "large", "free"]):
        messages = about(f"case {number}", LONG)
        reply = (await api.ask(model=model, messages=messages)).json()
        prompt, completion = prompt_tokens(messages), count_tokens(reply["choices"][0]["message"]["content"]) + 10
        cached = 256 if number == 1 else 0
        assert reply["usage"] == {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": 10},
        }
        expected.update(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached, reasoning_tokens=10)
        if model == "small":
            cost[model] += (prompt - cached + Decimal("0.5") * cached + 2 * completion) / Decimal(1_000_000)
        elif model == "large":
            cost[model] += (10 * prompt + 20 * completion) / Decimal(1_000_000)

    counted = api.counted
    assert {name: counted[name] for name in expected} == expected
    assert counted["dollars"] == sum(cost.values()) > 0
    assert {model: usage["dollars"] for model, usage in counted["models"].items()} == {**cost, "free": 0}
    assert {model: usage["answered"] for model, usage in counted["models"].items()} == {
        "small": 2,
        "large": 1,
        "free": 1,
    }


async def test_the_cache_can_be_switched_off(chat):
    api = chat(cache=False, prices={"small": (1, 1)})
    for _ in range(2):
        usage = (await api.ask(messages=about("case", LONG))).json()["usage"]
        assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
    assert api.counted["cached_tokens"] == 0


async def test_usage_can_be_left_out_of_replies(chat):
    api = chat(usage=False)
    assert "usage" not in (await api.ask()).json()
    assert api.counted["prompt_tokens"] == prompt_tokens(about())


async def test_ollama_tells_three_numbers_and_charges_by_them(chat):
    api = chat(style="ollama", prices={"small": (1, 0.5, 1)})
    for _ in range(2):
        reply = (await api.ask(messages=about("case", LONG))).json()
        assert reply["usage"].keys() == {"prompt_tokens", "completion_tokens", "total_tokens"}
    used = api.counted["prompt_tokens"] + api.counted["completion_tokens"]
    assert api.counted["dollars"] == Decimal(used) / 1_000_000


async def test_openrouter_tells_the_cost(chat):
    api = chat(style="openrouter", prices={"small": (1, 2)})
    assert (await api.ask()).json()["usage"]["cost"] == float(api.counted["dollars"]) > 0


async def test_cases_are_counted_by_hash_and_model(chat):
    api = chat()
    for model, case in [("small", "a"), ("small", "a"), ("large", "a"), ("small", "b")]:
        await api.ask(case, model=model)
    first, second = case_hash(about("a")), case_hash(about("b"))
    assert first == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert api.backend.judged() == {first: 3, second: 1}
    assert api.backend.judged("small") == {first: 2, second: 1}
    assert api.backend.judged("none") == {}
    assert (api.counted["answered"], api.counted["distinct"], api.counted["duplicates"]) == (4, 3, 1)
    await api.ask(messages=about("b", "By other criteria."))
    assert api.counted["duplicates"] == 1


async def test_the_whole_account(chat, clock):
    api = chat(prices={"small": (1, 2)}, models=frozenset({"small"}), latency=2.0)
    assert api.counted == {
        "requests": 0,
        "by_status": {},
        "refused": {},
        "faults": {},
        "answered": 0,
        "distinct": 0,
        "duplicates": 0,
        "prompt_tokens": 0,
        "cached_tokens": 0,
        "completion_tokens": 0,
        "reasoning_tokens": 0,
        "dollars": 0,
        "models": {},
        "in_flight": 0,
        "peak_in_flight": 0,
    }
    began = clock.now
    await api.ask()
    await api.ask(model="large")
    assert clock.now == began + 2.0
    account = {
        "prompt_tokens": 7,
        "cached_tokens": 0,
        "completion_tokens": 21,
        "reasoning_tokens": 0,
        "dollars": Decimal("0.000049"),
    }
    assert api.counted == {
        "requests": 2,
        "by_status": {"200": 1, "404": 1},
        "refused": {},
        "faults": {},
        "answered": 1,
        "distinct": 1,
        "duplicates": 0,
        **account,
        "models": {"small": {"answered": 1, **account}},
        "in_flight": 0,
        "peak_in_flight": 1,
    }
    told = (await api.client.get("http://local/_local/chat")).json()
    assert told["dollars"] == told["models"]["small"]["dollars"] == "0.000049"
    assert {**told, "dollars": None, "models": None} == {**api.counted, "dollars": None, "models": None}
    assert api.backend.statistics()["requests"] == 0  # evaluations are counted apart


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_an_answer_is_cut_at_its_tokens(name, chat):
    api = chat()
    whole = message(await api.ask())["content"]
    reply = (await api.ask(**{name: 5})).json()
    assert reply["choices"][0]["message"]["content"] == whole[:20]
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 5
    assert (await api.ask(**{name: 21})).json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("most", "said", "reasoning", "reason"), [(8, "", 8, "length"), (12, 8, 10, "length"), (31, 81, 10, "stop")]
)
async def test_reasoning_eats_the_tokens(most, said, reasoning, reason, chat):
    api = chat(reasoning_tokens=10)
    whole = message(await api.ask())["content"]
    reply = (await api.ask(max_completion_tokens=most)).json()
    assert reply["choices"][0]["message"]["content"] == whole[: said or 0]
    assert reply["choices"][0]["finish_reason"] == reason
    assert reply["usage"]["completion_tokens_details"] == {"reasoning_tokens": reasoning}
    assert reply["usage"]["completion_tokens"] == min(most, 31)


async def test_openrouter_knows_max_tokens_only(chat):
    api = chat(style="openrouter")
    assert (await api.ask(max_completion_tokens=5)).json()["choices"][0]["finish_reason"] == "stop"
    assert (await api.ask(max_tokens=5)).json()["choices"][0]["finish_reason"] == "length"


async def test_the_endpoint_needs_no_more_than_http(chat):
    api = chat()
    body = json.dumps({"model": "m", "messages": about(), "response_format": formatted(SCHEMA)}).encode()
    transport = httpx.ASGITransport(api.backend)
    async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
        reply = await client.post("/v1/chat/completions", content=body, headers={"authorization": "bearer any"})
    assert reply.status_code == 200
