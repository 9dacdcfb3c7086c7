"""What a run's file keeps of labels by people: which cases were drawn to be labelled, and who said what of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol, Self


class LabelAct(IntEnum):
    """What a person did with a case. The last act of a person on a case counts.

    Attributes:
        GIVEN: Labelled it.
        SKIPPED: Left it, as one that cannot be told.
        TAKEN_BACK: Took back what was said of it.
    """

    GIVEN = 1
    SKIPPED = 2
    TAKEN_BACK = 3


@dataclass(frozen=True, slots=True)
class KeptLabel:
    """What one person did with one case, and when.

    Attributes:
        template: The template whose result is checked.
        key: Names the work, as `OutcomeRecord.key` does: equal cases have one label.
        by: Who.
        act: What was done.
        value: The label: True or False, a choice, or a number; None where none was given.
        note: In the person's words; may be empty.
        saw_verdict: True if the person was shown what the judge said.
        at: In seconds since the epoch.
    """

    template: str
    key: str
    by: str
    act: LabelAct
    value: bool | str | float | None = None
    note: str = ""
    saw_verdict: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class DrawnCase:
    """A case that was drawn.

    Attributes:
        key: As of KeptLabel.
        position: Where it stood in the input, from 0.
        weight: 1 / the probability that it was drawn: how many cases of the run it stands for.
    """

    key: str
    position: int
    weight: float


@dataclass(frozen=True, slots=True)
class LabelDraw:
    """Cases that were drawn to be labelled, in the order in which they are shown.

    Attributes:
        template: The template whose results are checked.
        cases: In an order that is random, so that the first of them are a draw too.
        how: `draw`, `sample`, `seed` and `threshold` of it; `kind`, what labels are; `of`, from how many it was drawn.
        at: In seconds since the epoch.
    """

    template: str
    cases: tuple[DrawnCase, ...]
    how: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class KeptLabels:
    """All labels of a run.

    Attributes:
        draws: In the order in which they were made.
        labels: Every act, in its order.
    """

    draws: tuple[LabelDraw, ...] = ()
    labels: tuple[KeptLabel, ...] = ()

    def templates(self) -> list[str]:
        """Return the templates that a draw was made of, each once."""
        return list(dict.fromkeys(each.template for each in self.draws))

    def last_draw(self, template: str) -> LabelDraw | None:
        """Return the last draw of a template; None without one."""
        return next((each for each in reversed(self.draws) if each.template == template), None)

    def standing(self, template: str, by: str | None = None) -> Mapping[tuple[str, str], KeptLabel]:
        """Return what counts, by person and key, in the order of the acts: labels and skips, nothing taken back.

        Args:
            template: Of which template.
            by: Of whom; None for all.
        """
        found: dict[tuple[str, str], KeptLabel] = {}
        for each in self.labels:
            if each.template == template and by in (None, each.by):
                found.pop((each.by, each.key), None)
                if each.act is not LabelAct.TAKEN_BACK:
                    found[each.by, each.key] = each
        return found


class LabelKeeper(Protocol):
    """Where the labels of a run are kept. Its calls are made from any thread; use it in `with`."""

    def __enter__(self) -> Self:
        """Return it."""

    def __exit__(self, *exception: object) -> None:
        """Close it."""

    def read(self) -> KeptLabels:
        """Return all labels as they are now.

        Raises:
            JournalError: They cannot be read.
        """

    def draw(self, draw: LabelDraw, /) -> None:
        """Keep a draw.

        Raises:
            JournalError: It cannot be written.
        """

    def add(self, *labels: KeptLabel) -> None:
        """Keep what people did, in this order; it is kept, whatever happens, once this returns.

        Raises:
            JournalError: It cannot be written.
        """


def merged_labels(several: Iterable[KeptLabels]) -> KeptLabels:
    """Return the labels of several runs that become one, each of them having its own cases.

    The last draws of a template become one: each case stands for as many cases as before.
    """
    several = list(several)
    draws = []
    for template in dict.fromkeys(name for each in several for name in each.templates()):
        parts = [draw for each in several if (draw := each.last_draw(template)) is not None]
        last = max(parts, key=lambda each: each.at)
        how = {**last.how, "of": sum(each.how.get("of", len(each.cases)) for each in parts)}
        draws.append(replace(last, cases=tuple(case for each in parts for case in each.cases), how=how))
    labels = sorted((label for each in several for label in each.labels), key=lambda label: label.at)
    return KeptLabels(tuple(draws), tuple(labels))
