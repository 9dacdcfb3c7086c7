"""The tables of a store, in a schema of their own: many runs in one database.

    format    the version of these tables
    runs      the run's name, and what `fi-async control` has set
    passes    one row each time cases were loaded: when, and the run's facts as JSON
    cases     one row for each different work: its key (see `journal.identity`), template, inputs, where it first stood;
              as template the name of its seat (see `panels.shape`), where a case has several samples, or votes
    chunks    cases with consecutive numbers, which one worker holds at a time; done once all of them have ended, and
              then with the sums of their outcomes: see `tallies`
    events    what happened to a case, in order: see `journal.events`
    workers   who works on a run, and until when its lease lasts
    draws, drawn, labels   what people said of the cases: see `store_labels`

The truth is in passes, cases and events, as in a run's file. A worker holds its chunks for as long as its lease lasts;
one whose lease has ended is fenced by the first who needs its chunks, and from then on none of its events is kept.
Cases are put there by who loads; and further samples, by workers, into chunks of theirs: see `settling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fi_async._errors import JournalError
from fi_async.journal.events import EventKind
from fi_async.store import tallies
from fi_async.store.store_connection import NO_RUNS, StoreConnection

VERSION: Final = 3
COUNTED_FROM: Final = 3
"""The version from which on chunks have the sums of their outcomes."""

_LIKE_THESE: Final = 1  # the oldest version whose tables are these, to all but who works
_LOCK: Final = 0x6669_6173  # "fias": of advisory locks

_SCHEMA: Final = """
CREATE SCHEMA IF NOT EXISTS fi_async;
CREATE TABLE fi_async.format (version integer NOT NULL);
CREATE TABLE fi_async.runs (
    run integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at double precision NOT NULL,
    control jsonb NOT NULL DEFAULT '{}',
    changes integer NOT NULL DEFAULT 0
);
CREATE TABLE fi_async.passes (
    run integer, pass integer, at double precision NOT NULL, info text NOT NULL, PRIMARY KEY (run, pass)
);
CREATE TABLE fi_async.cases (
    run integer, n integer, key text COLLATE "C" NOT NULL, template text NOT NULL, position bigint NOT NULL,
    id text, inputs text NOT NULL,
    PRIMARY KEY (run, n), UNIQUE (run, key)
);
CREATE TABLE fi_async.chunks (
    run integer, chunk integer, first integer NOT NULL, last integer NOT NULL, worker integer,
    claims integer NOT NULL DEFAULT 0, reopened integer NOT NULL DEFAULT 0, done boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run, chunk)
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX chunks_by_case ON fi_async.chunks (run, first);
CREATE INDEX chunks_to_do ON fi_async.chunks (run, worker, chunk) WHERE NOT done;
CREATE TABLE fi_async.events (
    run integer, n integer, seq bigint GENERATED ALWAYS AS IDENTITY, kind smallint NOT NULL,
    at double precision NOT NULL, worker integer NOT NULL, body text,
    PRIMARY KEY (run, n, seq)
);
CREATE INDEX events_by_time ON fi_async.events USING brin (at) WITH (pages_per_range = 32);
CREATE TABLE fi_async.workers (
    worker integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run integer NOT NULL, role text NOT NULL,
    host text NOT NULL, pid integer NOT NULL, version text NOT NULL, began_at timestamptz NOT NULL,
    lease double precision NOT NULL, until timestamptz NOT NULL, number bigint NOT NULL DEFAULT 0,
    ended bigint NOT NULL DEFAULT 0, fenced boolean NOT NULL DEFAULT false, left_at timestamptz,
    concurrency text NOT NULL DEFAULT 'auto', changes integer NOT NULL DEFAULT 0,
    spent double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 40);
