"""What a run may spend on one judge: money is reserved for whatever is under way, so that the bound is kept."""

from __future__ import annotations

from decimal import Decimal


class Purse:
    """Dollars that may be spent.

    Args:
        most: The bound; None for none.
        spent: What was spent before.
    """

    def __init__(self, most: float | None = None, spent: float = 0.0) -> None:
        self._most = None if most is None else Decimal(repr(most))
        self._spent = Decimal(repr(spent))
        self._reserved = Decimal(0)

    def __repr__(self) -> str:
        return f"<Purse {self.spent}/{self._most} reserved={self._reserved}>"

    @property
    def is_bound(self) -> bool:
        """True if there is a bound."""
        return self._most is not None

    @property
    def spent(self) -> float:
        """Dollars spent, as far as that is known."""
        return float(self._spent)

    @property
    def is_idle(self) -> bool:
        """True if nothing is reserved: what does not fit now never will."""
        return not self._reserved

    def fits(self, amount: float) -> bool:
        """Return True if so much more may be spent, beside what is reserved."""
        return self._most is None or self._spent + self._reserved + Decimal(repr(amount)) <= self._most

    def reserve(self, amount: float) -> None:
        """Keep so much for what is about to be asked."""
        self._reserved += Decimal(repr(amount))

    def release(self, amount: float) -> None:
        """Give back what was reserved."""
        self._reserved -= Decimal(repr(amount))

    def spend(self, amount: float) -> None:
        """Take note of what an answer cost."""
        self._spent += Decimal(repr(amount))
