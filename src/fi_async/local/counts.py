"""What the server has seen, for tests to hold their clients against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fi_async.local.store import Made


class ServerCounts:
    """Counts requests, refusals and faults since the server was made; evaluations are the store's to count."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.refused_requests = 0
        self.refused_evaluations = 0
        self.in_flight = 0
        self.peak_in_flight = 0

    @contextmanager
    def counting(self, method: str) -> Iterator[int]:
        """Count a request while it is in flight; yields its number among those of its method, from 0."""
        number = self.requests[method]
        self.requests[method] += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            yield number
        finally:
            self.in_flight -= 1

    def report(self, made: Made) -> dict[str, Any]:
        """Return everything counted, as JSON.

        `duplicates` are the evaluations of a case (template and inputs) that had been evaluated before;
        `refused_requests` were answered 429, or 503 for want of capacity; `refused_evaluations` went over a
        quota, and are not among those made.
        """
        return {
            "requests": self.requests.total(),
            "posts": self.requests["POST"],
            "gets": self.requests["GET"],
            "evaluations_made": made.evaluations,
            "distinct": made.distinct,
            "duplicates": made.evaluations - made.distinct,
            "refused_requests": self.refused_requests,
            "refused_evaluations": self.refused_evaluations,
            "faults": dict(self.faults),
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
        }
