"""The limits of the endpoint for judges, and by which ways each provider says how long to wait."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from fi_async.local import Quota
from fi_async.local.chat import count_tokens, prompt_tokens
from fi_async.local.chat.refusals import go_duration, rfc_3339
from local.chatting import about, error, message

pytestmark = pytest.mark.anyio

MINUTE = Quota(2, 60)
HEADERS = ("retry-after", "retry-after-ms")


def limits(reply):
    """Return the headers of a reply that tell of limits."""
    return {name: value for name, value in reply.headers.items() if "ratelimit" in name or name in HEADERS}


@pytest.fixture
def refused(chat, clock):
    """Return the 429 of a quota of two requests a minute, 14.2 seconds before the minute is over."""

    async def refuse(**switches):
        clock.now = 60_045.8
        api = chat(**{"requests": MINUTE, **switches})
        assert [(await api.ask()).status_code for _ in range(2)] == [200, 200]
        reply = await api.ask()
        assert reply.status_code == 429
        assert api.counted["refused"] == {"requests": 1}
        assert api.counted["by_status"] == {"200": 2, "429": 1}
        return reply

    return refuse


async def test_openai_says_it_in_every_way(refused):
    reply = await refused()
    assert limits(reply) == {
        "retry-after": "15",
        "retry-after-ms": "14200",
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "14.2s",
    }
    assert error(reply) == {
        "message": "Rate limit reached on requests: 2 in 60 s. Please try again in 14.2s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }


async def test_azure_says_it_likewise(refused):
    reply = await refused(style="azure")
    assert limits(reply)["retry-after-ms"] == "14200"
    assert reply.json() == {
        "error": {
            "code": "429",
            "message": "Requests to the ChatCompletions_Create Operation have exceeded the requests rate limit:"
            " 2 in 60 s. Please retry after 15 seconds.",
        }
    }


async def test_anthropic_says_when_the_limit_is_reset(refused):
    reply = await refused(style="anthropic")
    assert limits(reply) == {
        "anthropic-ratelimit-requests-limit": "2",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "1970-01-01T16:41:00Z",
    }
    assert reply.json() == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "This request would exceed your requests rate limit: 2 in 60 s.",
        },
    }


async def test_gemini_says_it_in_a_list(refused):
    reply = await refused(style="gemini")
    assert limits(reply) == {}
    assert reply.json() == [
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, 2 in 60 s. Please retry in 14.2s.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                        "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}],
                    },
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14.2s"},
                ],
            }
        }
    ]


async def test_geminis_quota_of_a_day_is_named(refused):
    reply = await refused(style="gemini", requests=Quota(2, 86_400), hints=frozenset())
    details = reply.json()[0]["error"]["details"]
    assert details[0]["violations"] == [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]
    assert len(details) == 1


async def test_openrouter_says_it_in_metadata(refused):
    reply = await refused(style="openrouter")
    assert limits(reply) == {}
    assert reply.json() == {
        "error": {
            "message": "Rate limit exceeded: requests, 2 in 60 s",
            "code": 429,
            "metadata": {"retry_after_seconds": 15},
        }
    }


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        ("retry-after", {"retry-after": "15"}),
        ("retry-after-ms", {"retry-after-ms": "14200"}),
        ("reset", {"x-ratelimit-reset-requests": "14.2s"}),
        ("body", {}),
        (None, {}),
    ],
)
async def test_each_way_can_be_the_only_one(hint, found, refused):
    reply = await refused(hints=frozenset() if hint is None else frozenset({hint}))
    assert limits(reply) == {
        **found,
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
    }
    assert ("try again in 14.2s" in reply.text) == (hint == "body")


async def test_every_style_can_keep_silent(refused):
    for style in ("azure", "anthropic", "gemini", "openrouter", "ollama"):
        reply = await refused(style=style, hints=frozenset())
        assert not [
            name
            for name in limits(reply)
            if "limit-requests" not in name and "requests-limit" not in name and "remaining" not in name
        ]
        assert not [word for word in ("14", "15", "retry") if word in reply.text.lower()]


async def test_windows_are_fixed_and_each_key_and_model_has_its_own(chat, clock):
    api = chat(requests=MINUTE)
    clock.now = 60_059.0
    assert await api.statuses(3) == [200, 200, 429]
    assert await api.statuses(1, model="large") == [200]
    assert await api.as_key("sk-2").statuses(1) == [200]
    clock.now = 60_060.0
    assert await api.statuses(3) == [200, 200, 429]


async def test_who_waits_as_told_is_let_in(chat, clock):
    api = chat(requests=Quota(1, 0.7))
    for start in (60_000.03, 60_123.456_789, 1_764_226_487.123_4):
        clock.now = start
        await api.ask()
        reply = await api.ask()
        assert reply.status_code == 429
        clock.now += int(reply.headers["retry-after-ms"]) / 1000
        assert (await api.ask()).status_code == 200


async def test_tokens_are_reserved_and_then_settled(chat, clock):
    clock.now = 60_000.0
    api = chat(tokens=Quota(1000, 60), latency=10.0, reserve=300)
    asked, answered = prompt_tokens(about()), count_tokens(message(await api.ask())["content"])
    assert clock.now == 60_010.0
    clock.now = 60_060.0
    left = []

    async def ask(**changes):
        reply = await api.ask(**changes)
        left.append((reply.status_code, int(reply.headers["x-ratelimit-remaining-tokens"])))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        for most in (None, 400, 380):  # 307 + 307 + 407 > 1000; 307 + 307 + 386 + … = 1000 at 379
            await anyio.lowlevel.checkpoint()
            group.start_soon(lambda most=most: ask(max_completion_tokens=most))
    used = asked + answered
    reserved = 2 * (asked + 300)
    assert 1000 - reserved - asked == 379
    # Two are let in; at ten seconds both have given back what they did not use.
    assert left == [(429, 1000 - reserved), (429, 1000 - reserved), (200, 1000 - 2 * used), (200, 1000 - 2 * used)]
    assert (await api.ask(max_completion_tokens=1000 - 2 * used - asked)).status_code == 200
    assert api.counted["refused"] == {"tokens": 2}


async def test_what_is_given_back_after_the_window_is_over_is_lost(chat, clock):
    clock.now = 60_050.0
    api = chat(tokens=Quota(1000, 60), latency=40.0, reserve=300)
    left = []

    async def ask(pause):
        await clock.sleep(pause)
        left.append(int((await api.ask()).headers["x-ratelimit-remaining-tokens"]))

    async with anyio.create_task_group() as group:
        for pause in (0.0, 20.0):
            group.start_soon(ask, pause)
    # The first gives back to the minute before, which nobody asks about; the second to its own.
    assert (left, clock.now) == ([1000 - 307, 1000 - 28], 60_110.0)


async def test_the_refusal_for_want_of_tokens(chat, clock):
    clock.now = 60_010.0
    api = chat(tokens=Quota(300, 60), requests=Quota(9, 3600))
    assert (await api.ask()).status_code == 200
    reply = await api.ask(max_tokens=280)
    assert reply.status_code == 429
    assert (error(reply)["type"], error(reply)["code"]) == ("tokens", "rate_limit_exceeded")
    assert limits(reply) == {
        "retry-after": "50",
        "retry-after-ms": "50000",
        "x-ratelimit-limit-requests": "9",
        "x-ratelimit-remaining-requests": "8",
        "x-ratelimit-reset-requests": "19m50s",
        "x-ratelimit-limit-tokens": "300",
        "x-ratelimit-remaining-tokens": "272",
        "x-ratelimit-reset-tokens": "50s",
    }


async def test_answers_tell_of_the_limits_as_they_are_when_they_are_sent(chat, clock):
    clock.now = 60_010.0
    api = chat(requests=MINUTE, tokens=Quota(300, 60), latency=20.5, overhead=0.25)
    reply = await api.ask()
    assert limits(reply) == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "29.25s",
        "x-ratelimit-limit-tokens": "300",
        "x-ratelimit-remaining-tokens": "272",
        "x-ratelimit-reset-tokens": "29.25s",
    }


async def test_no_waiting_mends_a_request_that_is_too_large(chat):
    api = chat(tokens=Quota(100, 60))
    reply = await api.ask(max_tokens=94)
    assert reply.status_code == 429
    assert error(reply) == {
        "message": "Request too large: Limit 100, Requested 101. The input or output tokens must be reduced.",
        "type": "tokens",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert [name for name in HEADERS if name in reply.headers] == []
    assert (await api.ask(max_tokens=93)).status_code == 200
    assert api.counted["refused"] == {"too_large": 1}


async def test_no_waiting_mends_an_account_that_is_exhausted(chat, clock):
    api = chat(insufficient_quota_after=2)
    assert await api.statuses(3) == [200, 200, 429]
    clock.now += 1e6
    reply = await api.ask()
    assert reply.status_code == 429
    assert error(reply) == {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }
    assert limits(reply) == {}
    assert api.counted["refused"] == {"insufficient_quota": 2}
    api.switch(style="openrouter")
    reply = await api.ask()
    assert (reply.status_code, reply.json()) == (402, {"error": {"message": "Insufficient credits", "code": 402}})


async def test_beyond_capacity_they_queue(chat, clock):
    api = chat(latency=2.0, capacity=2)
    began, ended = clock.now, []

    async def ask():
        await api.ask()
        ended.append(clock.now - began)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert ended == [2.0, 2.0, 4.0, 4.0, 6.0]
    await api.ask()
    assert api.counted["peak_in_flight"] == 5


FULL = {
    "openai": (503, "The engine is currently overloaded, please try again later"),
    "ollama": (503, "server busy, please try again. maximum pending requests exceeded"),
    "anthropic": (529, "Overloaded"),
}


@pytest.mark.parametrize(("style", "expected"), FULL.items())
async def test_a_queue_can_be_full(style, expected, chat):
    api = chat(style=style, latency=2.0, capacity=1, queue_limit=2)
    replies = []

    async def ask():
        replies.append(await api.ask())

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask)
    assert [reply.status_code for reply in replies] == [expected[0], 200, 200, 200]
    assert replies[0].json()["error"]["message"] == expected[1]
    assert api.counted["refused"] == {"capacity": 1}
    assert (await api.ask()).status_code == 200


def test_durations_are_written_as_go_does():
    texts = [go_duration(at) for at in (0, 0.0001, 0.12, 1, 1.2, 59.9995, 360, 3723.5, 86_400)]
    assert texts == ["0s", "1ms", "120ms", "1s", "1.2s", "1m0s", "6m0s", "1h2m3.5s", "24h0m0s"]


def test_times_are_rounded_up():
    assert [rfc_3339(at) for at in (0, 0.2, 1e12)] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:01Z",
        "9999-12-31T23:59:59Z",
    ]
