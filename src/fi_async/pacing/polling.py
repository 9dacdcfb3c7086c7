"""When to ask for an evaluation's result: when it is likely done, by what the run has seen."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from fi_async.pacing.durations import EDGES, Durations, after, before, edge
from fi_async.pacing.inspection import LEAST_TOLERANCE, schedule
from fi_async.pacing.lateness import Tally

SHORTEST: Final = 0.25  # seconds between two polls of an evaluation, at least
LONGEST: Final = 30.0  # seconds between two polls of a scout, at most
_GROWTH: Final = 0.05  # of a scout's age, from poll to poll
_SOON: Final = 1e-3  # seconds: the least that an age goes on, whatever roundings do

_COST: Final = 0.04  # of a poll; an answer late by just the tolerance costs 1. So 95 % are in time, learning included
_SCARCE: Final = 4  # doublings of that, where requests are scarce: half the polls
_FEW: Final = 64  # rows that wait: from there down polls grow cheap, as the end of the run waits for these
_CHEAPEST: Final = -4  # power of two of the cost, at least

_SCOUTS: Final = 16  # rows asked at a time while nothing is known: never the same, so the quickest tell early
_QUICKER: Final = 0.35  # of their age from some scouts to the next: what is quick is found quickly
_ANSWER: Final = SHORTEST / 4  # seconds until their answers are in, unless the server is far
_SCARCELY: Final = 1.0  # seconds from one row asked early to the next, where requests are scarce; else SHORTEST
_SELDOM: Final = 1.0  # seconds from one look at what is known to the next, at most
_OLD: Final = 0.75  # of the oldest age, to be asked then
_WATCHED: Final = 256  # rows learned from at a time

_NEWS: Final = 1 / 64  # of what is known of the seconds to an answer, that the latest one tells

_ENOUGH: Final = 100  # evaluations to have ended before one is called stalled
_STALLED: Final = 10.0  # times what nine of ten took; more may be stuck themselves
_STALLED_LEAST: Final = 120.0  # seconds: no queue is taken for a stall so soon


@dataclass(eq=False, slots=True)
class Accepted:
    """An evaluation that is polled.

    Attributes:
        at: When it was accepted.
        before: How many others were not done then.
        asked: Its age when last asked.
        due: Its age when it was to be asked; None while it rests.
        alive: Its age when it last was not done.
        is_fresh: True until it is asked.
        is_scout: True if it is asked eagerly, to see what the others' schedule does not.
        is_early: True if it is asked early once: a plan's limit shows in what was accepted last.
        is_watched: True if the times are learned from it.
    """

    template: str
    at: float
    before: int = 0
    asked: float = 0.0
    alive: float = 0.0
    due: float | None = None
    is_fresh: bool = True
    is_scout: bool = False
    is_early: bool = False
    is_watched: bool = False

    @property
    def last(self) -> int | None:
        """The edge at which it last was not done; None if it never was seen so."""
        return before(self.alive) if self.alive else None


@dataclass(slots=True)
class _Template:
    """What is known of a template, and which of its rows find out more."""

    durations: Durations = field(default_factory=Durations)
    fresh: int = 0  # rows never asked
    scouts: int = 0
    watched: int = 0
    early_at: float = -math.inf
    _tick: float = -math.inf
    _next: float = -math.inf
    _asked: int = 0
    _looked: int = 0
    _oldest: float = 0.0
    _next_oldest: float = 0.0
    _schedules: dict[int, list[int]] = field(default_factory=dict)
    _version: int = 0

    @property
    def is_known(self) -> bool:
        return self.durations.ended > 0

    def watch(self, row: Accepted) -> None:
        """Learn the times from a row."""
        if not row.is_watched:
            self.watched, row.is_watched = self.watched + 1, True
            self.durations.goes_on(None, row.last)

    def may_scout(self, row: Accepted, age: float) -> bool:
        """Return True if a row is one of the few to ask while nothing is known: old, never asked, from all over."""
        now = row.at + age
        if now >= self._next - _SOON / 2:
            self._tick, self._asked, self._looked = now, 0, 0
            self._oldest, self._next_oldest = self._next_oldest, 0.0
            self._next = now + _scouting(max(age, self._oldest))
        self._next_oldest = max(self._next_oldest, age)
        enough = _scouts(age)
        if self._asked >= enough or age < _OLD * self._oldest or (self.fresh >= enough and not row.is_fresh):
            return False
        self._looked += 1
        if self._looked % max(1, self.fresh // enough):
            return False
        self._asked += 1
        return True

    def look_again(self, row: Accepted, age: float) -> float:
        """Return the age at which to see what scouts have found: as soon as they have, or when others are asked."""
        now, last = row.at + age, age + min(_scouting(age), _SELDOM)
        return next((then - row.at for then in (self._tick + _ANSWER, self._next) if now < then < row.at + last), last)

    def planned(self, asked: float, level: int) -> float:
        """Return the age to ask at next, where a poll costs so many doublings of the usual."""
        masses = self.durations.masses()
        if self._version != self.durations.version:
            self._version = self.durations.version
            self._schedules.clear()
        if level not in self._schedules:
            self._schedules[level] = schedule(masses, _COST * 2.0**level)
        then = EDGES[self._schedules[level][edge(asked)]]
        return max(then, asked + SHORTEST) if then > asked else asked + LONGEST  # the edges end, the polls do not


class Completions:
    """How long each template's evaluations take, and when to ask for each. Ages are seconds since acceptance.

    While nothing is known of a template, a few of its rows at a time are asked, and the others rest. Then each is asked
    by the schedule that costs least on what is known. One scout is asked eagerly: others are not asked before they are
    likely done, and would not show that it got quicker.

    Args:
        interval: Seconds between polls; None adapts.
        tally: Where polls are counted.
    """

    def __init__(self, interval: float | None = None, tally: Tally | None = None) -> None:
        self._interval = interval
        self._tally = tally or Tally()
        self._templates: defaultdict[str, _Template] = defaultdict(_Template)
        self._waiting = 0
        self._turn = 0.0  # seconds from when a row is to be asked to its answer, usually: so it leaves sooner

    @property
    def waiting(self) -> int:
        """How many evaluations are polled and not done."""
        return self._waiting

    def typical(self, template: str) -> float | None:
        """Return the median seconds that a template's evaluations take; None if none is done yet."""
        known = self._templates.get(template)
        return known.durations.quantile(0.5) if known is not None and known.is_known else None

    def held(self, template: str, took: float) -> None:
        """Record an evaluation whose request was held so long: others will take about as long when polled."""
        self._templates[template].durations.done(before(took), after(took))

    def accepted(self, template: str, now: float, *, scarce: bool = False) -> Accepted:
        """Return what the polls of an evaluation that is accepted now go by."""
        known = self._templates[template]
        row = Accepted(template, now, self._waiting)
        known.fresh += 1
        self._waiting += 1
        if now >= known.early_at + (_SCARCELY if scarce else SHORTEST):
            row.is_early, known.early_at = True, now
        if known.is_known and not known.scouts:
            row.is_scout, known.scouts = True, 1
        if known.watched < _WATCHED:
            known.watch(row)
        return row

    def next_look(self, row: Accepted, age: float, *, scarce: bool = False, urgent: bool = False) -> float:
        """Return the age at which to decide again about an evaluation; the present one if it is to be asked.

        Args:
            row: The evaluation.
            age: Its age.
            scarce: True if requests are what is scarce.
            urgent: True if others wait for it to be done.
        """
        if self._interval is not None:
            at = row.asked + self._interval
            return age if at < age + _SOON / 2 else at
        known = self._templates[row.template]
        is_eager = row.is_scout or urgent or (row.is_early and row.is_fresh)
        at = row.asked + _eager(row.asked) if is_eager else math.inf
        if known.is_known:
            # Half of a turn: some take none, and would be asked too early.
            planned = known.planned(row.asked, self._level(scarce=scarce)) - self._turn / 2
            at = min(at, max(planned, row.asked + SHORTEST))
            # How few are left may bring it forward.
            again = math.inf if self._waiting > 2 * _FEW else age + _eager(age)
        else:
            rested = row.asked + _eager(row.asked)
            if age >= rested and known.may_scout(row, age):
                known.watch(row)
                at = age
            again = known.look_again(row, age)
            again = min(again, rested) if age < rested else again
        if at < age + _SOON / 2:
            row.due = min(at, age)
            return age
        return min(at, max(again, age + _SOON))

    def _level(self, *, scarce: bool) -> int:
        """Return how many doublings a poll costs more than usual."""
        few = round(math.log2(min(1.0, self._waiting / _FEW)))
        return max(_CHEAPEST, few) + (_SCARCE if scarce else 0)

    def lost(self, row: Accepted, age: float) -> None:
        """Record an evaluation that was asked at this age, without an answer."""
        self._ask(row, age)

    def pending(self, row: Accepted, age: float) -> None:
        """Record an evaluation that was asked at this age, and is not done."""
        self.lost(row, age)
        last, row.alive = row.last, row.asked
        if row.is_watched:
            self._templates[row.template].durations.goes_on(last, row.last)

    def done(self, row: Accepted, age: float) -> None:
        """Record an evaluation that was asked at this age, and is done."""
        durations = self._templates[row.template].durations
        self._ask(row, age)
        if row.is_watched:
            durations.done(row.last, after(age))
        bound = age - row.alive
        self._tally.found(row.template, min(durations.lateness(row.last or 0, after(age)), bound), bound)

    def _ask(self, row: Accepted, age: float) -> None:
        self._tally.asked(row.template)
        if row.due is not None:
            self._turn += (min(age - row.due, SHORTEST) - self._turn) * _NEWS
            row.due = None
        self._templates[row.template].fresh -= row.is_fresh
        row.asked, row.is_fresh = max(row.asked, age), False

    def left(self, row: Accepted) -> None:
        """Record an evaluation that is asked no more."""
        known = self._templates[row.template]
        if row.is_watched:
            known.durations.forget(row.last)
        known.fresh -= row.is_fresh
        known.scouts -= row.is_scout
        known.watched -= row.is_watched
        self._waiting -= 1

    def is_stalled(self, row: Accepted, age: float) -> bool:
        """Return True if an evaluation has taken so long that it will not end.

        That is 120 s at least, and ten times what nine of ten took, once a hundred have ended.
        """
        durations = self._templates[row.template].durations
        return durations.ended >= _ENOUGH and age >= max(_STALLED_LEAST, _STALLED * durations.quantile(0.9))


def _eager(age: float) -> float:
    return min(max(SHORTEST, _GROWTH * age), LONGEST)


def _scouts(age: float) -> int:
    """Return how many rows to ask at an age: as many in each doubling of it, and few before anything can be late."""
    can_be_late = min(1.0, age / LEAST_TOLERANCE)
    return max(1, round(_SCOUTS * can_be_late * _scouting(age) / (_QUICKER * age)))


def _scouting(age: float) -> float:
    """Return the seconds from some scouts to the next."""
    return max(SHORTEST - age, min(_QUICKER * age, _eager(age)))
