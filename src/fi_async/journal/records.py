"""What is kept of a run: facts about it, and a record for each case and template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fi_async._models import Outcome

IMPORTED: Final = "imported"
"""Who was asked, as outcomes of another tool's results say it; and where a run of them was made."""

IMPORTED_FROM: Final = "imported_from"
"""What a run's `source` names the tool by, where the run was imported."""


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """How one case ended under one template, as a run keeps it.

    Attributes:
        key: Hex digits that name the work: equal for equal template, model, parameters and inputs, in any run.
        outcome: Its `index` is the case's position in the input.
        ended_at: When it ended, in seconds since the epoch; 0 where that is not known.
    """

    key: str
    outcome: Outcome
    ended_at: float


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is about.

    Attributes:
        name: The file's name without its ending.
        templates: Their names, in the order asked.
        model_name: The judge, if one was named.
        backend: "cloud", "local", or "server": one of your own, at `base_url`.
        base_url: The server.
        started_at: When the run first began, in seconds since the epoch; 0 where that is not known.
        ended_at: When it was last found complete; None while it is not.
        version: Of the package that began it.
        settings: Options of the run, plain values. No credentials.
        source: Where a command line took the cases from, to take them again; empty for runs of programs.
        questions: What each template is asked with: the fields of `Parameters`, by name; and `by`, who answers:
            "cloud" (the platform, wherever it is), "local" (computed here), "judge" or "code". Of templates that are
            not the platform's, `asks`: their text and choices. With repeats or a jury, `panel` has the fields of
            `PanelShape`, and `jurors` names the judges. Empty in old files.
        evaluations: How many outcomes the run will have, as it began; None where that was not known.
        passes: When it was begun, and each time it was gone on with, in seconds since the epoch.
        shard: Which part of a run it is, from 1, and of how many; None if it is all of it.
    """

    name: str
    templates: tuple[str, ...]
    model_name: str | None
    backend: str
    base_url: str
    started_at: float
    ended_at: float | None = None
    version: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    questions: Sequence[Mapping[str, Any]] = ()
    evaluations: int | None = None
    passes: Sequence[float] = ()
    shard: Sequence[int] | None = None

    @property
    def part(self) -> str:
        """What people are told of a run that is a part of one: "shard 3 of 8"; empty if it is all of it."""
        return "" if self.shard is None else "shard {} of {}".format(*self.shard)


@dataclass(frozen=True, slots=True)
class RunCount:
    """How many evaluations a run has, and how they stand: the one count that everything that tells of a run reads.

    Each case counts once for each template, however often it is evaluated; but for what is accepted, under way or
    ambiguous, which are single evaluations.

    Attributes:
        evaluations: How many there are, those included that are known to come.
        statuses: How many of them ended in each status.
        accepted: Those of the pending that the server has accepted.
        under_way: Those of the pending whose request waits for its answer, if a process is at work on the run.
        ambiguous: The others of the pending that may have been evaluated: sent, and no answer is known.
        possible_duplicates: Requests that were sent again although the one before may have been evaluated.
        unsettled: How many of those that ended are to have further samples, as their verdict is not certain.
        is_all: False if nobody knows whether there are more: the run was stopped before all its cases were read.
    """

    evaluations: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    accepted: int = 0
    under_way: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    is_all: bool = True
    unsettled: int = 0

    @property
    def done(self) -> int:
        """Those that have ended."""
        return sum(self.statuses.values())

    @property
    def pending(self) -> int:
        """Those that have not."""
        return self.evaluations - self.done

    @property
    def scored(self) -> int:
        """Those with a score."""
        return self.statuses.get("scored", 0)

    @property
    def is_complete(self) -> bool:
        """True if nothing is left to do."""
        return self.is_all and not self.pending and not self.unsettled
