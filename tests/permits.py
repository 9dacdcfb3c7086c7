"""A store of permits in this process, by the rule that the real one has in SQL; and clients that share a store."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from clock import wall_clock
from embedded import client
from fi_async import AsyncEvaluator
from fi_async.pacing.gate import Gate
from fi_async.pacing.lots import Lot, LotRequest, SharedWindow, StoreTrouble, grant


class Permits:
    """Windows that workers share, some way off.

    Args:
        delay: Seconds there and back.

    Attributes:
        used: What was taken of each window.
        exchanges: How often somebody asked.
        away: Why it cannot be reached; empty while it can.
    """

    path = "permits"

    def __init__(self, delay: float = 0.001) -> None:
        self.delay = delay
        self.used: dict[SharedWindow, int] = defaultdict(int)
        self.exchanges = 0
        self.away = ""
        self.is_final = False

    def wall_clock(self) -> float | None:
        return wall_clock() if self.exchanges else None

    def answer(self, asks: Sequence[LotRequest]) -> Sequence[Lot]:
        lots = []
        for ask in asks:
            used = max(0, self.used[ask.window] - ask.back)
            granted = grant(used, ask)
            self.used[ask.window] = used + granted
            lots.append(Lot(granted, used + granted))
        return lots

    def exchange(self, asks: Sequence[LotRequest], then: Callable[[Any, float], None]) -> None:
        loop = asyncio.get_running_loop()

        def arrive() -> None:
            self.exchanges += 1
            answer = StoreTrouble(self.away, self.is_final) if self.away else self.answer(asks)
            loop.call_later(self.delay / 2, lambda: then(answer, loop.time()))

        loop.call_later(self.delay / 2, arrive)

    async def aclose(self) -> None:
        pass


def worker(app: Any, permits: Permits, **options: Any) -> AsyncEvaluator:
    """Return a client that takes its permits there."""
    evaluator = client(app, **options)
    session = evaluator._session
    session.permits = permits
    session.gate = Gate(None, session.rng, evaluator._options.limits, permits=permits, tell=session.tell)
    return evaluator
