"""What a view of a run asks of a file, or of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from fi_async._spending import Spending
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.replay import Past


class OutcomeRow(NamedTuple):
    """The last outcome of a case, and the case, as they are kept."""

    n: int
    key: str
    template: str
    id: str | None
    inputs: str
    at: float
    body: str


@dataclass(frozen=True, slots=True)
class CountedCases:
    """Cases that a reader knows the numbers of, and leaves out of all else that it tells: none equals another.

    Attributes:
        cases: How many.
        pending: Those of them that have not begun.
        statuses: How many of the others ended in each status.
        possible_duplicates: Of these.
        spending: What judges took for these.
    """

    cases: int = 0
    pending: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    possible_duplicates: int = 0
    spending: Spending = field(default_factory=Spending)


NOTHING_COUNTED: Final = CountedCases()


class CountReader(Protocol):
    """Reads what the numbers of a run are made of: one state of it, whatever is written meanwhile."""

    @property
    def name(self) -> str:
        """What messages call the run."""

    @property
    def says_when_read(self) -> bool:
        """True if it has READ events; the first files had none."""

    def close(self) -> None:
        """Close it."""

    def explained(self) -> AbstractContextManager[None]:
        """Turn what goes wrong in reading into a JournalError."""

    def past(self) -> Past:
        """Return how the cases stand."""

    def passes(self) -> Sequence[tuple[float, str]]:
        """Return when the run was begun and gone on with, in seconds since the epoch, and its facts as JSON."""

    def last_at(self) -> float | None:
        """Return when something last happened to a case."""

    def counted(self) -> CountedCases:
        """Return the numbers of the cases that are left out of all else."""

    def statuses(self) -> Counter[str]:
        """Return how many cases ended in each status; see `replay.statuses`."""

    def status_of_each(self) -> Iterable[tuple[int, str]]:
        """Return the number of each case that ended at some time, and the status that it ended in last."""

    def duplicates(self) -> Iterable[tuple[int, int | None]]:
        """Return the possible duplicates of the outcomes that have any, by number."""

    def paid(self) -> Iterable[tuple[int, str | None, float | None]]:
        """Return what judges answered: number, usage as JSON, and dollars."""

    def ended_since(self, at: float) -> int:
        """Return how many cases ended after that time."""


class Reader(CountReader, Protocol):
    """Reads one state of a run that is kept, outcomes and all, whatever is written meanwhile."""

    def outcomes(self) -> Iterable[OutcomeRow]:
        """Return the last outcome of each case that has one, in the order of the numbers."""

    def templates(self) -> Iterable[tuple[int, str]]:
        """Return the number and the template of each case; as template the name of its seat, where it has several."""

    def case(self, n: int) -> tuple[str, str, str | None, str]:
        """Return the key, the template, the id and the inputs of a case."""

    def labels(self) -> KeptLabels:
        """Return what people said of its cases."""
