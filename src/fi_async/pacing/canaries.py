"""What becomes of evaluations, as far as a plan's limit of them is concerned; and who holds its canary."""

from __future__ import annotations

from fi_async.pacing.holds import EVALUATIONS, Holds
from fi_async.pacing.learned import Learned
from fi_async.pacing.quota import OVERDUE, UNASKED
from fi_async.pacing.ticket import Canary
from fi_async.pacing.waiters import Waiters


class Canaries:
    """Told once of each evaluation: it ran, a limit stopped it, or nobody will tell.

    Args:
        learned: What is known of the limit; shared with the clients of a budget.
        waiters: Who waits for the limit to open.
        holds: Tells of it.
        stopped_evaluations: How many a limit stopped before.

    Attributes:
        stopped_evaluations: How many a limit stopped.
    """

    def __init__(self, learned: Learned, waiters: Waiters, holds: Holds, stopped_evaluations: int = 0) -> None:
        self.stopped_evaluations = stopped_evaluations
        self._learned = learned
        self._waiters = waiters
        self._holds = holds
        self._canary: Canary | None = None
        self._unasked: dict[str, Canary] = {}

    def __repr__(self) -> str:
        return f"<Canaries ours={self.is_ours} {self._learned.quota!r}>"

    @property
    def is_ours(self) -> bool:
        """True while the canary that is out is this client's."""
        return self._canary is not None

    def left(self, now: float, rows: int) -> Canary | None:
        """Record rows that are sent, and return the canary that they are, if they are one."""
        canary = None
        if self._learned.quota.left(now, rows, self._learned.clock):
            canary = self._canary = Canary()
        self.note(now)
        return canary

    def leaves(self, canary: Canary | None, now: float, reckoned: float) -> None:
        """Record that a canary leaves now, later than it was reckoned to."""
        if canary is not None and canary is self._canary and now > reckoned:
            self._learned.tell(lambda: self._learned.quota.canary_leaves(now, reckoned), at_once=False)

    def note(self, now: float) -> None:
        """Tell of a limit that has closed, or that is open again."""
        if self._learned.quota.is_closed:
            self._holds.begin(EVALUATIONS, now, self._learned.quota.opens_at())
        else:
            self._holds.end(EVALUATIONS, now)

    def ran(self, canary: Canary | None, now: float) -> None:
        """Record an evaluation that was run: no limit stopped it."""
        is_ours = self._drop(canary)
        # As long as no limit was met, none of the others has to know it soon.
        is_wanted = self._learned.quota.learned is not None
        self._learned.tell(
            lambda: self._learned.quota.passed(canary=is_ours, clock=self._learned.clock), at_once=is_wanted
        )
        if is_ours:
            self.note(now)
            self._waiters.wake_all()

    def stopped(self, canary: Canary | None, now: float, since: float | None = None) -> None:
        """Record an evaluation that a limit stopped, and since when that was full."""
        self.stopped_evaluations += 1
        is_ours = self._drop(canary)
        self._learned.tell(
            lambda: self._learned.quota.refused(now, canary=is_ours, clock=self._learned.clock, since=since)
        )
        self.note(now)
        if is_ours:
            self._waiters.wake_all()

    def let_go(self, canary: Canary | None, now: float, *, never_ran: bool = False) -> None:
        """Record that nobody will tell what became of a canary; another may leave, at once if this one never ran."""
        if not self._drop(canary):
            return
        self._learned.tell(lambda: self._learned.quota.returned(now) if never_ran else self._learned.quota.lost(now))
        self._waiters.wake_all()

    def heard_of(self, canary: Canary | None, now: float) -> None:
        """Record that a canary is being asked for: it is waited for as long again."""
        if canary is not None and canary is self._canary:
            self._learned.tell(lambda: self._learned.quota.wait_for_canary(now + OVERDUE), at_once=False)

    def entrust(self, eval_id: str | None, canary: Canary | None, now: float) -> None:
        """Keep the canary of an evaluation that was started, for whoever asks for it; for half a minute at most."""
        if canary is None or eval_id is None or canary is not self._canary:
            return
        self._unasked = {eval_id: canary}
        self._learned.tell(lambda: self._learned.quota.wait_for_canary(now + UNASKED))
        self._waiters.wake_all()

    def claim(self, eval_id: str, now: float) -> Canary | None:
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
