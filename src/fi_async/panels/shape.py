"""What is asked of each case under one template, and what its evaluations are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple, Self

Reduce = Literal["mean", "majority", "median", "all", "any"]
"""What one outcome is made of samples by."""

Rule = Literal["majority", "mean", "unanimous"]
"""What a verdict is made of votes by."""

_MARK: Final = "\x1f"  # no name has it: it cannot be printed


class Seat(NamedTuple):
    """Which of the evaluations of a case one is.

    Attributes:
        template: The template's name.
        juror: Who votes; None without a jury.
        sample: Which of its samples it is, from 0.
    """

    template: str
    juror: str | None = None
    sample: int = 0

    def __str__(self) -> str:
        """Return its name, as files of runs have it: the template's alone, where there is no other evaluation."""
        if self.juror is None and not self.sample:
            return self.template
        return _MARK.join((self.template, self.juror or "", str(self.sample)))

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the seat of a name. Raises a ValueError if the name was damaged."""
        template, *rest = name.split(_MARK)
        if not rest:
            return cls(template)
        juror, sample = rest
        return cls(template, juror or None, int(sample))


@dataclass(frozen=True, slots=True)
class PanelShape:
    """How many evaluations a case has under one template, and what is made of them.

    Attributes:
        repeats: How many samples at first.
        most: How many at most; more than `repeats` only with a precision.
        precision: How certain the verdict has to be; None for as many samples in any case.
        reduce: What the samples come to.
        jurors: Who votes in each of them; nobody without a jury.
        rule: What the votes come to.
        jury: What outcomes call the jury; None without one.
    """

    repeats: int = 1
    most: int = 1
    precision: float | None = None
    reduce: Reduce = "mean"
    jurors: Sequence[str] = ()
    rule: Rule = "majority"
    jury: str | None = None

    @property
    def is_plain(self) -> bool:
        """True if a case is evaluated once, by one."""
        return self.most == 1 and not self.jurors

    @property
    def is_repeated(self) -> bool:
        """True if there are samples."""
        return self.most > 1

    @property
    def seats(self) -> int:
        """How many evaluate each sample."""
        return len(self.jurors) or 1

    @property
    def evaluations(self) -> int:
        """How many evaluations a case has at first."""
        return self.repeats * self.seats

    def voters(self) -> Iterator[str | None]:
        """Iterate over who evaluates each sample; None for whoever answers the template alone."""
        yield from self.jurors or (None,)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, as files of runs keep it."""
        return asdict(self)

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> PanelShape:
        """Return the shape that a file keeps with what a template is asked with; the plain one if it keeps none."""
        kept = asked.get("panel")
        return PanelShape(**{**kept, "jurors": tuple(kept["jurors"])}) if kept else PanelShape()


def shapes_of(questions: Sequence[Mapping[str, Any]]) -> dict[str, PanelShape]:
    """Return the shapes of the templates of a run that have any, by what its file keeps of each."""
    found = {str(asked.get("template")): PanelShape.read(asked) for asked in questions}
    return {name: shape for name, shape in found.items() if not shape.is_plain}
