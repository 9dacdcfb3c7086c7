"""Where accepted evaluations are kept: in memory, or in an SQLite file that survives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Evaluation(NamedTuple):
    """An accepted evaluation. Its verdict is not here: it follows from the inputs, and its state from the clock.

    Attributes:
        id: The 16 bytes of its UUID.
        owner: The API key that made it.
        inputs: As JSON text.
        params: As JSON text.
        start: When it begins to run, in seconds since the epoch; infinite if it never will.
        ready: When its result is there; infinite if it never will be.
        error: Why it fails whatever its inputs; None if they decide.
        case: A hash of template and inputs; empty if it does not count as made.
    """

    id: bytes
    owner: str
    template: str
    inputs: str
    params: str
    model: str | None
    is_async: bool
    error_localizer: bool
    start: float
    ready: float
    error: str | None
    case: bytes


class PipelineRun(NamedTuple):
    """An accepted pipeline run; `evaluations` holds the ids, 16 bytes each, one after the other."""

    id: bytes
    owner: str
    project: str
    version: str
    evaluations: bytes


class Made(NamedTuple):
    """How many evaluations were made, and of how many different cases."""

    evaluations: int
    distinct: int


class Store(Protocol):
    """What both forms can do."""

    def add(self, rows: Sequence[Evaluation]) -> None:
        """Keep new evaluations, all or none."""

    def find(self, identity: bytes) -> Evaluation | None:
        """Return the evaluation with this id."""

    def add_run(self, run: PipelineRun) -> None:
        """Keep a new pipeline run."""

    def find_run(self, owner: str, project: str, version: str) -> PipelineRun | None:
        """Return the pipeline run of this version."""

    def add_answer(self, identity: bytes, text: str) -> None:
        """Keep what somebody else answered to an evaluation."""

    def find_answer(self, identity: bytes) -> str | None:
        """Return what somebody else answered to this evaluation."""

    def made(self) -> Made:
        """Return how much was evaluated."""

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Give back what the store holds open."""


def open_store(path: str | Path | None) -> Store:
    """Return the store in this file, made if it is not there; without a path, one in memory."""
    return MemoryStore() if path is None else SqliteStore(path)


class MemoryStore:
    """Keeps everything until the process ends."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Evaluation] = {}
        self._runs: dict[tuple[str, str, str], PipelineRun] = {}
        self._answers: dict[bytes, str] = {}
        self._cases: set[bytes] = set()
        self._made = 0

    def add(self, rows: Sequence[Evaluation]) -> None:
        """Keep new evaluations."""
        self._rows.update((row.id, row) for row in rows)
        cases = [row.case for row in rows if row.case]
        self._cases.update(cases)
        self._made += len(cases)

    def find(self, identity: bytes) -> Evaluation | None:
        """Return the evaluation with this id."""
        return self._rows.get(identity)

    def add_run(self, run: PipelineRun) -> None:
        """Keep a new pipeline run."""
        self._runs[run.owner, run.project, run.version] = run

    def find_run(self, owner: str, project: str, version: str) -> PipelineRun | None:
        """Return the pipeline run of this version."""
        return self._runs.get((owner, project, version))

    def add_answer(self, identity: bytes, text: str) -> None:
        """Keep what somebody else answered to an evaluation."""
        self._answers[identity] = text

    def find_answer(self, identity: bytes) -> str | None:
        """Return what somebody else answered to this evaluation."""
        return self._answers.get(identity)

    def made(self) -> Made:
        """Return how much was evaluated."""
        return Made(self._made, len(self._cases))

    def __len__(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = normal;
create table if not exists evaluations (
    id blob primary key, owner text, template text, inputs text, params text, model text, is_async integer,
    error_localizer integer, start real, ready real, error text, made_of blob
) without rowid;
create index if not exists cases on evaluations (made_of);
create table if not exists runs (
    id blob, owner text, project text, version text, evaluations blob, primary key (owner, project, version)
) without rowid;
create table if not exists answers (id blob primary key, text text) without rowid;
"""


class SqliteStore:
    """Keeps everything in a file: what was accepted is answered after a restart, or a kill.

    In WAL mode with `synchronous = normal` a row is safe from the end of the process, though the last ones
    are not from the end of the machine's power.
    """

    def __init__(self, path: str | Path) -> None:
        # The server may run in another thread than the one that made it; one of them uses it at a time.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def add(self, rows: Sequence[Evaluation]) -> None:
        """Keep new evaluations, all or none."""
        with self._db:
            self._db.execute("begin")
            self._db.executemany("insert into evaluations values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def find(self, identity: bytes) -> Evaluation | None:
        """Return the evaluation with this id."""
        row = self._row("select * from evaluations where id = ?", identity)
        if row is None:
            return None
        found = Evaluation(*row)
        return found._replace(is_async=bool(found.is_async), error_localizer=bool(found.error_localizer))

    def add_run(self, run: PipelineRun) -> None:
        """Keep a new pipeline run."""
        self._db.execute("insert into runs values (?, ?, ?, ?, ?)", run)

    def find_run(self, owner: str, project: str, version: str) -> PipelineRun | None:
        """Return the pipeline run of this version."""
        row = self._row("select * from runs where (owner, project, version) = (?, ?, ?)", owner, project, version)
        return None if row is None else PipelineRun(*row)

    def add_answer(self, identity: bytes, text: str) -> None:
        """Keep what somebody else answered to an evaluation."""
        self._db.execute("insert or replace into answers values (?, ?)", (identity, text))

    def find_answer(self, identity: bytes) -> str | None:
        """Return what somebody else answered to this evaluation."""
        row = self._row("select text from answers where id = ?", identity)
        return None if row is None else str(row[0])

    def made(self) -> Made:
        """Return how much was evaluated."""
        counted = self._row("select count(*), count(distinct made_of) from evaluations where made_of <> x''")
        return Made(*counted) if counted else Made(0, 0)

    def __len__(self) -> int:
        (count,) = self._row("select count(*) from evaluations") or (0,)
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with closing(self._db.execute(query, values)) as cursor:
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row
