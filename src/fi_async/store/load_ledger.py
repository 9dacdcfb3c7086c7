"""The ledger of who loads a run's cases into a store: it evaluates nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fi_async._models import Outcome
from fi_async.engine.attempts import Context
from fi_async.engine.intake import Question
from fi_async.engine.work import Work
from fi_async.journal.keeping import Item
from fi_async.journal.ledger import JournalLedger
from fi_async.journal.writer import Journal, Numbered


class LoadLedger(JournalLedger):
    """Numbers the cases that come, and keeps what is known of them already; workers do the rest.

    Args:
        journal: Open.
        questions: What is asked of each case.
        **how: As of `JournalLedger`.
    """

    def __init__(self, journal: Journal, questions: Sequence[Question], **how: Any) -> None:
        super().__init__(journal, questions, **how)
        may_be_more = {each.template.name: each.shape for each in questions if each.shape.precision is not None}
        self._deeper = may_be_more if journal.past.count else {}

    async def admit(
        self, admitted: Sequence[Work | Outcome], context_of: Callable[[str, str | None], Context]
    ) -> list[Item]:
        """Return what is to be done of each; see `JournalLedger`.

        The further samples that workers have found cases to be worth stand, and go, with their cases.
        """
        items = await super().admit(admitted, context_of)
        works = [each for work in admitted if isinstance(work, Work) for each in self._further(work)]
        rows = [self._row(each) for each in works]
        known = await self._journal.known([row.key for row in rows]) if rows else {}
        for work, row in zip(works, rows, strict=True):
            n = known.get(row.key)
            # One that has not ended is removed: whether its case is worth it is for a worker to say, who puts it back.
            if n is not None and self._journal.past.has_ended(n):
                context = context_of(work.parameters.template, work.parameters.juror)
                await self._item(work, row, Numbered(n, None), context)
        return items

    def _further(self, work: Work) -> Iterator[Work]:
        """Yield what further samples of a work would be, if there are any."""
        asked = work.parameters
        shape = None if asked.sample else self._deeper.get(asked.template)
        for sample in range(shape.repeats, shape.most) if shape is not None else ():
            yield Work(work.index, work.case, replace(asked, sample=sample), work.row)

    def _continued(self, work: Work, context: Context) -> Item:  # noqa: ARG002  # as of every such ledger
        """Return the work as it is: how it goes on is for the worker to say who claims it."""
        return work

    def keep(self, item: Item) -> bool:
        """Return True after an item was kept as an outcome: it was reused from another run."""
        if not isinstance(item, Outcome) or item.origin != "reused":
            return False
        self.ended(item, lambda _: None)
        return True
