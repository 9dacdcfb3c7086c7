"""What a request to a judge is reckoned to take, before its usage is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fi_async._results import Usage

_BYTES: Final = 4  # of UTF-8 a token: so it is in English, for the tokenizers of all large models
_OVERHEAD: Final = 8  # tokens that stand between messages
_FIRST_ANSWER: Final = 250  # tokens: a reason of some sentences, and a verdict
_MEMORY: Final = 50  # answers that an average is made of, about


@dataclass(frozen=True, slots=True)
class TokenForecast:
    """Tokens that a request will take.

    Attributes:
        input_tokens: Of the request.
        output_tokens: Of the answer, reasoning included.
    """

    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        """What a limit of tokens has to have room for."""
        return self.input_tokens + self.output_tokens


class TokenEstimate:
    """Reckons what requests of one template to one model take, from their length and from what others took.

    Args:
        max_tokens: The bound of an answer, if there is one.
    """

    def __init__(self, max_tokens: int | None = None) -> None:
        self._max_tokens = max_tokens
        self._ratio = 1.0  # of what the input took to what its length says
        self._output = float(_FIRST_ANSWER)
        self._seen = 0

    def of(self, body: bytes) -> TokenForecast:
        """Return what a request with this body is reckoned to take."""
        output = math.ceil(self._output)
        if self._max_tokens is not None:
            output = min(output, self._max_tokens)
        return TokenForecast(math.ceil(_by_length(body) * self._ratio), output)

    def learn(self, body: bytes, usage: Usage) -> None:
        """Take note of what a request with this body took."""
        if usage.input_tokens <= 0:
            return
        self._seen += 1
        weight = max(1 / self._seen, 1 / _MEMORY)
        self._ratio += weight * (usage.input_tokens / _by_length(body) - self._ratio)
        self._output += weight * (usage.output_tokens - self._output)


def _by_length(body: bytes) -> int:
    return -(-len(body) // _BYTES) + _OVERHEAD
