"""What a request to a judge is reckoned to take, before its usage is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fi_async._results import Usage


@dataclass(frozen=True, slots=True)
class TokenForecast:
    """Tokens that a request will take.

    Attributes:
        input: Of the request.
        output: Of the answer, reasoning included.
    """

    input: int
    output: int

    @property
    def total(self) -> int:
        """What a limit of tokens has to have room for."""
        return self.input + self.output


class TokenEstimate:
    """Reckons what requests of one template to one model take, from their length and from what others took.

    Args:
        max_tokens: The bound of an answer, if there is one.
    """

    def __init__(self, max_tokens: int | None = None) -> None:
        self._max_tokens = max_tokens

    def of(self, body: bytes) -> TokenForecast:
        """Return what a request with this body is reckoned to take."""
        raise NotImplementedError

    def learn(self, body: bytes, usage: Usage) -> None:
        """Take note of what a request with this body took."""
        raise NotImplementedError
