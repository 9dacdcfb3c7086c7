"""What of a run is next: requests that could leave, in their order, and jobs that rest until some time.

Nothing here waits. Times are the loop's.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from fi_async.engine.attempts import Job, Send
from fi_async.pacing.gate import Gate


class Ready(NamedTuple):
    """A request that could leave, the job that wants it sent, and since when."""

    since: float
    job: Job
    send: Send

    @property
    def is_post(self) -> bool:
        """True if it starts evaluations; all else may be repeated."""
        return not self.send.call.repeatable

    def opens_at(self, now: float, gate: Gate) -> float:
        """Return the time from which the gate lets it out; infinity if an answer has to come first."""
        return gate.opens_at(now, post=self.is_post, rows=len(self.job.works), is_canary=self.job.is_canary)


class Lineup:
    """Requests that could leave, and jobs that rest.

    Polls leave first, as what ends makes room. A canary that is sent again comes next, as all other evaluations wait
    for what becomes of it. Of each kind, those leave first that have waited longest.

    Args:
        gate: Says when each may leave.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._gets: deque[Ready] = deque()
        self._canaries: deque[Ready] = deque()
        self._posts: deque[Ready] = deque()
        self._resting: list[tuple[float, int, Job]] = []
        self._order = count()

    def __repr__(self) -> str:
        return f"<Lineup gets={self.gets} posts={self.posts} resting={len(self._resting)}>"

    @property
    def gets(self) -> int:
        """How many requests could leave that start nothing."""
        return len(self._gets)

    @property
    def posts(self) -> int:
        """How many could leave that start evaluations."""
        return len(self._canaries) + len(self._posts)

    @property
    def has_new(self) -> bool:
        """True if one of these is no canary: then no other evaluations need to be begun."""
        return bool(self._posts)

    @property
    def polled(self) -> int:
        """How many evaluations are at work on the server, and rest until they are asked for."""
        return sum(job.works[0].eval_id is not None for _, _, job in self._resting if job.works)

    def put(self, ready: Ready) -> None:
        """Line a request up after those of its kind."""
        self._kind(ready).append(ready)

    def put_back(self, ready: Ready) -> None:
        """Line a request up before those of its kind: it was taken, and could not leave."""
        self._kind(ready).appendleft(ready)

    def _kind(self, ready: Ready) -> deque[Ready]:
        if not ready.is_post:
            return self._gets
        return self._canaries if ready.job.is_canary else self._posts

    def take(self, now: float) -> Ready | None:
        """Take out the request that leaves next, if one may leave now."""
        for kind in (self._gets, self._canaries, self._posts):
            if kind and kind[0].opens_at(now, self._gate) <= now:
                return kind.popleft()
        return None

    def next_at(self, now: float) -> float:
        """Return the time from which some request may leave; infinity if none may, or an answer has to come first."""
        kinds = (self._gets, self._canaries, self._posts)
        return min((kind[0].opens_at(now, self._gate) for kind in kinds if kind), default=math.inf)

    def rest(self, job: Job, until: float) -> None:
        """Let a job rest until a time."""
        heapq.heappush(self._resting, (until, next(self._order), job))

    def due(self, now: float) -> Iterator[Job]:
        """Take out the jobs whose rest is over, the earliest first; also those that are put to rest meanwhile."""
        while self.due_at <= now:
            yield heapq.heappop(self._resting)[2]

    @property
    def due_at(self) -> float:
        """When the first rest is over; infinity if no job rests."""
        return self._resting[0][0] if self._resting else math.inf
