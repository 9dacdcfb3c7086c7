"""What one worker does of the chunks that it holds, and what becomes of that."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import anyio

from fi_async._errors import JournalError
from fi_async._models import Case, Outcome
from fi_async.engine.attempts import Context
from fi_async.engine.intake import Intake, Question
from fi_async.engine.work import Work
from fi_async.journal.identity import Keys
from fi_async.journal.keeping import Item, KeptLedger, continued
from fi_async.panels.panel import seat, standing_of
from fi_async.panels.shape import Seat
from fi_async.store.leases import Chunk, StoredCase
from fi_async.store.settling import ChunkCase, Settled, Settling
from fi_async.store.worker_journal import WorkerJournal
from fi_async.wire.requests import Parameters

ContextOf = Callable[[str, str | None], Context]
"""Returns what the jobs of a template share, or those of one of its jurors."""


@dataclass(slots=True)
class _Part:
    """A chunk that is under way.

    Attributes:
        chunk: As it is held.
        left: How many of its evaluations have not ended.
        cases: Its cases of which there are several evaluations, by the key of the first of these.
    """

    chunk: Chunk
    left: int
    cases: dict[str, ChunkCase] = field(default_factory=dict)


class _Asked(NamedTuple):
    """Whose evaluation one is, what it is asked with, and whether the run asks it."""

    seat: Seat
    parameters: Parameters | None
    is_asked: bool


class WorkerLedger(KeptLedger):
    """The ledger of one worker: what its chunks hold goes on where it stood, and a chunk is done with its last case.

    Args:
        journal: Open.
        questions: What is asked of each case.
        drain: See `Ledger`.
        spent: Dollars that the run has spent on each template so far.
        settled: Takes what a case comes to of which there are several evaluations, once none is to come.

    Attributes:
        changes: How often the run had been changed when this began; see `Leases`.
        dropped_cases: Cases that were cut off, and that this worker leaves for others.
    """

    def __init__(
        self,
        journal: WorkerJournal,
        questions: Sequence[Question],
        *,
        drain: float,
        spent: Mapping[str, float] | None,
        settled: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        super().__init__(journal, drain=drain, spent=spent)
        self.changes = journal.leases.changes
        self.dropped_cases = 0
        self._journal = journal
        self._questions = {each.template.name: each for each in questions}
        self._shapes = {name: each.shape for name, each in self._questions.items() if not each.shape.is_plain}
        self._may_deepen = any(shape.precision is not None for shape in self._shapes.values())
        self._keys: dict[Seat, Keys] = {}
        self._seats: dict[str, _Asked] = {}
        self._cases: dict[int, ChunkCase] = {}
        self._settling = Settling(journal.leases, self._shapes, self._key_of)
        self._settled = settled
        self._parts: dict[int, _Part] = {}
        self._further: deque[Chunk] = deque()
        self._later: list[_Part] = []
        self._unsettled = 0  # chunks whose cases may be worth further samples
        self._stirred = anyio.Event()

    def items(self, chunk: Chunk, intakes: Mapping[str, Intake], context_of: ContextOf) -> Iterator[list[Item]]:
        """Yield what is to be done of the cases of a chunk that have not ended; nothing where some have to wait.

        What ends is told by its place. A load may move cases while they are under way: one that comes to another's
        place waits until that one has ended, so that neither gets the outcome of the other.

        Raises:
            JournalError: They are not what this version, or this code, would make of them.
        """
        past = chunk.past
        todo = {
            each.n
            for place, each in enumerate(chunk.cases, 1)
            if not past.has_ended(place) and not past.is_removed(place) and self._seat_of(each).is_asked
        }
        part = _Part(chunk, len(todo))
        self._parts.update(dict.fromkeys(todo, part))
        self._unsettled += self._may_deepen
        groups = [list(evaluations) for _, evaluations in groupby(chunk.cases, partial(_place_of, chunk))]
        while groups:
            items: list[Item] = []
            waiting = []
            for group in groups:
                if self._is_taken(part, group, todo):
                    waiting.append(group)
                else:
                    items += self._items(part, group, todo, intakes, context_of)
            if items or waiting:
                yield items
            groups = waiting
        if not todo:
            self._end(part)

    def _is_taken(self, part: _Part, group: Sequence[StoredCase], todo: Collection[int]) -> bool:
        """Return True if something is under way at the place of a case under one template."""
        position, *_ = _place_of(part.chunk, group[0])
        return any(each.n in todo and (position, self._seat_of(each).seat) in self._numbers for each in group)

    def _items(
        self,
        part: _Part,
        evaluations: Sequence[StoredCase],
        todo: Collection[int],
        intakes: Mapping[str, Intake],
        context_of: ContextOf,
    ) -> list[Item]:
        """Return what is to be done of a case under one template."""
        position, template, _ = _place_of(part.chunk, evaluations[0])
        group = [each for each in evaluations if self._seat_of(each).is_asked]
        is_here = any(each.n in todo for each in group)
        if not is_here and not (group and self._may_deepen and template in self._shapes):
            return []
        works = self._works(position, group, intakes.get(template), is_here=is_here)
        if works and template in self._shapes:
            self._take_case(part, works, group[0], todo)
        return [
            self._continued(part, work, context_of(template, work.parameters.juror))
            for work in works
            if work.number in todo
        ]

    def _take_case(self, part: _Part, works: Sequence[Work], stored: StoredCase, todo: Collection[int]) -> None:
        """Take note of a case of which there are several evaluations."""
        row, template = works[0].row, works[0].parameters.template
        assert row is not None  # noqa: S101  # as `_works` has seen
        first = Seat(template, next(iter(self._shapes[template].voters())))
        case = part.cases.setdefault(
            self._key_of(first, row.inputs), ChunkCase(template, works[0].case, row.inputs, stored.inputs)
        )
        for work in works:
            if work.number in todo:
                case.is_here = True
                self._cases[work.number] = case

    def _seat_of(self, stored: StoredCase) -> _Asked:
        """Return whose evaluation one is, and what it is asked with, if it still is."""
        found = self._seats.get(stored.template)
        if found is None:
            its = Seat.of(stored.template)
            question = self._questions.get(its.template)
            parameters = None if question is None else question.asked_of(its)
            # A juror may have left, and there may be a sample too many; a template that is not the run's is an error.
            is_asked = question is None or (its.sample < question.shape.most and parameters is not None)
            found = self._seats[stored.template] = _Asked(its, parameters, is_asked)
        return found

    def _works(self, position: int, group: Sequence[StoredCase], intake: Intake | None, *, is_here: bool) -> list[Work]:
        """Return the evaluations of a case, each as it was loaded; none of one that has ended as it cannot be sent."""
        asked = [self._seat_of(each) for each in group]
        wanted = [each.parameters for each in asked if each.parameters is not None]
        case = Case(json.loads(group[0].inputs), group[0].id)
        works = [] if intake is None else intake.seated(position, case, wanted)
        if not is_here and not any(isinstance(each, Work) for each in works):
            return []
        if len(works) < len(group):
            raise self._stranger(position, asked[0].seat)
        found = []
        for work, stored, each in zip(works, group, asked, strict=True):
            if not isinstance(work, Work) or work.row is None or self._key_of(each.seat, work.row.inputs) != stored.key:
                raise self._stranger(position, each.seat)
            work.number = stored.n
            found.append(work)
        return found

    def _stranger(self, position: int, its: Seat) -> JournalError:
        whose = f", as a vote of {its.juror}," if its.juror is not None else ""
        return JournalError(
            f"{self._journal.url}: case {position} under {its.template}{whose} is not what was loaded: another version"
            " of fi-async, or of your code, loaded it"
        )

    def _key_of(self, its: Seat, inputs: Mapping[str, Any]) -> str:
        if its not in self._keys:
            parameters = self._questions[its.template].asked_of(its)
            assert parameters is not None  # noqa: S101  # whoever asks has seen that
            self._keys[its] = Keys(parameters)
        return self._keys[its].of(inputs)

    def _continued(self, part: _Part, work: Work, context: Context) -> Item:
        self._numbers[work.index, work.parameters.seat] = work.number
        story = part.chunk.past.story(work.number - part.chunk.first + 1)
        return continued(work, story, max(0.0, self._journal.now() - story.accepted_at), context)

    def ended(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Keep an outcome, and hand it out once it is committed, or None; a chunk is done with its last one."""
        n = self._numbers[outcome.index, seat(outcome)]
        self._journal.spent_here[self._payee(outcome)] += outcome.cost or 0.0

        def hand_out(ended: Any) -> None:
            if self._journal.has_failed:
                emit(None)  # it is not the run's: whoever took the case over will tell
                return
            part = self._parts.pop(n)
            part.left -= 1
            if (case := self._cases.pop(n, None)) is not None:
                case.votes[outcome.sample, outcome.juror] = outcome
            if not part.left:
                self._end(part)
            emit(ended)

        super().ended(outcome, hand_out)

    def _payee(self, outcome: Outcome) -> str:
        """Return whom an outcome is paid to: the judge's name."""
        return payee_of(self._questions[outcome.template], outcome.juror)

    def dropped(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Hand out how a work ended that was cut off: its chunk is not done."""
        self.dropped_cases += 1
        super().dropped(outcome, emit)
        self._stirred.set()

    # Chunks whose evaluations have all ended

    def _end(self, part: _Part) -> None:
        """Take note that all evaluations of a chunk have ended, and look what its cases come to."""
        outcomes, open_cases = [], {}
        for key, case in part.cases.items():
            stands = standing_of(self._shapes[case.template], case.votes)
            if not stands.is_settled:  # or settled by what ended elsewhere
                open_cases[key] = case
            elif stands.outcome is not None:
                outcomes.append(stands.outcome)
        part.cases = open_cases
        self._settle(part)
        for each in outcomes:
            self._settled(each)

    def _settle(self, part: _Part) -> None:
        cases = list(part.cases.values())
        if cases:
            self._journal.soon(lambda: self._settling.settle(part.chunk, cases), partial(self._take, part))
        else:
            finish = partial(self._journal.leases.finish, part.chunk, of_shape=self._may_deepen)
            self._journal.soon(finish, lambda _: self._take(part, Settled(())))

    def _take(self, part: _Part, settled: Settled) -> None:
        if settled.is_later:
            self._later.append(part)
            return
        if settled.further is not None:
            self._further.append(settled.further)
        self._unsettled -= self._may_deepen
        self._stirred.set()
        for each in settled.outcomes:
            self._settled(each)

    def next_further(self) -> Chunk | None:
        """Return a chunk of further samples, which this worker holds; None if there is none."""
        return self._further.popleft() if self._further else None

    async def may_deepen(self, within: float) -> bool:
        """Return True as long as cases of this worker's chunks may be worth further samples, after a while.

        Args:
            within: Seconds after which it returns, whatever happens.
        """
        if self._further:
            return True
        if not self._unsettled or self._journal.has_failed:
            return False
        with anyio.move_on_after(within):
            await self._stirred.wait()
        self._stirred = anyio.Event()
        later, self._later = self._later, []
        for part in later:
            self._settle(part)
        return True


def _place_of(chunk: Chunk, stored: StoredCase) -> tuple[int, str, str]:
    """Return what is the same for the evaluations of one case under one template: its place, that, and its inputs."""
    position = chunk.past.positions[stored.n - chunk.first + 1]
    return position, Seat.of(stored.template).template, stored.inputs


def payee_of(question: Question, juror: str | None) -> str:
    """Return whom the evaluations of a template, or those of one of its jurors, are paid to: the judge's name."""
    found = next((each.route.judge for each in question.seats if each.parameters.juror == juror), None)
    return "" if found is None else found.label


def purses_of(questions: Iterable[Question], lane_of: Callable[[str, str | None], Any]) -> dict[str, Any]:
    """Return what may be spent on each judge, by its name."""
    found = {}
    for question in questions:
        for each in question.seats:
            purse = lane_of(question.template.name, each.parameters.juror).purse
            if purse is not None:
                found[payee_of(question, each.parameters.juror)] = purse
    return found
