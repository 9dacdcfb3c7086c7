"""One run's file of those of its shards: equal work once, each case at its place in the whole source."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from fi_async._errors import ConfigurationError
from fi_async._models import OutcomeStatus
from fi_async.journal import replay, schema
from fi_async.journal.encoding import added, to_text
from fi_async.journal.events import EventKind
from fi_async.journal.kept_labels import add_all
from fi_async.journal.label_records import KeptLabels, merged_labels
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past
from fi_async.journal.view import open_view
from fi_async.journal.whole_file import made_whole

_AT_ONCE: Final = 10_000  # rows put into a file at a time
_OF_WORK: Final = f"({', '.join(str(int(kind)) for kind in EventKind if kind <= EventKind.REOPENED)})"
_LAST: Final = f"SELECT max(seq) FROM events WHERE n = cases.n AND kind = {EventKind.ENDED}"
_CASES: Final = f"""
    SELECT cases.n, cases.key, cases.template, events.at, events.body
    FROM cases LEFT JOIN events ON events.seq = ({_LAST}) ORDER BY cases.n
"""
_OF_ROWS: Final = ("mapping", "constants", "id_column", "limit", "sample", "seed", "extra_keys")  # flags
_TABLES: Final = """
    CREATE TEMP TABLE works (
        key TEXT, file INTEGER, old INTEGER, place INTEGER, rank INTEGER, gone INTEGER, ended REAL, scored INTEGER,
        PRIMARY KEY (key, file)
    ) WITHOUT ROWID;
    CREATE TEMP TABLE places (
        key TEXT, place INTEGER, rank INTEGER, file INTEGER, kind INTEGER, id TEXT, PRIMARY KEY (key, place)
    ) WITHOUT ROWID;
    CREATE TEMP TABLE numbered (
        n INTEGER PRIMARY KEY, key TEXT UNIQUE, place INTEGER, gone INTEGER, file INTEGER, old INTEGER
    );
"""
# Of equal works the one counts that has a score, and of these the one that had it first.
_NUMBER: Final = """
    INSERT INTO temp.numbered (key, place, gone, file, old)
    SELECT key, coalesce(first, place), all_gone, file, old FROM (
        SELECT *,
            row_number() OVER (PARTITION BY key ORDER BY ended IS NULL, NOT scored, ended, file) AS turn,
            min(CASE WHEN gone THEN NULL ELSE place END) OVER (PARTITION BY key) AS first,
            min(gone) OVER (PARTITION BY key) AS all_gone
        FROM temp.works
    ) WHERE turn = 1 ORDER BY coalesce(first, place), rank, key
"""
_COLLISION: Final = """
    SELECT a.place, a.file, b.file FROM temp.places AS a JOIN temp.places AS b
    ON a.place = b.place AND a.rank = b.rank AND a.key < b.key AND a.file <> b.file LIMIT 1
"""
_REPEATED: Final = """
    SELECT key, file, old FROM temp.works
    WHERE key IN (SELECT key FROM temp.works GROUP BY key HAVING count(ended) > 1)
    ORDER BY key, ended IS NULL, NOT scored, ended, file
