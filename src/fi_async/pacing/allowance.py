"""How many requests a window takes when nobody said: learned from refusals, then probed."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fi_async.pacing import backoff

LONGEST_WAIT: Final = 120.0  # seconds of a Retry-After that is obeyed, at most
VOLLEY: Final = 64  # requests that leave before an answer could tell that they are too many
_SHARE: Final = 4  # of those that were answered, a quarter may be out: more refusals than that no limit brings
_SOON: Final = 0.05  # seconds in which a server that refuses does so, unless it is far or has too much to do
_LATEST: Final = 1.0  # seconds by which it is later for that, at most
_RECENT: Final = 64  # answers that tell how much the server, or this machine, has to do
_REMEMBERED: Final = 4096  # requests whose times are known
_LENGTHS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_ROUNDING: Final = 1e-3  # seconds


class Leave(NamedTuple):
    """When a request left, as windows are counted.

    Attributes:
        window: The number of the window.
        number: How many had left before it, in all windows.
        at: The time.
    """

    window: int
    number: int
    at: float


@dataclass(slots=True)
class Allowance:
    """How many requests a window takes. One refusal closes it for everyone, until the time that the server names.

    As many as left before a refusal may leave in the next window at once: those that surely left in the window that
    refused; the others, in volleys. Beyond these one goes ahead alone; as long as such probes are answered, more go
    together each time. Whatever is still in flight, a window opens at its time: what
    left in an earlier one counts there.

    As long as nothing is known, a limit may be near. No more than a volley is out of those that left after the last
    request that was seen to pass; or than a quarter of those that passed, if that is more. One passed if it was
    answered, and so did those that left before it. What is not answered so soon as a refusal would be has passed too:
    a refusal takes a moment, and as much longer as some answers took longer than others.

    Attributes:
        learned: Requests a window took before it refused one; None until one did.
        period: The window's length in seconds; None until two of them refused one.
        closed_until: When the window that refused ends; 0 if it has.
    """

    learned: int | None = None
    period: float | None = None
    closed_until: float = 0.0
    _window: int = 0
    _sent: int = 0
    _sure: int = 0
    _refused: int = 0
    _in_flight: int = 0
    _step: int = 1
    _in_a_row: int = 0
    _ends: float | None = None
    _ended: float | None = None
    _left: int = 0
    _passed: int = 0
    _answered: int = 0
    _marked_at: float = -math.inf
    _marked: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _took: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def opens_at(self, *, is_given: bool) -> float:
        """Return the time from which one more may leave; infinity if an answer that is in flight has to come first.

        Args:
            is_given: True if a limit of requests is given: then no volleys are needed to find one.
        """
        if self.closed_until:
            return self.closed_until
        if self.learned is None or self._sure <= self._sent < self.learned:
            is_full = self._left - self._passed >= self._volley and not is_given
            return self._marked_at + self._refuses_in if is_full else 0.0
        return 0.0 if self._sent < self._sure or self._in_flight == 0 else math.inf

    @property
    def _volley(self) -> int:
        """How many may be out that nobody knows to have passed."""
        return VOLLEY if self.learned is not None else max(VOLLEY, self._answered // _SHARE)

    @property
    def _refuses_in(self) -> float:
        """Seconds in which a refusal would have come."""
        if not self._took:
            return _SOON
        quickest = min(self._took)
        return min(_SOON, quickest) + min(_LATEST, max(self._took) - quickest)

    def left(self, now: float) -> Leave:
        """Record a request that leaves, and return as which."""
        if self.closed_until and now >= self.closed_until:
            self._begin_window()
        if self.learned is None or self._sure <= self._sent < self.learned:
            self._see_passed(now)
        elif self._sent < self._sure:
            self._passed = self._left + 1
        else:
            self.learned += self._step
            self._sure = self.learned
            self._step *= 2
        leave = Leave(self._window, self._left, now)
        self._times.append(now)
        self._left += 1
        self._sent += 1
        self._in_flight += 1
        return leave

    def is_over(self, leave: Leave) -> bool:
        """Return True if the window that a request was counted in has ended, or is full until it does."""
        return leave.window != self._window or self.closed_until > 0.0

    def _see_passed(self, now: float) -> None:
        """Take what left some time ago to have passed, as no refusal came; and mark what leaves now, for the next."""
        if now >= self._marked_at + self._refuses_in:
            self._passed, self._marked_at = max(self._passed, self._marked), now
        if now == self._marked_at:
            self._marked = self._left + 1

    def answered(self, leave: Leave, took: float | None) -> None:
        """Record that a request came to its end without a refusal.

        Args:
            leave: What `left` returned for it.
            took: The seconds to its answer; None if there was none.
        """
        if leave.window == self._window:
            self._in_flight -= 1
            if took is not None and not self.closed_until:
                self._in_a_row = 0
        if took is not None:
            self._answered += 1
            self._passed = max(self._passed, leave.number + 1)
            self._took.append(took)

    def refused(self, leave: Leave, until: float, ends: float | None, doubt: float = 0.0) -> bool:
        """Record a refusal: what had left without one is what the window takes. Return True if it closes the window.

        Args:
            leave: What `left` returned for it.
            until: When the window ends.
            ends: When it ends on the server's clock, if the server said so. Two such ends are some windows apart.
            doubt: Seconds by which it may end before `until`.
        """
        if leave.window == self._window:
            self._in_flight -= 1
            self._sent -= 1
            self._refused += 1
        elif ends is not None and self._ended is not None and ends <= self._ended + _ROUNDING:
            return False  # by a window that has ended since
        if self._ends is None and ends is not None:
            if self._ended is not None and ends > self._ended:
                self.period = min(self.period or math.inf, ends - self._ended)
            self._ends = ends
        self._in_a_row += not self.closed_until
        self.close(until)
        self._recount(until - self._shortest(until - leave.at, ends), doubt)
        return True

    def _shortest(self, rest: float, ends: float | None) -> float:
        """Return the length of the window that refused; if it is not known, the shortest that is usual and possible.

        Args:
            rest: Seconds from when the refused request left to the window's end.
            ends: When it ends on the server's clock, where each is a multiple of its length; None if nobody knows.
        """
        if self.period is not None:
            return self.period
        if ends is None:
            return math.inf
        possible = (each for each in _LENGTHS if each >= rest - 1 and abs(ends - round(ends / each) * each) < _ROUNDING)
        return next(possible, math.inf)

    def pause(self, said: float | None, rng: random.Random) -> float:
        """Return the seconds to wait after a refusal.

        A server that does not say, or says "now" again, is asked ever less often.

        Args:
            said: The seconds that it said; None if it did not.
            rng: Draws the jitter of a pause that it did not name.
        """
        if said is None or (said == 0 and self._in_a_row):
            return backoff.delay(self._in_a_row + 1, rng)
        return min(said, LONGEST_WAIT)

    def close(self, until: float) -> None:
        """Record that the window is full until then, for this client or for another of the same budget."""
        self.closed_until = max(self.closed_until, until)
        self._sent = max(1, self._sent)
        self.learned = self._sure = self._sent
        self._step = 1

    def _recount(self, began: float, doubt: float) -> None:
        """Tell those that left in the window that refused from those that may have left in one before it.

        Args:
            began: The latest that it can have begun.
            doubt: Seconds by which it may have begun before that. If nothing left before these, all count in it.
        """
        first = bisect_left(self._times, began)
        if bisect_left(self._times, began - doubt - _ROUNDING) and began > -math.inf:
            self._sure = max(1, min(self._sent, len(self._times) - first - self._refused))

    @property
    def sure(self) -> int | None:
        """How many a window surely takes, as far as it was seen; None as long as nothing is known."""
        return None if self.learned is None else self._sure

    def rest(self, now: float) -> int:
        """Return how many may still leave in this window, before one has to ask."""
        if self.closed_until > now:
            return 0
        return max(0, self._sure - (0 if self.closed_until else self._sent))

    def _begin_window(self) -> None:
        """Count from zero: the window that refused has ended."""
        self.closed_until = 0.0
        self._window += 1
        self._sent = self._in_flight = self._refused = 0
        self._ends, self._ended = None, self._ended if self._ends is None else self._ends
