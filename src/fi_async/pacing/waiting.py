"""What a run waits for, in words for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

LimitKind = Literal["request", "evaluation", "token"]
ONE_OF: Final[Mapping[str, LimitKind]] = {"requests": "request", "evaluations": "evaluation", "tokens": "token"}
_TRIED: Final = "the answer that tells whether the server can be reached"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps requests at the gate.

    Attributes:
        of: The limit, by what it counts.
        opens_in: Seconds; infinity if an answer has to come first.
        by_canary: True if one evaluation goes ahead then, to ask whether the limit lets others through.
        at: The endpoint, such as "judge gpt-5-mini"; empty for the platform.
    """

    of: LimitKind | Literal["server", "budget"]
    opens_in: float
    by_canary: bool = False
    at: str = ""

    def __str__(self) -> str:
        return f"{self.at}: {self._what()}" if self.at else self._what()

    def _what(self) -> str:
        seconds = "" if self.opens_in == math.inf else f"{math.ceil(self.opens_in)} s"
        if self.of == "budget":
            return f"the shared budget, which cannot be reached: {seconds} to the next attempt"
        if self.of == "server":
            return f"the server, which cannot be reached: {seconds} to the next attempt" if seconds else _TRIED
        if not seconds:
            teller = "evaluation" if self.by_canary else "answer"
            return f"the {teller} that tells whether the {self.of} limit is over"
        when = (
            f"{seconds} until one evaluation tells whether it is over"
            if self.by_canary
            else f"{seconds} to the next window"
        )
        return f"{self.of} limit, {when}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands.

    Attributes:
        ready: Requests that could leave.
        obstacle: What keeps them at the gate, if anything does.
        slots: Requests that may be under way.
        taken: Those that are.
        is_capacity: True if there are no more slots because the server does no more at once.
        polled: Evaluations at work on the server, whose next poll is not due.
        in_flight: Evaluations that are begun and not done, these included.
        at: The endpoint, such as "judge gpt-5-mini"; empty for the platform, and for several endpoints together.
        others: What it waits for of others, once nothing of its own is begun.
        held_by: What it waits for, whatever is begun: nothing leaves without it.
    """

    ready: int = 0
    obstacle: Obstacle | None = None
    slots: int = 1
    taken: int = 0
    is_capacity: bool = False
    polled: int = 0
    in_flight: int = 0
    at: str = ""
    others: str = ""
    held_by: str = ""

    @property
    def opens_in(self) -> float:
        """Seconds until another request may leave, as far as a limit has a say; infinity if an answer comes first."""
        if not self.ready or self.obstacle is None:
            return 0.0
        # Whoever has no slot waits for an answer anyway.
        is_probe = self.obstacle.opens_in == math.inf
        return 0.0 if is_probe and self.taken >= self.slots else self.obstacle.opens_in


def together(standings: Sequence[Standing]) -> Standing:
    """Return how a run of several endpoints stands: it waits for what holds one of them longest."""
    if len(standings) == 1:
        return standings[0]
    held = [each for each in standings if each.ready and each.obstacle is not None]
    return Standing(
        ready=sum(each.ready for each in standings),
        obstacle=max(held, key=lambda each: each.opens_in).obstacle if held else None,
        slots=sum(each.slots for each in standings),
        taken=sum(each.taken for each in standings),
        is_capacity=any(each.is_capacity for each in standings),
        polled=sum(each.polled for each in standings),
        in_flight=sum(each.in_flight for each in standings),
    )


def waiting_for(standing: Standing) -> str | None:
    """Return what the run waits for; None if for nothing but replies.

    What holds up all comes first: a limit, then the slots, then evaluations that are not done.
    """
    if standing.held_by:
        return standing.held_by
    if standing.ready and standing.obstacle is not None:
        return str(standing.obstacle)
    if standing.ready and standing.taken >= standing.slots:
        why = ": server's capacity" if standing.is_capacity else ""
        at = f"{standing.at}: " if standing.at else ""
        return f"{at}concurrency {standing.slots}{why}"
    if standing.polled and not standing.taken:
        return "polls"
    return None if standing.in_flight else standing.others or None
