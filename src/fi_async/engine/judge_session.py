"""What all runs of one client share that ask one judge."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fi_async._connection import USER_AGENT
from fi_async._events import CapacityChanged, Event, HoldBegun, HoldEnded
from fi_async.backends.judge import Judge
from fi_async.engine.judging import Known
from fi_async.engine.session import Session
from fi_async.wire.chat_requests import Traits
from fi_async.wire.transport import Transport

if TYPE_CHECKING:
    from fi_async.engine.postgres_budget import PostgresBudget


@dataclass(frozen=True, slots=True)
class JudgeAddress:
    """Where a judge is, and as whom it is asked."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    backend: str = "judge"

    @property
    def keys(self) -> Sequence[str]:
        """What no reply may show: all that is secret."""
        return self.secrets


class JudgeSession(Session):
    """What all runs of one client share that ask one judge: its connections, its gate, what is known of it.

    Args:
        judge: Who.
        rng: Draws the jitter.
        permits: What it shares with workers on any machine; None shares nothing.

    Attributes:
        name: What messages and statistics call it.
        runs: The lanes of runs that lead to it.
    """

    def __init__(self, judge: Judge, rng: random.Random, permits: PostgresBudget | None = None) -> None:
        headers = {"User-Agent": USER_AGENT, **judge.request_headers()}
        address = JudgeAddress(judge.base_url, headers, judge.asked.secrets)
        transport = Transport(address, http_client=judge.http_client, app=judge.app)
        super().__init__(address, transport, judge.concurrency, rng=rng, permits=permits, limits=judge.limits)
        self.name = f"judge {judge.label}"
        self.known = Known(Traits.at(judge.base_url))

    def tell(self, event: Event) -> None:
        """Tell the log, and whoever listens, what the gate met, and at whose endpoint."""
        super().tell(
            replace(event, at=self.name) if isinstance(event, HoldBegun | HoldEnded | CapacityChanged) else event
        )


def judging(session: Session, judge: Judge) -> JudgeSession:
    """Return what all runs of a client share that ask a judge: equal endpoints are paced together."""
    known = session.judges.get(judge.endpoint)
    if not isinstance(known, JudgeSession):
        of, permits = judge.endpoint, session.permits
        shared = None if permits is None else permits.of(f"{of.base_url}\n{of.model}\n{of.account}")
        known = session.judges[of] = JudgeSession(judge, session.rng, shared)
    known.on_event, known.wall_clock, known.steady_clock = session.on_event, session.wall_clock, session.steady_clock
    return known
