"""How many requests may be under way."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

GROWN: Final = 1.25
CUT: Final = 0.9
HEADROOM: Final = 1.5
FELL: Final = 0.6
SIGNALS: Final = 3
SHARE: Final = 0.05
ROUND: Final = 16
HELD: Final = 64
WAIT_ROUNDS: Final = 8
WAIT: Final = 256
FULL: Final = 0.9


class AdaptiveConcurrency:
    def __init__(self, start: int = 16, least: int = 1, most: int = 256) -> None:
        self._least, self._most = least, most
        self._limit = min(max(start, least), most)
        self._under_way = 0
        self._ends: deque[float] = deque(maxlen=4 * most)
        self._full_at = self._cut_at = float("-inf")
        self._episodes = 0
        self._why = "growing: start"
        self._throughput = self._latency = 0.0
        self._unqueued = 0.0
        self._failed = 0
        self._grow(0.0)

    @property
    def limit(self) -> int:
        return self._limit

    def _grow(self, base: float) -> None:
        self._growing, self._flat, self._grew, self._base = True, False, False, base
        self._ceiling = self._most
        self._round(max(self._limit, ROUND))

    def _hold(self) -> None:
        self._growing, self._base = False, 0.0
        self._wait = min(WAIT, WAIT_ROUNDS * self._limit) * 2 ** min(self._failed, 5)
        self._round(max(self._limit, HELD))

    def _round(self, size: int) -> None:
        self._size, self._count, self._signals = size, 0, 0
        self._seen = self._spent = 0.0

    def started(self, now: float) -> None:
        self._under_way += 1
        if self._under_way >= FULL * self._limit:
            self._full_at = now

    def ended(self, now: float, latency: float, *, outcome: Literal["ok", "overload", "neutral"]) -> None:
        latency = max(0.0, latency)
        sent = now - latency
        if self._under_way >= FULL * self._limit:
            self._full_at = now
        self._under_way = max(0, self._under_way - 1)
        if outcome == "ok":
            self._ends.append(now)
        if sent <= self._cut_at:
            return
        if outcome == "overload":
            self._signals += 1
            if self._signals >= max(SIGNALS, SHARE * self._limit):
                self._overloaded(now)
        elif outcome == "ok" and self._full_at >= sent:
            self._completed(now, latency)

    def _overloaded(self, now: float) -> None:
        self._failed = self._failed + 1 if self._growing and self._episodes and not self._grew else 0
        self._shrink(now, CUT)
        self._hold()

    def _shrink(self, now: float, factor: float) -> None:
        self._limit = max(self._least, min(int(self._limit * factor), self._limit - 1))
        self._cut_at = now
        self._episodes += 1
        self._why = f"shrunk: {factor}"

    def _completed(self, now: float, latency: float) -> None:
        self._count += 1
        self._spent += latency
        self._seen += len(self._ends) - bisect_right(self._ends, now - latency)
        if self._growing and not self._flat:
            self._limit = min(self._limit + 1, self._most)
        if self._count >= self._size and self._spent > 0:
            self._throughput, self._latency = self._seen / self._spent, self._spent / self._count
            if self._growing:
                self._judge_growth()
            else:
                self._judge_hold(now)

    def _judge_growth(self) -> None:
        if self._throughput >= GROWN * self._base:
            self._why = f"growing: {self._throughput / self._base - 1:.0%}" if self._base else "growing"
            self._grew = self._grew or self._base > 0
            self._base, self._unqueued, self._flat = self._throughput, self._latency, False
            self._round(max(self._limit, ROUND))
        elif not self._flat:
            self._flat = True
            self._why = "held: looking"
            self._round(max(self._limit, ROUND))
        else:
            knee = self._throughput * self._unqueued * HEADROOM
            self._failed = 0 if self._grew else self._failed + 1
            self._limit = min(max(round(knee), self._least), self._limit)
            self._why = "held: settled"
            self._hold()

    def _judge_hold(self, now: float) -> None:
        self._wait -= self._count
        if not self._base:
            self._base = self._throughput
            self._unqueued = self._unqueued or self._latency
        elif self._throughput < FELL * self._base:
            self._shrink(now, max(self._throughput / self._base, 0.1))
            self._failed = 0
            self._grow(0.0)
            return
        if self._wait <= 0 and self._limit < self._most:
            self._why = "growing: probe"
            self._grow(max(self._throughput, self._base))
        else:
            self._round(max(self._limit, HELD))
