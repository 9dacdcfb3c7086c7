"""What was learned of the server's limits, by one client or by all that share a budget, and how these agree on it."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final, NamedTuple, Protocol

from fi_async._errors import ConfigurationError
from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.quota import EvaluationQuota

_SET: Final = 1.0  # seconds by which this machine's clock has to be off for it to have been set
_FRESH: Final = 600.0  # seconds in which two clocks that nobody sets drift apart by less than a tenth of one


class Use(NamedTuple):
    """So much of a limit, in the window of that number: it begins at number times its length since the epoch."""

    limit: Limit
    window: int
    amount: int


def merged(uses: Iterable[Use]) -> list[Use]:
    """Return uses one for each window: what several limits count there was used once."""
    sums: defaultdict[Limit, Counter[int]] = defaultdict(Counter)
    for use in uses:
        sums[use.limit][use.window] += use.amount
    found: dict[tuple[str, float, int], Use] = {}
    for limit, of_window in sums.items():
        for window, amount in of_window.items():
            key = limit.of, limit.seconds, window
            if key not in found or amount > found[key].amount:
                found[key] = Use(limit, window, amount)
    return list(found.values())


class Turn(Protocol):
    """A budget, while nobody else looks at it.

    Attributes:
        learned: What clients have learned, in their own words; it is kept as it is left. Empty at first.
        age: Seconds since that was last changed, by this machine's clock.
    """

    learned: str
    age: float

    def used(self, uses: Sequence[Use]) -> Sequence[int]:
        """Return what all clients used before, of each limit and window."""

    def take(self, uses: Sequence[Use], used: Sequence[int]) -> None:
        """Use so much more than was used before."""


class Budget(Protocol):
    """What keeps a budget. Nothing of it takes long enough to matter to an event loop.

    Attributes:
        path: Where.
    """

    path: str

    def turn(self) -> AbstractContextManager[Turn | None]:
        """Take a turn, while all others wait for theirs; None if it cannot be had for the moment."""

    def wall_clock(self) -> float:
        """Return this machine's time, in seconds since the epoch."""


class Learned:
    """What was learned of the server's limits. What clients share is the same for all of them at each turn.

    It is kept with times of this machine's clock, as each event loop counts from a zero of its own.

    Args:
        budget: What is shared; None shares nothing.
        clock: The server's, as far as it is known; None if it is not.

    Attributes:
        clock: The server's.
        quota: What is known of its limits of evaluations.
        refused_until: The latest end of a window that refused a request; minus infinity if none did.
    """

    def __init__(self, budget: Budget | None = None, clock: ServerClock | None = None) -> None:
        self.clock = clock or ServerClock()
        self.quota = EvaluationQuota()
        self.refused_until = -math.inf
        self._budget = budget
        self._ahead = math.inf  # this machine's clock, of the loop's
        self._untold: list[Callable[[], None]] = []
        self._state: Any = None
        self._words = ""

    def refused(self, until: float) -> None:
        """Take note of a request that was refused until then."""
        self.refused_until = max(self.refused_until, until)

    def tell(self, change: Callable[[], None], *, at_once: bool = True) -> None:
        """Change what was learned. If that is shared, then in a turn: the next, unless one can be had at once.

        A budget that cannot be kept is no error here, where it would cost a result: the next turn raises it.
        """
        if self._budget is None:
            change()
            return
        self._untold.append(change)
        if at_once and self._ahead < math.inf:
            with suppress(ConfigurationError), self._turn(self._budget):
                pass

    @contextmanager
    def turn(self, budget: Budget, now: float) -> Iterator[Turn | None]:
        """Take a turn: hear what the others have learned, and tell them what was learned here.

        Raises:
            ConfigurationError: The budget cannot be kept.
        """
        ahead = budget.wall_clock() - now
        if abs(ahead - self._ahead) > _SET:
            self._ahead = ahead
        with self._turn(budget) as turn:
            yield turn

    @contextmanager
    def _turn(self, budget: Budget) -> Iterator[Turn | None]:
        with budget.turn() as turn:
            if turn is None:
                yield None
                return
            self._hear(turn)
            for change in self._untold:
                change()
            self._untold.clear()
            yield turn
            self._say(turn)

    def _hear(self, turn: Turn) -> None:
        if not turn.learned or turn.learned == self._words or turn.age < -_SET:
            return  # nobody has learned anything, or nothing else, or with a clock that was wrong
        try:
            learned = json.loads(turn.learned)
            until = learned["refused_until"] - self._ahead
            told = learned["clock"] and [bound + self._ahead for bound in learned["clock"]]
            self.quota.restore(learned["quota"], self._ahead)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            return  # damaged: what is learned next is written in its place
        self.refused_until = max(self.refused_until, until)
        if told and turn.age < _FRESH:
            least, most = told
            self.clock.agree(least, most)

    def _say(self, turn: Turn) -> None:
        told = self.clock.told
        state = {
            "quota": self.quota.state(self._ahead),
            "refused_until": self.refused_until + self._ahead,
            "clock": told and [bound - self._ahead for bound in told],
        }
        if state != self._state:
            self._state, turn.learned = state, json.dumps(state)
        self._words = turn.learned
