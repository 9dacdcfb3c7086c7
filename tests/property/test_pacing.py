"""Delays, decisions and polls stay within their bounds, whatever happened before."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fi_async import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    EvaluationError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async._settings import RetryPolicy
from fi_async.pacing import backoff
from fi_async.pacing.allowance import LONGEST_WAIT, VOLLEY
from fi_async.pacing.gate import Gate
from fi_async.pacing.retry import GiveUp, Retry, decide
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms

times = st.floats(0, 1e6, allow_nan=False)
errors = st.one_of(
    st.builds(APIConnectionError, st.just("x"), sent=st.booleans()),
    st.builds(APITimeoutError, st.just("x"), sent=st.booleans()),
    st.builds(RateLimitError, st.just("x"), retry_after=st.none() | times),
    st.builds(EvaluationError, st.just("x"), throttled=st.booleans()),
    st.sampled_from(
        [kind("x") for kind in (ServerError, ProtocolError, ValidationError, NotFoundError, AuthenticationError)]
    ),
)
policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 10),
    on_ambiguous=st.sampled_from(["resubmit", "fail"]),
)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 10**6), st.integers())
def test_a_delay_is_between_half_its_step_and_its_step(failures, seed):
    step = min(0.5 * 2 ** min(failures - 1, 10), backoff.LONGEST)
    assert step / 2 <= backoff.delay(failures, random.Random(seed)) <= step


@settings(deadline=None, max_examples=500)
@given(errors, st.booleans(), st.integers(1, 20), policies, st.booleans())
def test_a_decision_keeps_to_the_policy(error, repeatable, failures, policy, is_out):
    is_out = is_out and isinstance(error, APIConnectionError) and not error.sent
    decision = decide(
        error, repeatable=repeatable, failures=failures, policy=policy, rng=random.Random(1), is_out=is_out
    )
    if isinstance(decision, Retry):
        assert policy.max_retries > 0
        assert decision.held or failures <= policy.max_retries
        assert decision.held is (decision.throttled or is_out)
        assert 0 <= decision.delay <= (0 if decision.held else backoff.LONGEST)
        assert not (decision.held and decision.ambiguous)
        assert not (decision.ambiguous and policy.on_ambiguous == "fail")
    assert not (decision.ambiguous and repeatable)
    if isinstance(decision, GiveUp) and decision.forbidden:
        assert decision.ambiguous
        assert policy.on_ambiguous == "fail"


@settings(deadline=None, max_examples=100)
@example([0.0, 1.0])
@given(st.lists(times))
def test_a_gate_opens_at_the_latest_time_anyone_was_told(holds):
    gate, terms, now = Gate(), Terms(Slots(1000)), 100.0
    tickets = [gate.issue(now, Need(), terms) for _ in holds[:VOLLEY]]
    longest = now
    for ticket, wait in zip(tickets, holds, strict=False):
        ticket.refused(now, wait, None)
        # A server that says "now" again is not believed.
        longest = gate.opens_at(now, Need(), terms) if wait == 0 else max(longest, now + min(wait, LONGEST_WAIT))
        assert gate.opens_at(now, Need(), terms) == gate.opens_at(now, Need(post=True), terms) == longest
