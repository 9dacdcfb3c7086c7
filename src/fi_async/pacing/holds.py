"""What keeps everyone from sending, told when it begins and when it ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from fi_async._events import Event, HoldBegun, HoldEnded

REQUESTS: Final = "request limit"
EVALUATIONS: Final = "evaluation limit"
OUTAGE: Final = "cannot connect"
BUDGET: Final = "shared budget away"


class Holds:
    """Tells of each hold once, however many requests meet it.

    Args:
        tell: Is told.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._since: dict[str, float] = {}

    def begin(self, cause: str, now: float, until: float) -> None:
        """Tell that nothing leaves until then, or, if that is infinity, until an answer has come."""
        if cause not in self._since:
            self._since[cause] = now
            self._tell(HoldBegun(cause, None if until == math.inf else max(0.0, until - now)))

    def end(self, cause: str, now: float) -> None:
        """Tell that it is over, if it began."""
        since = self._since.pop(cause, None)
        if since is not None:
            self._tell(HoldEnded(cause, now - since))
