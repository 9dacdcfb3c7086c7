"""How many requests may be under way, found by trying: `concurrency="auto"`.

The knee is where more requests under way complete no more per second (L. Kleinrock's "power", ICC 1979). It is
found as TCP finds a path's: grow by one for each completion, which doubles the limit in a round (slow start,
RFC 5681), until throughput no longer grows (BBR's Startup, draft-ietf-ccwg-bbr); then settle on throughput x
latency without a queue (Little's law; Netflix concurrency-limits keeps to the same product). In turn:

    growing   +1 for each completion while the limit is used. A round without growth stops it; if the next
              round, at a limit that stands still, brings none either, it settles.
    held      for a while; then it grows again, to see whether there is more now. Each time in a row that there
              is not, the next try waits twice as long: on a server that refuses, tries cost refusals.
    shrunk    on overload, once an episode: what was sent before the cut is no evidence after it. By a tenth if
              refused at once, for then the bound is just here; cut after cut by more, for then it is far below;
              by half if it took long, for then there is a queue.
              Also by half if throughput fell by half while latency rose: a lower capacity, or only slower work
              (they look alike); so it grows again at once, which finds the knee in either case.

Throughput is how many completed during each request's own time under way, over that time (BBR's delivery rate):
no window is laid over the completions, so those that come in bursts are counted as right as those that do not.
A mean of n latencies of lognormal spread 0.5 is off by 0.53 / sqrt(n): 13 % for 16, 7 % for 64. So growth, where
throughput should double, is judged by 16 completions or more, and a fall by 64 or more.

Where the client is the bottleneck, latency rises and throughput does not: the limit is held there. Latency alone
never shrinks it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

from fi_async.pacing.planner import Room

_USED: Final = 0.9  # of the limit under way: less is no evidence of what the limit does
_GROWN: Final = 1.5  # throughput to that of the last round: halfway from 1 (saturated) to 2 (doubled)
_FELL: Final = 0.5  # throughput to what it was: 6 sigma of 64 completions
_HEADROOM: Final = 1.5  # limit to knee: the latency without a queue is known to 13 %, and a short queue is no loss
_SETTLES: Final = 0.25  # of the limit, at least: of mixed work the quick completes first, and makes the knee look small
_JUDGED: Final = 16  # completions to judge growth by, at least; else a round: as many as may be under way
_HELD: Final = 64  # completions to judge by while held, unless patience ends before
_PATIENCE: Final = 256  # completions until the next try: a failed one costs about 4 refusals, so 1.6 %
_ROUNDS: Final = 4  # but no more rounds than this: from a limit of 1, 256 would take minutes
_DOUBLINGS: Final = 4  # of that patience, at most
_SIGNALS: Final = 3  # of overload, to shrink: one or two befall any server ...
_FORGIVEN: Final = 0.16  # ... and a completion makes up for so much of one: some servers always fail one in ten
_TICK: Final = 1e-6  # seconds: what a clock says below it is no time to divide by
_QUICK_CUT: Final = 0.9
_SLOW_CUT: Final = 0.5


class AdaptiveConcurrency:
    """A limit that follows what the server can do. Times are the caller's clock; nothing here waits.

    Args:
        start: The limit at first.
        least: It never falls below.
        most: It never rises above. 256 requests of 0.15 s each are what one core of a client can do.
    """

    def __init__(self, start: int = 16, least: int = 1, most: int = 256) -> None:
        self._least, self._most = max(least, 1), max(most, least, 1)
        self._limit = min(max(start, self._least), self._most)
        self._under_way = 0
        self._ends: deque[float] = deque(maxlen=4 * self._most)  # when the last ones completed
        self._used_at = self._cut_at = float("-inf")
        self._cut_from = 0
        self._episodes = self._failed = self._patience = self._in_a_row = 0
        self._signals = self._throughput = self._latency = self._unqueued = 0.0
        self._used = True
        self._grow(0.0, "growing: from the start")

    @property
    def limit(self) -> int:
        """How many requests may be under way."""
        return self._limit

    @property
    def room(self) -> Room:
        """The limit, and how far it may rise as things stand."""
        return Room(self._limit, self._most if self._growing else self._limit)

    @property
    def is_settled(self) -> bool:
        """True if the limit was found, for now: more under way would complete no more, or be refused."""
        return not self._growing and self._limit < self._most

    def started(self, now: float) -> None:
        """Record that a request left."""
        self._under_way += 1
        self._see_use(now)

    def ended(self, now: float, latency: float, *, outcome: Literal["ok", "overload", "neutral"]) -> None:
        """Record that a request came to its end, and adapt the limit.

        Args:
            now: The time.
            latency: Seconds since it left.
            outcome: "overload" for a 502, 503, 504 or a timeout; "neutral" for what says nothing of the load.
        """
        self._see_use(now)
        self._under_way = max(0, self._under_way - 1)
        if outcome == "ok":
            self._ends.append(now)
        sent = now - max(latency, 0.0)
        if outcome == "neutral" or sent <= self._cut_at:
            return
        if outcome == "overload":
            self._signals += 1
            if self._signals >= _SIGNALS:
                self._overloaded(now, latency)
            return
        self._signals = max(0.0, self._signals - _FORGIVEN)
        self._used = self._used_at >= sent
        if self._used:
            self._completed(now, sent)

    def statistics(self) -> Mapping[str, float | int | str]:
        """Return the limit, why it is what it is, and what it was judged by: as of the last round."""
        return {
            "limit": self._limit,
            "why": self._why if self._used else "held: fewer requests under way than the limit allows",
            "under_way": self._under_way,
            "throughput": self._throughput,
            "latency": self._latency,
            "episodes": self._episodes,
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} limit={self._limit} ({self.statistics()['why']})>"

    def was_crowded(self, sent: float) -> bool:
        """Return True if the limit was lowered since a request left: then more were under way than the server takes."""
        return sent <= self._cut_at and self._cut_from > self._least

    def _see_use(self, now: float) -> None:
        if self._under_way >= _USED * self._limit:
            self._used_at = now

    def _grow(self, base: float, why: str) -> None:
        """Begin to grow, from this throughput on; from 0, the first round sets it."""
        self._growing, self._still, self._grew, self._base = True, False, False, base
        self._why = why
        self._begin_round(_JUDGED)

    def _hold(self) -> None:
        self._growing, self._base = False, 0.0
        self._patience = min(_PATIENCE, _ROUNDS * self._limit) * 2 ** min(self._failed, _DOUBLINGS)
        self._begin_round(min(_HELD, self._patience))

    def _begin_round(self, least: int) -> None:
        self._size = max(self._limit, least)
        self._count, self._seen, self._spent, self._span = 0, 0, 0.0, 0.0

    def _completed(self, now: float, sent: float) -> None:
        since = sent if len(self._ends) < 4 * self._most else max(sent, self._ends[0])
        self._count += 1
        self._spent += now - sent
        self._seen += len(self._ends) - bisect_right(self._ends, since)
        self._span += now - since if now - since > _TICK else 0.0
        if self._growing and not self._still:
            self._limit = min(self._limit + 1, self._most)
        if self._count >= self._size and self._span > 0:
            self._throughput, self._latency = self._seen / self._span, self._spent / self._count
            if self._growing:
                self._judge_growth()
            else:
                self._judge_hold(now)

    def _judge_growth(self) -> None:
        if self._throughput >= _GROWN * self._base:
            if self._base:
                self._why = f"growing: throughput rose {self._throughput / self._base - 1:.0%}"
            self._unqueued = min(self._latency, _HEADROOM * self._unqueued) if self._grew else self._latency
            self._base, self._grew, self._still = self._throughput, True, False
            self._begin_round(_JUDGED)
        elif not self._still:
            self._still = True
            self._why = "held: to see whether throughput rises"
            self._begin_round(_JUDGED)
        else:
            self._failed = 0 if self._grew else self._failed + 1
            knee = self._throughput * self._unqueued
            self._limit = min(self._limit, max(round(knee * _HEADROOM), round(self._limit * _SETTLES), self._least))
            self._why = f"held: throughput no longer rises, and needs about {knee:.0f} under way"
            self._hold()

    def _judge_hold(self, now: float) -> None:
        self._patience -= self._count
        self._unqueued = self._unqueued or self._latency
        self._base = self._base or self._throughput
        fell = self._count >= _HELD and self._throughput < _FELL * self._base
        if fell and self._latency > _HEADROOM * self._unqueued:
            self._shrink(now, _SLOW_CUT, f"throughput fell {1 - self._throughput / self._base:.0%} and latency rose")
            self._failed = 0
            self._grow(0.0, self._why)
            self._grew = True  # so the latency without a queue is not forgotten
        elif self._patience <= 0 and self._limit < self._most:
            self._grow(max(self._throughput, self._base), "growing: to see whether there is more")
        else:
            self._begin_round(min(_HELD, self._patience) if self._patience > 0 else _HELD)

    def _overloaded(self, now: float, latency: float) -> None:
        tried, patience = self._growing, self._patience
        if tried:
            self._failed = 0 if self._grew or not self._base else self._failed + 1
        elif self._base:  # out of the blue; before the first round held, it is the failed try's aftermath
            self._failed = 0
        self._in_a_row = 0 if tried or self._base else self._in_a_row + 1
        factor = max(_QUICK_CUT**2**self._in_a_row, _SLOW_CUT) if latency < self._unqueued else _SLOW_CUT
        self._shrink(now, factor, "refusals or timeouts")
        self._hold()
        if not tried:  # one cut after another: patience began with the first
            self._patience = min(patience, self._patience)

    def _shrink(self, now: float, factor: float, why: str) -> None:
        before, self._limit = self._limit, max(self._least, min(round(self._limit * factor), self._limit - 1))
        self._cut_at, self._cut_from, self._signals = now, before, 0.0
        self._episodes += 1
        self._why = f"shrunk: {why} at {before}"
