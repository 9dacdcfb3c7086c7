"""What polling cost, and how late it found out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_RECENT: Final = 1000  # evaluations


@dataclass(slots=True)
class Tally:
    """What polls cost and achieved, over all runs of a client."""

    polls: int = 0
    evaluations: int = 0
    late: float = 0.0
    bounds: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def found(self, late: float, bound: float) -> None:
        """Take note of an evaluation found done, so late by estimate, and by so much at most."""
        self.evaluations += 1
        self.late += late
        self.bounds.append(bound)

    def statistics(self) -> Mapping[str, float | int | None]:
        """Return the polls an evaluation took, and how late its end was seen; None before any was.

        `lateness_s` is the mean, estimated: each ended between its last "pending" (or else its acceptance) and the
        answer that found it done, where the learned times put it. `lateness_bound_p95_s` is how long these two are
        apart at most, for 95 % of the recent: none of them was later than that, and most were less late by far.
        """
        found = self.evaluations
        ranked = sorted(self.bounds)
        return {
            "evaluations": found,
            "polls_per_evaluation": self.polls / found if found else None,
            "lateness_s": self.late / found if found else None,
            "lateness_bound_p95_s": ranked[math.ceil(0.95 * len(ranked)) - 1] if ranked else None,
        }
