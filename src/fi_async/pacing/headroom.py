"""What each limit lets through, given and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fi_async._settings import Limit
from fi_async.pacing.allowance import Allowance
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.given_limits import GivenLimits
from fi_async.pacing.planner import Headroom
from fi_async.pacing.quota import EvaluationQuota
from fi_async.pacing.ticket import Terms

_MINUTE: Final = 60.0  # the window of requests until it is learned: the platform counts by the UTC minute


def known(
    given: GivenLimits, allowance: Allowance, quota: EvaluationQuota, now: float, clock: ServerClock
) -> Mapping[str, Any]:
    """Return what of each limit is known, as `Gate.statistics` tells it."""
    return {
        "limits_by_clock_of": "server" if clock.is_known else "machine",
        "learned_requests_per_window": allowance.learned,
        "learned_evaluations_per_window": quota.learned,
        "learned_window_s": quota.period,
        "limits": given.statistics(now),
    }


def headroom(
    given: GivenLimits,
    allowance: Allowance,
    quota: EvaluationQuota,
    *,
    now: float,
    terms: Terms,
    others: Sequence[Limit] = (),
) -> list[Headroom]:
    """Return what each limit lets through.

    Args:
        given: The limits that were given.
        allowance: What was learned of requests.
        quota: What was learned of evaluations.
        now: The time.
        terms: What binds the run.
        others: Limits that nobody counts yet, as of a run that is only planned.
    """
    found = given.headroom(now, terms, others)
    sure, period = allowance.sure, allowance.period
    if sure is not None:
        closed = max(0.0, allowance.closed_until - now)
        length = period or _MINUTE
        found.append(Headroom("requests", sure, length, allowance.rest(now), closed or length, period is None))
    if quota.learned is not None and quota.period is not None:
        left = 0 if quota.is_closed else int(quota.room())
        found.append(Headroom("evaluations", quota.learned, quota.period, left, quota.period))
    return found
