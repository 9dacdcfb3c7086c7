"""How many requests may be under way: a number of slots, or as many as the server can do with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from fi_async._events import CapacityChanged
from fi_async._settings import Concurrency
from fi_async.pacing.concurrency import AdaptiveConcurrency
from fi_async.pacing.planner import Room

OVERLOADED: Final = frozenset({502, 503, 504, 529})  # what a server says, or a proxy for it, when it has too much to do


class Slots:
    """Places for requests under way. They may be shared by runs.

    Args:
        concurrency: So many; "auto" begins with some and follows what each request tells of the server.

    Attributes:
        taken: How many are taken.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self._adaptive = AdaptiveConcurrency() if concurrency == "auto" else None
        self._fixed = 0 if concurrency == "auto" else concurrency
        self.taken = 0
        self._told = self.count

    def __repr__(self) -> str:
        return f"<Slots {self.taken}/{self.count}>"

    @property
    def count(self) -> int:
        """How many there are now."""
        return self._fixed if self._adaptive is None else self._adaptive.limit

    @property
    def free(self) -> int:
        """How many are not taken; below 0 where there are fewer now than requests under way."""
        return self.count - self.taken

    @property
    def room(self) -> Room:
        """How many there are, and how many there may be in a while."""
        return Room(self.count, self.count) if self._adaptive is None else self._adaptive.room

    @property
    def is_settled(self) -> bool:
        """True if as many as there are were found to be what the server can do with."""
        return self._adaptive is not None and self._adaptive.is_settled

    def take(self, now: float) -> None:
        """Take one for a request that leaves; each has to be given back, however the request ends."""
        self.taken += 1
        if self._adaptive is not None:
            self._adaptive.started(now)

    def give_back(self, began: float, now: float, status: int | None, *, timed_out: bool = False) -> None:
        """Give one back, and learn from how the request ended.

        Args:
            began: When it left.
            now: The time.
            status: Of its reply. Without one, and without a timeout, it says nothing of the server.
            timed_out: True if no reply came in time.
        """
        self.taken -= 1
        if self._adaptive is None:
            return
        outcome: Literal["ok", "overload", "neutral"] = "ok"
        if timed_out or status in OVERLOADED:
            outcome = "overload"
        elif status is None or status == 429:
            outcome = "neutral"
        self._adaptive.ended(now, now - began, outcome=outcome)

    def change(self) -> CapacityChanged | None:
        """Return what changed, once there are fewer than was last told, or twice as many."""
        before, count = self._told, self.count
        if before <= count < 2 * before or self._adaptive is None:
            return None
        self._told = count
        return CapacityChanged("requests", count, before, str(self._adaptive.statistics()["why"]))

    def was_crowded(self, began: float) -> bool:
        """Return True if the limit was lowered since a request left: more were under way than the server takes."""
        return self._adaptive is not None and self._adaptive.was_crowded(began)

    def statistics(self) -> Mapping[str, Any]:
        """Return how many slots there are and are taken, and why."""
        why = {} if self._adaptive is None else self._adaptive.statistics()
        return {"limit": self.count, "under_way": self.taken, **why}
