"""The ledger of who loads a run's cases into a store: it evaluates nothing."""

from __future__ import annotations

from fi_async._models import Outcome
from fi_async.engine.attempts import Context
from fi_async.engine.work import Work
from fi_async.journal.keeping import Item
from fi_async.journal.ledger import JournalLedger


class LoadLedger(JournalLedger):
    """Numbers the cases that come, and keeps what is known of them already; workers do the rest."""

    def _continued(self, work: Work, context: Context) -> Item:  # noqa: ARG002  # as of every such ledger
        """Return the work as it is: how it goes on is for the worker to say who claims it."""
        return work

    def keep(self, item: Item) -> bool:
        """Return True after an item was kept as an outcome: it was reused from another run."""
        if not isinstance(item, Outcome) or item.origin != "reused":
            return False
        self.ended(item, lambda _: None)
        return True
