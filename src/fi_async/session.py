"""What all runs of one client share."""

from __future__ import annotations

import asyncio
import random
from typing import Protocol
from weakref import WeakSet

import anyio

from fi_async._settings import Concurrency, Connection, RunOptions
from fi_async.flow import Context
from fi_async.pacing.polling import Completions
from fi_async.pacing.rate import Gate
from fi_async.protocol.templates import Templates
from fi_async.slots import Slots
from fi_async.transport import Transport


class Waiter(Protocol):
    """A run, as far as its session asks."""

    def waiting_for(self, now: float) -> str | None:
        """Return what it waits for."""


class Session:
    """What all runs of one client share: connections, the gate, what is known of the templates.

    Args:
        connection: Where requests go, and as whom.
        transport: Moves the bytes.
        concurrency: Requests under way at once, over all runs that set no bound of their own; or "auto".
        rng: Draws the jitter; seeded by tests.
    """

    def __init__(
        self, connection: Connection, transport: Transport, concurrency: Concurrency, rng: random.Random | None = None
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.concurrency = concurrency
        self.templates = Templates()
        self.gate = Gate()
        self.latencies: dict[str, float] = {}
        self.runs: WeakSet[Waiter] = WeakSet()
        self.rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots: Slots
        self._listing: anyio.Lock

    def with_concurrency(self, concurrency: Concurrency) -> Session:
        """Return a session that shares all but the bound on requests under way."""
        other = Session(self.connection, self.transport, concurrency, self.rng)
        other.templates, other.gate = self.templates, self.gate
        other.latencies, other.runs = self.latencies, self.runs
        return other

    def slots(self) -> Slots:
        """Return the slots for requests that runs share."""
        self._bind()
        return self._slots

    def waiting_for(self, now: float) -> str | None:
        """Return what its runs wait for: the first that waits for anything."""
        return next((said for run in list(self.runs) if (said := run.waiting_for(now)) is not None), None)

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
        self.gate.go_by(loop)

    def context(self, options: RunOptions) -> Context:
        """Return what the jobs of a run with these options share. Call it in the event loop of the run."""
        self._bind()
        return Context(
            backend=self.connection.backend,
            timeout=options.timeout,
            policy=options.retry_policy(),
            completions=Completions(options.poll_interval, self.latencies),
            gate=self.gate,
            rng=self.rng,
        )
