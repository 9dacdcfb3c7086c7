"""What went wrong -> what to do: Retry, Ambiguous or GiveUp. The one place that knows.

    what happened                                   POST that evaluates     anything else
    nobody there (refused, no such name)            Retry, all wait         Retry, all wait
    never sent for another reason (TLS, no slot)    Retry                   Retry
    429                                             Retry, all wait         Retry, all wait
    "failed" with rate_limited                      Retry, all wait         -
    no reply, cut-off reply, 5xx                    ambiguous               Retry
    another's reply, or a page in place of one      ambiguous               Retry
    a whole reply of another shape, a redirect      GiveUp                  GiveUp
    503 while too many requests were under way      ambiguous, no failure   Retry, no failure
    503, 529 of a judge                             Retry                   -
    any other refusal, or a failed evaluation       GiveUp                  GiveUp

An ambiguous request may have been evaluated, and paid. `on_ambiguous` says whether it is sent again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from fi_async._errors import (
    APIConnectionError,
    EvaluationError,
    FiAsyncError,
    ProtocolError,
    RateLimitError,
    ServerError,
)
from fi_async._settings import RetryPolicy
from fi_async.pacing import backoff

NO_CAPACITY: Final = frozenset({503, 529})  # of a refusal for want of capacity; 529 is what Anthropic says


@dataclass(frozen=True, slots=True)
class Retry:
    """Send it again in `delay` seconds.

    Attributes:
        held: True if the gate says when: everyone waits, and it does not count as a failed attempt.
        throttled: True if that is because a limit was met.
        ambiguous: True if the last attempt may have been evaluated.
    """

    delay: float = 0.0
    held: bool = False
    throttled: bool = False
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again.

    Attributes:
        ambiguous: True if the last attempt may have been evaluated.
        forbidden: True if it would have been tried again, but for `on_ambiguous="fail"`.
    """

    ambiguous: bool = False
    forbidden: bool = False


Decision = Retry | GiveUp


def decide(
    error: FiAsyncError,
    *,
    repeatable: bool,
    failures: int,
    policy: RetryPolicy,
    rng: random.Random,
    crowds: int = 0,
    is_out: bool = False,
) -> Decision:
    """Return what to do after a request failed.

    Args:
        error: What happened.
        repeatable: True if the request may be sent twice without harm.
        failures: Failed attempts so far, this one included; throttled and crowded ones did not fail.
        policy: What the user allows.
        rng: Draws the jitter.
        crowds: How often it was refused so far because more were under way than the server takes, this time included.
            Fewer are the next time, so this ends, and no case is lost to what the client itself caused.
        is_out: True if there was nobody to send it to, and whoever sends has patience left. Without patience it is
            given up: it was tried again all the while.
    """
    is_throttle = _is_throttle(error)
    if is_throttle or is_out:
        return GiveUp() if policy.max_retries == 0 else Retry(held=True, throttled=is_throttle)
    lost = _is_lost(error)
    ambiguous = lost and not repeatable and not (isinstance(error, ServerError) and error.refused)
    if ambiguous and policy.on_ambiguous == "fail":
        return GiveUp(ambiguous=True, forbidden=True)
    never_sent = isinstance(error, APIConnectionError) and not error.sent and not error.unreachable
    if (lost or never_sent) and failures <= policy.max_retries > 0:
        return Retry(backoff.delay(failures + crowds, rng), ambiguous=ambiguous)
    return GiveUp(ambiguous=ambiguous)


def _is_throttle(error: FiAsyncError) -> bool:
    return isinstance(error, RateLimitError) or (isinstance(error, EvaluationError) and error.throttled)


def _is_lost(error: FiAsyncError) -> bool:
    """Tell whether the request may have reached the server, and its answer did not reach us."""
    if isinstance(error, APIConnectionError):
        return error.sent
    return isinstance(error, ServerError) or (isinstance(error, ProtocolError) and error.lost)
