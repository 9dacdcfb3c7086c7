"""How many requests may be under way: a number of slots, or as many as the server can do with."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal

import anyio

from fi_async._settings import Concurrency
from fi_async.pacing.concurrency import AdaptiveConcurrency
from fi_async.pacing.planner import Room
from fi_async.wire.responses import Reply

_OVERLOADED: Final = frozenset({502, 503, 504})  # what a server says, or a proxy for it, when it has too much to do


class Slots:
    """Slots for requests, taken in the order of asking. They may be shared by runs, and belong to one event loop.

    Args:
        concurrency: So many; "auto" begins with some and follows what each request tells of the server.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self._adaptive: AdaptiveConcurrency | None = None
        if concurrency == "auto":
            self._adaptive = AdaptiveConcurrency()
            concurrency = self._adaptive.limit
        self._limiter = anyio.CapacityLimiter(concurrency)

    def __repr__(self) -> str:
        return f"<Slots {self._limiter.borrowed_tokens}/{self.count}>"

    @property
    def count(self) -> int:
        """How many there are now."""
        return int(self._limiter.total_tokens)

    @property
    def room(self) -> Room:
        """How many there are, and how many there may be in a while."""
        return Room(self.count, self.count) if self._adaptive is None else self._adaptive.room

    @property
    def is_settled(self) -> bool:
        """True if as many as there are were found to be what the server can do with."""
        return self._adaptive is not None and self._adaptive.is_settled

    async def __aenter__(self) -> None:
        await self._limiter.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limiter.release()

    def started(self, now: float) -> None:
        """Take note of a request that leaves; each has to be told to `ended`, however it ends."""
        if self._adaptive is not None:
            self._adaptive.started(now)

    def ended(self, began: float, now: float, reply: Reply | None, *, timed_out: bool = False) -> None:
        """Take note of how a request ended; without a reply and a timeout it tells nothing of the server."""
        if self._adaptive is None:
            return
        outcome: Literal["ok", "overload", "neutral"] = "ok"
        if timed_out or (reply is not None and reply.status in _OVERLOADED):
            outcome = "overload"
        elif reply is None or reply.status == 429:
            outcome = "neutral"
        self._adaptive.ended(now, now - began, outcome=outcome)
        self._limiter.total_tokens = self._adaptive.limit

    def was_crowded(self, began: float) -> bool:
        """Tell whether the limit was lowered since a request left: then more were under way than the server takes."""
        return self._adaptive is not None and self._adaptive.was_crowded(began)

    def statistics(self) -> Mapping[str, Any]:
        """Return how many slots there are and are taken, and why."""
        why = {} if self._adaptive is None else self._adaptive.statistics()
        return {"limit": self.count, "under_way": self._limiter.borrowed_tokens, **why}
