"""Where a run is kept: what a journal asks of a file, or of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fi_async.journal.commits import KeptEvent
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past


class CaseRow(NamedTuple):
    """One work as it is kept; with its outcome, if it ended before it began."""

    key: str
    template: str
    position: int
    id: str | None
    inputs: str
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """What a storage tells of a run that it was opened for.

    Attributes:
        past: How the cases stand.
        pass_number: Which pass this is: the first is 1.
        reads_all: True if all cases of the run have been read once those of this pass have.
    """

    past: Past
    pass_number: int
    reads_all: bool


class Storage(Protocol):
    """A run that is open for writing. Its calls block: a journal makes them in a thread of its own, one at a time."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self, info: RunInfo, *, held_only: bool) -> OpenedRun:
        """Open it, made if it is not there, and take note of a pass with these facts.

        Raises:
            JournalError: It cannot be opened, or another process writes it.
            ConfigurationError: It keeps a run that these facts do not go with.
        """

    def close(self) -> None:
        """Close it, as far as it is open."""

    def give_up(self) -> None:
        """Wait no longer for what is away: what cannot be kept now is lost. Called from any thread."""

    def cut(self) -> None:
        """Let whoever waits for an answer have an error instead. Called from any thread."""

    def admit(self, rows: Sequence[CaseRow], now: float, has_ended: Callable[[int], bool]) -> Admitted:
        """Put the works that are not there yet, and return which case each is."""

    def known(self, keys_of: Sequence[str]) -> Mapping[str, int]:
        """Return the numbers of those works that there are, by their keys."""

    def outcomes(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of the outcomes that these cases ended in last, as far as they did."""

    def add(self, events: Sequence[KeptEvent]) -> None:
        """Commit some events, all or none."""

    def without_score(self, past: Past) -> list[tuple[int, str, str]]:
        """Return the cases that ended without a score: the number, how, and the body of the event that reopens it."""

    def statuses(self) -> Counter[str]:
        """Return how many different cases ended in each status; see `replay.statuses`."""

    def spent(self) -> Mapping[str, float]:
        """Return the dollars that the run has spent so far, by template."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of works that were put into a storage.

    Attributes:
        numbers: Which case each is.
        outcomes: The texts of the outcomes of those that had ended before, by number.
    """

    numbers: Sequence[int]
    outcomes: Mapping[int, str]
