"""Between a run and its journal: what is to be done of the cases that come, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fi_async._errors import JournalError
from fi_async._models import Outcome, OutcomeStatus
from fi_async._statistics import Counts
from fi_async._values import shown_inputs
from fi_async.engine.attempts import Context
from fi_async.engine.intake import Question
from fi_async.engine.outcomes import outcome
from fi_async.engine.work import Work
from fi_async.journal import encoding
from fi_async.journal.encoding import storable, to_text
from fi_async.journal.events import EventKind
from fi_async.journal.identity import Keys
from fi_async.journal.keeping import Item, KeptLedger, continued
from fi_async.journal.reuse import Reused
from fi_async.journal.storage import CaseRow
from fi_async.journal.writer import Journal, Numbered
from fi_async.panels.panel import seat
from fi_async.panels.shape import Seat


class JournalLedger(KeptLedger):
    """The ledger of a run that is kept: what ended before is handed out again, and the rest goes on where it stood.

    Args:
        journal: Open.
        questions: What is asked of each case.
        drain: See `Ledger`.
        refuse_duplicates: True to end a case as invalid if it equals another of the run.
        reused: Where results of other runs are looked up.
        spent: Dollars that the run has spent on each template so far; empty where nobody asks.

    Attributes:
        stood: See `Journal`.
    """

    def __init__(
        self,
        journal: Journal,
        questions: Sequence[Question],
        *,
        drain: float,
        refuse_duplicates: bool = False,
        reused: Reused,
        spent: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(journal, drain=drain, spent=spent)
        has_panels = any(not each.shape.is_plain for each in questions)
        self.stood = (0, 0) if has_panels else journal.stood  # the file counts evaluations, not outcomes
        self._journal = journal
        self._asked = {
            (seat.template.name, seat.parameters.juror): seat.parameters for each in questions for seat in each.seats
        }
        self._keys: dict[Seat, Keys] = {}
        self._refuse_duplicates = refuse_duplicates
        self._reused = reused
        self._seen = bytearray(journal.past.count + 1)
        self._also_seen: set[tuple[int, int]] = set()

    # What comes

    async def admit(
        self, admitted: Sequence[Work | Outcome], context_of: Callable[[str, str | None], Context]
    ) -> list[Item]:
        """Return what is to be done of each: the work, a poll, an outcome; None if an equal case is under way.

        Args:
            admitted: What came of the cases that were read.
            context_of: What the jobs of a template, or of one of its jurors, share in the run whose ledger this is.
        """
        rows = [self._row(each) for each in admitted]
        numbered = await self._journal.admit(rows)
        self._seen.extend(bytes(self._journal.past.count + 1 - len(self._seen)))
        items = [
            await self._item(each, row, case, context_of(seat.template, seat.juror))
            for each, row, case, seat in zip(admitted, rows, numbered, map(_seat, admitted), strict=True)
        ]
        await self._take_reused(items, rows)
        return items

    def _row(self, each: Work | Outcome) -> CaseRow:
        seat = _seat(each)
        if isinstance(each, Work) and each.row is not None:
            inputs: Any = each.row.inputs
        else:  # a case that cannot be sent: the same again only at the same place, for the same reason
            inputs = {"index": each.index, "error": str(each.error) if isinstance(each, Outcome) else ""}
        case_id = None if each.case.id is None else storable(each.case.id)
        inputs_kept = to_text(shown_inputs(each.case.inputs))
        ended = encoding.encode(each) if isinstance(each, Outcome) else None
        return CaseRow(self._keys_of(seat).of(inputs), str(seat), each.index, case_id, inputs_kept, ended)

    def _keys_of(self, seat: Seat) -> Keys:
        if seat not in self._keys:
            asked = self._asked[seat.template, seat.juror]
            self._keys[seat] = Keys(replace(asked, sample=seat.sample) if seat.sample else asked)
        return self._keys[seat]

    async def _item(self, each: Work | Outcome, row: CaseRow, case: Numbered, context: Context) -> Item:
        n, past = case.n, self._journal.past
        if self._seen[n]:
            return await self._equal(each, row, n, context)
        self._seen[n] = 1
        if past.positions[n] != each.index or past.is_removed(n):
            self._journal.write(n, EventKind.PLACED, to_text([each.index, row.id]))
        if case.ended is not None:
            return self._decoded(case.ended, each, row)
        if not past.has_ended(n):
            self._numbers[each.index, _seat(each)] = n
        if isinstance(each, Outcome):
            return each  # kept with its case
        each.number = n
        return self._continued(each, context)

    def _continued(self, work: Work, context: Context) -> Item:
        """Return what is to be done of a work, by how it stood when the run was last stopped."""
        story = self._journal.past.story(work.number)
        return continued(work, story, self._journal.seconds_since(story.accepted_at), context)

    async def _equal(self, each: Work | Outcome, row: CaseRow, n: int, context: Context) -> Item:
        """Return what is to be done of a case that equals one seen before."""
        if isinstance(each, Outcome):
            return each
        past = self._journal.past
        self._also_seen.add((n, each.index))
        kind, known = (EventKind.REFUSED, past.refused) if self._refuse_duplicates else (EventKind.ALSO, past.also)
        if known.get((n, each.index), ...) != row.id:
            self._journal.write(n, kind, to_text([each.index, row.id]))
        if self._refuse_duplicates:
            error = encoding.refusal(each.index, past.positions[n])
            return outcome(each, context, OutcomeStatus.INVALID, error=error)
        if n in self._dropped:  # it takes the place of the one that was not begun
            self._dropped.discard(n)
            self._numbers[each.index, _seat(each)] = n
            each.number = n
            return each
        if not past.has_ended(n):
            self._following.setdefault(n, []).append(each)
            return None
        ended = await self._journal.outcome(n)
        assert ended is not None  # noqa: S101  # it has ended, and all that was written is committed
        return self._decoded(ended, each, row, "duplicate")

    def _decoded(self, text: str, each: Work | Outcome, row: CaseRow, origin: str = "replayed") -> Outcome:
        """Return an outcome that is kept.

        Raises:
            JournalError: The text is none: a file that SQLite can read may be damaged all the same.
        """
        try:
            return encoding.decode(text, each.index, each.case, row.template, origin)
        except ValueError as error:
            name = "a run that results are taken from" if origin == "reused" else self._journal.name
            raise JournalError(f"{name}: it is damaged ({error}): fi-async export reads what is whole") from error

    async def _take_reused(self, items: list[Item], rows: Sequence[CaseRow]) -> None:
        fresh = {
            rows[place].key: place
            for place, item in enumerate(items)
            if isinstance(item, Work) and not item.history.attempts
        }
        for key, text in (await self._reused.of(list(fresh))).items():
            item = items[fresh[key]]
            assert isinstance(item, Work)  # noqa: S101  # as `fresh` says
            items[fresh[key]] = self._decoded(text, item, rows[fresh[key]], "reused")

    def read_all(self) -> None:
        """Take note that all cases of this pass have been read."""
        if self._journal.reads_all:
            self._journal.write(0, EventKind.READ, str(self._journal.pass_number))

    def remove_others(self, counts: Counts) -> None:
        """Take note that all that is evaluated in this pass has come: what earlier ones have beyond it is removed."""
        past = self._journal.past
        for n in range(1, past.count + 1):
            if not self._seen[n] and not past.is_removed(n):
                self._journal.write(n, EventKind.REMOVED)
                counts.removed += 1
        for n, position in (past.also.keys() | past.refused.keys()) - self._also_seen:
            self._journal.write(n, EventKind.GONE, to_text([position]))


def _seat(each: Work | Outcome) -> Seat:
    return each.parameters.seat if isinstance(each, Work) else seat(each)
