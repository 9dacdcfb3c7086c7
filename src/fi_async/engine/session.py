"""What all runs of one client share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

import anyio

from fi_async._events import Event, Listener, emit
from fi_async._settings import Concurrency, Limit, RunOptions
from fi_async._statistics import Counts
from fi_async.backends.chosen import Backends
from fi_async.engine.attempts import Context, Forgetful, Ledger
from fi_async.pacing.gate import Gate
from fi_async.pacing.latencies import Latencies
from fi_async.pacing.lateness import Tally
from fi_async.pacing.polling import Completions
from fi_async.pacing.queueing import Queueing
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Terms
from fi_async.pacing.waiting import Standing, waiting_for
from fi_async.wire.templates import Templates
from fi_async.wire.transport import Destination, Transport

if TYPE_CHECKING:
    from fi_async.backends.judge import Endpoint
    from fi_async.engine.postgres_budget import PostgresBudget
    from fi_async.engine.shared_budget import SharedBudget

run_numbers: Final = count(1)
"""Numbers of runs, each of one in this process."""


class Waiter(Protocol):
    """A run, or the lane of one, as far as its session asks."""

    def standing(self, now: float) -> Standing:
        """Return how it stands."""


class Session:
    """What all runs of one client share: connections, the gate, what is known of the templates.

    Args:
        connection: Where requests go, and as whom.
        transport: Moves the bytes.
        concurrency: Requests under way at once, over all runs that set no bound of their own; or "auto".
        rng: Draws the jitter; seeded by tests.
        budget: What this client shares with others on this machine; None shares nothing.
        permits: What it shares with workers on any machine; None shares nothing.
        limits: What binds all of its runs.

    Attributes:
        on_event: Who is told what happens; None for nobody but the log.
        backends: Who answers which template.
        judges: What runs share that ask a judge, by endpoint; see `judge_session`.
        name: What statistics call what answers here.
    """

    def __init__(
        self,
        connection: Destination,
        transport: Transport,
        concurrency: Concurrency,
        *,
        rng: random.Random | None = None,
        budget: SharedBudget | None = None,
        permits: PostgresBudget | None = None,
        limits: Sequence[Limit] = (),
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.concurrency = concurrency
        self.templates = Templates()
        self.budget, self.permits = budget, permits
        self.rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self._limits = limits
        self.gate = Gate(budget, self.rng, limits, permits=permits, tell=self.tell)
        self.polls = Tally()
        self.latencies: dict[str, float] = {}
        self.queues: dict[str, Queueing] = {}
        self.runs: WeakSet[Waiter] = WeakSet()
        self.abandoned: set[asyncio.Task[Any]] = set()
        self.backends = Backends()
        self.judges: dict[Endpoint, Session] = {}
        self.wall_clock: Callable[[], float] = time.time
        self.steady_clock: Callable[[], float] = time.monotonic  # the same in all loops, whatever theirs count from
        self.on_event: Listener | None = None
        self.name = connection.backend
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots: Slots
        self._listing: anyio.Lock

    def with_concurrency(self, concurrency: Concurrency) -> Session:
        """Return a session that shares all but the bound on requests under way."""
        other = Session(self.connection, self.transport, concurrency, rng=self.rng)
        other.budget, other.permits = self.budget, self.permits
        other.templates, other.gate, other.polls = self.templates, self.gate, self.polls
        other.latencies, other.queues, other.runs = self.latencies, self.queues, self.runs
        other.abandoned = self.abandoned
        other.backends, other.judges = self.backends, self.judges
        other.wall_clock, other.steady_clock, other.on_event = self.wall_clock, self.steady_clock, self.on_event
        return other

    def with_permits(self, permits: PostgresBudget) -> Session:
        """Return a session that takes permits of given limits there, and shares connections and what is known."""
        other = Session(
            self.connection, self.transport, self.concurrency, rng=self.rng, permits=permits, limits=self._limits
        )
        other.templates, other.polls, other.backends = self.templates, self.polls, self.backends
        other.latencies, other.queues, other.runs = self.latencies, self.queues, self.runs
        other.abandoned = self.abandoned
        other.wall_clock, other.steady_clock, other.on_event = self.wall_clock, self.steady_clock, self.on_event
        return other

    async def part(self) -> None:
        """Let go of what a session of `with_permits` has for itself: connections are those that it shares."""
        if self.permits is not None:
            await self.permits.aclose()
        for each in self.judges.values():
            await each.aclose()

    def tell(self, event: Event) -> None:
        """Tell the log, and whoever listens, what the gate met."""
        emit(self, event)

    async def aclose(self) -> None:
        """Close the connections, and let go of the shared budget. Both are opened again if they are used again."""
        await self._end_abandoned()
        for shared in (self.budget, self.permits):
            if shared is not None:
                await shared.aclose()
        for each in self.judges.values():
            await each.aclose()
        await self.transport.aclose()

    async def _end_abandoned(self) -> None:
        """End the runs of streams whose loop was broken off, so that none of their tasks is left to the event loop."""
        loop = asyncio.get_running_loop()
        if left := [task for task in self.abandoned if task.get_loop() is loop]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    @property
    def shares_limits(self) -> bool:
        """True if limits that are given are kept to together with others."""
        return self.budget is not None or self.permits is not None

    def slots(self) -> Slots:
        """Return the slots for requests that runs share."""
        self._bind()
        return self._slots

    def waiting_for(self, now: float) -> str | None:
        """Return what its runs wait for: the first that waits for anything."""
        said = (waiting_for(run.standing(now)) for run in list(self.runs))
        return next((words for words in said if words is not None), None)

    def listing(self) -> anyio.Lock:
        """Return what lets one task at a time ask for the list of templates."""
        self._bind()
        return self._listing

    def _bind(self) -> None:
        """Make what belongs to one event loop anew when another one runs, as after `asyncio.run`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._slots = Slots(self.concurrency)
            self._listing = anyio.Lock()
        self.gate.go_by(loop, self.steady_clock() - loop.time())

    def terms(self, options: RunOptions, slots: Slots | None = None) -> Terms:
        """Return what binds the requests of a run with these options, in slots of its own or in those that runs share.

        Call it in the event loop of the run.
        """
        self._bind()
        return Terms(slots or self._slots, tuple(options.limits), options.timeout.patience)

    def context(
        self,
        options: RunOptions,
        slots: Slots | None = None,
        *,
        counts: Counts | None = None,
        ledger: Ledger | None = None,
        run: int | None = None,
    ) -> Context:
        """Return what the jobs of a run with these options share. Call it in the event loop of the run.

        Args:
            options: The run's.
            slots: Its own places for requests under way; None to share the session's.
            counts: What the run asks of the server, as it goes; None for new ones.
            ledger: Who keeps what becomes of its works; None for nobody.
            run: Its number; None for a new one.
        """
        return Context(
            backend=self.connection.backend,
            timeout=options.timeout,
            policy=options.retry_policy(),
            completions=Completions(options.poll_interval, self.polls),
            latencies=Latencies(self.latencies, self.queues),
            gate=self.gate,
            rng=self.rng,
            on_event=self.on_event,
            terms=self.terms(options, slots),
            counts=counts or Counts(),
            ledger=ledger or Forgetful(),
            run=next(run_numbers) if run is None else run,
        )
