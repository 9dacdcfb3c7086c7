"""How many evaluations a plan lets through, learned: its limits say neither how many nor until when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from fi_async.pacing.clock import ServerClock
from fi_async.pacing.waiting import Obstacle

FIRST: Final = 0.5  # seconds until the first canary
GROWTH: Final = 1.25  # so that a window is found open at most a fifth of its wait too late
LONGEST: Final = 1800.0
OVERDUE: Final = 120.0  # seconds without a word of a canary: no evaluation is taken for stalled so soon
UNASKED: Final = 30.0  # seconds that a canary is waited for that was started, and that nobody asks for
_SURE: Final = 60.0  # seconds: a longer window may hide a shorter one, which is looked for again
_ROUNDING: Final = 1e-6  # seconds
_ROUNDED: Final = 1e-3  # seconds by which a time may differ that went from one loop's clock to another's, and back
_LENGTHS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_TIMES: Final = frozenset({"_closed_at", "_next", "_canary_at", "_canary_until", "_refused_at", "_full_at"})


@dataclass(slots=True)
class EvaluationQuota:
    """Open until an evaluation is refused; then one canary at a time asks whether it is again.

    How many passed of those sent before the refusal, found done before it or after, is what the next window is taken to
    let through. A window that let all of these through is tried with 1, 2, 4, … more the next times.

    When it opened, seen from the canaries on either side of that moment, tells the window's length: the shortest usual
    one with a boundary just there and none earlier since it closed. So the next opening is met without asking. If it is
    met just then, a length up to a minute stands.

    Attributes:
        learned: Evaluations that a window lets through; None until one refused.
        period: The window's length in seconds; None until one was seen to open.
    """

    learned: int | None = None
    period: float | None = None
    _closed_at: float | None = None
    _next: float = 0.0
    _wait: float = FIRST
    _canary_at: float | None = None
    _canary_until: float = 0.0
    _refused_at: float = 0.0
    _full_at: float = 0.0
    _opens_on_server: float | None = None
    _sent: int = 0
    _passed: int = 0
    _was_refused: bool = False
    _step: int = 1

    def __repr__(self) -> str:
        return f"<EvaluationQuota {'closed' if self.is_closed else 'open'} learned={self.learned} period={self.period}>"

    @property
    def is_closed(self) -> bool:
        """True while only a canary may leave."""
        return self._closed_at is not None

    def state(self, ahead: float) -> dict[str, Any]:
        """Return all that is known, as plain values, with the times of a clock that is so far ahead."""
        return {
            each.name: value + ahead if each.name in _TIMES and value is not None else value
            for each in fields(self)
            for value in (getattr(self, each.name),)
        }

    def restore(self, state: Mapping[str, Any], ahead: float) -> None:
        """Know all that `state` returned, and nothing else.

        Raises:
            ValueError: It returned no such thing: the file that kept it is damaged.
        """
        known = {each.name: each.default for each in fields(self)}
        if state.keys() != known.keys() or any(
            not isinstance(value, int | float) and (value is not None or known[name] is not None)
            for name, value in state.items()
        ):
            raise ValueError("not what is known of a quota")
        for name, value in state.items():
            setattr(self, name, value - ahead if name in _TIMES and value is not None else value)

    def room(self) -> float:
        """Return how many rows may leave together."""
        if self.is_closed:
            return 1
        return math.inf if self.learned is None else max(1, self.learned - self._sent)

    def opens_at(self) -> float:
        """Return the time from which an evaluation may be started: a canary that is out is not waited for for ever."""
        if not self.is_closed:
            return 0.0
        return self._next if self._canary_at is None else self._canary_until

    def obstacle(self, now: float) -> Obstacle:
        """Return how it keeps evaluations from being started, if it does."""
        closes = self.opens_at() - now
        return Obstacle("evaluation", math.inf if self.is_asking and closes > 0 else closes, by_canary=self.is_closed)

    @property
    def is_asking(self) -> bool:
        """True while a canary is out."""
        return self._canary_at is not None

    def left(self, now: float, rows: int, clock: ServerClock) -> bool:
        """Take note of rows that are sent, and tell whether they are a canary. The last of a window close it."""
        if self.is_closed:
            self.lost(now)  # the canary before, if one was out: nothing was heard of it
            self._canary_at, self._canary_until = now, now + OVERDUE
            return True
        if self.learned is None:
            return False
        self._sent += rows
        if self._sent >= self.learned:
            self.learned, self._step, self._was_refused = self.learned + self._step, 2 * self._step, False
            self._close(now, clock)
        return False

    @property
    def stops_all(self) -> bool:
        """True while it is closed by an evaluation that was refused: only a canary tells more."""
        return self.is_closed and self._was_refused

    def canary_leaves(self, now: float, reckoned: float) -> None:
        """Take note that the canary that is out leaves now, later than it was reckoned to."""
        if self._canary_at is not None and abs(self._canary_at - reckoned) < _ROUNDED:
            self._canary_at = now

    def wait_for_canary(self, until: float) -> None:
        """Wait for the canary that is out until then; no longer, nor shorter."""
        self._canary_until = until

    def passed(self, *, canary: bool, clock: ServerClock) -> None:
        """Take note of an evaluation that was run."""
        if not canary:
            self._passed += 1
            if self.is_closed and self._was_refused:
                self.learned = max(self.learned or 1, self._passed)
        elif self.is_closed:
            self._open(clock)

    def refused(self, now: float, *, canary: bool, clock: ServerClock, since: float | None = None) -> None:
        """Take note of an evaluation that a limit stopped.

        Args:
            now: The time.
            canary: True if it was the canary.
            clock: The server's.
            since: When it was started, if known: the window was full by then, however late that was found.
        """
        if canary:
            self._refused_at = self._refused_at if self._canary_at is None else self._canary_at
            self.lost(now)
        elif not self._was_refused:
            # Those that the window let through may be found done only later: see passed().
            self.learned, self._step, self._was_refused = max(1, self._passed), 1, True
            if not self.is_closed:
                self._close(now, clock)
        if since is not None and self.is_closed and not canary:
            self._full_at = min(self._full_at, since)

    def lost(self, now: float) -> None:
        """Take note of a canary that did not tell that it is open: another goes later."""
        if self._canary_at is None:
            return
        self._canary_at = None
        self._next = now + self._wait
        self._wait = min(self._wait * GROWTH, LONGEST)

    def returned(self, now: float) -> None:
        """Record that the canary never got there: another may leave at once."""
        self._canary_at, self._next = None, now

    def _close(self, now: float, clock: ServerClock) -> None:
        self._closed_at = self._refused_at = self._full_at = now
        self._wait, self._next = FIRST, now + FIRST
        is_another = self._has_begun_another(now, clock)
        # Of what was sent, not all counts in a window that began meanwhile: only a refusal tells that it is full.
        if self._opens_on_server is not None and clock.is_known and (self._was_refused or not is_another):
            self._next = clock.ours(self._opens_on_server)

    def _has_begun_another(self, now: float, clock: ServerClock) -> bool:
        """Tell whether a window began since this was last asked, and reckon when the next one does."""
        if self.period is None or self._opens_on_server is None or not clock.is_known:
            return False
        past = max(0.0, (clock.earliest(now) - self._opens_on_server + _ROUNDING) // self.period + 1)
        self._opens_on_server += past * self.period
        return past > 0

    def _open(self, clock: ServerClock) -> None:
        closed_at, canary_at = self._closed_at, self._canary_at
        self._closed_at = self._canary_at = None
        self._sent = self._passed = 1
        self._was_refused = False
        if closed_at is None or canary_at is None or not clock.is_known:
            return
        self._has_begun_another(canary_at, clock)
        if self.period is not None and self.period <= _SURE and self._refused_at == closed_at:
            return  # it opened just when it was expected to, and nothing was asked before that would tell more
        found = _boundary(clock.earliest(self._full_at), clock.earliest(self._refused_at), clock.latest(canary_at))
        if found is not None:
            self._opens_on_server, self.period = found[0] + found[1], found[1]


def _boundary(closed: float, shut: float, opened: float) -> tuple[float, float] | None:
    """Return the boundary between `shut` and `opened`, and the shortest usual length with none after `closed`."""
    for length in map(float, _LENGTHS):
        last = math.floor(opened / length) * length
        if last > shut and math.floor(shut / length) * length <= closed:
            return last, length
    return None
