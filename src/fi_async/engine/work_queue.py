"""Works that wait for whoever takes them one by one, or so many at once: no server plans with them.

Nothing here waits. Times are the loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from fi_async.engine.work import Work
from fi_async.pacing.planner import Kind
from fi_async.pacing.slots import Slots

_AHEAD = 2  # batches for each slot: the next one of each finds its works


class WorkQueue:
    """Works that wait, each behind those of its template. Those come first whose case was read first.

    Args:
        slots: Where they take their places.
        together: How many of a template go together at the moment.
        may_go: Tells whether one may.

    Attributes:
        is_fed: True as long as others may come.
    """

    def __init__(
        self,
        slots: Slots,
        together: Callable[[str], int] = lambda _: 1,
        may_go: Callable[[Work], bool] = lambda _: True,
    ) -> None:
        self.is_fed = False
        self._slots = slots
        self._together = together
        self._may_go = may_go
        self._most_together = 1
        self._waiting: dict[str, deque[Work]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def came(self, items: int) -> None:
        """Take no note: what is to come decides nothing."""

    def put(self, work: Work) -> None:
        """Let a work wait behind those of its template."""
        self._waiting.setdefault(work.parameters.template, deque()).append(work)

    def put_back(self, works: Sequence[Work]) -> None:
        """Let works wait again, before all others."""
        self._waiting.setdefault(works[0].parameters.template, deque()).extendleft(reversed(works))

    def may_begin(self, now: float, *, at_work: int) -> bool:  # noqa: ARG002  # as of every queue of works
        """Return True if works wait that may begin."""
        return bool(self._waiting) and self._may_go(self._waiting[self._next()][0])

    def take(self, now: float) -> tuple[Sequence[Work], Kind]:  # noqa: ARG002  # as above
        """Take out the works that come next. There has to be one."""
        template = self._next()
        waiting = self._waiting[template]
        works = [waiting.popleft() for _ in range(min(self._together(template), len(waiting)))]
        if not waiting:
            del self._waiting[template]
        return works, "sync"

    def _next(self) -> str:
        return min(self._waiting, key=lambda name: self._waiting[name][0].index)

    def clear(self) -> Sequence[Work]:
        """Take out all works."""
        works = [work for waiting in self._waiting.values() for work in waiting]
        self._waiting.clear()
        return works

    def read_ahead(self) -> int:
        """Return how many works may be in the run at once."""
        self._most_together = max(map(self._together, self._waiting), default=self._most_together)
        return _AHEAD * self._slots.count * self._most_together
