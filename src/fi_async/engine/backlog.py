"""Works of a run that wait to be begun: which come next, together with which, and how they are carried.

Nothing here waits. Times are the loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from fi_async._events import CapacityChanged, StrategyChanged, emit
from fi_async._settings import RunOptions
from fi_async.engine.attempts import Context
from fi_async.engine.work import Work
from fi_async.pacing.accepted import MOST as ACCEPTED
from fi_async.pacing.planner import Kind, Plan, Room, Situation, decide
from fi_async.wire.requests import max_rows

_AT_ONCE: Final = 0.02  # seconds: all that a server tells sooner is a refusal, and that closes the gate


class _Planned(NamedTuple):
    template: str
    at: float
    plan: Plan


class Backlog:
    """Works that wait, each behind those of its template. Each request is planned when it is made, by what is known.

    Args:
        context: What the run's jobs share.
        options: The user's `strategy` and `rows`.
        expected: How many items are to come, works or not; None if nobody knows.

    Attributes:
        is_fed: True as long as others may come.
    """

    def __init__(self, context: Context, options: RunOptions, expected: int | None = None) -> None:
        self.is_fed = False
        self._context = context
        self._options = options
        self._slots = context.terms.slots
        self._to_come = expected
        self._begun = 0
        self._waiting: dict[str, deque[Work]] = {}
        self._plans: dict[str, Plan] = {}
        self._has_polled = False
        self._planned: _Planned | None = None
        self._told = context.accepted.room(self._slots.count).limit  # evaluations at work between polls

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def is_done(self) -> bool:
        """True once no work waits and none will come."""
        return not self._waiting and not self.is_fed

    def came(self, items: int) -> None:
        """Take note of items that came, of those expected; `put` takes the works among them."""
        if self._to_come is not None:
            self._to_come -= items

    def put(self, work: Work) -> None:
        """Let a work wait behind those of its template."""
        self._waiting.setdefault(work.parameters.template, deque()).append(work)

    def put_back(self, works: Sequence[Work]) -> None:
        """Let works wait again of whose request nothing came, before all others: they are planned anew."""
        self._begun -= len(works)
        self._planned = None
        self._waiting.setdefault(works[0].parameters.template, deque()).extendleft(reversed(works))

    def may_begin(self, now: float, *, at_work: int) -> bool:
        """Return True if works wait that may begin: polled ones no more at once than the server was seen to work on.

        Args:
            now: The time.
            at_work: How many works are begun, and not done.
        """
        if not self._waiting or self._options.strategy == "async":
            return bool(self._waiting)
        return at_work < self._room_between_polls(self._next_template()).limit or self._plan(now).kind == "sync"

    def take(self, now: float) -> tuple[Sequence[Work], Kind]:
        """Take out the works that come next, as many as one request is to carry, and return how it carries them.

        Those are first whose case was read first. Only works of equal keys share a request. There has to be one.
        """
        plan, template = self._plan(now), self._next_template()
        self._tell(template, plan)
        self._plans[template] = plan
        waiting = self._waiting[template]
        rows = min(plan.rows, self._context.gate.room(now, self._context.terms))
        works = [waiting.popleft()]
        while waiting and len(works) < rows and waiting[0].keys == works[0].keys:
            works.append(waiting.popleft())
        if not waiting:
            del self._waiting[template]
        self._begun += len(works)
        if plan.kind == "async":
            self._has_polled = True
            latency = self._context.latencies.typical(template) or 0.0
            self._context.accepted.begin(now, self._slots.count, latency)
        return works, plan.kind

    def _tell(self, template: str, plan: Plan) -> None:
        """Tell of another way to carry requests, and of how many evaluations may be at work between polls."""
        before = self._plans.get(template)
        if before is not None and (before.kind != plan.kind or (before.rows == 1) != (plan.rows == 1)):
            emit(self._context, StrategyChanged(template, plan.kind, plan.rows, plan.why))
        if plan.kind == "async" and self._has_polled:
            limit = self._room_between_polls(template).limit
            if limit != self._told:
                emit(
                    self._context,
                    CapacityChanged("evaluations", limit, self._told, "as many as are found done in time"),
                )
            self._told = limit

    def clear(self) -> Sequence[Work]:
        """Take out all works."""
        works = [work for waiting in self._waiting.values() for work in waiting]
        self._waiting.clear()
        self._planned = None
        return works

    def read_ahead(self) -> int:
        """Return how many items may be in the run at once, so that the next request of each slot finds its works."""
        if self._options.strategy == "async":
            return ACCEPTED
        rows, between_polls = 1, 0
        for template in self._waiting:
            if (plan := self._plans.get(template)) is not None:
                rows = max(rows, plan.rows)
                between_polls = self._room_between_polls(template).limit if plan.kind == "async" else between_polls
        return min(ACCEPTED, between_polls + 2 * self._slots.count * rows)

    def _next_template(self) -> str:
        return min(self._waiting, key=lambda name: self._waiting[name][0].index)

    def _plan(self, now: float) -> Plan:
        """Return how the next request carries its works. There has to be one.

        Requests that leave at about the same time are planned once: nothing was learned between them.
        """
        template = self._next_template()
        planned = self._planned
        if planned is None or planned.template != template or now - planned.at >= _AT_ONCE:
            planned = self._planned = _Planned(template, now, self._decide(now, template))
        return planned.plan

    def _decide(self, now: float, template: str) -> Plan:
        context = self._context
        remaining = len(self)
        if self.is_fed:
            # Of a source that nobody counted, as much is to come as has come.
            remaining = max(remaining, self._begun) if self._to_come is None else remaining + self._to_come
        situation = Situation(
            strategy=self._options.strategy,
            wanted=self._options.rows,
            allowed=max_rows(len(self._waiting[template][0].keys)),
            remaining=remaining,
            latency=context.latencies.typical(template),
            rate=context.latencies.rate(template),
            limits=context.gate.headroom(now, context.terms),
            held=self._slots.room,
            polled=self._room_between_polls(template),
            may_resubmit=context.policy.may_resubmit,
            refused=context.gate.quota.learned is not None,
            polling=self._has_polled,
        )
        return decide(situation)

    def _room_between_polls(self, template: str) -> Room:
        """Return how many evaluations the server can work on at once, as far as the run has seen."""
        if not self._has_polled and (self._slots.is_settled or self._context.latencies.is_queued(template)):
            return Room(self._slots.count, self._slots.count)  # requests that were held found it
        return self._context.accepted.room(self._slots.count)
