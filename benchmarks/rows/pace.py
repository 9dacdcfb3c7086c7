"""What the rows about pace have in common: nothing lost, wall against the bound, requests an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lab import Measured, Results
from table import Line

TEMPLATE = "groundedness"  # three keys, so that a request carries three rows at most
Figure = Callable[[Measured], float]


@dataclass(frozen=True)
class Pace:
    """Makes the lines of one row.

    Attributes:
        row: Its name.
        results: What was measured.
        count: Cases of each run.
    """

    row: str
    results: Results
    count: int

    def wall(
        self,
        who: str,
        what: str,
        bound: Figure,
        *,
        most: float,
        at_most: float | None = None,
        official: str | None = None,
    ) -> Line:
        """Return the line of a wall that must be within so many times its bound, and so many seconds if said."""
        ours, least = self.results.median(who, "wall_s"), self.results.median(who, bound)
        must = f"≤ {most:g} x bound" + (f", ≤ {at_most:g} s" if at_most else "")
        holds = ours is not None and least is not None and ours <= min(most * least, at_most or math.inf)
        return Line(self.row, what, ours, "s", least, self._official(official, "wall_s"), must, holds)

    def lost(self, who: str, official: str | None = None, note: str = "") -> Line:
        """Return the line of the cases that the worst run did not score."""
        ours = self._most(who, self._unscored)
        theirs = self._most(official, self._unscored) if official else None
        return Line(self.row, f"… lost or failed{note}", ours, "", None, theirs, "= 0", ours == 0)

    def refused(self, who: str, official: str | None = None, *, may: bool = False) -> Line:
        """Return the line of the requests that the server refused in the worst run: none, if none may be."""
        ours, theirs = self._most(who, _refused), self._most(official, _refused) if official else None
        must, holds = ("", None) if may else ("= 0", ours == 0)
        return Line(self.row, "… requests refused", ours, "", None, theirs, must, holds)

    def requests(
        self, who: str, official: str | None = None, most: float | None = None, bound: float | None = None
    ) -> Line:
        """Return the line of the requests that an evaluation took, which may have to be few."""
        ours, theirs = self.results.median(who, self._each), self._official(official, self._each)
        must, holds = ("", None) if most is None else (f"≤ {most:g}", ours is not None and ours <= most)
        return Line(self.row, "… requests an evaluation", ours, "requests", bound, theirs, must, holds)

    def _official(self, who: str | None, figure: str | Figure) -> float | None:
        return None if who is None else self.results.median(who, figure)

    def _most(self, who: str, figure: Figure) -> float | None:
        return max(self.results.every(who, figure), default=None)

    def _unscored(self, measured: Measured) -> float:
        return float(self.count - measured["scored"])

    def _each(self, measured: Measured) -> float:
        return float(measured["server"]["requests"]) / self.count


def _refused(measured: Measured) -> float:
    return float(measured["server"]["refused_requests"])


def windows(amount: float, quota: int) -> int:
    """Return how many full windows have to pass before the last of so many can leave."""
    return math.ceil(amount / quota) - 1
