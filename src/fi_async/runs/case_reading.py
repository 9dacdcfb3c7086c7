"""The cases of a call on their way in, and what they turn out to be worth beyond what they are asked at first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from fi_async._models import Case, Inputs, Outcome
from fi_async._statistics import Counts
from fi_async.engine.attempts import Job
from fi_async.engine.intake import Intake, Question, batches, unread
from fi_async.engine.run import Feed
from fi_async.engine.work import Work
from fi_async.panels.panel import Panel
from fi_async.sources.rows import TableCase
from fi_async.sources.tables import HasColumnNames, HasColumns

if TYPE_CHECKING:
    from fi_async.journal.ledger import JournalLedger

Cases = Iterable[Inputs | Case] | AsyncIterable[Inputs | Case] | HasColumns | HasColumnNames

_READ_INTO_FILE: Final = 64  # cases that are put into a run's file at once


def panel_of(asked: Sequence[Question]) -> Panel:
    """Return what makes one outcome of the evaluations of a case, in one run."""
    return Panel({each.template.name: each.shape for each in asked})


@dataclass(slots=True)
class Reading:
    """The cases of a call on their way in.

    Attributes:
        cases: As the caller gives them.
        intake: Turns them into works.
        ledger: Who keeps them; None for nobody.
        counts: What the call asks of the server.
        panel: Makes one outcome of the evaluations of a case, and says which further ones it is worth.
        at_once: How many are put where they are kept at once.
    """

    cases: Cases
    intake: Intake
    ledger: JournalLedger | None
    counts: Counts
    panel: Panel
    at_once: int = _READ_INTO_FILE
    _read: int = 0
    _is_all: bool = False
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def read(self) -> int:
        """How many cases were read so far."""
        return self._read

    def stood(self) -> tuple[int, int]:
        """Return how many outcomes an earlier pass has left, and how many of these are without a score."""
        return (0, 0) if self.ledger is None else self.ledger.stood

    async def feed(self) -> AsyncGenerator[Sequence[Work | Job | Outcome | None]]:
        """Yield what is to be done of the cases, as they are read: several at once where each costs a way to a file."""
        async with aclosing(batches(self.cases, 1 if self.ledger is None else self.at_once)) as source:
            async for batch in source:
                admitted = [each for case in batch for each in self._admit(case)]
                yield admitted if self.ledger is None else await self._kept(self.ledger, admitted)
        self._is_all = True
        self._stirred.set()
        if self.ledger is not None:
            self.ledger.read_all()
            if self.further() is None:
                self.ledger.remove_others(self.counts)

    def further(self) -> Feed | None:
        """Return what gives the further samples of cases; None if no case can be worth any."""
        if all(each.shape.precision is None for each in self.intake.questions):
            return None
        self.panel.stir = self._stirred.set
        return self._further

    async def _further(self) -> AsyncGenerator[Sequence[Work | Job | Outcome | None]]:
        panel = self.panel
        while panel.under_way or not self._is_all:
            if not panel.wanted:
                await self._stirred.wait()
                self._stirred.clear()
                continue
            wanted = list(panel.wanted)
            panel.wanted.clear()
            admitted = [each for one in wanted for each in self.intake.further(one)]
            yield admitted if self.ledger is None else await self._kept(self.ledger, admitted)
        if self.ledger is not None:
            self.ledger.remove_others(self.counts)

    async def _kept(
        self, ledger: JournalLedger, admitted: Sequence[Work | Outcome]
    ) -> Sequence[Work | Job | Outcome | None]:
        """Return what is to be done of cases that a file keeps. They count as read: no timeout comes between."""
        with anyio.CancelScope(shield=True):
            items = await ledger.admit(admitted, self.intake.context_of)
        return items  # noqa: RET504  # to type checkers, a scope may swallow what is raised in it

    def _admit(self, case: Inputs | Case) -> list[Work | Outcome]:
        self._read += 1
        # Those that a run's file holds may be some of its source's, and keep their places.
        own = case.position if isinstance(case, TableCase) else None
        admitted = self.intake.admit(self._read - 1 if own is None else own, case)
        self.panel.under_way += len(self.intake.questions) if admitted else 0
        return admitted

    def unread(self) -> list[Outcome]:
        """Return the outcomes of cases that the timeout of the call kept from being read, where these are known."""
        left = () if self._is_all else unread(self.cases, self._read)
        cut_off = (each for index, case in enumerate(left, self._read) for each in self.intake.cancelled(index, case))
        return [whole for each in cut_off if (whole := self.panel.take(each)) is not None]