"""


@dataclass(frozen=True, slots=True)
class ShardRun:
    """The file of a shard, and what it says of itself.

    Attributes:
        path: The file.
        info: What the run is about.
        is_read: True if all of its cases have been read.
        labels: What people said of them.
    """

    path: Path
    info: RunInfo
    is_read: bool
    labels: KeptLabels

    @property
    def number(self) -> int:
        """Which shard it is; 0 if none."""
        return 0 if self.info.shard is None else self.info.shard[0]


@dataclass(slots=True)
class Merged:
    """What became of the shards of a run.

    Attributes:
        evaluations: How many the file holds.
        pending: Those of them that have not ended.
        missing: The shards of which no file was given.
        unread: Files of shards that were stopped before all their cases were read.
        absent: Places of the source that are in no shard, although none is missing.
        repeated: Works with an outcome in several files: one is kept, with a score if one has it, and else the first.
        conflicting: Those of them whose outcomes differ.
    """

    evaluations: int = 0
    pending: int = 0
    missing: Sequence[int] = ()
    unread: Sequence[Path] = ()
    absent: int = 0
    repeated: int = 0
    conflicting: int = 0

    @property
    def is_whole(self) -> bool:
        """True if all cases of the source are in the file."""
        return not (self.missing or self.unread or self.absent)


class _Outcome(NamedTuple):
    """One outcome of several of the same work."""

    at: float
    body: Mapping[str, Any]


@dataclass(slots=True)
class _Merging:
    """The file that is made, and what of it is found out."""

    runs: Sequence[ShardRun]
    file: sqlite3.Connection
    bodies: dict[tuple[int, int], str] = field(default_factory=dict)
    found: Merged = field(default_factory=Merged)

    def read(self) -> None:
        """Take note of which works the shards have, and where these stand: samples and votes each have a rank."""
        ranks = {name: rank for rank, name in enumerate(self.runs[0].info.templates)}
        for number, run in enumerate(self.runs):
            with closing(schema.open_reader(run.path)) as connection, schema.explained(run.path):
                connection.execute("BEGIN")
                past = replay.read(connection)
                self._put("works", _works(connection, past, number, ranks))
                self._put("places", _places(connection, past, number, ranks))

    def _put(self, table: str, rows: Iterator[Sequence[Any]]) -> None:
        for several in _several(rows):
            marks = ",".join("?" * len(several[0]))
            # A shard may be given twice: what stands at a place is there once.
            self.file.executemany(f"INSERT OR IGNORE INTO temp.{table} VALUES ({marks})", several)

    def check(self) -> None:
        """Return if no two files have different cases at one place.

        Raises:
            ConfigurationError: Two do.
        """
        found = self.file.execute(_COLLISION).fetchone()
        if found is not None:
            place, one, other = found
            raise ConfigurationError(
                f"{self.runs[one].path} and {self.runs[other].path} have different cases at place {place} of the"
                " source: these are no shards of one source. Run all shards on the same one"
            )

    def compare(self) -> None:
        """Count the works that ended in several files, and add up what was paid for them."""
        works: dict[str, list[tuple[int, int]]] = {}
        for key, number, old in self.file.execute(_REPEATED):
            works.setdefault(key, []).append((number, old))
        of_files: dict[int, list[int]] = {}
        for each in works.values():
            for number, old in each:
                of_files.setdefault(number, []).append(old)
        outcomes = {
            (number, old): outcome
            for number, asked in of_files.items()
            for old, outcome in self._outcomes(number, asked)
        }
        for each in works.values():
            kept, *others = [(place, outcomes[place]) for place in each if place in outcomes]
            different = [outcome for _, outcome in others if outcome != kept[1]]  # else a copy of the file
            if different:
                self.found.repeated += 1
                self.found.conflicting += any(_said(each.body) != _said(kept[1].body) for each in different)
                self.bodies[kept[0]] = to_text(added(kept[1].body, [outcome.body for outcome in different]))

    def _outcomes(self, number: int, asked: Sequence[int]) -> Iterator[tuple[int, _Outcome]]:
        path = self.runs[number].path
        with closing(schema.open_reader(path)) as connection, schema.explained(path):
            query = f"SELECT events.at, events.body FROM cases JOIN events ON events.seq = ({_LAST}) WHERE cases.n = ?"
            for old in asked:
                if (row := connection.execute(query, (old,)).fetchone()) is not None:
                    yield old, _Outcome(row[0], json.loads(row[1]))

    def write(self) -> None:
        """Put the cases into the file, with what happened to them."""
        self.file.execute(_NUMBER)
        for number, run in enumerate(self.runs):
            with closing(schema.open_reader(run.path)) as connection, schema.explained(run.path):
                connection.execute("BEGIN")
                self._write_cases(connection, number)
                self._write_events(connection, number)
        further = "SELECT n, p.kind, p.place, p.id FROM temp.places AS p JOIN temp.numbered USING (key)"
        at = self.runs[0].info.started_at
        for n, kind, place, case_id in self.file.execute(
            f"{further} WHERE p.place <> numbered.place ORDER BY n, p.place"
        ):
            self._tell(n, EventKind(kind or EventKind.ALSO), at, to_text([place, case_id]))
        for (n,) in self.file.execute("SELECT n FROM temp.numbered WHERE gone ORDER BY n").fetchall():
            self._tell(n, EventKind.REMOVED, at, None)

    def _write_cases(self, connection: sqlite3.Connection, number: int) -> None:
        # A case is told as it stands at its first place, whichever file its outcome is from.
        asked = """
            SELECT w.old, n, numbered.place FROM temp.numbered JOIN temp.works AS w USING (key)
            WHERE w.file = ?1 AND w.file = (
                SELECT min(file) FROM temp.works WHERE key = w.key AND place = numbered.place AND gone = numbered.gone
            )
        """
        new = {old: (n, place) for old, n, place in self.file.execute(asked, (number,))}
        rows = connection.execute("SELECT n, key, template, id, inputs FROM cases ORDER BY n")
        taken = ((*new[row[0]], row) for row in rows if row[0] in new)
        for several in _several(taken):
            values = [(n, key, name, place, case_id, inputs) for n, place, (_, key, name, case_id, inputs) in several]
            self.file.executemany("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)", values)

    def _write_events(self, connection: sqlite3.Connection, number: int) -> None:
        new = array("q")
        for old, n in self.file.execute("SELECT old, n FROM temp.numbered WHERE file = ? ORDER BY old", (number,)):
            new.extend([0] * (old + 1 - len(new)))
            new[old] = n
        last = {
            old: connection.execute(_LAST.replace("cases.n", "?"), (old,)).fetchone()[0]
            for file, old in self.bodies
            if file == number
        }
        query = f"SELECT seq, n, kind, at, body FROM events WHERE kind IN {_OF_WORK} ORDER BY seq"
        for several in _several(connection.execute(query)):
            rows = [
                (new[old], kind, at, self.bodies[number, old] if last.get(old) == seq else body)
                for seq, old, kind, at, body in several
                if old < len(new) and new[old]
            ]
            self.file.executemany("INSERT INTO events (n, kind, at, body) VALUES (?, ?, ?, ?)", rows)

    def _tell(self, n: int, kind: EventKind, at: float, body: str | None) -> None:
        self.file.execute("INSERT INTO events (n, kind, at, body) VALUES (?, ?, ?, ?)", (n, int(kind), at, body))

    def count(self) -> None:
        """Find out what is not there."""
        of = self.runs[0].info.shard[1] if self.runs[0].info.shard else 0
        there = {run.number for run in self.runs}
        self.found.missing = [number for number in range(1, of + 1) if number not in there]
        self.found.unread = [run.path for run in self.runs if not run.is_read]
        if not self.found.missing and not self.found.unread:
            places, last = self.file.execute(
                "SELECT count(*), max(place) FROM (SELECT DISTINCT place FROM temp.places)"
            ).fetchone()
            self.found.absent = 0 if last is None else last + 1 - places

    def write_pass(self, out: Path) -> None:
        """Say what the run is about; and that all its cases were read, if they were."""
        first = self.runs[0]
        with closing(schema.open_reader(first.path)) as connection, schema.explained(first.path):
            info = json.loads(connection.execute("SELECT info FROM passes ORDER BY pass DESC LIMIT 1").fetchone()[0])
        begun = min(run.info.started_at for run in self.runs)
        source = dict(info.get("source") or {})
        if source.get("flags"):
            source["flags"] = {**source["flags"], "shard": None}
        info |= {"name": out.stem, "shard": None, "started_at": begun, "source": source, "evaluations": None}
        self.file.execute("INSERT INTO passes (at, info) VALUES (?, ?)", (begun, to_text(info)))
        if self.found.is_whole:
            self._tell(0, EventKind.READ, begun, "1")


def merge(paths: Sequence[Path], out: Path) -> Merged:
    """Return what became of the shards of a run, after making one file of theirs.

    Args:
        paths: The files of the shards; they stay as they are.
        out: The file to make. While it is made it has another name: it is there whole, or not at all.

    Raises:
        ConfigurationError: One is no shard, or they are not of one run, or of one source; the message says what
            differs.
        JournalError: One cannot be read, or the new one cannot be written.
    """
    runs = [_opened(path) for path in paths]
    for before, after in pairwise(runs):
        check_same(before, after)
    with made_whole(out, "-merging") as unfinished:
        with closing(schema.open_writer(unfinished)) as file, schema.explained(unfinished):
            file.executescript(_TABLES)
            file.execute("BEGIN IMMEDIATE")
            merging = _Merging(runs, file)
            merging.read()
            merging.check()
            merging.compare()
            merging.write()
            merging.count()
            merging.write_pass(out)
            file.execute("COMMIT")
            add_all(file, merged_labels(_labels_of(runs)))
        with open_view(unfinished) as view:
            merging.found.evaluations, merging.found.pending = (count := view.count()).evaluations, count.pending
    return merging.found


def _labels_of(runs: Sequence[ShardRun]) -> Iterator[KeptLabels]:
    """Yield the labels of each shard: what was said in a copy of its file too, and its last draws alone."""
    copies: dict[int, list[KeptLabels]] = {}
    for run in runs:
        copies.setdefault(run.number, []).append(run.labels)
    for several in copies.values():
        if len(several) == 1:
            yield several[0]
            continue
        draws = sorted((draw for each in several for draw in each.draws), key=lambda draw: draw.at)
        yield KeptLabels(tuple(draws), tuple(dict.fromkeys(label for each in several for label in each.labels)))


def _opened(path: Path) -> ShardRun:
    with open_view(path) as view:
        if view.info.shard is None:
            raise ConfigurationError(f"{path}: it keeps a whole run, and no shard of one: there is nothing to merge")
        return ShardRun(path, view.info, view.past.read_in == len(view.info.passes), view.labels())


def check_same(one: ShardRun, other: ShardRun) -> None:
    """Return if two files are of shards of one run.

    Raises:
        ConfigurationError: They are not; the message says what differs.
    """
    for what, told in _asked(one.info).items():
        if (other_told := _asked(other.info).get(what)) != told:
            raise ConfigurationError(
                f"{one.path} and {other.path} are of different runs: {what} is {_short(told)} there, and"
                f" {_short(other_told)} here"
            )


def _asked(info: RunInfo) -> Mapping[str, Any]:
    """Return what has to be the same for all shards of a run, by what people call it."""
    of = info.shard[1] if info.shard else None
    stamp = info.source.get("stamp") or [None]
    flags = info.source.get("flags") or {}
    questions = {f"{each['template']}'s {name}": value for each in info.questions for name, value in each.items()}
    return {
        "the number of shards": of,
        "the server": info.base_url,
        "the list of templates": list(info.templates),
        "the model": info.model_name,
        **questions,
        **{f"--{name.replace('_', '-')}": flags.get(name) for name in _OF_ROWS if flags},
        "the size of the source": stamp[0],
    }


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _works(connection: sqlite3.Connection, past: Past, number: int, ranks: dict[str, int]) -> Iterator[tuple[Any, ...]]:
    scored = f'{{"status":"{OutcomeStatus.SCORED}"'
    for n, key, template, at, body in connection.execute(_CASES):
        ended = at if past.has_ended(n) else None
        is_scored = ended is not None and body.startswith(scored)
        rank = ranks.setdefault(template, len(ranks))
        yield key, number, n, past.positions[n], rank, past.is_removed(n), ended, is_scored


def _places(
    connection: sqlite3.Connection, past: Past, number: int, ranks: dict[str, int]
) -> Iterator[tuple[Any, ...]]:
    """Yield where cases stand, each with its id: first all of the cases themselves, then those that equal one."""
    names: dict[int, tuple[str, int]] = {}
    further = {n for n, _ in (*past.also, *past.refused)}
    for n, key, template, case_id in connection.execute("SELECT n, key, template, id FROM cases ORDER BY n"):
        rank = ranks.setdefault(template, len(ranks))
        if n in further:
            names[n] = key, rank
        if not past.is_removed(n):
            yield key, past.positions[n], rank, number, None, case_id
    for kind, places in ((EventKind.ALSO, past.also), (EventKind.REFUSED, past.refused)):
        for (n, place), case_id in places.items():
            key, rank = names[n]
            yield key, place, rank, number, int(kind), case_id


def _several(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while several := list(islice(rows, _AT_ONCE)):
        yield several


def _said(body: Mapping[str, Any]) -> Any:
    """Return what an outcome says of its case, whoever paid for it and how long it took."""
    return body["status"], (body.get("result") or {}).get("output")
