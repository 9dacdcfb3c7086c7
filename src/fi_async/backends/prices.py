"""What an answer costs: dollars a million tokens, given by the user or found in a table of prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from fi_async._errors import ConfigurationError
from fi_async._public import public

if TYPE_CHECKING:
    from fi_async._results import Usage

_MILLION: Final = 1_000_000


class Priced(Protocol):
    """What knows the cost of an answer."""

    def cost(self, usage: Usage) -> float | None:
        """Return dollars, or None if it does not know."""


@public
@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in dollars a million tokens.

    Args:
        input: Tokens of the request.
        output: Tokens of the answer, reasoning included.
        cached: Tokens of the request that the endpoint had from an earlier one; None: as `input`.

    Raises:
        ConfigurationError: One is no number from 0.

    Example:
        >>> Price(0.25, 2.0).cached is None
        True
    """

    input: float
    output: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached"):
            value = getattr(self, name)
            if value is None and name == "cached":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < math.inf:
                raise ConfigurationError(f"price.{name} must be dollars a million tokens, from 0, not {value!r}")

    def cost(self, usage: Usage) -> float:
        """Return what an answer cost, in dollars."""
        raise NotImplementedError


def price_of(given: Price | Sequence[float] | None) -> Price | None:
    """Return a price as it may be given: itself, (input, output) or (input, output, cached).

    Raises:
        ConfigurationError: It is none.
    """
    raise NotImplementedError


def price_from_tables(model: str, base_url: str) -> Priced | None:
    """Return the price of a model as the package `genai-prices` has it; None if it is not installed or knows none."""
    raise NotImplementedError


class Spending:
    """Adds up what answers cost, exactly: a million of them match their sum to the cent.

    Attributes:
        unknown: Answers whose cost nobody knows; they are in no sum.
    """

    def __init__(self) -> None:
        self._dollars = Decimal(0)
        self._known = 0
        self.unknown = 0

    def add(self, cost: float | None) -> None:
        """Count one answer."""
        if cost is None:
            self.unknown += 1
        else:
            self._known += 1
            self._dollars += Decimal(repr(cost))

    @property
    def dollars(self) -> float | None:
        """The sum of what is known; None if nothing is."""
        return float(self._dollars) if self._known else None
