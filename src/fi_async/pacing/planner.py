"""How cases are carried: held or polled, how many rows a request, and what that will take.

With N evaluations left, of L seconds each, and r rows a request:

    sync    N/r requests. r rows run one after the other while a request is held. With C under way at once the last
            ends after rounds(N/r, C) x r x L.
    async   N/r + 1.3 N requests: a poll or two for each. With A evaluations accepted at once the last is found done
            after rounds(N, A) x 1.25 L: a poll comes late by at most a quarter.

    rounds(n, c) = ceil(n / c); while c still grows it doubles each round (see `concurrency`), accepted evaluations are
    four times as many (see `accepted`), up to their bounds.

A limit of R in a window of W seconds, of which `left` may still leave in the present one, lets the last of n leave
after

    next window + (k - 1) x W,  k = ceil((n - left) / R)

where a tenth is added to n: requests that are repeated count too, and so do other clients'.

A server that was seen to do no more than so many evaluations a second takes N of those either way, and polls find the
last one late.

A plan takes the longest of these: what is under way at once, what the server does, or the windows and then what leaves
in the last of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fi_async._settings import Strategy

HELD: Final = 30.0  # seconds that a request may be held: longer, and proxies begin to cut it
ROWS_AT_RISK: Final = 20  # rows that one lost reply makes ambiguous, at most
POLLS: Final = 1.3  # an evaluation, once its template's times are known
ASSUMED: Final = 1.0  # seconds that an evaluation takes, as long as nobody knows
WORTH_POLLING: Final = 10.0  # seconds to be saved: polls are requests too, and a limit may be near that nobody knows
_NO_LONGER: Final = 1.02  # of the least time: plans that take so long take as long
_MARGIN: Final = 10  # requests, of which one may have to be repeated
_ROUND_TRIP: Final = 0.05  # seconds that a poll or a submission takes
LATE: Final = 0.25  # of its latency: how much later than done an evaluation is found done

Kind = Literal["sync", "async"]


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a limit lets through.

    Attributes:
        of: What it counts.
        count: So many in each window.
        seconds: The window's length.
        left: How many may still leave in the present one.
        next_in: Seconds until the next one.
        is_assumed: True if its length is not known.
    """

    of: Literal["requests", "evaluations", "tokens"]
    count: int
    seconds: float
    left: int
    next_in: float
    is_assumed: bool = False

    def __str__(self) -> str:
        return f"{self.count:,} {self.of} per {self.seconds:g} s{', an assumed length' if self.is_assumed else ''}"

    def last_of(self, amount: int) -> tuple[float, int]:
        """Return the seconds until the last of so many leaves, and how many leave in the same window as that one."""
        amount += amount // _MARGIN
        if amount <= max(self.left, 0):
            return 0.0, amount
        beyond = amount - max(self.left, 0)
        windows = -(-beyond // self.count)
        return self.next_in + (windows - 1) * self.seconds, beyond - (windows - 1) * self.count


@dataclass(frozen=True, slots=True)
class Room:
    """How many may be under way at once, and how far that may still grow.

    Attributes:
        limit: So many at first.
        most: The bound of growth; as the limit if it stands.
        factor: What it grows by each round.
    """

    limit: int
    most: int
    factor: int = 2

    def rounds(self, amount: float) -> int:
        """Return after how many rounds so many are done."""
        rounds, limit = 0, self.limit
        while amount > 0 and limit < self.most:
            amount, limit, rounds = amount - limit, min(self.factor * limit, self.most), rounds + 1
        return rounds + math.ceil(max(amount, 0) / limit)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from.

    Attributes:
        strategy: The user's.
        wanted: Rows a request, the user's.
        allowed: Rows that the server takes in one request with as many lists as these cases have keys.
        remaining: Evaluations to come: those known, or as many as there have been.
        latency: Seconds that an evaluation takes; None if not known yet.
        rate: Evaluations that the server does in a second, if it was seen to do no more.
        limits: Limits, given and learned.
        held: Requests under way at once.
        polled: Evaluations accepted at once, between their polls.
        may_resubmit: True if what may have run is sent again: else a failing row ends those it shares a request with.
        refused: True once the plan's limit stopped an evaluation.
        polling: True once evaluations were polled.
        polls: How often each is asked for if it is polled.
        late: Seconds by which it is found done too late then; None for a quarter of its latency.
    """

    strategy: Strategy = "auto"
    wanted: int | Literal["auto"] = "auto"
    allowed: int = 1
    remaining: int = 1
    latency: float | None = None
    rate: float | None = None
    limits: Sequence[Headroom] = ()
    held: Room = Room(16, 16)
    polled: Room = Room(64, 4096, 4)
    may_resubmit: bool = True
    refused: bool = False
    polling: bool = False
    polls: float = POLLS
    late: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to carry evaluations.

    Attributes:
        kind: "sync" holds a request until its rows are scored; "async" submits them, then polls each.
        rows: Cases that one request carries.
        why: The reason, for people.
        requests: So many it takes for all that remain.
        seconds: So long, about.
        bound: What sets that time, for people.
    """

    kind: Kind
    rows: int
    why: str = ""
    requests: int = 0
    seconds: float = 0.0
    bound: str = ""


def decide(situation: Situation) -> Plan:
    """Return how to carry what remains: as the user says, or else in the least time.

    As long as the latency is not known, requests are held: a handful of cases needs no more. They carry several rows
    where windows of requests are what takes the time: fewer requests, though a row that fails loses the reply to all,
    and the others are paid twice. They never do where such rows would be given up, and rows x latency stays under 30 s.

    To begin polling has to save 10 s, and a tenth. Once a plan's limit stopped an evaluation, all are polled: of those
    that are held it stops some with a 500 that says nothing, and they count as ambiguous.
    """
    if situation.strategy == "async":
        return _polled(situation, 'strategy="async"')
    plans = list(_held(situation))
    least = min(plan.seconds for plan in plans)
    # A window takes fewer requests than it seems to if others use it too: what costs next to no time saves some.
    held = min(
        (plan for plan in plans if plan.seconds <= _NO_LONGER * least),
        key=lambda plan: (plan.requests, plan.seconds, plan.rows),
    )
    if situation.strategy == "sync":
        return held
    if situation.refused:
        return _polled(situation, "the plan's limit of evaluations was met: a poll tells which it stopped")
    if situation.latency is None or (held.seconds < WORTH_POLLING and not situation.polling):
        return held
    polled = _polled(situation, "")
    saved = held.seconds - polled.seconds
    if saved < (0.0 if situation.polling else max(WORTH_POLLING, held.seconds / 10)):
        return held
    return _polled(situation, f"polls save about {saved:.0f} s: more evaluations run at once than requests are held")


def _held(situation: Situation) -> Iterator[Plan]:
    """Yield the plans that hold requests."""
    latency = ASSUMED if situation.latency is None else situation.latency
    for rows in _rows(situation, latency):
        requests = -(-situation.remaining // rows)
        seconds, bound = situation.held.rounds(requests) * rows * latency, _concurrency(situation.held, latency)
        if (done := _done(situation) + rows * latency) > seconds and situation.rate:
            seconds, bound = done, _server(situation.rate)
        for limit in situation.limits:
            wait, last = limit.last_of(requests if limit.of == "requests" else situation.remaining)
            last = last if limit.of == "requests" else -(-last // rows)
            if wait and (ends := wait + situation.held.rounds(last) * rows * latency) > seconds:
                seconds, bound = ends, str(limit)
        yield Plan("sync", rows, _why_held(situation, rows), requests, seconds, bound)


def _rows(situation: Situation, latency: float) -> Sequence[int]:
    """Return how many rows a held request may carry."""
    if situation.wanted != "auto":
        return (min(situation.wanted, situation.allowed),)
    if not situation.may_resubmit or all(limit.of != "requests" for limit in situation.limits):
        return (1,)
    most = min(situation.allowed, ROWS_AT_RISK)
    return range(1, max(1, min(most, int(HELD / latency) if most * latency > HELD else most)) + 1)


def _why_held(situation: Situation, rows: int) -> str:
    if situation.wanted != "auto":
        return f"rows={situation.wanted}"
    if rows > 1:
        return f"requests are scarce: {rows} rows each run one after the other"
    if situation.latency is None and situation.strategy == "auto":
        return "its latency is not known yet"
    return "one case a request: nothing is quicker" if situation.strategy == "auto" else 'strategy="sync"'


def _polled(situation: Situation, why: str) -> Plan:
    """Return the plan that submits and polls. A failing row harms no other, so requests carry several at once."""
    latency = ASSUMED if situation.latency is None else situation.latency
    wanted = ROWS_AT_RISK if situation.wanted == "auto" else situation.wanted
    rows = min(wanted, situation.allowed)
    requests = -(-situation.remaining // rows) + math.ceil(situation.polls * situation.remaining)
    found = latency + max(LATE * latency if situation.late is None else situation.late, _ROUND_TRIP)
    seconds, bound = situation.polled.rounds(situation.remaining) * found, f"the latency, {latency:.3g} s"
    if (moved := situation.held.rounds(requests) * _ROUND_TRIP + found) > seconds:
        seconds, bound = moved, _concurrency(situation.held, _ROUND_TRIP)
    if (done := _done(situation) + found) > seconds and situation.rate:
        seconds, bound = done, _server(situation.rate)
    for limit in situation.limits:
        wait, _ = limit.last_of(requests if limit.of == "requests" else situation.remaining)
        if wait and wait + found > seconds:
            seconds, bound = wait + found, str(limit)
    return Plan("async", rows, why, requests, seconds, bound)


def _done(situation: Situation) -> float:
    """Return the seconds that the server needs at least; 0 as long as nobody knows how much it does in one."""
    return situation.remaining / situation.rate if situation.rate else 0.0


def _server(rate: float) -> str:
    return f"the server, {rate:.3g} evaluations a second"


def _concurrency(room: Room, latency: float) -> str:
    grows = f", growing up to {room.most}" if room.limit < room.most else ""
    return f"{room.limit} requests of {latency:.3g} s at once{grows}"
