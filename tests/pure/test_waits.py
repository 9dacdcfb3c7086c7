"""How long a chat endpoint says to wait, in whichever place and style."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import NOW, reply
from fi_async.wire.waits import LONGEST_WAIT, wait_of

DATE = "Fri, 02 Jan 2026 12:00:00 GMT"  # NOW


def wait(body=b"", **headers):
    return wait_of(reply(body, 429, **headers), NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after_ms": "soon", "retry_after": "9"}, 9.0),
        ({"retry_after": "9", "x_ratelimit_reset_requests": "1s"}, 9.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 12:00:30 GMT", "date": DATE}, 30.0),
        ({"retry_after": "Fri, 02 Jan 2026 12:00:30 GMT", "date": "Fri, 02 Jan 2026 12:00:20 GMT"}, 10.0),
        ({"retry_after": "Fri, 02 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry_after": "Fri, 02 Jan 2026 11:00:00 GMT", "date": DATE}, 0.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e400"}, None),
        ({"retry_after": "999999999"}, LONGEST_WAIT),
    ],
)
def test_retry_after_comes_first(headers, seconds):
    assert wait(**headers) == seconds


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("7.66", 7.66),
        ("45 s", 45.0),
        ("100us", 1e-4),
        ("1d", 86_400.0),
        ("9d", LONGEST_WAIT),
        ("2026-01-02T12:00:05Z", 5.0),
        ("s", None),
        ("1x", None),
        ("1s later", None),
        ("-1s", None),
        ("", None),
        ("9" * 100, None),
    ],
)
def test_a_reset_is_a_duration_in_each_style(said, seconds):
    assert wait(x_ratelimit_reset_requests=said) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("requests", "tokens", "seconds"),
    [
        (("0", "8s"), ("500", "60s"), 8.0),
        (("3", "8s"), ("0", "60s"), 60.0),
        (("0", "8s"), ("0", "60s"), 60.0),
        (("3", "80s"), ("500", "60s"), 60.0),  # more tokens were wanted than are left
        ((None, "80s"), (None, "60s"), 60.0),
        (("3", "8s"), (None, None), 8.0),
        (("0", "soon"), ("500", "60s"), 60.0),
    ],
)
def test_the_limit_that_was_met_says_how_long(requests, tokens, seconds):
    said = {"requests": requests, "tokens": tokens}
    headers = {
        f"x_ratelimit_{what}_{kind}": value
        for kind, pair in said.items()
        for what, value in zip(("remaining", "reset"), pair, strict=True)
        if value is not None
    }
    assert wait(**headers) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_ratelimit_reset": "12"}, 12.0),
        ({"x_ratelimit_reset": str(int(NOW) + 12)}, 12.0),
        ({"x_ratelimit_reset": str((int(NOW) + 12) * 1000)}, 12.0),
        ({"ratelimit_reset": "7"}, 7.0),
        (
            {
                "anthropic_ratelimit_requests_remaining": "0",
                "anthropic_ratelimit_requests_reset": "2026-01-02T12:00:20Z",
                "anthropic_ratelimit_input_tokens_remaining": "10",
                "anthropic_ratelimit_input_tokens_reset": "2026-01-02T12:01:00Z",
            },
            20.0,
        ),
        ({"anthropic_ratelimit_output_tokens_reset": "2026-01-02T13:00:00+00:30"}, 1800.0),
        ({"anthropic_ratelimit_tokens_reset": "2026-01-02T12:00:20Z", "date": "Fri, 02 Jan 2026 12:00:05 GMT"}, 15.0),
        ({"anthropic_ratelimit_tokens_reset": "2026-01-02T11:00:00Z"}, 0.0),
        ({"anthropic_ratelimit_tokens_reset": "2026-01-02T12:00:20"}, None),
        ({"anthropic_ratelimit_tokens_reset": "tomorrow"}, None),
    ],
)
def test_other_headers_say_it_too(headers, seconds):
    assert wait(**headers) == seconds


def gemini(delay):
    return {
        "error": {
            "code": 429,
            "details": [{"@type": "x/google.rpc.Help"}, {"@type": "x/google.rpc.RetryInfo", "retryDelay": delay}],
        }
    }


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (gemini("45.8s"), 45.8),
        ([gemini("45.8s")], 45.8),
        (gemini(3), 3.0),
        (gemini(None), None),
        ({"error": {"metadata": {"retry_after_seconds": 2.5}}}, 2.5),
        ({"error": {"metadata": {"headers": {"Retry-After": "4"}}}}, 4.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": str(int((NOW + 6) * 1000))}}}}, 6.0),
        ({"error": {"metadata": {"headers": [1]}}}, None),
        ({"error": {"message": "Limit reached. Please try again in 1.2s. Visit us."}}, 1.2),
        ({"error": {"message": "Please try again in 6m0s."}}, 360.0),
        ({"error": {"message": "Please retry after 20 seconds."}}, 20.0),
        ({"error": {"message": "Please retry in 45.578569677s."}}, 45.578569677),
        ({"error": {"message": "Try again in 2 minutes and 5 requests"}}, 120.0),
        ({"error": {"message": "Try again in 500 ms"}}, 0.5),
        ({"error": {"message": "Try again in 5 requests"}}, None),
        ({"error": {"message": "Try again later"}}, None),
        ({"error": "retry after 3 s"}, 3.0),
        ({"message": "wait for 1 hour"}, 3600.0),
        ({"detail": "Try again in 7 s"}, 7.0),
        (b"not json", None),
    ],
)
def test_the_body_says_it_last(body, seconds):
    assert wait(body) == seconds
    assert wait(body, x_ratelimit_reset_tokens="99s") == 99.0


NAMES = st.sampled_from(
    ["retry_after_ms", "retry_after", "date", "x_ratelimit_reset", "ratelimit_reset"]
    + [f"x_ratelimit_{what}_{kind}" for what in ("reset", "remaining") for kind in ("requests", "tokens")]
    + [f"anthropic_ratelimit_{kind}_{what}" for what in ("reset", "remaining") for kind in ("requests", "input_tokens")]
)
VALUES = (
    st.text(max_size=20)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda each: each.isoformat())
    | st.lists(st.sampled_from(["9", ".", "1", "m", "ms", "s", "h", "e", "-", " "])).map("".join)
)
DELAYS = VALUES | st.floats() | st.integers() | st.none()
BODIES = st.builds(
    lambda delay, seconds, head, words: {
        "error": {
            "message": f"try again in {words}",
            "details": [{"retryDelay": delay}],
            "metadata": {"retry_after_seconds": seconds, "headers": {"X-RateLimit-Reset": head}},
        }
    },
    *[DELAYS] * 4,
)


@given(st.dictionaries(NAMES, VALUES), BODIES, st.floats(0, 4e9))
def test_a_wait_is_a_time_that_can_be_waited_or_none(headers, body, now):
    seconds = wait_of(reply(body, 429, **headers), now)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST_WAIT)
