"""When requests may leave: one gate for all the runs of a client, with what is known and what was learned.

It issues a ticket for each request, and is told once what became of it. Nothing else closes or opens it. What keeps a
request waiting is always one of a few things, each with a time, or an answer that is in flight: if no ticket is out,
`opens_at` is finite.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

from fi_async._errors import ConfigurationError
from fi_async._settings import Limit
from fi_async.pacing import backoff
from fi_async.pacing.allowance import Allowance
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Budget, Learned, Turn, Use
from fi_async.pacing.outage import Outage
from fi_async.pacing.planner import Headroom
from fi_async.pacing.quota import OVERDUE, UNASKED, Quota
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Canary, Need, Terms, Ticket
from fi_async.pacing.waiting import Obstacle
from fi_async.pacing.windows import Counted, Window

LONGEST_WAIT: Final = 120.0  # seconds of a Retry-After that is obeyed, at most
_TRUST: Final = 1.0  # seconds that this machine's clock and the server's are taken to differ at most, until it is told
_LOOK_AGAIN: Final = 0.05  # seconds until a shared budget is asked again that was busy
_ROUNDING: Final = 1e-3  # seconds
_MINUTE: Final = 60.0  # the window of requests until it is learned: the platform counts by the UTC minute


class Gate:
    """Issues tickets: not beyond a limit that is given, not before a refusal has run out, not without a slot.

    Times are the event loop's.

    Args:
        budget: Keeps what clients share: their use of limits that are given, and what they learned. None shares
            nothing.
        rng: Draws the jitter of pauses that no server named.
        limits: What binds every run of the client.

    Attributes:
        limits: What binds every run of the client.
        refusals: Requests that a limit refused.
        refused_evaluations: Evaluations that a limit stopped.
        outage: Whether there is a server at all.
    """

    def __init__(
        self, budget: Budget | None = None, rng: random.Random | None = None, limits: Sequence[Limit] = ()
    ) -> None:
        self.refusals = self.refused_evaluations = 0
        self.limits = tuple(limits)
        self._budget = budget
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self._loop: object = None
        self._epoch = 0
        self._windows = {limit: Window(limit) for limit in limits}
        self._waiting: dict[Callable[[], None], None] = {}
        self._reset()

    def _reset(self) -> None:
        self._learned = Learned(self._budget)
        self._allowance = Allowance()
        self.outage = Outage()
        self._busy_until = self._look_at = 0.0
        self._canary: Canary | None = None
        self._unasked: dict[str, Canary] = {}
        self._has_asked = False
        self._heeded = -math.inf  # the latest refusal of any client that is known here
        self._windows = {limit: Window(limit) for limit in self._windows}
        self._to_wake, self._freed = 0, None
        self._out = 0

    _freed: Slots | None

    def __repr__(self) -> str:
        return f"<Gate out={self._out} learned={self._allowance.learned} refusals={self.refusals} {self.clock!r}>"

    @property
    def clock(self) -> ServerClock:
        """The server's."""
        return self._learned.clock

    @property
    def quota(self) -> Quota:
        """What is known of the server's limits of evaluations."""
        return self._learned.quota

    @property
    def out(self) -> int:
        """How many tickets are not settled: the requests in flight."""
        return self._out

    @property
    def counts_windows(self) -> bool:
        """True if limits are given, so that it matters in which window a request leaves."""
        return bool(self._windows)

    def go_by(self, loop: object) -> None:
        """Forget times that another loop's clock named: each counts from a zero of its own."""
        if self._loop is not loop:
            self._loop = loop
            self._epoch += 1
            self._reset()

    def keep_count_of(self, limits: Sequence[Limit]) -> None:
        """Count what these limits let through from now on; what was used of those that are known is not forgotten."""
        for limit in limits:
            self._windows.setdefault(limit, Window(limit))

    def _binding(self, terms: Terms) -> Sequence[Window]:
        if not self._windows:
            return ()
        wanted = dict.fromkeys((*self.limits, *terms.limits))
        return [self._windows[limit] for limit in wanted if limit in self._windows]

    # Who waits

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when a ticket is settled and it is its turn; those come first that have waited longest."""
        self._waiting.setdefault(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._waiting.pop(wake, None)

    def pass_on(self) -> None:
        """Wake the next of those who wait: to be called by one who was woken, when it has taken what it needs."""
        if self._to_wake and self._freed is not None and self._freed.free > 0:
            self._wake_one()

    def _changed(self, slots: Slots) -> None:
        self._to_wake, self._freed = len(self._waiting), slots
        self._wake_one()

    def _wake_one(self) -> None:
        if self._waiting:
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            self._to_wake = max(0, self._to_wake - 1)
            wake()

    # Before a request leaves

    def opens_at(self, now: float, need: Need, terms: Terms) -> float:
        """Return the time from which a request may leave; infinity if an answer that is in flight has to come first."""
        if terms.slots.free <= 0:
            return math.inf
        windows = self._binding(terms)
        is_given = any(window.limit.of == "requests" for window in windows)
        opens = max(
            self._busy_until,
            self._allowance.opens_at(is_given=is_given),
            self.outage.opens_at(now, terms.patience),
            self._lets_evaluate(now) if need.evaluates else 0.0,
        )
        for window in windows:
            if amount := need.of(window.limit):
                opens = max(opens, window.opens_at(now, amount, self.clock))
        return opens

    def _lets_evaluate(self, now: float) -> float:
        """Return the time from which the quota lets evaluations start. What became of another's canary is looked up."""
        opens = self.quota.opens_at()
        if self._budget is None or not self.quota.is_asking or self._canary is not None:
            return opens
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN
            try:
                with self._learned.turn(self._budget, now):
                    opens = self.quota.opens_at()
            except ConfigurationError:
                return now  # `issue` raises it
        return min(opens, self._look_at) if self.quota.is_asking else opens

    def issue(self, now: float, need: Need, terms: Terms) -> Ticket | None:
        """Return the leave to send a request now; None if it may not leave. Then `opens_at` tells when.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
        """
        if self.opens_at(now, need, terms) > now:
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
        canary = None
        if need.evaluates and self.quota.left(now, need.rows, self.clock):
            canary = self._canary = Canary()
        terms.slots.take(now)
        self._out += 1
        return Ticket(
            self,
            need,
            now,
            terms.slots,
            epoch=self._epoch,
            leave=self._allowance.left(now),
            tries=self.outage.left(),
            canary=canary,
            before=self._out - 1,
            charged=[w.use(now, need.of(w.limit), self.clock) for w in self._windows.values()] if self._windows else (),
        )

    def _hear(self, now: float, turn: Turn, need: Need) -> tuple[Sequence[Use], Sequence[int]]:
        """Hear of a refusal that another met, and of what all used; return that, and what a request is to use."""
        if self._budget is not None and not self.clock.is_known:
            self.clock.assume(now, self._budget.wall_clock(), within=_TRUST)
            self._settle_windows()
        uses = [
            use
            for window in self._windows.values()
            if (amount := need.of(window.limit))
            for use in window.uses(now, amount, self.clock)
        ]
        used = turn.used(uses)
        for use, before in zip(uses, used, strict=True):
            self._windows[use.limit].learn(use.window, before)
        self._look_at = now + _LOOK_AGAIN
        opens = self._learned.refused_until
        # What ran out before this client first asked is nothing to go by: it may be long ago.
        if opens > self._heeded + _ROUNDING and (opens > now or self._has_asked):
            self._allowance.close(opens)
        self._heeded, self._has_asked = max(self._heeded, opens), True
        return uses, used

    def confirm(self, ticket: Ticket, now: float) -> bool:
        """Return True if a request may leave now, later than its ticket was issued; see `Ticket.may_leave`."""
        if ticket.epoch != self._epoch:
            return True
        if self._allowance.closed_until > now and not ticket.tries:
            return False
        if not self._windows or now == ticket.issued_at:
            return True
        claims = list(zip(self._windows.values(), ticket.charged, strict=False))
        with self._with_others(now, ticket.need, claims) as turn:
            for window, since in claims:
                if not window.still_open(now, ticket.need.of(window.limit), self.clock, since):
                    return False
            ticket.charged = [w.use(now, ticket.need.of(w.limit), self.clock, since) for w, since in claims]
            if turn is not None:
                uses = [use for w, since in claims for use in w.uses(now, ticket.need.of(w.limit), self.clock)
                        if use.amount and _is_new(w, use, since, self.clock)]  # fmt: skip
                turn.take(uses, turn.used(uses))
        return True

    @contextmanager
    def _with_others(self, now: float, need: Need, claims: Sequence[tuple[Window, Counted]]) -> Iterator[Turn | None]:
        """Take a turn of the shared budget, where there is one and a window began that was not asked for yet."""
        if self._budget is None or not any(
            _is_new(window, use, since, self.clock)
            for window, since in claims
            for use in window.uses(now, need.of(window.limit), self.clock)
            if use.amount
        ):
            yield None
            return
        with self._learned.turn(self._budget, now) as turn:
            if turn is not None:
                self._hear(now, turn, need)
            yield turn

    # What became of a request

    def returned(self, ticket: Ticket, now: float) -> None:
        """Take back a ticket whose request did not leave. What it used of a window is not given back."""
        self._take_back(ticket, now, status=None, never_ran=True)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, None)
            self.outage.unknown(now, tried=ticket.tries)

    def answered(self, ticket: Ticket, now: float, status: int, date: float | None) -> None:
        """Record that a request was answered, and that no limit refused it."""
        self._take_back(ticket, now, status=status, date=date)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, now - ticket.issued_at)
            self.outage.reached()

    def refused(self, ticket: Ticket, now: float, retry_after: float | None, date: float | None) -> None:
        """Record that a limit refused a request: nobody sends before the time that the server named."""
        self._take_back(ticket, now, status=429, date=date)
        self.refusals += 1
        if ticket.epoch != self._epoch:
            return
        self.outage.reached()
        until = now + self._pause(retry_after)
        ends = None if date is None or retry_after is None else date + retry_after
        if ends is not None and self.clock.is_known:
            until = min(until, self.clock.ours(ends))
        doubt = self.clock.most - self.clock.least if self.clock.is_known else 0.0
        if self._allowance.refused(ticket.leave, until, ends, doubt):
            self._heeded = max(self._heeded, until)
            self._learned.tell(lambda: self._learned.refused(until))

    def _pause(self, said: float | None) -> float:
        """Return the seconds to wait. A server that does not say, or says "now" again, is asked ever less often."""
        row = self._allowance.in_a_row
        if said is None or (said == 0 and row):
            return backoff.delay(row + 1, self._rng)
        return min(said, LONGEST_WAIT)

    def unreachable(self, ticket: Ticket, now: float) -> None:
        """Record that there is no server to send a request to: others wait, and one at a time tries."""
        self._take_back(ticket, now, status=None, never_ran=True)
        if ticket.epoch == self._epoch:
            self._allowance.answered(ticket.leave, None)
            self.outage.failed(now, tried=ticket.tries)

    def lost(self, ticket: Ticket, now: float | None, *, timed_out: bool = False) -> None:
        """Record that no answer came, or that nobody told what became of a request."""
        now = ticket.issued_at if now is None else now
        self._take_back(ticket, now, status=None, timed_out=timed_out)
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
        if ticket.epoch != self._epoch:
            return
        self._out -= 1
        if date is not None:
            self.clock.heard(ticket.issued_at, now, date)
            self._settle_windows()
        if ticket.canary is not None and (status is None or status >= 300):
            canary, ticket.canary = ticket.canary, None
            self.let_go(canary, now, never_ran=never_ran or (status is not None and status < 500))
        self._changed(ticket.slots)

    def _settle_windows(self) -> None:
        for window in self._windows.values():
            window.settle(self.clock)

    # What became of an evaluation

    def ran(self, canary: Canary | None, slots: Slots | None = None) -> None:
        """Record an evaluation that was run: no limit stopped it."""
        is_ours = self._drop(canary)
        # As long as no limit was met, none of the others has to know it soon.
        is_wanted = self.quota.learned is not None
        self._learned.tell(lambda: self.quota.passed(canary=is_ours, clock=self.clock), at_once=is_wanted)
        if is_ours:
            self._wake_all(slots)

    def stopped(self, canary: Canary | None, now: float, since: float | None = None) -> None:
        """Record an evaluation that a limit stopped, and since when that was full."""
        self.refused_evaluations += 1
        is_ours = self._drop(canary)
        self._learned.tell(lambda: self.quota.refused(now, canary=is_ours, clock=self.clock, since=since))
        if is_ours:
            self._wake_all(None)

    def let_go(self, canary: Canary | None, now: float, *, never_ran: bool = False) -> None:
        """Record that nobody will tell what became of a canary; another may leave, at once if this one never ran."""
        if not self._drop(canary):
            return
        self._learned.tell(lambda: self.quota.returned(now) if never_ran else self.quota.lost(now))
        self._wake_all(None)

    def heard_of(self, canary: Canary | None, now: float) -> None:
        """Record that a canary is being asked for: it is waited for as long again."""
        if canary is not None and canary is self._canary:
            self._learned.tell(lambda: self.quota.wait_for_canary(now + OVERDUE), at_once=False)

    def entrust(self, eval_id: str | None, canary: Canary | None, now: float) -> None:
        """Keep the canary of an evaluation that was started, for whoever asks for it; for half a minute at most."""
        if canary is None or eval_id is None or canary is not self._canary:
            return
        self._unasked = {eval_id: canary}
        self._learned.tell(lambda: self.quota.wait_for_canary(now + UNASKED))

    def claim_canary(self, eval_id: str, now: float) -> Canary | None:
        """Return the canary that an evaluation is, if it is one that nobody holds."""
        canary = self._unasked.pop(eval_id, None)
        self.heard_of(canary, now)
        return canary

    def _drop(self, canary: Canary | None) -> bool:
        """Return True if it is the canary that is out; then none is, for this client."""
        if canary is None or canary is not self._canary:
            return False
        self._canary = None
        return True

    def _wake_all(self, slots: Slots | None) -> None:
        self._to_wake, self._freed = len(self._waiting), slots or self._freed
        while self._waiting and self._to_wake:
            self._wake_one()

    # What is known

    def obstacle(self, now: float, *, post: bool, terms: Terms) -> Obstacle | None:
        """Return what keeps a request from leaving now, if anything does; of several, what opens last."""
        allowance = self._allowance.opens_at(is_given=True) - now
        found = [
            Obstacle("request", allowance),
            Obstacle("server", self.outage.opens_at(now, terms.patience) - now),
        ]
        if post:
            closes = self.quota.opens_at() - now
            closes = math.inf if self.quota.is_asking and closes > 0 else closes
            found.append(Obstacle("evaluation", closes, by_canary=self.quota.is_closed))
        found += [
            Obstacle("request" if w.limit.of == "requests" else "evaluation", w.opens_at(now, 1, self.clock) - now)
            for w in self._binding(terms)
            if Need(post, 1).of(w.limit)
        ]
        last = max(found, key=lambda each: each.opens_in)
        return last if last.opens_in > 0 else None

    def room(self, now: float, terms: Terms) -> float:
        """Return how many rows may leave together now; 1 if none may."""
        windows = [w.left(now, self.clock) for w in self._binding(terms) if w.limit.of == "evaluations"]
        return max(1, min([self.quota.room(), *windows]))

    @property
    def is_scarce(self) -> bool:
        """True once requests were more than may leave: one was refused, or had to wait for a given limit."""
        was_full = any(window.was_full for window in self._windows.values() if window.limit.of == "requests")
        return self.refusals > 0 or self._allowance.learned is not None or was_full

    def headroom(self, now: float, terms: Terms, others: Sequence[Limit] = ()) -> list[Headroom]:
        """Return what each limit lets through, given and learned.

        Args:
            now: The time.
            terms: What binds the run.
            others: Limits that nobody counts yet, as of a run that is only planned.
        """
        windows = [*self._binding(terms), *(Window(each) for each in others if each not in self._windows)]
        found = [
            Headroom(w.limit.of, w.limit.count, w.limit.seconds, w.left(now, self.clock), w.next_in(now, self.clock))
            for w in windows
        ]
        sure, period = self._allowance.sure, self._allowance.period
        if sure is not None:
            closed = max(0.0, self._allowance.closed_until - now)
            length = period or _MINUTE
            rest = self._allowance.rest(now)
            found.append(Headroom("requests", sure, length, rest, closed or length, period is None))
        if self.quota.learned is not None and self.quota.period is not None:
            left = 0 if self.quota.is_closed else int(self.quota.room())
            found.append(Headroom("evaluations", self.quota.learned, self.quota.period, left, self.quota.period))
        return found

    def statistics(self, now: float, terms: Terms) -> Mapping[str, Any]:
        """Return what the gate knows: limits and what is left of each, what was learned, when it opens.

        Of a shared budget, what all its clients left.

        Raises:
            ConfigurationError: The budget cannot be read.
        """
        if self._budget is not None:
            with self._learned.turn(self._budget, now) as turn:
                if turn is not None:
                    self._hear(now, turn, Need(post=True, rows=1))
        opens = self.opens_at(now, Need(post=True, rows=1), terms)
        limits_by: Literal["server", "machine"] = "server" if self.clock.is_known else "machine"
        return {
            "refusals": self.refusals,
            "learned_requests_per_window": self._allowance.learned,
            "refused_evaluations": self.refused_evaluations,
            "learned_evaluations_per_window": self.quota.learned,
            "learned_window_s": self.quota.period,
            "limits": [
                {"count": w.limit.count, "seconds": w.limit.seconds, "of": w.limit.of, "left": w.left(now, self.clock)}
                for w in self._windows.values()
            ],
            "limits_by_clock_of": limits_by,
            "shared_budget": None if self._budget is None else self._budget.path,
            "opens_in_s": max(0.0, opens - now),
            "unreachable_for_s": 0.0 if self.outage.since is None else now - self.outage.since,
        }


def _is_new(window: Window, use: Use, since: Counted, clock: ServerClock) -> bool:
    """Return True if what was counted before is not yet counted in the window of a use."""
    last = window.last_counted(since, clock)
    return last is None or use.window > last
