"""What an answer costs: dollars a million tokens, given by the user or found in a table of prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

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
        cached = self.input if self.cached is None else self.cached
        parts = (
            (usage.input_tokens - usage.cached_tokens, self.input),
            (usage.cached_tokens, cached),
            (usage.output_tokens, self.output),
        )
        return float(sum(tokens * _exact(rate) for tokens, rate in parts) / _MILLION)


@dataclass(frozen=True, slots=True)
class TablePrice:
    """What a model costs by the table of `genai-prices`, which knows of prices that grow with the length.

    Attributes:
        tables: The package.
        model: The model's name.
        base_url: The endpoint, which names the provider.
    """

    tables: Any
    model: str
    base_url: str

    def cost(self, usage: Usage) -> float | None:
        """Return what an answer cost, in dollars; None if the table has no price for it."""
        counted = self.tables.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )
        try:
            price = self.tables.calc_price(counted, model_ref=self.model, provider_api_url=self.base_url)
        except (LookupError, ValueError):
            return None
        return float(price.total_price)


def price_of(given: Price | Sequence[float] | None) -> Price | None:
    """Return a price as it may be given: itself, (input, output) or (input, output, cached).

    Raises:
        ConfigurationError: It is none.
    """
    if given is None or isinstance(given, Price):
        return given
    if isinstance(given, str | bytes) or not isinstance(given, Sequence) or len(given) not in (2, 3):
        raise ConfigurationError(
            "price must be dollars a million tokens as (input, output) or (input, output, cached), such as (0.25, 2.0),"
            f" not {given!r}"
        )
    return Price(*given)


def price_from_tables(model: str, base_url: str) -> TablePrice | None:
    """Return the price of a model as the package `genai-prices` has it; None if it is not installed or knows none.

    The package takes 0.1 s to import, and is imported here.
    """
    try:
        tables = import_module("genai_prices")
    except ModuleNotFoundError as error:
        if error.name != "genai_prices":
            raise  # it is there, and something that it needs is not
        return None
    found = TablePrice(tables, model, base_url)
    return None if found.cost(_nothing()) is None else found


def _exact(value: float) -> Decimal:
    """Return a number as it is written, not as its bits are: 0.1 is a tenth."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _nothing() -> Usage:
    from fi_async._results import Usage  # noqa: PLC0415  # pydantic is slow to import: with the first price

    return Usage()
