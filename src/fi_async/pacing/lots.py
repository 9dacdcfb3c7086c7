"""Permits of given limits, taken in lots from a store that all workers share: together they keep to the limits.

A request needs a permit of each window that it may fall into. A worker takes as many at once as it will use within a
moment, and no more than it has requests for; of what a window has left it gets a part, so that lots shrink as the
window empties and none is left over where it is not needed. What it cannot use after all it gives back. Whoever ends
without a word has used what it took until the window ends, and no longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from fi_async._errors import ConfigurationError
from fi_async._settings import Limit
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.given_limits import GivenLimits
from fi_async.pacing.holds import BUDGET, Holds
from fi_async.pacing.learned import Use, merged
from fi_async.pacing.ticket import Need, Terms
from fi_async.pacing.waiting import Obstacle
from fi_async.pacing.windows import Counted

PARTS: Final = 2  # one lot is no more than this part of what a window has left, or what one request needs
_AHEAD: Final = 0.25  # seconds of use that a lot is meant for
_LOW: Final = 2  # the next lot is asked for when so small a part of the last is left
_LOOK_AGAIN: Final = 0.05  # seconds until a request asks again whether permits have come; it is woken before
_FIRST_LOOK: Final = 0.1  # seconds until a full window is looked at again: others may have given some back
_LOOKS: Final = 60  # parts of a window that the longest pause between two looks is, if that is more than a second
_TRUST: Final = 1.0  # seconds that the store's clock and the server's are taken to differ at most, until it is told
_PATIENCE: Final = 30.0  # seconds, for a store that was never reached
_NOTICED: Final = 1.0  # seconds after which a store without an answer counts as away
_PAUSES: Final = (0.1, 5.0)  # seconds between two attempts to reach it: the first and the longest
_PAST: Final = 2.0  # seconds after its end that nothing counts in a window any more


class SharedWindow(NamedTuple):
    """One window of a limit: that of this number, which begins at number times its length since the epoch."""

    of: str
    seconds: float
    number: int


class LotRequest(NamedTuple):
    """What is asked of one window, and given back to it.

    Attributes:
        window: Which.
        most: The limit: so much may be used in it.
        need: The least that is of use; 0 asks for nothing.
        want: As much as is welcome.
        back: What was taken of it and is not needed; below 0 what was used beyond what was taken.
    """

    window: SharedWindow
    most: int
    need: int = 0
    want: int = 0
    back: int = 0


class Lot(NamedTuple):
    """What one window gave.

    Attributes:
        granted: So much; 0 if there is less than was needed.
        used: What all have taken of it by then.
    """

    granted: int
    used: int


class StoreTrouble(NamedTuple):
    """Why a store gave no answer.

    Attributes:
        why: In words; no password is among them.
        is_final: True if trying again is of no use.
    """

    why: str
    is_final: bool = False


class PermitStore(Protocol):
    """Where the permits are. One exchange at a time is under way.

    Attributes:
        path: Where, for people.
    """

    path: str

    def wall_clock(self) -> float | None:
        """Return the store's time, in seconds since the epoch; None before the first answer."""

    def exchange(self, asks: Sequence[LotRequest], then: Callable[[Sequence[Lot] | StoreTrouble, float], None]) -> None:
        """LotRequest, and call `then` in the event loop with an answer to each, and the loop's time."""


