"""What a request is reckoned to take: by its length at first, then by what others took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async._results import Usage
from fi_async.pacing.token_estimates import TokenEstimate, TokenForecast


@pytest.mark.parametrize(("length", "tokens"), [(0, 8), (1, 9), (4, 9), (5, 10), (4000, 1008)])
def test_at_first_a_token_is_four_bytes(length, tokens):
    assert TokenEstimate().of(b"x" * length) == TokenForecast(tokens, 250)


def test_an_answer_is_not_reckoned_longer_than_it_may_be():
    assert TokenEstimate(max_tokens=100).of(b"").output_tokens == 100
    assert TokenEstimate(max_tokens=1000).of(b"").output_tokens == 250


def test_what_was_taken_is_learned_from_the_first_answer_on():
    estimate, body = TokenEstimate(), b"x" * 368  # 100 by its length
    estimate.learn(body, Usage(input_tokens=150, output_tokens=40))
    assert estimate.of(body) == TokenForecast(150, 40)
    assert estimate.of(body).total_tokens == 190
    estimate.learn(body, Usage(input_tokens=50, output_tokens=80))
    assert estimate.of(body) == TokenForecast(100, 60)
    assert estimate.of(body + body).input_tokens == 192


def test_a_change_is_followed_and_one_odd_answer_is_not():
    estimate, body = TokenEstimate(), b"x" * 368
    for _ in range(500):
        estimate.learn(body, Usage(input_tokens=100, output_tokens=100))
    estimate.learn(body, Usage(input_tokens=100, output_tokens=5100))
    assert estimate.of(body).output_tokens == 200
    for _ in range(500):
        estimate.learn(body, Usage(input_tokens=200, output_tokens=100))
    assert estimate.of(body).input_tokens == pytest.approx(200, abs=1)


def test_an_endpoint_that_counts_nothing_teaches_nothing():
    estimate = TokenEstimate()
    estimate.learn(b"x", Usage())
    assert estimate.of(b"x") == TokenEstimate().of(b"x")


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10**6), st.integers(0, 10**6))))
def test_an_estimate_stays_within_what_was_seen(seen):
    estimate = TokenEstimate()
    for length, taken, given_back in seen:
        estimate.learn(b"x" * length, Usage(input_tokens=taken, output_tokens=given_back))
    learned = [output for _, taken, output in seen if taken]
    forecast = estimate.of(b"x" * 100)
    assert forecast.input_tokens > 0
    assert min(learned, default=250) - 1 <= forecast.output_tokens <= max(learned, default=250) + 1
