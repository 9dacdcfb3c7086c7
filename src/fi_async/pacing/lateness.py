"""What polling cost, and how late it found out."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_RECENT: Final = 1000  # evaluations
_ENOUGH: Final = 16  # evaluations of a template until what its polls cost is trusted


@dataclass(slots=True)
class Cost:
    """What the polls of a template's evaluations cost and achieved.

    Attributes:
        polls: How often evaluations were asked for.
        evaluations: How many were found done.
        late: Seconds that their ends were seen too late, by estimate, all together.
    """

    polls: int = 0
    evaluations: int = 0
    late: float = 0.0


@dataclass(slots=True)
class Tally:
    """What polls cost and achieved, over all runs of a client."""

    bounds: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _templates: defaultdict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))

    def asked(self, template: str) -> None:
        """Record a poll."""
        self._templates[template].polls += 1

    def found(self, template: str, late: float, bound: float) -> None:
        """Record an evaluation that was found done.

        Args:
            template: The name of its template.
            late: Seconds from its end to the poll that found it, by estimate.
            bound: The most that they can be.
        """
        cost = self._templates[template]
        cost.evaluations += 1
        cost.late += late
        self.bounds.append(bound)

    def cost(self, template: str) -> Cost | None:
        """Return what the polls of a template cost; None while too few evaluations were found done to tell."""
        cost = self._templates.get(template)
        return cost if cost is not None and cost.evaluations >= _ENOUGH else None

    def statistics(self) -> Mapping[str, float | int | None]:
        """Return the polls an evaluation took, and how late its end was seen; None before any was.

        `lateness_s` is the mean, estimated: each ended between its last "pending" (or else its acceptance) and the
        answer that found it done, where the learned times put it. `lateness_bound_p95_s` is how long these two are
        apart at most, for 95 % of the recent: none of them was later than that, and most were less late by far.
        """
        costs = self._templates.values()
        found = sum(cost.evaluations for cost in costs)
        ranked = sorted(self.bounds)
        return {
            "evaluations": found,
            "polls_per_evaluation": sum(cost.polls for cost in costs) / found if found else None,
            "lateness_s": sum(cost.late for cost in costs) / found if found else None,
            "lateness_bound_p95_s": ranked[math.ceil(0.95 * len(ranked)) - 1] if ranked else None,
        }
