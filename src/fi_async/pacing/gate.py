"""When requests may leave: one gate for all the runs of a client, with what is known and what was learned.

It issues a ticket for each request, and is told once what became of it. Nothing else closes or opens it. What keeps a
request waiting is always one of a few things, each with a time, or an answer that is in flight: if no ticket is out,
`opens_at` is finite.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._events import Event
from fi_async._settings import Limit
from fi_async.pacing.allowance import Allowance, Leave
from fi_async.pacing.canaries import Canaries
from fi_async.pacing.clock import LoopClock, ServerClock, end_said
from fi_async.pacing.given_limits import GivenLimits
from fi_async.pacing.headroom import headroom, known
from fi_async.pacing.holds import OUTAGE, REQUESTS, Holds
from fi_async.pacing.learned import Budget, Learned, Turn, Use
from fi_async.pacing.lots import Lots, PermitStore
from fi_async.pacing.outage import Outage
from fi_async.pacing.planner import Headroom
from fi_async.pacing.quota import EvaluationQuota
from fi_async.pacing.ticket import Need, Terms, Ticket
from fi_async.pacing.waiters import Waiters
from fi_async.pacing.waiting import Obstacle

_TRUST: Final = 1.0  # seconds that this machine's clock and the server's are taken to differ at most, until it is told
_LOOK_AGAIN: Final = 0.05  # seconds until a shared budget is asked again that was busy
_ROUNDING: Final = 1e-3  # seconds


class Gate:
    """Issues tickets: not beyond a limit that is given, not before a refusal has run out, not without a slot.

    Times are the event loop's.

    Args:
        budget: Keeps what clients share: their use of limits that are given, and what they learned. None shares
            nothing.
        rng: Draws the jitter of pauses that no server named.
        limits: What binds every run of the client.
        permits: Where all workers take permits of limits that are given; None if the budget does, or nobody.
        tell: Is told of holds and of capacity.

    Attributes:
        refusals: Requests that a limit refused.
        waiters: Runs that wait for leave to send.
        canaries: Is told what became of evaluations.
        outage: Whether there is a server at all.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        rng: random.Random | None = None,
        limits: Sequence[Limit] = (),
        *,
        permits: PermitStore | None = None,
        tell: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.refusals = 0
        self._budget, self._permits, self._is_shared = budget, permits, budget is not None or permits is not None
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self._goes_by = LoopClock()
        self._epoch = 0
        self._given = GivenLimits(limits, ServerClock())
        self._tell = tell
        self._reset(stopped=0)

    def _reset(self, stopped: int, moved: float | None = None) -> None:
        self._learned = Learned(self._budget, None if moved is None else self.clock.moved(moved))
        self._allowance = Allowance()
        self.outage = Outage()
        self._busy_until = self._look_at = 0.0
        self._holds = Holds(self._tell)
        self.waiters = Waiters()
        self.canaries = Canaries(self._learned, self.waiters, self._holds, stopped)
        self._has_asked = False
        self._heeded = -math.inf  # the latest refusal of any client that is known here
        self._given = self._given.moved(self.clock, moved)
        self._lots = None
        if self._permits is not None:
            self._lots = Lots(self._permits, self._given, self.clock, self._holds, self.waiters.wake_all)
        self._out = 0

    def __repr__(self) -> str:
        return f"<Gate out={self._out} learned={self._allowance.learned} refusals={self.refusals} {self.clock!r}>"

    @property
    def clock(self) -> ServerClock:
        """The server's."""
        return self._learned.clock

    @property
    def quota(self) -> EvaluationQuota:
        """What is known of the server's limits of evaluations."""
        return self._learned.quota

    @property
    def out(self) -> int:
        """How many tickets are not settled: the requests in flight."""
        return self._out

    @property
    def counts_windows(self) -> bool:
        """True if limits are given, so that it matters in which window a request leaves."""
        return bool(self._given)

    def go_by(self, loop: object, ahead: float = 0.0) -> None:
        """Go on in another event loop, whose clock counts from a zero of its own.

        What was used of limits that are given stays used; those who share a budget have it there. What was learned is
        forgotten, but for the server's clock.

        Args:
            loop: The loop.
            ahead: Seconds that a clock which is the same in all loops is ahead of this loop's.
        """
        moved = self._goes_by.changed(loop, ahead)
        if moved is not None:
            self._epoch += 1
            self._reset(self.canaries.stopped_evaluations, None if self._is_shared else moved)

    def keep_count_of(self, limits: Sequence[Limit]) -> None:
        """Count what these limits let through from now on; what was used of those that are known is not forgotten."""
        self._given.keep_count_of(limits)

    # Before a request leaves

    def opens_at(self, now: float, need: Need, terms: Terms) -> float:
        """Return the time from which a request may leave; infinity if an answer that is in flight has to come first."""
        if terms.slots.free <= 0:
            return math.inf
        is_given = any(window.limit.of == "requests" for window in self._given.binding(terms))
        opens = max(
            self._busy_until,
            self._allowance.opens_at(is_given=is_given),
            self.outage.opens_at(now, terms.patience),
            self._lets_evaluate(now) if need.evaluates else 0.0,
        )
        full_until = self._given.opens_at(now, need, terms)
        return max(opens, full_until if self._lots is None else self._lots.opens_at(now, full_until))

    def rest(self, now: float) -> None:
        """Give back the permits that nobody here waits to use."""
        if self._lots is not None:
            self._lots.rest(now)

    def _lets_evaluate(self, now: float) -> float:
        """Return the time from which the quota lets evaluations start. What became of another's canary is looked up."""
        opens = self.quota.opens_at()
        if self._budget is None or not self.quota.is_asking or self.canaries.is_ours:
            return opens
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN
            try:
                with self._learned.turn(self._budget, now):
                    opens = self.quota.opens_at()
            except ConfigurationError:
                return now  # `issue` raises it
        return min(opens, self._look_at) if self.quota.is_asking else opens

    def issue(self, now: float, need: Need, terms: Terms, waiting: int = 1) -> Ticket | None:
        """Return the leave to send a request now; None if it may not leave. Then `opens_at` tells when.

        `waiting` such requests could leave now, this one included.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
        """
        if self.opens_at(now, need, terms) > now:
            return None
        if self._lots is not None and self._given and not self._lots.claims(now, need, terms, waiting):
            return None
        if self._budget is None:
            return self._issue(now, need, terms)
        room = self.quota.room()
        with self._learned.turn(self._budget, now) as turn:
            if turn is None:
                self._busy_until = now + _LOOK_AGAIN
                return None
            uses, used = self._hear(now, turn, need)
            another_took = need.post and self.quota.room() < need.rows <= room
            if another_took or self.opens_at(now, need, terms) > now:
                return None
            turn.take(uses, used)
            return self._issue(now, need, terms)

    def _issue(self, now: float, need: Need, terms: Terms) -> Ticket:
        canary = self.canaries.left(now, need.rows) if need.evaluates else None
        terms.slots.take(now)
        self._out += 1
        return Ticket(
            self,
            need,
            now,
            terms.slots,
            epoch=self._epoch,
            leave=self._left(now),
            tries=self.outage.left(),
            canary=canary,
            before=self._out - 1,
            charged=self._given.use(now, need),
        )

    def _left(self, now: float) -> Leave:
        if 0.0 < self._allowance.closed_until <= now:
            self._holds.end(REQUESTS, now)
        return self._allowance.left(now)

    def _hear(self, now: float, turn: Turn, need: Need) -> tuple[Sequence[Use], Sequence[int]]:
        """Hear of a refusal that another met, and of what all used; return that, and what a request is to use."""
        if self._budget is not None and not self.clock.is_known:
            self.clock.assume(now, self._budget.wall_clock(), within=_TRUST)
        self._given.settle()
        added = self._given.added()
        turn.take(added, turn.used(added))
        uses = self._given.uses(now, need)
        used = turn.used(uses)
        self._given.learn(uses, used)
        self._look_at = now + _LOOK_AGAIN
        opens = self._learned.refused_until
        # What ran out before this client first asked is nothing to go by: it may be long ago.
        if opens > self._heeded + _ROUNDING and (opens > now or self._has_asked):
            self._allowance.close(opens)
        self._heeded, self._has_asked = max(self._heeded, opens), True
        return uses, used

    def _settle(self, now: float) -> None:
        """Count what was used in the windows it belongs to; those who share limits are told if a clock was wrong."""
        self._given.settle()
        if self._given.has_added and self._budget is not None:
            with suppress(ConfigurationError):  # `issue` raises it
                self._listen(now)
        elif self._lots is not None:
            self._lots.owe(self._given.added(), now)

    def _listen(self, now: float) -> None:
        """Tell and hear what is to be told to all who share a budget, if one is shared and can be had."""
        if self._budget is not None:
            with self._learned.turn(self._budget, now) as turn:
                if turn is not None:
                    self._hear(now, turn, Need(post=True, rows=1))

    def confirm(self, ticket: Ticket, now: float) -> bool:
        """Return True if a request may leave now, later than its ticket was issued; see `Ticket.may_leave`."""
        if ticket.epoch != self._epoch:
            return not self._given  # it was counted by a clock that nobody goes by any more
        is_over = not ticket.tries and self._allowance.is_over(ticket.leave)
        is_stopped = ticket.need.evaluates and ticket.canary is None and self.quota.stops_all
        if is_stopped or (is_over and self._allowance.opens_at(is_given=True) > now):
            return False
        if self._given and now > ticket.issued_at and not self._uses_later(ticket, now):
            return False
        ticket.leave = self._left(now) if is_over else ticket.leave
        self.canaries.leaves(ticket.canary, now, ticket.left_at)
        ticket.left_at = now
        return True

    def _uses_later(self, ticket: Ticket, now: float) -> bool:
        """Return True if windows that have begun since a request was counted have room for it; it is counted there."""
        new = self._given.new_uses(now, ticket.need, ticket.charged)
        if self._budget is None or not new:
            return self._counts_again(ticket, now, new)
        with self._learned.turn(self._budget, now) as turn:
            if turn is None:
                return False
            self._hear(now, turn, ticket.need)
            # What others have told of the server's time may be more than was known.
            new = self._given.new_uses(now, ticket.need, ticket.charged)
            if not self._counts_again(ticket, now, new):
                return False
            turn.take(new, turn.used(new))
            return True

    def _counts_again(self, ticket: Ticket, now: float, new: Sequence[Use]) -> bool:
        charged = self._given.use_again(now, ticket.need, ticket.charged)
        if charged is None or (self._lots is not None and not self._lots.covers_later(new)):
            return False
        ticket.charged = charged
        return True

    # What became of a request

    def returned(self, ticket: Ticket, now: float) -> None:
        """Take back a ticket whose request did not leave. What it used of a window is not given back."""
        self._untold(ticket, now, never_ran=True)

    def answered(self, ticket: Ticket, now: float, status: int, date: float | None, tokens: int | None = None) -> None:
        """Record that a request was answered, and that no limit refused it."""
        self._take_back(ticket, now, status=status, date=date)
        if tokens is not None:
            self._correct(ticket, tokens, now)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, now - ticket.issued_at)
            self._reached(now)

    def refused(self, ticket: Ticket, now: float, retry_after: float | None, date: float | None) -> None:
        """Record that a limit refused a request: nobody sends before the time that the server named."""
        self._take_back(ticket, now, status=429, date=date)
        self.refusals += 1
        self._correct(ticket, 0, now)  # tokens are not used up by a refusal
        if ticket.epoch != self._epoch:
            return
        self._reached(now)
        ends = end_said(date, retry_after)
        until = now + self._allowance.pause(retry_after, self._rng)
        until = min(until, math.inf if ends is None else self.clock.ours(ends))
        if self._allowance.refused(ticket.leave, until, ends, self.clock.doubt):
            self._holds.begin(REQUESTS, now, until)
            self._heeded = max(self._heeded, until)
            self._learned.tell(lambda: self._learned.refused(until))

    def _correct(self, ticket: Ticket, tokens: int, now: float) -> None:
        if ticket.epoch != self._epoch and self._is_shared:
            return  # it was counted in windows that are forgotten: those who share them know of it
        self._given.correct(ticket.charged, ticket.need, tokens)
        if self._lots is not None:
            self._lots.correct(ticket.charged, ticket.need, tokens, now)

    def unreachable(self, ticket: Ticket, now: float) -> None:
        """Record that there is no server to send a request to: others wait, and one at a time tries."""
        self._take_back(ticket, now, status=None, never_ran=True)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, None)
            if self.outage.failed(now, tried=ticket.tries):
                self._holds.begin(OUTAGE, now, math.inf)

    def lost(self, ticket: Ticket, now: float | None, *, timed_out: bool = False) -> None:
        """Record that no answer came, or that nobody told what became of a request."""
        self._untold(ticket, ticket.issued_at if now is None else now, timed_out=timed_out)

    def _untold(self, ticket: Ticket, now: float, *, timed_out: bool = False, never_ran: bool = False) -> None:
        self._take_back(ticket, now, status=None, timed_out=timed_out, never_ran=never_ran)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, None)
            self.outage.unknown(now, tried=ticket.tries)

    def _take_back(
        self,
        ticket: Ticket,
        now: float,
        *,
        status: int | None,
        date: float | None = None,
        timed_out: bool = False,
        never_ran: bool = False,
    ) -> None:
        assert not ticket.is_settled, "a ticket is settled once"  # noqa: S101  # a bug of ours
        ticket.is_settled = True
        ticket.slots.give_back(ticket.issued_at, now, status, timed_out=timed_out)
        if (change := ticket.slots.change()) is not None:
            self._tell(change)
        if ticket.epoch != self._epoch:
            return
        self._out -= 1
        if date is not None:
            self.clock.heard(ticket.left_at, now, date)
            self._settle(now)
        if ticket.canary is not None and (status is None or status >= 300):
            canary, ticket.canary = ticket.canary, None
            self.canaries.let_go(canary, now, never_ran=never_ran or (status is not None and status < 500))
        self.waiters.freed(ticket.slots)

    # What is told

    def _reached(self, now: float) -> None:
        if self.outage.reached():
            self._holds.end(OUTAGE, now)
            self.waiters.wake_all()

    # What is known

    def obstacle(self, now: float, *, post: bool, terms: Terms, tokens: int = 0) -> Obstacle | None:
        """Return what keeps a request from leaving now, if anything does; of several, what opens last."""
        allowance = self._allowance.opens_at(is_given=True) - now
        found = [Obstacle("request", allowance), Obstacle("server", self.outage.opens_at(now, terms.patience) - now)]
        found += [] if self._lots is None else [self._lots.obstacle(now)]
        found += [self.quota.obstacle(now)] if post else []
        found += self._given.obstacles(now, Need(post, 1, max(1, tokens)), terms)
        last = max(found, key=lambda each: each.opens_in)
        return last if last.opens_in > 0 else None

    def room(self, now: float, terms: Terms) -> float:
        """Return how many rows may leave together now; 1 if none may."""
        return max(1, min(self.quota.room(), self._given.room(now, terms)))

    @property
    def is_scarce(self) -> bool:
        """True once requests were more than may leave: one was refused, or had to wait for a given limit."""
        return self.refusals > 0 or self._allowance.learned is not None or self._given.were_full

    def headroom(self, now: float, terms: Terms, others: Sequence[Limit] = ()) -> list[Headroom]:
        """Return what each limit lets through, given and learned.

        Args:
            now: The time.
            terms: What binds the run.
            others: Limits that nobody counts yet, as of a run that is only planned.
        """
        return headroom(self._given, self._allowance, self.quota, now=now, terms=terms, others=others)

    def statistics(self, now: float, terms: Terms) -> Mapping[str, Any]:
        """Return what the gate knows: limits and what is left of each, what was learned, when it opens.

        Of a shared budget, what all its clients left.

        Raises:
            ConfigurationError: The budget cannot be read.
        """
        self._listen(now)
        return {
            "refusals": self.refusals,
            "refused_evaluations": self.canaries.stopped_evaluations,
            **known(self._given, self._allowance, self.quota, now, self.clock),
            "shared_budget": getattr(self._budget or self._permits, "path", None),
            "opens_in_s": max(0.0, self.opens_at(now, Need(post=True, rows=1), terms) - now),
            "unreachable_for_s": 0.0 if self.outage.since is None else now - self.outage.since,
        }
