"""When requests may leave: one gate for all the tasks of a client, with what is known and what was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from fi_async._errors import ConfigurationError
from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Budget, Learned, Turn, Use
from fi_async.pacing.planner import Headroom
from fi_async.pacing.quota import Quota
from fi_async.pacing.waiting import Obstacle
from fi_async.pacing.windows import Allowance, Window

_TRUST: Final = 1.0  # seconds that this machine's clock and the server's are taken to differ at most, until it is told
_LOOK_AGAIN: Final = 0.05  # seconds until a shared budget is asked again that was busy
_ROUNDING: Final = 1e-3  # seconds
_MINUTE: Final = 60.0  # the window of requests until it is learned: the platform counts by the UTC minute


class Gate:
    """Says when a request may leave: not beyond a limit that is given, not before a refusal has run out.

    One refusal closes it for everyone, until the time that the server names. Times are the event loop's.

    Args:
        budget: Keeps what clients share: their use of limits that are given, and what they learned. None shares
            nothing.

    Attributes:
        refusals: Requests that a limit refused.
        refused_evaluations: Evaluations that a limit stopped.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.refusals = self.refused_evaluations = 0
        self._budget = budget
        self._loop: object = None
        self._windows: tuple[Window, ...] = ()
        self._reset()

    def _reset(self) -> None:
        self._learned = Learned(self._budget)
        self._allowance = Allowance()
        self._closed_until = 0.0
        self._busy_until = self._look_at = 0.0
        self._is_canary = False
        self._has_asked = False
        self._heeded = -math.inf  # the latest refusal of any client that is known here
        self._windows = tuple(Window(window.limit) for window in self._windows)

    def __repr__(self) -> str:
        return f"<Gate learned={self._allowance.learned} refusals={self.refusals} {self.clock!r}>"

    @property
    def clock(self) -> ServerClock:
        """The server's."""
        return self._learned.clock

    @property
    def quota(self) -> Quota:
        """What is known of the server's limits of evaluations."""
        return self._learned.quota

    def go_by(self, loop: object) -> None:
        """Forget times that another loop's clock named: each counts from a zero of its own."""
        if self._loop is not loop:
            self._loop = loop
            self._reset()

    def keep_to(self, limits: Sequence[Limit]) -> None:
        """Keep to these limits from now on; what was used of those that stay is not forgotten."""
        known = {window.limit: window for window in self._windows}
        self._windows = tuple(known.get(limit) or Window(limit) for limit in dict.fromkeys(limits))

    def hold(self, until: float, *, server_until: float | None = None) -> None:
        """Close the gate after a refusal: the latest time anyone was told counts.

        Args:
            until: When it opens at the latest.
            server_until: The end of the window on the server's clock, if it said so: it may come sooner.
        """
        if server_until is not None and self.clock.is_known:
            until = min(until, self.clock.ours(server_until))
        self.refusals += 1
        self._allowance.refused(server_until)
        self._closed_until = max(self._closed_until, until)
        self._heeded = max(self._heeded, until)
        self._learned.tell(lambda: self._learned.refused(until))

    def passed(self, *, canary: bool) -> None:
        """Take note of an evaluation that was run."""
        self._learned.has_canary &= not canary
        # As long as no limit was met, none of the others has to know it soon.
        is_wanted = self.quota.learned is not None
        self._learned.tell(lambda: self.quota.passed(canary=canary, clock=self.clock), at_once=is_wanted)

    def refused(self, now: float, *, canary: bool, since: float | None = None) -> None:
        """Take note of an evaluation that a limit stopped, and since when that was full."""
        self.refused_evaluations += 1
        self._learned.has_canary &= not canary
        self._learned.tell(lambda: self.quota.refused(now, canary=canary, clock=self.clock, since=since))

    def lost(self, now: float) -> None:
        """Take note of a canary that told nothing."""
        self._learned.has_canary = False
        self._learned.tell(lambda: self.quota.lost(now))

    def opens_at(self, now: float, *, post: bool, rows: int = 1, is_canary: bool = False) -> float:
        """Return the time from which a request may leave; infinity if an answer has to come first.

        Args:
            now: The time.
            post: True if it starts evaluations.
            rows: How many.
            is_canary: True if they are the canary that is out, sent again.
        """
        times = [self._closed_until, self._busy_until]
        times += [self._lets_evaluate(now)] if post and rows and not is_canary else []
        times += [
            window.opens_at(now, amount, self.clock)
            for window in self._windows
            if (amount := _amount(window.limit, post=post, rows=rows))
        ]
        opens = max(times)
        if opens <= now and not self._allowance.may_leave():
            return math.inf
        return opens

    def _lets_evaluate(self, now: float) -> float:
        """Return the time from which the quota lets evaluations start. What became of another's canary is looked up."""
        opens = self.quota.opens_at()
        if self._budget is None or opens < math.inf or self._learned.has_canary:
            return opens
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN
            try:
                with self._learned.turn(self._budget, now):
                    opens = self.quota.opens_at()
            except ConfigurationError:
                return now  # `claim` raises it
        return opens if opens < math.inf else self._look_at

    def claim(self, now: float, *, post: bool, rows: int = 1) -> bool:
        """Take what a request needs; False if it may not leave after all. Then `opens_at` tells.

        To be asked when `opens_at` says that it may leave, and followed by `left`: what another client took or was
        told in between is known here first.

        Raises:
            ConfigurationError: The shared budget cannot be kept.
        """
        if self._budget is None:
            return self._take(now, post=post, rows=rows)
        room = self.quota.room()
        with self._learned.turn(self._budget, now) as turn:
            if turn is None:
                self._busy_until = now + _LOOK_AGAIN
                return False
            uses, used = self._hear(now, turn, post=post, rows=rows)
            another_took = post and self.quota.room() < rows <= room
            if another_took or self.opens_at(now, post=post, rows=rows, is_canary=self._learned.has_canary) > now:
                return False
            turn.take(uses, used)
            return self._take(now, post=post, rows=rows)

    def _take(self, now: float, *, post: bool, rows: int) -> Literal[True]:
        self._is_canary = bool(post and rows) and self.quota.left(now, rows, self.clock)
        self._learned.has_canary |= self._is_canary
        return True

    def _hear(self, now: float, turn: Turn, *, post: bool, rows: int) -> tuple[Sequence[Use], Sequence[int]]:
        """Take note of a refusal that another met, and of what all used; return that, and what a request is to use."""
        if self._budget is not None and not self.clock.is_known:
            self.clock.assume(now, self._budget.wall_clock(), within=_TRUST)
        windows = {window.limit: window for window in self._windows}
        uses = [
            use
            for window in self._windows
            if (amount := _amount(window.limit, post=post, rows=rows))
            for use in window.uses(now, amount, self.clock)
        ]
        used = turn.used(uses)
        for use, before in zip(uses, used, strict=True):
            windows[use.limit].learn(use.window, before)
        self._look_at = now + _LOOK_AGAIN
        opens = self._learned.refused_until
        # What ran out before this client first asked is nothing to go by: it may be long ago.
        if opens > self._heeded + _ROUNDING and (opens > now or self._has_asked):
            self._closed_until = max(self._closed_until, opens)
            self._allowance.stop()
        self._heeded, self._has_asked = max(self._heeded, opens), True
        return uses, used

    def obstacle(self, now: float, *, post: bool) -> Obstacle | None:
        """Return what keeps a request from leaving now, if anything does; of several, what opens last."""
        found = [Obstacle("request", self._closed_until - now)]
        if post:
            closes = self.quota.opens_at() - now
            found.append(Obstacle("evaluation", closes, by_canary=self.quota.is_closed))
        found += [
            Obstacle("request" if w.limit.of == "requests" else "evaluation", w.opens_at(now, 1, self.clock) - now)
            for w in self._windows
            if _amount(w.limit, post=post, rows=1)
        ]
        last = max(found, key=lambda each: each.opens_in)
        if last.opens_in > 0:
            return last
        return None if self._allowance.may_leave() else Obstacle("request", math.inf)

    def room(self, now: float) -> float:
        """Return how many rows may leave together now; 1 if none may."""
        windows = [w.left(now, self.clock) for w in self._windows if w.limit.of == "evaluations"]
        return max(1, min([self.quota.room(), *windows]))

    def left(self, now: float, *, post: bool, rows: int = 1) -> bool:
        """Take note of a request that leaves now, and tell whether its rows are a canary of the evaluations' quota.

        What it needs was taken by `claim`.
        """
        if self._closed_until and now >= self._closed_until:
            self._closed_until = 0.0
            self._allowance.begin_window()
        self._allowance.left()
        for window in self._windows:
            window.use(now, _amount(window.limit, post=post, rows=rows), self.clock)
        return self._is_canary

    def answered(self, sent_at: float, now: float, date: float | None, *, refused: bool) -> None:
        """Take note of an answer, or of none; a refusal is told by `hold` too."""
        if date is not None:
            self.clock.heard(sent_at, now, date)
            for window in self._windows:
                window.settle(now, self.clock)
        if not refused:
            self._allowance.answered()

    @property
    def is_scarce(self) -> bool:
        """True once requests were more than may leave: one was refused, or had to wait for a given limit."""
        was_full = any(window.was_full for window in self._windows if window.limit.of == "requests")
        return self.refusals > 0 or self._allowance.learned is not None or was_full

    def headroom(self, now: float, unsent: int = 0) -> list[Headroom]:
        """Return what each limit lets through, given and learned; so many requests are about to leave."""
        found = [
            Headroom(
                w.limit.of,
                w.limit.count,
                w.limit.seconds,
                w.left(now, self.clock) - (unsent if w.limit.of == "requests" else 0),
                w.next_in(now, self.clock),
            )
            for w in self._windows
        ]
        if self._allowance.learned is not None:
            closed = max(0.0, self._closed_until - now)
            # A window begins as the gate opens.
            rest = self._allowance.learned if self._closed_until else self._allowance.rest
            left = 0 if closed else rest - unsent
            period = self._allowance.period or _MINUTE
            is_assumed = self._allowance.period is None
            found.append(Headroom("requests", self._allowance.learned, period, left, closed or period, is_assumed))
        if self.quota.learned is not None and self.quota.period is not None:
            left = 0 if self.quota.is_closed else int(self.quota.room())
            found.append(Headroom("evaluations", self.quota.learned, self.quota.period, left, self.quota.period))
        return found

    def statistics(self, now: float) -> Mapping[str, Any]:
        """Return what the gate knows: limits and what is left of each, what was learned, when it opens.

        Of a shared budget, what all its clients left.

        Raises:
            ConfigurationError: The budget cannot be read.
        """
        if self._budget is not None:
            with self._learned.turn(self._budget, now) as turn:
                if turn is not None:
                    self._hear(now, turn, post=True, rows=1)
        return {
            "refusals": self.refusals,
            "learned_requests_per_window": self._allowance.learned,
            "refused_evaluations": self.refused_evaluations,
            "learned_evaluations_per_window": self.quota.learned,
            "learned_window_s": self.quota.period,
            "limits": [
                {"count": w.limit.count, "seconds": w.limit.seconds, "of": w.limit.of, "left": w.left(now, self.clock)}
                for w in self._windows
            ],
            "shared_budget": None if self._budget is None else self._budget.path,
            "opens_in_s": max(0.0, self.opens_at(now, post=True) - now),
        }


def _amount(limit: Limit, *, post: bool, rows: int) -> int:
    if limit.of == "requests":
        return 1
    return rows if post else 0
