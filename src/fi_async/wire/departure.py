"""The moment when a request leaves: told once, and remembered, as it decides what a failure means."""

from __future__ import annotations

from collections.abc import Callable


class Departure:
    """Whether a request has begun to leave.

    Args:
        left: Called once, when the connection stands and before the first byte of the request is written.

    Attributes:
        has_left: True from then on: the server may have acted on the request.
        broke: What `left` raised, if it did.
    """

    __slots__ = ("_left", "broke", "has_left")

    def __init__(self, left: Callable[[], None] | None) -> None:
        self._left = left
        self.has_left = False
        self.broke: Exception | None = None

    def leave(self) -> None:
        """Take note that the request leaves now. A second call tells nobody."""
        if self.has_left:
            return
        self.has_left = True
        if self._left is not None:
            try:
                self._left()
            except Exception as error:
                self.broke = error
                raise
