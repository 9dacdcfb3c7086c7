"""The decision table: what went wrong, and what to do about it."""

from __future__ import annotations

import random

import pytest

from fi_async import (
    AmbiguousError,
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    CostLimitError,
    DatasetError,
    EvaluationError,
    FiAsyncError,
    FunctionError,
    IncompleteRunError,
    InvalidCaseError,
    JournalError,
    JudgeError,
    MissingCredentialsError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    StalledError,
    UndecidedError,
    ValidationError,
    _errors,
)
from fi_async._settings import RetryPolicy
from fi_async.pacing.retry import Decision, GiveUp, Retry, decide

RESUBMIT = RetryPolicy()
FAIL = RetryPolicy(on_ambiguous="fail")
NO_RETRY = RetryPolicy(max_retries=0)
NO_RETRY_FAIL = RetryPolicy(max_retries=0, on_ambiguous="fail")
POLICIES = [RESUBMIT, FAIL, NO_RETRY, NO_RETRY_FAIL]

NEVER_SENT = [APIConnectionError("refused", sent=False), APITimeoutError("no connection", sent=False)]
LOST = [
    APIConnectionError("reset"),
    APITimeoutError("no reply", sent=True),
    ServerError("500", status=500),
    ServerError("503", status=503),
    ProtocolError("cut off", status=200, lost=True),
]
WHOLE = [ProtocolError("a score that is no number", status=200), ProtocolError("a redirect", status=307)]
REFUSED = WHOLE + [
    kind("no")
    for kind in (
        FiAsyncError,
        ConfigurationError,
        MissingCredentialsError,
        APIError,
        APIStatusError,
        AuthenticationError,
        PermissionDeniedError,
        ValidationError,
        NotFoundError,
        InvalidCaseError,
        EvaluationError,
        FunctionError,
        JudgeError,
        UndecidedError,
        QuotaExhaustedError,
        CostLimitError,
        AmbiguousError,
        StalledError,
        JournalError,
        DatasetError,
        IncompleteRunError,
    )
]
THROTTLES = [RateLimitError("429", retry_after=44.0), EvaluationError("rate_limited", throttled=True)]


def named(value: object) -> str:
    if isinstance(value, FiAsyncError):
        return f"{type(value).__name__}-{value.message}"
    if isinstance(value, RetryPolicy):
        return f"{value.max_retries}-{value.on_ambiguous}"
    return {"True": "repeatable", "False": "evaluates"}.get(repr(value), repr(value))


def decided(error: FiAsyncError, *, repeatable: bool, policy: RetryPolicy = RESUBMIT, **counted: int) -> Decision:
    return decide(error, repeatable=repeatable, policy=policy, rng=random.Random(1), **({"failures": 1} | counted))


def first_delay() -> float:
    return random.Random(1).uniform(0.25, 0.5)


def test_every_class_of_error_is_in_the_table():
    every = {kind for kind in vars(_errors).values() if isinstance(kind, type) and issubclass(kind, FiAsyncError)}
    assert {type(error) for error in (*NEVER_SENT, *LOST, *REFUSED, *THROTTLES)} == every


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [RESUBMIT, FAIL], ids=named)
@pytest.mark.parametrize("error", NEVER_SENT, ids=named)
def test_what_was_never_sent_is_tried_again_and_is_not_ambiguous(error, policy, repeatable):
    assert decided(error, repeatable=repeatable, policy=policy) == Retry(first_delay())


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [NO_RETRY, NO_RETRY_FAIL], ids=named)
@pytest.mark.parametrize("error", NEVER_SENT, ids=named)
def test_what_was_never_sent_is_given_up_without_retries(error, policy, repeatable):
    assert decided(error, repeatable=repeatable, policy=policy) == GiveUp()


@pytest.mark.parametrize("policy", [RESUBMIT, FAIL], ids=named)
@pytest.mark.parametrize("error", LOST, ids=named)
def test_a_lost_answer_to_what_is_repeatable_is_asked_for_again(error, policy):
    assert decided(error, repeatable=True, policy=policy) == Retry(first_delay())


