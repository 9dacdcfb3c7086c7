"""Reads a run in a store, also while workers write it, and as a user who may only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from fi_async._run_url import RunUrl
from fi_async.journal.events import EventKind
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.reading import NOTHING_COUNTED, CountedCases, OutcomeRow
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.view import RunView, open_view
from fi_async.store import store_labels, store_queries, store_schema
from fi_async.store.store_connection import StoreConnection
from fi_async.store.store_queries import facts_of

_ENDED_SINCE: Final = f"""
    SELECT count(*) FROM fi_async.events WHERE run = %(run)s AND kind = {EventKind.ENDED} AND at > %(at)s
"""
_TEMPLATES: Final = "SELECT n, template FROM fi_async.cases WHERE run = %(run)s"
_CASE: Final = "SELECT key, template, id, inputs FROM fi_async.cases WHERE run = %(run)s AND n = %(n)s"


class StoreConnected:
    """What all readers of a run in a store share: one state of it, whatever is written meanwhile.

    Attributes:
        url: The run's.
        run: Its number.
        version: That of the tables.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """

    says_when_read = True

    def __init__(self, url: RunUrl) -> None:
        self.url = url
        self.connection = StoreConnection(url, idle=None)
        try:
            with self.explained():
                self.version = store_schema.check(self.connection)
                self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                self.run = store_schema.run_of(self.connection)
        except BaseException:
            self.connection.close()
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    @property
    def name(self) -> str:
        """What messages call the run."""
        return str(self.url)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def explained(self) -> AbstractContextManager[None]:
        """Turn what goes wrong with the store into a JournalError."""
        return self.connection.explained()

    def now(self) -> float:
        """Return the store's time, in seconds since the epoch: that of all that it keeps."""
        with self.explained():
            return store_queries.now(self.connection)

    def passes(self) -> Sequence[tuple[float, str]]:
        """Return when cases were loaded, and the run's facts as JSON."""
        return store_queries.passes(self.connection, self.run)

    def ended_since(self, at: float) -> int:
        """Return how many cases ended after that time."""
        ((ended,),) = self.connection.execute(_ENDED_SINCE, {"run": self.run, "at": at}).fetchall()
        return int(ended)


class StoreReader(StoreConnected):
    """A run in a store, as a view reads it. See `Reader`.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """

    def past(self) -> Past:
        """Return how the cases stand."""
        return store_queries.past(self.connection, self.run)

    def last_at(self) -> float | None:
        """Return when something last happened to a case."""
        query = "SELECT max(at) FROM fi_async.events WHERE run = %(run)s"
        ((last,),) = self.connection.execute(query, {"run": self.run}).fetchall()
        return None if last is None else float(last)

    def counted(self) -> CountedCases:
        """Return none: it reads the outcomes themselves."""
        return NOTHING_COUNTED

    def statuses(self) -> Counter[str]:
        """Return how many cases ended in each status."""
        return store_queries.statuses(self.connection, self.run)

    def status_of_each(self) -> Iterable[tuple[int, str]]:
        """Return the number of each case that ended at some time, and the status that it ended in last."""
        return store_queries.status_of_each(self.connection, self.run)

    def duplicates(self) -> Iterable[tuple[int, int | None]]:
        """Return the possible duplicates of the outcomes that have any, by number."""
        return store_queries.duplicates(self.connection, self.run)

    def paid(self) -> Iterable[tuple[int, str | None, float | None]]:
        """Return what judges answered: number, usage as JSON, and dollars."""
        return store_queries.paid_for(self.connection, self.run)

    def outcomes(self) -> Iterable[OutcomeRow]:
        """Return the last outcome of each case that has one, in the order of the numbers."""
        return store_queries.outcomes(self.connection, self.run)

    def labels(self) -> KeptLabels:
        """Return what people said of its cases."""
        return store_labels.read_labels(self.connection, self.run)

    def templates(self) -> Iterable[tuple[int, str]]:
        """Return the number and the template of each case."""
        found = store_queries.rows(self.connection, _TEMPLATES, run=self.run)
        return ((n, template) for n, template in found)

    def case(self, n: int) -> tuple[str, str, str | None, str]:
        """Return the key, the template, the id and the inputs of a case."""
        ((key, template, case_id, inputs),) = self.connection.execute(_CASE, {"run": self.run, "n": n}).fetchall()
        return key, template, case_id, inputs


def open_run(run: Path | RunUrl) -> RunView:
    """Return what a run tells that is kept in a file or in a store.

    Raises:
        ConfigurationError: A store needs psycopg, which is not installed.
        JournalError: There is no such run, or it cannot be read.
    """
    return RunView(StoreReader(run)) if isinstance(run, RunUrl) else open_view(run)


def facts(url: RunUrl) -> RunInfo:
    """Return what a run is about, without reading its cases.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """
    reader = StoreReader(url)
    try:
        with reader.explained():
            return facts_of(reader.name, reader.passes())
    finally:
        reader.close()


def runs_in(url: RunUrl) -> list[RunUrl]:
    """Return the runs in a database, by their names.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The database cannot be read, or has no runs.
    """
    connection = StoreConnection(url, idle=None)
    try:
        with connection.explained():
            store_schema.check(connection)
            names = connection.execute("SELECT name FROM fi_async.runs ORDER BY name").fetchall()
    finally:
        connection.close()
    return [url.of_run(name) for (name,) in names]
