"""The limits that a client and its calls are given: what of them is used, and which of them bind whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.learned import Use, merged
from fi_async.pacing.planner import Headroom
from fi_async.pacing.ticket import Need, Terms
from fi_async.pacing.waiting import ONE_OF, Obstacle
from fi_async.pacing.windows import Counted, Window, counted_in


class GivenLimits:
    """A window for each limit. What any run uses counts in all of them; a limit binds only those it is given to.

    Args:
        always: What binds every run of the client.
        clock: The server's.
    """

    def __init__(self, always: Sequence[Limit], clock: ServerClock) -> None:
        self._always = tuple(always)
        self._clock = clock
        self._windows = {limit: Window(limit) for limit in always}
        self._added: list[Use] = []
        self._settled = 0

    def __repr__(self) -> str:
        return f"<GivenLimits {list(self._windows.values())}>"

    def __bool__(self) -> bool:
        return bool(self._windows)

    def moved(self, clock: ServerClock, by: float | None) -> GivenLimits:
        """Return the same limits as reckoned by another clock of ours; these are not to be used any more.

        Args:
            clock: The server's, by that clock.
            by: Seconds by which each moment is later on that clock; None forgets what was used.
        """
        other = GivenLimits(self._always, clock)
        if by is None:
            other.keep_count_of(list(self._windows))
            return other
        for window in self._windows.values():
            window.move(by)
        other._windows, other._added, other._settled = self._windows, self._added, self._settled
        return other

    def keep_count_of(self, limits: Sequence[Limit]) -> None:
        """Count what is used of these from now on; what was used of those that are known is not forgotten."""
        for limit in limits:
            self._windows.setdefault(limit, Window(limit))

    def binding(self, terms: Terms) -> Sequence[Window]:
        """Return the windows of the limits that bind a run."""
        if not self._windows:
            return ()
        wanted = dict.fromkeys((*self._always, *terms.limits))
        return [self._windows[limit] for limit in wanted if limit in self._windows]

    def opens_at(self, now: float, need: Need, terms: Terms) -> float:
        """Return the time from which all limits that bind a run let a request leave; 0 where none does."""
        opens = [w.opens_at(now, n, self._clock) for w in self.binding(terms) if (n := need.of(w.limit))]
        return max(opens, default=0.0)

    def use(self, now: float, need: Need) -> Sequence[Counted]:
        """Record a request that leaves, and return for each window in which of its spans it was counted."""
        return [w.use(now, need.of(w.limit), self._clock) for w in self._windows.values()] if self._windows else ()

    def uses(self, now: float, need: Need) -> list[Use]:
        """Return what a request uses, in each window that it may fall into."""
        return [use for w in self._windows.values() if (n := need.of(w.limit)) for use in w.uses(now, n, self._clock)]

    def learn(self, uses: Sequence[Use], used: Sequence[int]) -> None:
        """Record what all who share a budget have used."""
        for use, before in zip(uses, used, strict=True):
            self._windows[use.limit].learn(use.window, before)

    def correct(self, counted: Sequence[Counted], need: Need, tokens: int) -> None:
        """Count the tokens that a request took in place of those that it was reckoned to take."""
        for window, since in self._counted(counted):
            if window.limit.of == "tokens":
                window.correct(tokens - need.tokens, since)

    def corrections(self, counted: Sequence[Counted], need: Need, tokens: int) -> list[Use]:
        """Return how much more a request took of limits of tokens than it was reckoned to take, or less."""
        return [
            Use(window.limit, index, tokens - need.tokens)
            for window, since in self._counted(counted)
            if window.limit.of == "tokens"
            for index in counted_in(since)
        ]

    def settle(self) -> None:
        """Count what was used in the windows it belongs to, if these are known only now."""
        if self._settled != self._clock.times_set:
            self._settled = self._clock.times_set
            added = [use for window in self._windows.values() for use in window.settle(self._clock)]
            self._added = merged((*self._added, *added))

    @property
    def has_added(self) -> bool:
        """True while there is something that `added` will return."""
        return bool(self._added)

    def added(self) -> Sequence[Use]:
        """Return what was counted in further windows since this was last asked: those who share them have to know."""
        added, self._added = self._added, []
        return added

    def new_uses(self, now: float, need: Need, counted: Sequence[Counted]) -> list[Use]:
        """Return what a request uses in windows that have begun since it was counted; nothing while none is known."""
        if not self._clock.is_known:
            return []
        return [
            use
            for window, since in self._counted(counted)
            if need.of(window.limit)
            for use in window.uses(now, need.of(window.limit), self._clock)
            if use.window not in counted_in(since)
        ]

    def use_again(self, now: float, need: Need, counted: Sequence[Counted]) -> Sequence[Counted] | None:
        """Count a request that leaves later than it was counted, and return where; None if a window has no room."""
        claims = list(self._counted(counted))
        if not all(w.still_open(now, need.of(w.limit), self._clock, since) for w, since in claims):
            return None
        return [w.use(now, need.of(w.limit), self._clock, since) for w, since in claims]

    def _counted(self, counted: Sequence[Counted]) -> Iterator[tuple[Window, Counted]]:
        # Those that came after the request have no part in it.
        return zip(self._windows.values(), counted, strict=False)

    @property
    def were_full(self) -> bool:
        """True once a limit of requests had somebody wait."""
        return any(window.was_full for window in self._windows.values() if window.limit.of == "requests")

    def room(self, now: float, terms: Terms) -> float:
        """Return how many rows may leave together, as far as these limits have a say; infinity if they have none."""
        of_rows = (w for w in self.binding(terms) if w.limit.of == "evaluations")
        return min((w.left(now, self._clock) for w in of_rows), default=math.inf)

    def headroom(self, now: float, terms: Terms, others: Sequence[Limit]) -> list[Headroom]:
        """Return what each limit that binds a run lets through, and each of some others that nobody counts yet."""
        clock = self._clock
        return [
            Headroom(w.limit.of, w.limit.count, w.limit.seconds, w.left(now, clock), w.next_in(now, clock))
            for w in (*self.binding(terms), *(Window(each) for each in others if each not in self._windows))
        ]

    def obstacles(self, now: float, need: Need, terms: Terms) -> list[Obstacle]:
        """Return how each limit that binds a run keeps a request from leaving, if it does."""
        return [
            Obstacle(ONE_OF[w.limit.of], w.opens_at(now, amount, self._clock) - now)
            for w in self.binding(terms)
            if (amount := need.of(w.limit))
        ]

    def statistics(self, now: float) -> list[Mapping[str, Any]]:
        """Return each limit, and what is left of it in the present window."""
        return [
            {"count": w.limit.count, "seconds": w.limit.seconds, "of": w.limit.of, "left": w.left(now, self._clock)}
            for w in self._windows.values()
        ]