CREATE INDEX workers_of_runs ON fi_async.workers (run, worker);
CREATE TABLE fi_async.draws (
    run integer, draw integer GENERATED ALWAYS AS IDENTITY, at double precision NOT NULL, template text NOT NULL,
    how text NOT NULL, PRIMARY KEY (run, draw)
);
CREATE TABLE fi_async.drawn (
    run integer, draw integer, place integer, key text COLLATE "C" NOT NULL, position bigint NOT NULL,
    weight double precision NOT NULL, PRIMARY KEY (run, draw, place)
);
CREATE TABLE fi_async.labels (
    run integer, seq bigint GENERATED ALWAYS AS IDENTITY, at double precision NOT NULL, person text NOT NULL,
    template text NOT NULL, key text COLLATE "C" NOT NULL, act smallint NOT NULL, body text NOT NULL,
    PRIMARY KEY (run, seq)
);
INSERT INTO fi_async.format VALUES (1)
"""
APART: Final = f"kind = {EventKind.REOPENED} OR kind > {EventKind.PLACED}"
"""Which events say more of a case than how it came to its outcome: few cases have any."""

_PATIENCE: Final = 10  # seconds that who changes the tables waits for those who use them
# Whoever is at work by an older version would go on with statements of its own.
_SHUT_OUT: Final = """
    UPDATE fi_async.workers SET fenced = true WHERE NOT fenced;
    UPDATE fi_async.chunks SET worker = NULL WHERE worker IS NOT NULL AND NOT done
"""

MIGRATIONS: Final[Sequence[str]] = (
    "ALTER TABLE fi_async.workers ADD COLUMN spent_on jsonb NOT NULL DEFAULT '{}'",
    f"""
    ALTER TABLE fi_async.chunks {tallies.COLUMNS};
    CREATE INDEX events_apart ON fi_async.events (run, n, seq) WHERE {APART};
    UPDATE fi_async.chunks AS held SET {tallies.COUNTED} WHERE done
    """,
)
"""What makes tables of version N + 1 of those of version N, from version 1 on."""


def version_of(connection: StoreConnection) -> int | None:
    """Return the version of the tables of a database; None if it has none.

    Raises:
        JournalError: A newer version of this package made them.
    """
    ((is_there,),) = connection.execute("SELECT to_regclass('fi_async.format') IS NOT NULL").fetchall()
    if not is_there:
        return None
    ((version,),) = connection.execute("SELECT version FROM fi_async.format").fetchall()
    if version > VERSION:
        raise JournalError(
            f"{connection.url}: a newer version of fi-async made its tables (version {version}, this one knows"
            f" {VERSION})"
        )
    return int(version)


def set_up(connection: StoreConnection) -> None:
    """Make the tables where there are none, and bring those of an older version to this one.

    Raises:
        JournalError: A newer version of this package made them.
    """
    if version_of(connection) == VERSION:
        return
    with connection.transaction():
        # Of several that find them missing or old, one at a time.
        connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        version = version_of(connection)
        is_new = version is None
        if version is None:
            connection.execute(_SCHEMA)
            version = 1
        else:  # others wait for these tables meanwhile, too
            connection.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")
        for step in MIGRATIONS[version - 1 :]:
            version += 1
            if step:
                connection.execute(step)
        if not is_new:
            connection.execute(_SHUT_OUT)
        connection.execute("UPDATE fi_async.format SET version = %(version)s", {"version": version})


def check(connection: StoreConnection, *, works: bool = False) -> int:
    """Return the version of the tables, if they can be read and written as they are: by a worker, or by others.

    Raises:
        JournalError: There are none, or of another version.
    """
    version = version_of(connection)
    if version is None:
        raise JournalError(f"{connection.url}: {NO_RUNS}")
    if version < (VERSION if works else _LIKE_THESE):
        raise JournalError(
            f"{connection.url}: an older version of fi-async made its tables (version {version}, this one writes"
            f" {VERSION}): fi-async load with any run, or fi-async work, brings them to this version"
        )
    return version


def run_of(connection: StoreConnection, *, made_at: float | None = None) -> int:
    """Return the number of a run.

    Args:
        connection: To its store.
        made_at: When it is made if there is none, in seconds since the epoch; None to make none.

    Raises:
        JournalError: There is none.
    """
    name = {"name": connection.url.run, "at": made_at}
    query = "SELECT run FROM fi_async.runs WHERE name = %(name)s"
    found = connection.execute(query, name).fetchone()
    if found is None and made_at is not None:
        made = "INSERT INTO fi_async.runs (name, created_at) VALUES (%(name)s, %(at)s) ON CONFLICT (name) DO NOTHING"
        connection.execute(made, name)
        found = connection.execute(query, name).fetchone()
    if found is None:
        rows = connection.execute("SELECT name FROM fi_async.runs ORDER BY run DESC LIMIT 5").fetchall()
        known = f"; it has {', '.join(each for (each,) in rows)}" if rows else ""
        raise JournalError(f"{connection.url}: there is no run {connection.url.run!r} in this database{known}")
    return int(found[0])
