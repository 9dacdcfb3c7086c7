"""What a run took of judges of the user's own: tokens, dollars to the cent, and who was asked at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

from fi_async._errors import JudgeError
from fi_async._models import Outcome

if TYPE_CHECKING:
    from fi_async._results import Usage

_PAID_ELSEWHERE: Final = ("reused", "duplicate")
_JUDGE: Final = "judge"
_CODE: Final = "code"
_MOST_NAMES: Final = 20  # of those who answered one template
_TINY: Final = 0.000_001  # dollars

NOT_THE_PLATFORMS: Final = "a judge of your own, not the platform's"
"""What is said of a judge, wherever its verdicts are shown."""


@dataclass(slots=True)
class TokenCount:
    """Tokens of many answers.

    Attributes:
        input: Of the requests, cached ones included.
        cached: Those of them that the endpoint had from an earlier request.
        output: Of the answers, reasoning included.
        reasoning: Those of them that the model thought with.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output

    def as_dict(self) -> dict[str, int]:
        """Return them as plain values, the total too."""
        return {
            "input": self.input,
            "cached": self.cached,
            "output": self.output,
            "reasoning": self.reasoning,
            "total": self.total,
        }


class Spending:
    """Adds up what outcomes took, exactly: a million of them match their sum to the cent.

    What an equal case or another run paid for costs nothing here. What this run paid for before it was gone on with
    counts, and so does what failed.

    Attributes:
        unknown: Outcomes whose cost nobody knows, although a judge answered; they are in no sum.
    """

    def __init__(self) -> None:
        self.unknown = 0
        self._sum = Decimal(0)
        self._is_known = self._is_told = False
        self._tokens = TokenCount()

    def __repr__(self) -> str:
        return f"<Spending {', '.join(self.words()) or 'nothing'}>"

    @classmethod
    def of(cls, dollars: Decimal | None, unknown: int, tokens: TokenCount | None) -> Self:
        """Return sums that were made elsewhere; None for what nobody knows."""
        made = cls()
        made.unknown, made._sum, made._is_known = unknown, dollars or Decimal(0), dollars is not None
        made._tokens, made._is_told = tokens or TokenCount(), tokens is not None
        return made

    def add(self, outcome: Outcome) -> None:
        """Count an outcome: of several evaluations each, as some may have been paid elsewhere."""
        for each in outcome.evaluations():
            self._add(each)

    def _add(self, outcome: Outcome) -> None:
        if outcome.origin in _PAID_ELSEWHERE:
            return
        usage, cost = outcome.usage, outcome.cost
        if usage is not None or cost is not None or _was_answered(outcome):
            self.pay(usage, cost)

    def pay(self, usage: Usage | None, cost: float | None) -> None:
        """Count what one answer took; None for what nobody knows."""
        if usage is not None:
            self._is_told = True
            tokens = self._tokens
            tokens.input += usage.input_tokens
            tokens.cached += usage.cached_tokens
            tokens.output += usage.output_tokens
            tokens.reasoning += usage.reasoning_tokens
        if cost is None:
            self.unknown += 1
        else:
            self._is_known = True
            self._sum += Decimal(repr(cost))

    def include(self, other: Spending) -> None:
        """Count what another has counted."""
        mine, its = self._tokens, other._tokens
        self._tokens = TokenCount(
            mine.input + its.input, mine.cached + its.cached, mine.output + its.output, mine.reasoning + its.reasoning
        )
        self._sum += other._sum
        self.unknown += other.unknown
        self._is_known, self._is_told = self._is_known or other._is_known, self._is_told or other._is_told

    @property
    def dollars(self) -> float | None:
        """The sum of what is known; None if nothing is."""
        return float(self._sum) if self._is_known else None

    @property
    def tokens(self) -> TokenCount | None:
        """All tokens; None if no answer told any."""
        return self._tokens if self._is_told else None

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values: "cost" in dollars or None, "unknown_cost" outcomes, "tokens" by kind or None."""
        tokens = self.tokens
        return {
            "cost": self.dollars,
            "unknown_cost": self.unknown,
            "tokens": None if tokens is None else tokens.as_dict(),
        }

    def words(self) -> list[str]:
        """Return it for people; nothing where no judge was asked."""
        return spent_words(self.as_dict())


def _was_answered(outcome: Outcome) -> bool:
    """Return True if a judge answered: what it took is not nothing, also where it does not say."""
    return outcome.backend == _JUDGE and (outcome.result is not None or isinstance(outcome.error, JudgeError))


def spent_words(told: Mapping[str, Any]) -> list[str]:
    """Return for people what `Spending.as_dict` tells: nothing where no judge was asked."""
    tokens, cost, unknown = told["tokens"], told["cost"], told["unknown_cost"]
    words = [] if tokens is None else [f"{tokens['total']:,} tokens"]
    if cost is not None:
        words.append(dollars(cost))
    if unknown:
        words.append(f"unknown cost of {unknown:,} answer{'s' if unknown > 1 else ''}")
    return words


def cost_cell(cost: float | None, unknown: int) -> str:
    """Return dollars as a cell of a table: a question mark stands for what is not known of them."""
    known = [] if cost is None else [dollars(cost)]
    return " + ".join([*known, "?"] if unknown else known) or "-"


def dollars(value: float) -> str:
    """Return an amount for people: to the cent from a dollar on, else as far as its first digits."""
    if 0 < value < _TINY:
        return f"<${_TINY:.6f}"
    return f"${value:,.{2 if value == 0 or value >= 1 else 4 if value >= 0.01 else 6}f}"


def answerer(outcome: Outcome) -> str:
    """Return who answered, or was asked: the backend, with its model where that is known: "judge gpt-5-mini"."""
    result = outcome.result
    if result is None:
        return outcome.backend
    model = "" if result.model is None else f" {result.model}"
    return f"{outcome.backend}{model}{' (estimate)' if result.estimate else ''}"


class Answerers:
    """Who answered one template: mostly one. Memory does not grow with the outcomes."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, outcome: Outcome) -> None:
        """Take note of who was asked."""
        name = answerer(outcome)
        if name not in self._names and len(self._names) < _MOST_NAMES:
            self._names[name] = None

    def names(self) -> list[str]:
        """Return them; without those that failed beside an answer of the same backend, whose model nobody knows."""
        return in_one(self._names)


def in_one(names: Iterable[str]) -> list[str]:
    """Return each name once, in order; a backend alone only where none is there with its model."""
    once = list(dict.fromkeys(names))
    return [name for name in once if not any(other.startswith(f"{name} ") for other in once)]


def has_judge(names: Sequence[str]) -> bool:
    """Return True if a judge of the user's is among those who answered."""
    return any(name.partition(" ")[0] == _JUDGE for name in names)


def judges_of(names: Iterable[str]) -> str:
    """Return what has to be said of the judges among those who answered; empty if there is none."""
    judges = [name for name in in_one(names) if has_judge([name])]
    return f"{', '.join(judges)}: {NOT_THE_PLATFORMS}" if judges else ""


def is_own(names: Sequence[str]) -> bool:
    """Return True if a judge or code of the user's is among those who answered: it is told apart everywhere."""
    return any(name.partition(" ")[0] in (_JUDGE, _CODE) for name in names)
