"""How far a run is, in numbers. No clock and no await: whoever asks says what time it is."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from fi_async._models import Outcome, OutcomeStatus
from fi_async._public import public
from fi_async._spending import Spending

WINDOW: Final = 60.0  # seconds that a rate is taken over: the length of most limits' windows, so that bursts even out
_STOOD: Final = ("replayed", "reused")  # what was reused stays so when the run is gone on with


@public
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, at one moment.

    Attributes:
        done: Evaluations that have ended, one for each case and template.
        failed: Those of them without a score, for whatever reason.
        total: How many there will be; None if nobody knows.
        in_flight: Evaluations that are begun and not done.
        rate: Evaluations a second, over the last minute. What is left until a closed limit opens counts as part of it:
            nothing can end there, so a burst before does not promise another.
        elapsed_s: Seconds since the run began.
        eta_s: Seconds until all are done, at this rate; None if that is not known.
        waiting_for: What holds up the run, such as "request limit, 12 s to the next window"; None if nothing but
            replies does.
        tokens: What judges of yours took so far; None without one.
        cost: Dollars that these cost, as far as is known; None if nothing is.
    """

    done: int
    failed: int
    total: int | None
    in_flight: int
    rate: float
    elapsed_s: float
    eta_s: float | None = None
    waiting_for: str | None = None
    tokens: int | None = None
    cost: float | None = None


class Meter:
    """Counts outcomes as they come. Memory does not grow with their number.

    Args:
        began: When the run began.
        total: How many outcomes there will be; None if nobody knows.
        stood: How many had ended before, and how many of them without a score: they come again, and count at once.
    """

    def __init__(self, began: float, total: int | None, stood: tuple[int, int] = (0, 0)) -> None:
        self.total = total
        self._to_come, self._to_come_failed = stood
        self._began = began
        self._done = self._failed = self._sent = 0
        self._last = began
        self._spending = Spending()
        self._recent: deque[list[int]] = deque()  # [second, how many evaluations ended in it]

    def add(self, outcome: Outcome, now: float) -> None:
        """Record an outcome. One that was never sent, or comes from an earlier run, says nothing of the rate."""
        failed = outcome.status is not OutcomeStatus.SCORED
        self._done += 1
        self._failed += failed
        self._spending.add(outcome)
        if outcome.origin in _STOOD:
            self._to_come -= self._to_come > 0
            self._to_come_failed -= failed and self._to_come_failed > 0
        if outcome.attempts == 0 or outcome.origin != "evaluated":
            return
        self._last = now
        self._sent += 1
        second = int(now - self._began)
        if not self._recent or self._recent[-1][0] != second:
            self._recent.append([second, 0])
        self._recent[-1][1] += 1

    def end(self) -> None:
        """Take note that no outcome comes any more: what of an earlier pass did not come is no case of this one."""
        self._to_come = self._to_come_failed = 0

    def progress(
        self, now: float, *, in_flight: int = 0, opens_in: float = 0.0, waiting_for: str | None = None
    ) -> Progress:
        """Return how far the run is.

        Args:
            now: The time, by the clock of `began`.
            in_flight: Evaluations that are begun and not done.
            opens_in: Seconds until another request may leave; infinite if an answer has to come first.
            waiting_for: What holds up the run; None if nothing but replies does.
        """
        elapsed = now - self._began
        while self._recent and self._recent[0][0] < elapsed - WINDOW:
            self._recent.popleft()
        span = min(elapsed, WINDOW) + (opens_in if math.isfinite(opens_in) else 0.0)
        tokens = self._spending.tokens
        rate = sum(count for _, count in self._recent) / span if span else 0.0
        return Progress(
            done=self._done + self._to_come,
            failed=self._failed + self._to_come_failed,
            total=self.total,
            in_flight=in_flight,
            rate=rate,
            elapsed_s=elapsed,
            eta_s=self._eta(now, rate, opens_in),
            waiting_for=waiting_for,
            tokens=None if tokens is None else tokens.total,
            cost=self._spending.dollars,
        )

    def _eta(self, now: float, rate: float, opens_in: float) -> float | None:
        if self.total is None:
            return None
        left = max(0, self.total - self._done - self._to_come)
        # Where nothing ended for a minute, the run as a whole tells more than nothing.
        rate = rate or self._sent / max(now - self._began, 1e-9)
        if left == 0 or rate == 0:
            return None if left else 0.0
        if math.isinf(opens_in):  # an answer opens the gate: when, nobody knows, but it is one among many
            opens_in = 0.0
        # The rate spreads what ended over the whole wait: what is waited already lies behind.
        waited = now - self._last if opens_in > 0 else 0.0
        return max(opens_in, left / rate - waited)
