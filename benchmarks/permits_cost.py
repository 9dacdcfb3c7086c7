"""What keeping to given limits together costs: CPU of a permit, and exchanges with the database in a window.

    python benchmarks/permits_cost.py

The pacing code itself, with no request sent and no database: workers take permits of one window after another on a
clock that is moved by hand, as fast as a worker sends. What 10,000,000 and 100,000,000 cases take is reckoned from it.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fi_async._settings import Limit
from fi_async.pacing.gate import Gate
from fi_async.pacing.lots import Lot, LotRequest, SharedWindow, grant
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms

_EPOCH = 1.7e9
_NEED = Need(post=True, rows=1)
_RATE = 1_500.0  # requests a second that one worker sends
_DELAY = 0.001  # seconds to the database and back
_IN_FLIGHT = 64
_WINDOWS = 3


class _Store:
    """Permits as the database has them, and what is on its way to and from it."""

    path = "permits"

    def __init__(self) -> None:
        self.used: dict[SharedWindow, int] = {}
        self.now = 0.0
        self.exchanges = 0
        self.answers: list[tuple[float, int, Callable[[], None]]] = []

    def wall_clock(self) -> float | None:
        return self.now + _EPOCH

    def exchange(self, asks: Sequence[LotRequest], then: Callable[[Any, float], None]) -> None:
        self.exchanges += 1
        lots = []
        for ask in asks:
            used = max(0, self.used.get(ask.window, 0) - ask.back)
            granted = grant(used, ask)
            self.used[ask.window] = used + granted
            lots.append(Lot(granted, used + granted))
        at = self.now + _DELAY
        heapq.heappush(self.answers, (at, self.exchanges, lambda: then(lots, at)))


def measured(workers: int, count: int, window: float, *, shared: bool = True) -> tuple[float, float, float]:
    """Return the CPU of a permit in µs, the exchanges in a window, and the share of permits that were used."""
    store = _Store()
    store.now = window / 2 + 1
    limits = [Limit(count, per=window)]
    gates = [(Gate(permits=store if shared else None, limits=limits), Terms(Slots(_IN_FLIGHT))) for _ in range(workers)]
    for place, (gate, _) in enumerate(gates):
        gate.go_by(place)
        gate.clock.assume(store.now, store.now + _EPOCH, within=0.001)
    store.now = window - (_EPOCH % window) + window  # a window begins
    ends = store.now + _WINDOWS * window
    due = [(store.now + n / _RATE / workers, n) for n in range(workers)]
    heapq.heapify(due)
    taken, cpu = 0, 0.0
    before = time.process_time
    while due and due[0][0] < ends:
        at, place = heapq.heappop(due)
        while store.answers and store.answers[0][0] <= at:
            store.now, _, answer = heapq.heappop(store.answers)
            began = before()
            answer()
            cpu += before() - began
        store.now = at
        gate, terms = gates[place]
        began = before()
        ticket = gate.issue(at, _NEED, terms, 2 * _IN_FLIGHT)
        opens = at if ticket is not None else gate.opens_at(at, _NEED, terms)
        if ticket is not None:
            ticket.answered(at + 1e-6, 200, None)
            taken += 1
        cpu += before() - began
        if store.answers and ticket is None and opens > at + _DELAY:
            opens = min(opens, store.answers[0][0])
        heapq.heappush(due, (max(opens, at + 1 / _RATE), place))
    return 1e6 * cpu / taken, store.exchanges / _WINDOWS, taken / (_WINDOWS * count)


def main() -> None:
    """Measure and print."""
    rows = []
    print(f"{'workers':>8}{'limit':>14}{'µs a permit':>13}{'asked a window':>16}{'of it used':>12}")
    alone, _, _ = measured(1, 3_000, 10.0, shared=False)
    print(f"{'alone':>8}{'3,000/10 s':>14}{alone:>13.1f}{0:>16}{1:>12.1%}")
    for workers in (1, 2, 4, 8, 32):
        for count, window in ((1_000, 10.0), (3_000, 10.0), (30_000, 60.0)):
            cpu, exchanges, share = measured(workers, count, window)
            rows.append((workers, count, window, cpu, exchanges))
            limit = f"{count:,}/{window:g} s"
            print(f"{workers:>8}{limit:>14}{cpu:>13.1f}{exchanges:>16.0f}{share:>12.1%}", flush=True)
    print(f"\n{'cases':>12}{'limit':>14}{'workers':>8}{'windows':>9}{'hours':>8}{'CPU of pacing':>14}{'asked a s':>11}")
    for cases in (10_000_000, 100_000_000):
        for workers, count, window, cpu, exchanges in rows:
            if workers in (8, 32) and count != 1_000:
                windows = -(-cases // count)
                limit = f"{count:,}/{window:g} s"
                print(
                    f"{cases:>12,}{limit:>14}{workers:>8}{windows:>9,}{windows * window / 3600:>8.1f}"
                    f"{cpu * cases / 1e6:>12,.0f} s{exchanges / window:>11.1f}"
                )


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    main()
