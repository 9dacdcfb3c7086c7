"""When to look whether something has ended: the schedule that costs least, looks and lateness together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from fi_async.pacing.durations import CELLS, EDGES, MIDDLES

LEAST_TOLERANCE: Final = 0.5
_TOLERANCE: Final = 0.1


def tolerance(duration: float) -> float:
    """Return the seconds of lateness that nobody minds: a tenth of what it took, and at least half a second."""
    return max(LEAST_TOLERANCE, _TOLERANCE * duration)


_PER_TOLERANCE: Final = tuple(1 / tolerance(middle) for middle in MIDDLES)


def schedule(masses: Sequence[float], cost: float) -> list[int]:
    """Return, for each edge at which it was not done, the edge at which to look next.

    The cheapest of all schedules (R. E. Barlow, L. C. Hunter, F. Proschan, "Optimum checking procedures", J. SIAM 11,
    1963), found backwards from the last edge by dynamic programming: a look at an age costs `cost` for each evaluation
    that still goes on there, and each one found done costs its lateness, in tolerances.

    Args:
        masses: The probability of each cell.
        cost: What one look costs, in tolerances of lateness.
    """
    weights = [mass * per for mass, per in zip(masses, _PER_TOLERANCE, strict=True)]
    weight = [0.0, *accumulate(weights)]
    moment = [0.0, *accumulate(each * middle for each, middle in zip(weights, MIDDLES, strict=True))]
    alive = list(accumulate(reversed(masses)))[::-1]
    then, costs = [CELLS - 1] * CELLS, [0.0] * CELLS
    for start in range(CELLS - 2, -1, -1):
        least = math.inf
        for stop in range(start + 1, CELLS):
            late = EDGES[stop] * (weight[stop] - weight[start]) - (moment[stop] - moment[start])
            if late >= least:
                break  # later still is worse still
            if late + costs[stop] < least:
                least, then[start] = late + costs[stop], stop
        costs[start] = least + cost * alive[start]
    return then
