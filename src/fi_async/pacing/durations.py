"""How long a template's evaluations take, estimated from what polls saw: not done at one age, done at another."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

_FIRST: Final = 0.1
_RATIO: Final = 1.05  # ages are told apart to 5 %: half of what anyone would call late
EDGES: Final = (0.0, *(_FIRST * _RATIO**step for step in range(217)))
"""Ages in seconds, to an hour. Cell k lies between edges k and k + 1; the last one has no end."""
CELLS: Final = len(EDGES)
MIDDLES: Final = (*((EDGES[k] + EDGES[k + 1]) / 2 for k in range(CELLS - 1)), EDGES[-1])
"""The middle of each cell, in seconds."""

_ROUNDED: Final = 0.25  # of a cell: a poll comes that little after the edge it was planned for

_RECENT: Final = 512  # evaluations remembered: servers change their pace
_ROUNDS: Final = 8  # of expectation and maximisation; more would only sharpen what is noise
_PRIOR_WEIGHT: Final = 0.1  # evaluations that the prior counts for
_PRIOR_MEDIAN: Final = 2.0


def _prior_survival(age: float) -> float:
    """Return the share that takes longer: with nothing known, what has taken long takes as long again (Lomax)."""
    return 1 / (1 + age / _PRIOR_MEDIAN)


_PRIOR: Final = (
    *(_prior_survival(EDGES[k]) - _prior_survival(EDGES[k + 1]) for k in range(CELLS - 1)),
    _prior_survival(EDGES[-1]),
)

Bracket = tuple[int, int]
"""An evaluation ended after the one edge, and by the other; CELLS for one that goes on."""


def edge(age: float, up: float = 0.0) -> int:
    """Return the edge nearest to an age; `up`, a part of a cell, is added before it is rounded."""
    if age < _FIRST / 2:
        return 0
    return max(1, min(math.floor(math.log(age / _FIRST, _RATIO) + 1.5 + up), CELLS - 1))


def before(age: float) -> int:
    """Return an edge not later than an age, but for a little: what goes on at the one does so at the other."""
    return edge(age, -_ROUNDED)


def after(age: float) -> int:
    """Return an edge not earlier than an age, but for a little: what ended by the one did so by the other."""
    return edge(age, _ROUNDED)


def estimate(brackets: Mapping[Bracket, int], masses: Sequence[float] = _PRIOR) -> Sequence[float]:
    """Return the probability of each cell: the likeliest for such brackets, kept smooth by a weak prior.

    Expectation and maximisation for interval-censored times (B. W. Turnbull, JRSS B 38, 1976): each bracket is shared
    out over its cells as the present estimate has it, and what the cells so get is the next estimate.

    Args:
        brackets: How many evaluations ended in each.
        masses: The estimate to begin with.
    """
    total = sum(brackets.values()) + _PRIOR_WEIGHT
    for _ in range(_ROUNDS):
        below = [0.0, *accumulate(masses)]
        steps = [0.0] * (CELLS + 1)
        for (after, by), count in brackets.items():
            share = count / (below[by] - below[after])
            steps[after] += share
            steps[by] -= share
        # A sum of differences may end a rounding below zero.
        masses = [
            (mass * max(0.0, share) + _PRIOR_WEIGHT * prior) / total
            for mass, share, prior in zip(masses, accumulate(steps), _PRIOR, strict=False)
        ]
    return masses


class Durations:
    """What is known of one template's evaluations: those that ended lately, and those that go on.

    Attributes:
        ended: How many of those that ended are remembered.
        version: Changes with the estimate.
    """

    def __init__(self) -> None:
        self.ended = self.version = 0
        self._brackets: Counter[Bracket] = Counter()
        self._recent: deque[Bracket] = deque()
        self._answers = self._due = 0
        self._set(_PRIOR)

    def goes_on(self, after: int | None, at: int | None) -> None:
        """Record an evaluation that is not done at an edge, and was not at an earlier one if asked there."""
        if at is None:
            return
        self.forget(after)
        self._brackets[at, CELLS] += 1
        self._answers += 1

    def done(self, after: int | None, by: int) -> None:
        """Record an evaluation that is done at an edge, and was not at an earlier one if asked there."""
        by = max(by, 1)
        bracket = (min(after or 0, by - 1), by)
        self._brackets[bracket] += 1
        self._recent.append(bracket)
        if len(self._recent) > _RECENT:
            self._take(self._recent.popleft())
        self.ended = len(self._recent)
        self._answers += 1

    def forget(self, after: int | None) -> None:
        """Record that nobody will ask again for one that was not done at this edge, if it was asked."""
        if after is not None:
            self._take((after, CELLS))

    def _take(self, bracket: Bracket) -> None:
        self._brackets[bracket] -= 1
        if not self._brackets[bracket]:
            del self._brackets[bracket]

    def masses(self) -> Sequence[float]:
        """Return the probability of each cell. It is estimated anew with every eighth more of answers."""
        if self.ended and self._answers >= self._due:
            self._due = self._answers + min(max(1, self._answers // 8), 128)
            self._set(estimate(self._brackets, self._masses))
            self.version += 1
        return self._masses

    def _set(self, masses: Sequence[float]) -> None:
        self._masses = masses
        self._below = [0.0, *accumulate(masses)]
        self._moments = [0.0, *accumulate(mass * middle for mass, middle in zip(masses, MIDDLES, strict=True))]

    def quantile(self, share: float) -> float:
        """Return the age by which such a share of the evaluations is done; an hour at most."""
        self.masses()
        return EDGES[min(bisect_left(self._below, share * self._below[-1]), CELLS - 1)]

    def lateness(self, after: int, by: int) -> float:
        """Return the expected seconds from the end of an evaluation to an edge, if it ended after an earlier one."""
        self.masses()
        by = max(by, 1)
        after = min(after, by - 1)
        mass = self._below[by] - self._below[after]
        return max(0.0, EDGES[by] - (self._moments[by] - self._moments[after]) / mass)
