"""Who works on a run in a store, and who did: what `fi-async status` shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fi_async._run_url import RunUrl
from fi_async.journal.events import EventKind
from fi_async.store.run_control import Control
from fi_async.store.store_reader import StoreConnected

_SHOWN: Final = 50
_MINUTE: Final = 60.0
_WORKERS: Final = f"""
    WITH recent AS (
        SELECT worker, count(*) AS ended FROM fi_async.events
        WHERE run = %(run)s AND kind = {EventKind.ENDED} AND at > extract(epoch FROM clock_timestamp()) - %(window)s
        GROUP BY worker
    ), held AS (
        SELECT worker, count(*) AS chunks FROM fi_async.chunks
        WHERE run = %(run)s AND NOT done AND worker IS NOT NULL GROUP BY worker
    )
    SELECT each.worker, each.host, each.pid,
        CASE WHEN each.left_at IS NOT NULL THEN 'left' WHEN each.fenced THEN 'lost'
            WHEN each.until < clock_timestamp() THEN 'silent' ELSE 'working' END,
        each.ended,
        coalesce(recent.ended, 0) / least(
            %(window)s, greatest(1, extract(epoch FROM clock_timestamp() - each.began_at)::double precision)
        ),
        coalesce(held.chunks, 0), extract(epoch FROM each.until - clock_timestamp())::double precision, each.concurrency
    FROM fi_async.workers AS each
    LEFT JOIN recent ON recent.worker = each.worker LEFT JOIN held ON held.worker = each.worker
    WHERE each.run = %(run)s AND each.role = 'work' ORDER BY each.fenced, each.worker DESC LIMIT {_SHOWN}
"""


@dataclass(frozen=True, slots=True)
class WorkerStanding:
    """How one worker of a run stands.

    Attributes:
        worker: Its number.
        host: The machine's name.
        pid: The process there.
        state: "working", "silent" (its lease has ended, and nobody took over yet), "lost" (others took over), "left".
        ended: Evaluations that ended there, each sample and vote for itself.
        rate: Those a second within the last minute, or less: see `standing_of`.
        chunks: Those that it holds.
        lease_left: Seconds until its lease ends.
        concurrency: As it was begun with.
    """

    worker: int
    host: str
    pid: int
    state: str
    ended: int
    rate: float
    chunks: int
    lease_left: float
    concurrency: str


@dataclass(frozen=True, slots=True)
class SharedStanding:
    """Who works on a run, and what is set for them.

    Attributes:
        workers: Those at work first, then the last that were.
        control: What is set.
    """

    workers: Sequence[WorkerStanding]
    control: Control

    @property
    def is_running(self) -> bool:
        """True if anybody works on it."""
        return any(each.state == "working" for each in self.workers)


def standing_of(reader: StoreConnected, window: float = _MINUTE) -> SharedStanding:
    """Return who works on a run in a store.

    Args:
        reader: Open: what it tells of the cases is of the same moment.
        window: The last seconds, which rates are taken over.

    Raises:
        JournalError: The store cannot be read.
    """
    asked = {"run": reader.run, "window": window}
    with reader.explained():
        found = reader.connection.execute(_WORKERS, asked).fetchall()
        query = "SELECT control FROM fi_async.runs WHERE run = %(run)s"
        ((control,),) = reader.connection.execute(query, asked).fetchall()
    return SharedStanding([WorkerStanding(*row) for row in found], Control.of(control))


def shared_standing(url: RunUrl) -> SharedStanding:
    """Return who works on a run in a store.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """
    reader = StoreConnected(url)
    try:
        return standing_of(reader)
    finally:
        reader.close()
