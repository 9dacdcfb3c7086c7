"""Runs that wait for leave to send: woken in turn as places are freed, or all at once."""

from __future__ import annotations

from collections.abc import Callable

from fi_async.pacing.slots import Slots


class Waiters:
    """Those who wait, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: dict[Callable[[], None], None] = {}
        self._to_wake = 0
        self._freed: Slots | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when a ticket is settled and it is its turn; those come first that have waited longest."""
        self._waiting.setdefault(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._waiting.pop(wake, None)

    def freed(self, slots: Slots) -> None:
        """Wake the first: one of these places is free. The others have their turn as each passes it on."""
        self._to_wake, self._freed = len(self._waiting), slots
        self._wake_one()

    def pass_on(self) -> None:
        """Wake the next: to be called by one who was woken, when it has taken what it needs."""
        if self._to_wake and self._freed is not None and self._freed.free > 0:
            self._wake_one()

    def wake_all(self) -> None:
        """Wake all: what opened is open to each of them."""
        waiting, self._waiting = self._waiting, {}
        for wake in waiting:
            wake()

    def _wake_one(self) -> None:
        if self._waiting:
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            self._to_wake = max(0, self._to_wake - 1)
            wake()
