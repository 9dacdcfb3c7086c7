"""The fewest polls that find lognormal evaluations in time, for whoever knows their law: a bound for any schedule."""

from __future__ import annotations

import math

_STEP, _END = 0.02, 60.0  # seconds
_PRICES = range(3, 30)  # of an evaluation found late, in polls


def fewest_polls(median: float, sigma: float, *, late: float, share: float, in_time: float) -> float:
    """Return the polls an evaluation that such a part in time takes at least; ages are told apart to 20 ms.

    The best schedule for each price of lateness, found backwards from the last age, until one is good enough.

    Args:
        median: Of the durations, in seconds.
        sigma: Of their logarithms.
        late: Seconds of lateness that count as in time.
        share: Of the duration, the same: the greater of the two counts.
        in_time: The part that has to be in time.
    """
    ages = [_STEP * n for n in range(int(_END / _STEP) + 1)]
    done = [0.0] + [0.5 * (1 + math.erf(math.log(age / median) / sigma / math.sqrt(2))) for age in ages[1:]]
    # What ended before this age is late if it is found at that one.
    since = [max(0, math.ceil(max(0.0, min(age - late, age / (1 + share))) / _STEP)) for age in ages]
    for price in _PRICES:
        polls, missed = _best(done, since, price)
        if missed <= 1 - in_time:
            return polls
    raise ValueError("no price is high enough")


def _best(done: list[float], since: list[int], price: float) -> tuple[float, float]:
    """Return the polls an evaluation of the cheapest schedule, and the part that it finds late."""
    last = len(done) - 1
    costs, then = [0.0] * (last + 1), [last] * (last + 1)
    for start in range(last - 1, -1, -1):
        least = math.inf
        for stop in range(start + 1, last + 1):
            missed = price * (done[max(start, min(since[stop], stop))] - done[start])
            if missed > least:
                break
            if missed + costs[stop] < least:
                least, then[start] = missed + costs[stop], stop
        costs[start] = least + 1 - done[start]
    at, polls, missed = 0, 0.0, 0.0
    while at < last:
        polls, stop = polls + 1 - done[at], then[at]
        missed += done[max(at, min(since[stop], stop))] - done[at]
        at = stop
    return polls, missed