@pytest.mark.parametrize("policy", [NO_RETRY, NO_RETRY_FAIL], ids=named)
@pytest.mark.parametrize("error", LOST, ids=named)
def test_a_lost_answer_is_not_asked_for_again_without_retries(error, policy):
    assert decided(error, repeatable=True, policy=policy) == GiveUp()


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (RESUBMIT, Retry(first_delay(), ambiguous=True)),
        (FAIL, GiveUp(ambiguous=True, forbidden=True)),
        (NO_RETRY, GiveUp(ambiguous=True)),
        (NO_RETRY_FAIL, GiveUp(ambiguous=True, forbidden=True)),
    ],
    ids=named,
)
@pytest.mark.parametrize("error", LOST, ids=named)
def test_a_lost_evaluation_is_ambiguous(error, policy, decision):
    assert decided(error, repeatable=False, policy=policy) == decision


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", POLICIES, ids=named)
@pytest.mark.parametrize("error", REFUSED, ids=named)
def test_a_refusal_is_final(error, policy, repeatable):
    assert decided(error, repeatable=repeatable, policy=policy) == GiveUp()


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [RESUBMIT, FAIL], ids=named)
@pytest.mark.parametrize("error", [*THROTTLES, RateLimitError("429")], ids=named)
@pytest.mark.parametrize("failures", [1, 5, 100])
def test_a_limit_is_waited_out_at_the_gate_however_often_it_failed_before(error, policy, repeatable, failures):
    decision = decided(error, repeatable=repeatable, policy=policy, failures=failures)
    assert decision == Retry(0.0, held=True, throttled=True)


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [RESUBMIT, FAIL], ids=named)
@pytest.mark.parametrize("failures", [1, 5, 100])
def test_a_server_that_is_not_there_is_waited_for_at_the_gate(policy, repeatable, failures):
    decision = decided(NEVER_SENT[0], repeatable=repeatable, policy=policy, failures=failures, is_out=True)
    assert decision == Retry(0.0, held=True)


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_a_server_that_was_waited_for_in_vain_is_not_asked_again(policy, repeatable):
    nobody = APIConnectionError("refused", sent=False, unreachable=True)
    assert decided(nobody, repeatable=repeatable, policy=policy) == GiveUp()


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [NO_RETRY, NO_RETRY_FAIL], ids=named)
def test_without_retries_a_server_that_is_not_there_is_not_waited_for(policy, repeatable):
    assert decided(NEVER_SENT[0], repeatable=repeatable, policy=policy, is_out=True) == GiveUp()


@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("policy", [NO_RETRY, NO_RETRY_FAIL], ids=named)
@pytest.mark.parametrize("error", THROTTLES, ids=named)
def test_without_retries_not_even_a_limit_is_waited_out(error, policy, repeatable):
    assert decided(error, repeatable=repeatable, policy=policy) == GiveUp()


@pytest.mark.parametrize("max_retries", [1, 4, 7])
@pytest.mark.parametrize("repeatable", [True, False], ids=named)
@pytest.mark.parametrize("error", [*NEVER_SENT, *LOST], ids=named)
def test_it_is_tried_again_max_retries_times_at_growing_delays(error, repeatable, max_retries):
    policy = RetryPolicy(max_retries=max_retries)
    for failures in range(1, max_retries + 1):
        decision = decided(error, repeatable=repeatable, policy=policy, failures=failures)
        longest = min(0.5 * 2 ** (failures - 1), 8.0)
        assert isinstance(decision, Retry)
        assert longest / 2 <= decision.delay <= longest
    last = decided(error, repeatable=repeatable, policy=policy, failures=max_retries + 1)
    assert last == GiveUp(ambiguous=error in LOST and not repeatable)


@pytest.mark.parametrize("crowds", [1, 2, 10])
def test_a_refusal_for_want_of_capacity_is_no_failure_and_grows_the_pause(crowds):
    error = ServerError("503", status=503)
    decision = decided(error, repeatable=True, policy=RetryPolicy(max_retries=1), failures=1, crowds=crowds)
    longest = min(0.5 * 2**crowds, 8.0)
    assert isinstance(decision, Retry)
    assert (decision.held, longest / 2 <= decision.delay <= longest) == (False, True)
