"""What a server sees of a run, request by request, and what the client's limit was meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qs

import anyio

from fi_async.local import LocalBackend


@dataclass(frozen=True)
class Seen:
    """One request.

    Attributes:
        method: Of HTTP.
        began: When it came, in seconds since the run began.
        ended: When it was answered.
        status: Of the answer.
        passed: Evaluations that it started.
        refused: Evaluations that a quota stopped.
        polled: The evaluation that it asked for.
    """

    method: str
    began: float
    ended: float
    status: int
    passed: int
    refused: int
    polled: str | None


class Recorder:
    """The embedded backend, in process, with a record of all that it is asked.

    Args:
        app: The backend.
        transit: Seconds that each answer is under way.

    Attributes:
        app: The backend.
        seen: The requests, in the order of their answers.
        limits: (time, requests that the client allows itself under way), where it changed.
        limit: Returns the latter.
    """

    def __init__(self, app: LocalBackend, transit: float = 0.02) -> None:
        self.app = app
        self._transit = transit
        self.seen: list[Seen] = []
        self.limits: list[tuple[float, int]] = []
        self.limit: Callable[[], int] = lambda: 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request. What it started is told right of those that are not held."""
        began, status, before = anyio.current_time(), 0, self._counted()

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self._note_limit()
        await self.app(scope, receive, sent)
        passed, refused = (now - then for now, then in zip(self._counted(), before, strict=True))
        polled = parse_qs(scope["query_string"].decode()).get("eval_id", [None])[0]
        await anyio.sleep(self._transit)
        self._note_limit()
        self.seen.append(Seen(scope["method"], began, anyio.current_time(), status, passed, refused, polled))

    def _counted(self) -> tuple[int, int]:
        counted = self.app.statistics()
        return counted["evaluations_made"], counted["refused_evaluations"]

    def _note_limit(self) -> None:
        limit = self.limit()
        if not self.limits or self.limits[-1][1] != limit:
            self.limits.append((anyio.current_time(), limit))

    def under_way(self) -> list[tuple[float, int]]:
        """Return (time, requests under way), where it changed."""
        changes: Counter[float] = Counter()
        for each in self.seen:
            changes[each.began] += 1
            changes[each.ended] -= 1
        times = sorted(changes)
        return list(zip(times, accumulate(changes[time] for time in times), strict=True))

    def a_second(self, wanted: Callable[[Seen], bool]) -> list[int]:
        """Return how many of these ended in each second."""
        return per(1.0, (each.ended for each in self.seen if wanted(each)))


def per(seconds: float, times: Iterable[float]) -> list[int]:
    """Return how many of these times lie in each window of so many seconds, from 0 on."""
    counts = Counter(int(time // seconds) for time in times)
    return [counts[window] for window in range(max(counts, default=-1) + 1)]
