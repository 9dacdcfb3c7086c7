"""What a refusal of a chat endpoint means, in each server's style, and what is done about it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import ASKED, KEY, NOW, reply
from fi_async._errors import (
    AuthenticationError,
    FiAsyncError,
    JudgeError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async._settings import RetryPolicy
from fi_async.pacing.retry import GiveUp, Retry, decide
from fi_async.wire.chat_errors import error_for
from fi_async.wire.chat_requests import ChatModel

WHO = "the judge 'm-1' at https://judge.test/v1"


def openai(message, code=None, kind="invalid_request_error", **more):
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def gemini(message, *quota_ids, delay=None):
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": each} for each in quota_ids]
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}]
    if delay:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}]


def anthropic(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}}


TOO_LONG = [
    (
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "context_length_exceeded",
        ),
    ),
    (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 6048 tokens. However, you requested 6616",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    (
        400,
        {
            "object": "error",
            "message": "max_tokens must be at least 1, got -186.",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
    (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (1200000) exceeds the maximum number of tokens allowed",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
    ),
    (
        429,
        openai(
            "Request too large for m-1 on tokens per min (TPM): Limit 30000, Requested 40000.",
            "rate_limit_exceeded",
            "tokens",
        ),
    ),
    (413, {"error": {"message": "too big"}}),
    (413, b"<title>Payload Too Large</title>"),
]


@pytest.mark.parametrize(("status", "body"), TOO_LONG)
def test_a_case_that_is_too_long_fails_alone_and_is_not_cut(status, body):
    error = error_for(reply(body, status), ASKED, NOW)
    assert type(error) is ValidationError
    assert error.code == "context_length_exceeded"
    assert error.message.startswith(f"the case is too long for {WHO}, and nothing is cut: ")


FINAL = [
    (
        429,
        openai(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    (402, openai("Insufficient Balance", "invalid_request_error")),
    (402, {"error": {"message": "This request requires more credits", "code": 402}}),
    (400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")),
    (
        429,
        gemini("You exceeded your current quota.", "GenerateRequestsPerDayPerProjectPerModel-FreeTier", delay="45.8s"),
    ),
    (429, gemini("You exceeded your current quota.", "GenerateRequestsPerMinute", "GenerateRequestsPerDayPerProject")),
    (
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-day",
                "code": 429,
                "metadata": {"headers": {"X-RateLimit-Reset": str(int((NOW + 40_000) * 1000))}},
            }
        },
    ),
    (200, openai("out of money", "insufficient_quota")),
]


@pytest.mark.parametrize(("status", "body"), FINAL)
def test_a_quota_that_no_wait_mends_is_final(status, body):
    error = error_for(reply(body, status), ASKED, NOW)
    assert type(error) is QuotaExhaustedError
    assert error.is_final
    assert error.message.startswith(f"{WHO} has no quota left, and no wait mends that: ")
    assert decision(error) == GiveUp()


LIMITED = [
    (
        429,
        openai(
            "Rate limit reached for m-1 on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 1.2s.",
            "rate_limit_exceeded",
            "tokens",
        ),
        {},
        1.2,
    ),
    (
        429,
        openai(
            "Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7m12s.",
            "rate_limit_exceeded",
            "requests",
        ),
        {},
        432.0,
    ),
    (
        429,
        gemini(
            "You exceeded your current quota.", "GenerateContentInputTokensPerModelPerMinute-FreeTier", delay="45.8s"
        ),
        {},
        45.8,
    ),
    (429, gemini("Resource has been exhausted (e.g. check quota)."), {}, None),
    (429, anthropic("rate_limit_error", "slow down"), {"retry_after": "12"}, 12.0),
    (429, b"", {"retry_after": "0"}, 0.0),
    (429, b"<html>", {}, None),
    (200, openai("slow down", "rate_limit_exceeded", "requests"), {"retry_after_ms": "250"}, 0.25),
]


@pytest.mark.parametrize(("status", "body", "headers", "wait"), LIMITED)
def test_a_limit_says_how_long_to_wait_and_holds_everyone(status, body, headers, wait):
    error = error_for(reply(body, status, **headers), ASKED, NOW)
    assert type(error) is RateLimitError
    assert error.retry_after == wait
    assert error.message.startswith(f"too many requests for {WHO}: ")
    assert decision(error) == Retry(held=True, throttled=True)


def decision(error):
    return decide(error, repeatable=False, failures=1, policy=RetryPolicy(), rng=random.Random(1))


@pytest.mark.parametrize(
    ("status", "body", "effective"),
    [
        (529, anthropic("overloaded_error", "Overloaded"), 529),
        (503, {"error": {"message": "server busy, please try again.  maximum pending requests exceeded"}}, 503),
        (500, anthropic("overloaded_error", "Overloaded"), 529),
        (500, b"", 500),
        (502, b"<title>502 Bad Gateway</title>", 502),
        (408, {}, 408),
        (200, anthropic("api_error", "Internal"), 500),
        (200, openai("busy", code=503), 503),
    ],
)
def test_a_server_that_fails_may_have_been_paid_unless_it_had_no_capacity(status, body, effective):
    error = error_for(reply(body, status), ASKED, NOW)
    assert type(error) is ServerError
    assert error.status == effective
    assert decision(error).ambiguous is (effective not in (503, 529))  # without capacity it did nothing


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            401,
            openai(f"Incorrect API key provided: {KEY}.", "invalid_api_key"),
            AuthenticationError,
            f"{WHO} does not accept the key of OPENAI_API_KEY: Incorrect API key provided: ***.",
        ),
        (
            403,
            openai("Country not supported"),
            PermissionDeniedError,
            f"{WHO} does not allow this with the key of OPENAI_API_KEY: Country not supported",
        ),
        (
            404,
            openai("The model `m-1` does not exist or you do not have access to it.", "model_not_found"),
            NotFoundError,
            (
                f"{WHO} is not there: The model `m-1` does not exist or you do not have "
                "access to it.; check model= and base_url=, which mostly ends in /v1"
            ),
        ),
        (
            404,
            {"error": {"message": 'model "m-1" not found, try pulling it first', "type": "api_error"}},
            NotFoundError,
            (
                f'{WHO} is not there: model "m-1" not found, try pulling it first; check '
                "model= and base_url=, which mostly ends in /v1"
            ),
        ),
        (
            400,
            {"error": {"message": "m-1 is not a valid model ID", "code": 400}},
            NotFoundError,
            f"{WHO} is not there: m-1 is not a valid model ID; check model= and base_url=, which mostly ends in /v1",
        ),
        (
            404,
            b"<html>",
            NotFoundError,
            f"{WHO} is not there: 6 bytes of no content type; check model= and base_url=, which mostly ends in /v1",
        ),
        (
            400,
            openai("temperature must be at most 1"),
            ValidationError,
            f"{WHO} refused the request: temperature must be at most 1",
        ),
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "must be a number", "type": "int"}]},
            ValidationError,
            f"{WHO} refused the request: body.seed must be a number int",
        ),
        (405, {"detail": "Method Not Allowed"}, ValidationError, f"{WHO} refused the request: Method Not Allowed"),
        (
            400,
            openai("The response was filtered", "content_filter"),
            JudgeError,
            f"a content filter of {WHO} refused the case: The response was filtered",
        ),
        (307, b"", ProtocolError, f"{WHO} answers with a redirect, which is not followed: is base_url right?"),
    ],
)
def test_a_refusal_names_who_and_what(status, body, kind, message):
    error = error_for(reply(body, status, x_request_id="r-1"), ASKED, NOW)
    assert (type(error), error.message) == (kind, message)
    assert (error.status, error.request_id) == (status, "r-1")
    assert decision(error) == GiveUp()


def test_where_no_key_is_sent_it_says_so():
    error = error_for(reply({}, 401), ChatModel("m", "http://127.0.0.1/v1"), NOW)
    assert error.message == (
        "the judge 'm' at http://127.0.0.1/v1 does not accept requests without a key (pass api_key=):"
        " 2 bytes of no content type"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (openai("x", "unknown_thing"), "unknown_thing"),
        ({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "x"}}, "invalid_argument"),
        ({"error": {"code": 400, "message": "x"}}, None),
        ({}, None),
    ],
)
def test_a_code_is_the_servers_word(body, code):
    error: Any = error_for(reply(body, 400), ASKED, NOW)
    assert error.code == code


def test_words_are_few():
    error = error_for(reply(openai("x" * 10_000), 400), ASKED, NOW)
    assert len(error.server_message) == 500


PIECES = st.sampled_from(
    [
        "error",
        "message",
        "code",
        "type",
        "details",
        "metadata",
        "headers",
        "violations",
        "quotaId",
        "retryDelay",
        "raw",
        "choices",
        "loc",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(PIECES, each, max_size=5),
    max_leaves=20,
)


@given(JSON | st.binary(), st.integers(100, 999))
def test_any_refusal_is_one_of_our_errors(body, status):
    error = error_for(reply(body, status), ASKED, NOW)
    assert isinstance(error, FiAsyncError)
    assert KEY not in str(error)
