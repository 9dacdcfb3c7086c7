"""How many rows a request carries, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fi_async._models import OnAmbiguous
from fi_async._settings import Strategy

HELD: Final = 30.0  # seconds that a request may be held: longer, and proxies begin to cut it
ROWS_AT_RISK: Final = 20  # rows that one lost reply makes ambiguous, at most


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from.

    Attributes:
        strategy: Whether requests are held until their rows are scored, or polled.
        allowed: Rows that the server takes in one request with as many lists as these cases have keys.
        scarce: True if a limit of requests is given, or was met.
        latency: Seconds that an evaluation takes; None if not known yet.
        on_ambiguous: What the user allows.
    """

    strategy: Strategy
    allowed: int
    scarce: bool = False
    latency: float | None = None
    on_ambiguous: OnAmbiguous = "resubmit"


def rows(situation: Situation, wanted: int | Literal["auto"] = "auto") -> int:
    """Return how many rows the next request carries, as the user wants or as serves best.

    A polled request loses nothing by carrying several. A held one does: its rows run one after the other, and
    one that fails loses the reply to all, so that the others are paid twice. It carries several only where
    requests are what is scarce, as long as rows x latency stays under 30 s, and never where `on_ambiguous="fail"`
    would give the others up.
    """
    if wanted != "auto":
        return min(wanted, situation.allowed)
    most = min(situation.allowed, ROWS_AT_RISK)
    if situation.strategy == "async":
        return most
    if not situation.scarce or situation.on_ambiguous == "fail":
        return 1
    return most if not situation.latency else max(1, min(most, int(HELD / situation.latency)))