def grant(used: int, ask: LotRequest) -> int:
    """Return what a window gives of which so much is used: the rule that each store computes where nobody else writes.

    More than the whole limit goes by itself, in a window of its own.
    """
    most = max(ask.most, ask.need)
    if not ask.need or used + ask.need > most:
        return 0
    return min(ask.want, max(ask.need, (most - used) // PARTS))


class Lots:
    """The permits of one gate.

    Args:
        store: Where they are taken.
        given: The limits, and what of them is known to be used.
        clock: The server's.
        holds: Tells when the store is away, and when it is there again.
        opened: Is called when permits have come, or are known not to.

    Attributes:
        away_since: Since when the store gives no answer; None while it does.
    """

    def __init__(
        self,
        store: PermitStore,
        given: GivenLimits,
        clock: ServerClock,
        holds: Holds,
        opened: Callable[[], None],
    ) -> None:
        self.away_since: float | None = None
        self._holds = holds
        self._store, self._given, self._clock, self._opened = store, given, clock, opened
        self._held: dict[SharedWindow, int] = {}
        self._is_asking = self._is_to_rest = self._is_to_tell = self._was_reached = False
        self._asked_at = self._retry_at = self._busy_until = 0.0
        self._look_at, self._pause = math.inf, _FIRST_LOOK
        self._pause_away = _PAUSES[0]
        self._issued = self._low = 0
        self._failed = self._why = ""

    def __repr__(self) -> str:
        return f"<Lots {self._store.path} held={sum(self._held.values())}>"

    def opens_at(self, now: float, full_until: float) -> float:
        """Return the time from which a request may leave, or ask for permits, if its windows are full until then."""
        full_until = min(full_until, max(now, self._look_at)) if full_until > now else full_until
        return max(self._busy_until, full_until)

    def claims(self, now: float, need: Need, terms: Terms, waiting: int) -> bool:
        """Return True if permits cover a request; they are used then. Else some are asked for.

        Args:
            now: The time.
            need: What it is for.
            terms: What binds it.
            waiting: How many such requests could leave now, this one included.

        Raises:
            ConfigurationError: The store cannot be used, or has been away for longer than there is patience.
        """
        self._check(now, terms.patience)
        if not self._knows_time(now):
            return False
        if (
            self._look_at <= now and self._given.opens_at(now, need, terms) > now
        ):  # a look at a full window: takes nothing of another limit's
            self._look_at = now + self._pause
            self._ask(now, self._uses(now, need, terms), 1)
            return False
        uses = self._uses(now, need, terms)
        if self.away_since is not None or not self._covers(uses):
            rate = self._issued / max(now - self._asked_at, _AHEAD / 100) if self._issued else 0.0
            self._ask(now, uses, max(1, min(waiting, max(terms.slots.free, math.ceil(rate * _AHEAD)))))
            return False
        self._take(uses)
        self._issued += 1
        self._ask_ahead(now, uses, waiting - 1)
        return True

    def covers_later(self, uses: Sequence[Use]) -> bool:
        """Return True if permits cover a request in windows that have begun since it had its ticket; they are used."""
        taken = self._merged(uses)
        if not self._covers(taken):
            return False
        self._take(taken)
        return True

    def correct(self, counted: Sequence[Counted], need: Need, tokens: int, now: float) -> None:
        """Count that so much more was used, or less, than permits were taken for.

        What is more is taken from the permits that are held. What these do not cover the store is told at once, so that
        it gives nobody what is used up already: with what else comes meanwhile, if an exchange is under way.
        """
        more = self._given.corrections(counted, need, tokens)
        self._owe([use for use in merged(more) if _window(use) in self._held])
        if tokens > need.tokens and any(held < 0 for held in self._held.values()):
            self._is_to_tell = True
            self._tell(now)

    def owe(self, uses: Sequence[Use], now: float) -> None:
        """Count what was used and no permits were taken for, and tell the store as soon as it can be told."""
        self._owe(uses)
        self._is_to_tell |= bool(uses)
        self._tell(now)

    def _owe(self, uses: Sequence[Use]) -> None:
        for use in uses:
            window = _window(use)
            self._held[window] = self._held.get(window, 0) - use.amount

    def _tell(self, now: float) -> None:
        if self._is_to_tell and not self._is_asking and self.away_since is None:
            self._is_to_tell = False
            self._give_back(now, [window for window, held in self._held.items() if held < 0])

    def rest(self, now: float) -> None:
        """Give back what is not used: nobody here waits for permits."""
        if self._is_asking:
            self._is_to_rest = True
            return
        self._is_to_rest = False
        if self.away_since is None:
            self._give_back(now, [window for window, held in self._held.items() if held])

    def _give_back(self, now: float, windows: Sequence[SharedWindow]) -> None:
        """Give back what is held of windows, and tell what was used beyond what was taken of them."""
        asks = [LotRequest(window, 0, back=self._held[window]) for window in windows]
        self._held.update(dict.fromkeys(windows, 0))
        if asks:
            self._exchange(now, asks, [()] * len(asks))

    # What is asked

    def _check(self, now: float, patience: float) -> None:
        if self._failed:
            raise ConfigurationError(self._failed)
        if self._is_asking and now - self._asked_at > _NOTICED and self.away_since is None:
            self._is_away(self._asked_at, now, "it gives no answer")
        bound = patience if self._was_reached else min(patience, _PATIENCE)
        if self.away_since is not None and now - self.away_since > bound:
            raise ConfigurationError(
                f"shared_budget {self._store.path} could not be reached for {bound:g} s ({self._why}): nothing is sent"
                " without it. A kept run made again goes on"
            )

    def _knows_time(self, now: float) -> bool:
        if self._clock.is_known:
            return True
        time = self._store.wall_clock()
        if time is None:
            self._ask(now, {}, 0)
            return False
        self._clock.assume(now, time, within=_TRUST)
        self._given.settle()
        return True

    def _uses(self, now: float, need: Need, terms: Terms) -> dict[SharedWindow, tuple[int, int, list[Use]]]:
        """Return what a request takes of each window, the smallest limit of that kind that binds it, and its uses."""
        counts: dict[tuple[str, float], int] = {}
        for each in self._given.binding(terms):
            kind = each.limit.of, each.limit.seconds
            counts[kind] = min(counts.get(kind, each.limit.count), each.limit.count)
        return self._merged(self._given.uses(now, need), counts)

    def _merged(
        self, uses: Sequence[Use], counts: dict[tuple[str, float], int] | None = None
    ) -> dict[SharedWindow, tuple[int, int, list[Use]]]:
        found: dict[SharedWindow, tuple[int, int, list[Use]]] = {}
        for use in uses:
            window = _window(use)
            count = use.limit.count if counts is None else counts.get(window[:2], use.limit.count)
            found.setdefault(window, (use.amount, count, []))[2].append(use)
        return found

    def _covers(self, uses: dict[SharedWindow, tuple[int, int, list[Use]]]) -> bool:
        return all(self._held.get(window, 0) >= amount for window, (amount, *_) in uses.items())

    def _take(self, uses: dict[SharedWindow, tuple[int, int, list[Use]]]) -> None:
        for window, (amount, *_) in uses.items():
            self._held[window] -= amount

    def _ask_ahead(self, now: float, uses: dict[SharedWindow, tuple[int, int, list[Use]]], waiting: int) -> None:
        """LotRequest for the next lot while the last of this one is used, so that nothing waits for it."""
        if self._is_asking or not self._low or not uses or now < self._retry_at:
            return
        left = min(self._held[window] // amount for window, (amount, *_) in uses.items())
        if left <= self._low // _LOW and left < waiting:
            rate = self._issued / max(now - self._asked_at, _AHEAD / 100)
            self._ask(now, uses, min(waiting, math.ceil(rate * _AHEAD)), is_ahead=True)

    def _ask(
        self, now: float, uses: dict[SharedWindow, tuple[int, int, list[Use]]], requests: int, *, is_ahead: bool = False
    ) -> None:
        if not is_ahead:
            self._busy_until = max(now + _LOOK_AGAIN, self._retry_at)
        if self._is_asking or now < self._retry_at:
            return
        self._forget_past(now)
        asks, asked = [], []
        for window, (amount, count, of_window) in sorted(uses.items()):
            held = self._held.get(window, 0)
            back, held = min(0, held), max(0, held)
            if requests * amount > held:
                asks.append(LotRequest(window, count, max(1, amount - held), requests * amount - held, back))
                asked.append(tuple(of_window))
                self._held[window] = held
        if not asks and is_ahead:
            return
        self._issued, self._low = 0, requests
        self._asked_at = now
        self._exchange(now, asks, asked)

    def _forget_past(self, now: float) -> None:
        time = self._clock.earliest(now) - _PAST
        self._held = {
            window: held for window, held in self._held.items() if (window.number + 1) * window.seconds > time
        }

    def _exchange(self, now: float, asks: Sequence[LotRequest], uses: Sequence[Sequence[Use]]) -> None:
        self._is_asking = True
        self._asked_at = now

        def then(answer: Sequence[Lot] | StoreTrouble, at: float) -> None:
            self._is_asking = False
            self._busy_until = 0.0
            if isinstance(answer, StoreTrouble):
                for ask in asks:  # what was used is told again, even if the store may have heard it
                    self._held[ask.window] = self._held.get(ask.window, 0) + min(0, ask.back)
                    self._is_to_tell |= ask.back < 0
                self._lost(answer, at)
            else:
                self._arrived(at, asks, uses, answer)
            self._opened()

        self._store.exchange(asks, then)

    # What came of it

    def _lost(self, trouble: StoreTrouble, now: float) -> None:
        if trouble.is_final:
            self._failed = f"shared_budget {self._store.path} cannot be used: {trouble.why}"
            return
        self._is_away(self._asked_at, now, trouble.why)
        self._retry_at = self._busy_until = now + self._pause_away
        self._pause_away = min(2 * self._pause_away, _PAUSES[1])

    def _is_away(self, since: float, now: float, why: str) -> None:
        self._why = why
        if self.away_since is None:
            self.away_since = since
            self._holds.begin(BUDGET, now, math.inf)

    def obstacle(self, now: float) -> Obstacle:
        """Return how the store keeps requests from leaving, if it does."""
        return Obstacle("budget", 0.0 if self.away_since is None else max(self._retry_at - now, _LOOK_AGAIN))

    def _arrived(
        self, now: float, asks: Sequence[LotRequest], uses: Sequence[Sequence[Use]], grants: Sequence[Lot]
    ) -> None:
        if self.away_since is not None:
            self._holds.end(BUDGET, now)
        self.away_since, self._retry_at, self._pause_away, self._was_reached = None, 0.0, _PAUSES[0], True
        full, is_denied = [], False
        for ask, of_window, told in zip(asks, uses, grants, strict=True):
            held = self._held[ask.window] = self._held.get(ask.window, 0) + told.granted
            self._given.learn(of_window, [told.used - held] * len(of_window))
            is_denied |= ask.need > 0 and not told.granted
            if ask.need and (not told.granted or told.used >= ask.most):
                full.append(ask.window.seconds)
            if of_window:
                self._low = min(self._low, told.granted // of_window[0].amount)
        if full:
            longest = max(1.0, min(full) / _LOOKS)
            self._look_at = now + min(self._pause, longest)
            self._pause = min(2 * self._pause, longest)
        elif any(ask.need for ask in asks):
            self._look_at, self._pause = math.inf, _FIRST_LOOK
        if is_denied or self._is_to_rest:
            self.rest(now)  # what one limit gave is of no use while another gives nothing
        self._tell(now)


def _window(use: Use) -> SharedWindow:
    limit: Limit = use.limit
    return SharedWindow(limit.of, limit.seconds, use.window)
