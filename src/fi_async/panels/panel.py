"""Gathers the evaluations of each case, between a run, or its file, and whoever takes outcomes.

In memory are the cases under way alone. Nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fi_async._models import Case, Outcome
from fi_async.panels.certainty import further
from fi_async.panels.combining import sample_of, vote_of, what_said
from fi_async.panels.shape import PanelShape, Seat

Votes = Mapping[tuple[int, str | None], Outcome]
"""What is known of a case: its evaluations by sample and juror."""


class CaseStanding(NamedTuple):
    """How a case stands.

    Attributes:
        outcome: What it comes to; None as long as an evaluation is to come, and less is known than the case has at
            first.
        asked: How many samples it needs, as far as that is known.
        is_settled: True if no evaluation is to come.
    """

    outcome: Outcome | None
    asked: int
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Further:
    """A sample that a case is worth, beyond those asked for so far."""

    index: int
    case: Case
    template: str
    sample: int


def standing_of(shape: PanelShape, votes: Votes) -> CaseStanding:
    """Return how a case stands of which these evaluations are known. It does not depend on the order they came in."""
    samples: list[Outcome] = []
    before, asked = 0, shape.repeats
    while True:
        for sample in range(before, asked):
            sitting = [votes[sample, voter] for voter in shape.voters() if (sample, voter) in votes]
            if len(sitting) == shape.seats:
                samples.append(vote_of(sitting, shape) if shape.jurors else sitting[0])
        if len(samples) < asked:
            # What a case has at first is worth an outcome; what is there beyond makes it more certain.
            return CaseStanding(sample_of(samples, shape) if before else None, asked, is_settled=False)
        more = _more(shape, samples)
        if not more:
            return CaseStanding(sample_of(samples, shape) if shape.is_repeated else samples[0], asked, is_settled=True)
        before, asked = asked, asked + more


def _more(shape: PanelShape, samples: Sequence[Outcome]) -> int:
    if shape.precision is None or any(str(each.status) in ("cancelled", "invalid") for each in samples):
        return 0
    said = [what for each in samples if (what := what_said(each)) is not None]
    return further(said, len(samples), shape.precision, shape.most)


@dataclass(slots=True)
class _Ballot:
    """The evaluations of a case under way."""

    asked: int
    votes: dict[tuple[int, str | None], Outcome] = field(default_factory=dict)


class Panel:
    """The cases of a run under way.

    Args:
        shapes: How many evaluations a case has, by template; others have one, which is the outcome.

    Attributes:
        wanted: Samples that cases are worth, for the run to take.
        under_way: How many outcomes are to come of cases that were begun; whoever begins them counts them here.
        stir: Is called when samples are wanted, and when an outcome has come.
    """

    def __init__(self, shapes: Mapping[str, PanelShape]) -> None:
        self.wanted: deque[Further] = deque()
        self.under_way = 0
        self.stir: Callable[[], object] = lambda: None
        self._shapes = {name: shape for name, shape in shapes.items() if not shape.is_plain}
        self._ballots: dict[tuple[int, str], _Ballot] = {}

    def __repr__(self) -> str:
        return f"<Panel cases={len(self._ballots)} wanted={len(self.wanted)}>"

    def take(self, one: Outcome) -> Outcome | None:
        """Return the outcome of a case, of which this is the last evaluation; None as long as others are to come."""
        shape = self._shapes.get(one.template)
        if shape is None:
            self._ended()
            return one
        place = one.index, one.template
        ballot = self._ballots.setdefault(place, _Ballot(shape.repeats))
        ballot.votes[one.sample, one.juror] = one
        if len(ballot.votes) < ballot.asked * shape.seats:
            return None
        stands = standing_of(shape, ballot.votes)
        if stands.is_settled:
            del self._ballots[place]
            self._ended()
            return stands.outcome
        self.wanted += [
            Further(one.index, one.case, one.template, sample) for sample in range(ballot.asked, stands.asked)
        ]
        ballot.asked = stands.asked
        self.stir()
        return None

    def _ended(self) -> None:
        self.under_way -= 1
        self.stir()

    def rest(self) -> Iterator[Outcome]:
        """Take out the cases that are to have further samples, and what is known of them: none will come."""
        self.wanted.clear()
        ballots, self._ballots = self._ballots, {}
        for (_, template), ballot in ballots.items():
            outcome = standing_of(self._shapes[template], ballot.votes).outcome
            if outcome is not None:
                yield outcome


def seat(outcome: Outcome) -> Seat:
    """Return which of the evaluations of its case an outcome is."""
    return Seat(outcome.template, outcome.juror, outcome.sample)
