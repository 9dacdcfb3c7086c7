"""When to look whether something has ended: the schedule that costs least, looks and lateness together."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from fi_async.pacing.durations import CELLS, EDGES, MIDDLES

LEAST_TOLERANCE: Final = 0.5
_TOLERANCE: Final = 0.1


def tolerance(duration: float) -> float:
    """Return the seconds of lateness that nobody minds: a tenth of what it took, and at least half a second."""
    return max(LEAST_TOLERANCE, _TOLERANCE * duration)


_TOLERANCES: Final = tuple(map(tolerance, MIDDLES))
_TOO_LATE: Final = tuple(bisect_left(list(map(sum, zip(MIDDLES, _TOLERANCES, strict=True))), edge) for edge in EDGES)
"""For each edge, how many of the first cells are beyond tolerance there."""


class _Lateness:
    """What it costs to find at an edge what ended since another: an end in each cell by its lateness in tolerances.

    Beyond tolerance it costs just that; within, its cube, next to nothing: nobody minds.

    Args:
        masses: The probability of each cell.
    """

    def __init__(self, masses: Sequence[float]) -> None:
        self._linear = self._sums(masses, 1)
        self._cubic = self._sums(masses, 3)

    @staticmethod
    def _sums(masses: Sequence[float], power: int) -> list[list[float]]:
        """Return the running sums of m, m x, m x^2 ...: by them the sum of m (e - x)^power is known for any e."""
        terms = [mass / each**power for mass, each in zip(masses, _TOLERANCES, strict=True)]
        sums = []
        for _ in range(power + 1):
            sums.append([0.0, *accumulate(terms)])
            terms = [term * middle for term, middle in zip(terms, MIDDLES, strict=True)]
        return sums

    def of(self, start: int, stop: int) -> float:
        """Return the cost of looking at one edge and then at another, of those who ended in between."""
        at, since = EDGES[stop], max(start, _TOO_LATE[stop])
        mass, moment = (each[since] - each[start] for each in self._linear)
        zero, one, two, three = (each[stop] - each[since] for each in self._cubic)
        return at * mass - moment + at * (at * (at * zero - 3 * one) + 3 * two) - three


def schedule(masses: Sequence[float], cost: float) -> list[int]:
    """Return, for each edge at which it was not done, the edge at which to look next.

    The cheapest of all schedules (R. E. Barlow, L. C. Hunter, F. Proschan, "Optimum checking procedures", J. SIAM 11,
    1963), found backwards from the last edge by dynamic programming: a look at an age costs `cost` for each evaluation
    that still goes on there, and each one found done costs its lateness.

    Args:
        masses: The probability of each cell.
        cost: What one look costs; lateness of just the tolerance costs 1.
    """
    late = _Lateness(masses).of
    alive = list(accumulate(reversed(masses)))[::-1]
    then, costs = [CELLS - 1] * CELLS, [0.0] * CELLS
    for start in range(CELLS - 2, -1, -1):
        least = math.inf
        for stop in range(start + 1, CELLS):
            found = late(start, stop)
            if found >= least:
                break  # later still is worse still
            if found + costs[stop] < least:
                least, then[start] = found + costs[stop], stop
        costs[start] = least + cost * alive[start]
    return then
