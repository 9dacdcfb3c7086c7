"""Puts the cases of a run into a store, for workers to evaluate."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from fi_async._errors import ConfigurationError
from fi_async._public import public
from fi_async._settings import RunFile, RunOptions
from fi_async._statistics import Counts
from fi_async.engine.intake import count_of
from fi_async.engine.session import Session
from fi_async.journal.opening import info_of
from fi_async.journal.reuse import Reused
from fi_async.journal.writer import Journal
from fi_async.runs.calls import Ask
from fi_async.runs.case_reading import Cases, Reading, panel_of
from fi_async.store.load_ledger import LoadLedger
from fi_async.store.store_storage import StoreStorage

_AT_ONCE: Final = 1_000  # works that are put into a store in one transaction
_NO_FILE: Final = Path()


@public
@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading the cases of a run into a store came to.

    Attributes:
        run: The run's URL, without a password.
        evaluations: How many evaluations the run has now: each case counts once for each template.
        new: Those of them that were not there before.
        ended: Those that have ended: invalid ones, and those of an earlier load that were evaluated since.
        duplicates: Those that equal another of the run, and are not evaluated for themselves.
        removed: Cases of an earlier load that were not among these.
        reopened: Cases that ended without a score, and are tried again.
        wall_s: Seconds that it took.
        votes: With repeats or a jury, how many samples and votes the evaluations take, as far as that is known; all
            but `evaluations` are numbers of these. 0 where each case is evaluated once, by one.
    """

    run: str
    evaluations: int
    new: int
    ended: int
    duplicates: int
    removed: int
    reopened: int
    wall_s: float
    votes: int = 0


async def load(session: Session, ask: Ask, cases: Cases) -> LoadReport:
    """Return what came of it once all cases are in the store. See `loaded`."""
    report, _ = await loaded(session, ask, cases)
    return report


async def loaded(session: Session, ask: Ask, cases: Cases) -> tuple[LoadReport, bytes]:
    """Return what came of it once all cases are in the store, and where they stand; see `Past.places`.

    Raises:
        ConfigurationError: The run evaluates other templates, or with other parameters, or is kept in a file.
        JournalError: The store cannot be used, or somebody loads the run already.
    """
    began = anyio.current_time()
    kept = ask.kept
    if kept is None or kept.store is None:
        raise ConfigurationError("load() needs run=, the URL of a database that ends in the run's name")
    asked = await ask.questions(session)
    count = count_of(cases)
    evaluations = None if count is None else count * len(asked)
    info = info_of(kept.store.run, kept, session, asked, ask.options, evaluations=evaluations)
    storage, counts = StoreStorage(kept.store), Counts()
    async with Reused(kept.reuse, _NO_FILE) as reused, Journal(storage, info, session.wall_clock) as journal:
        before = journal.past.count
        reopened = await journal.reopen(kept.retry)
        refuses = kept.duplicates == "refuse"
        ledger = LoadLedger(journal, asked, drain=kept.drain, refuse_duplicates=refuses, reused=reused)
        lanes = ask.lanes(session, asked, counts=counts)
        at_once = max(1, _AT_ONCE // sum(each.shape.evaluations for each in asked))
        reading = Reading(cases, ask.intake(asked, lanes), ledger, counts, panel_of(asked), at_once)
        async with aclosing(reading.feed()) as given:
            async for items in given:
                kept_now = [ledger.keep(item) for item in items]
                if any(kept_now):
                    await journal.flush()
        if reading.further() is not None:  # which workers find cases to be worth: here, no more will come
            ledger.remove_others(counts)
        await journal.flush()
        past, is_plain = journal.past, all(each.shape.is_plain for each in asked)
        report = LoadReport(
            run=str(kept.store),
            evaluations=past.held if is_plain else reading.read * len(asked),
            new=past.count - before,
            ended=past.done,
            duplicates=len(past.also) + len(past.refused),
            removed=counts.removed,
            reopened=reopened,
            wall_s=anyio.current_time() - began,
            votes=0 if is_plain else past.held,
        )
        return report, past.places()


async def reopen(session: Session, kept: RunFile) -> int:
    """Return how many cases of a run in a store are to be tried again, of those that ended so.

    Raises:
        ConfigurationError: The run is kept in a file.
        JournalError: The store cannot be used, or has no such run.
    """
    if kept.store is None:
        raise ConfigurationError("reopen() needs the URL of a database that ends in the run's name")
    storage = StoreStorage(kept.store, begins_pass=False)
    info = info_of(kept.store.run, kept, session, (), RunOptions())
    async with Journal(storage, info, session.wall_clock) as journal:
        reopened = await journal.reopen(kept.retry)
        await journal.flush()
    return reopened
