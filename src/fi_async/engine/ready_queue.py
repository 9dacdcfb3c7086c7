"""What of a run is next: requests that could leave, in their order, and jobs that rest until some time.

Nothing here waits. Times are the loop's.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

from fi_async.engine.attempts import Compute, Job, Send
from fi_async.pacing.gate import Gate
from fi_async.pacing.ticket import Need, Terms, Ticket


class Ready(NamedTuple):
    """What could be sent or computed, the job that wants it, and since when."""

    since: float
    job: Job
    send: Send | Compute

    @property
    def is_post(self) -> bool:
        """True if it starts evaluations; all else may be repeated."""
        return self.send.is_post

    @property
    def need(self) -> Need:
        """What it uses of limits."""
        tokens = self.send.call.tokens if isinstance(self.send, Send) else 0
        return Need(self.is_post, len(self.job.works), tokens)


class ReadyQueue:
    """Requests that could leave, and jobs that rest.

    Polls leave first, as what ends makes room. Of each kind, those leave first that have waited longest.

    Args:
        gate: Issues the tickets.
        terms: What binds the run.
        behind: Returns how many works are to be made requests of, once there is leave for those that are here.
    """

    def __init__(self, gate: Gate, terms: Terms, behind: Callable[[], int] = lambda: 0) -> None:
        self._gate = gate
        self._terms = terms
        self._gets: deque[Ready] = deque()
        self._posts: deque[Ready] = deque()
        self._resting: list[tuple[float, int, Job]] = []
        self._behind = behind
        self._order = count()

    def __repr__(self) -> str:
        return f"<ReadyQueue gets={self.gets} posts={self.posts} resting={len(self._resting)}>"

    @property
    def gets(self) -> int:
        """How many requests could leave that start nothing."""
        return len(self._gets)

    @property
    def posts(self) -> int:
        """How many could leave that start evaluations."""
        return len(self._posts)

    @property
    def tokens(self) -> int:
        """What the next of these is reckoned to use of a limit of tokens."""
        return self._posts[0].need.tokens if self._posts else 0

    @property
    def polled(self) -> int:
        """How many evaluations are at work on the server, and rest until they are asked for."""
        return sum(job.works[0].attempt.eval_id is not None for _, _, job in self._resting if job.works)

    def put(self, ready: Ready) -> None:
        """Line a request up after those of its kind."""
        (self._posts if ready.is_post else self._gets).append(ready)

    def put_back(self, ready: Ready) -> None:
        """Line a request up before those of its kind: it was taken, and could not leave."""
        (self._posts if ready.is_post else self._gets).appendleft(ready)

    def take(self, now: float) -> tuple[Ready, Ticket] | None:
        """Take out the request that leaves next, with its ticket; None if none may leave now.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
        """
        for kind in (self._gets, self._posts):
            if kind:
                need = kind[0].need
                waiting = len(kind) + (self._behind() // max(1, need.rows) if need.post else 0)
                if (ticket := self._gate.issue(now, need, self._terms, waiting)) is not None:
                    return kind.popleft(), ticket
        return None

    def next_at(self, now: float) -> float:
        """Return the time from which some request may leave; infinity if none may, or an answer has to come first."""
        kinds = (self._gets, self._posts)
        return min((self._gate.opens_at(now, kind[0].need, self._terms) for kind in kinds if kind), default=math.inf)

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
