"""Reads the file of a run, also while another process writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from fi_async.journal import kept_labels, paid, replay, schema
from fi_async.journal.events import EventKind
from fi_async.journal.label_records import KeptLabels
from fi_async.journal.reading import NOTHING_COUNTED, CountedCases, OutcomeRow
from fi_async.journal.replay import Past

_LAST: Final = f"SELECT max(seq) FROM events WHERE n = cases.n AND kind = {EventKind.ENDED}"
_RECORDS: Final = f"""
    SELECT cases.n, cases.key, cases.template, cases.id, cases.inputs, events.at, events.body
    FROM cases JOIN events ON events.seq = ({_LAST}) ORDER BY cases.n
"""
# Few bodies have any, and to parse a million of them takes seconds.
_DUPLICATES: Final = f"""
    SELECT events.n, json_extract(events.body, '$.possible_duplicates')
    FROM (SELECT max(seq) AS last FROM events WHERE kind = {EventKind.ENDED} GROUP BY n) CROSS JOIN events ON seq = last
    WHERE instr(events.body, '"possible_duplicates"') > 0
"""
_CASE: Final = "SELECT key, template, id, inputs FROM cases WHERE n = ?"
_SAYS_WHEN_READ: Final = 2  # the version from which on a file has READ events


class FileReader:
    """A run's file, as a view reads it. See `Reader`.

    Raises:
        JournalError: There is no such file, or it is not a run's, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = schema.open_reader(path)
        try:
            with self.explained():
                self._connection.execute("BEGIN")  # one state of the file, whatever is written meanwhile
                self._version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except BaseException:
            self._connection.close()
            raise

    def __repr__(self) -> str:
        return f"<FileReader {self.path}>"

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    @property
    def says_when_read(self) -> bool:
        """False of files of version 1."""
        return self._version >= _SAYS_WHEN_READ

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def explained(self) -> AbstractContextManager[None]:
        """Turn what goes wrong with the file into a JournalError."""
        return schema.explained(self.path)

    def past(self) -> Past:
        """Return how the cases stand."""
        return replay.read(self._connection)

    def passes(self) -> Sequence[tuple[float, str]]:
        """Return when the run was begun and gone on with, and its facts as JSON."""
        return self._connection.execute("SELECT at, info FROM passes ORDER BY pass").fetchall()

    def last_at(self) -> float | None:
        """Return when something last happened to a case."""
        last: float | None = self._connection.execute("SELECT max(at) FROM events").fetchone()[0]
        return last

    def counted(self) -> CountedCases:
        """Return none: a file has no numbers beside its events."""
        return NOTHING_COUNTED

    def statuses(self) -> Counter[str]:
        """Return how many cases ended in each status."""
        return replay.statuses(self._connection)

    def status_of_each(self) -> Iterable[tuple[int, str]]:
        """Return the number of each case that ended at some time, and the status that it ended in last."""
        return replay.status_of_each(self._connection)

    def duplicates(self) -> Iterable[tuple[int, int | None]]:
        """Return the possible duplicates of the outcomes that have any, by number."""
        return self._connection.execute(_DUPLICATES).fetchall()

    def paid(self) -> Iterable[tuple[int, str | None, float | None]]:
        """Return what judges answered: number, usage as JSON, and dollars."""
        return paid.of_cases(self._connection)

    def ended_since(self, at: float) -> int:
        """Return how many cases ended after that time."""
        count = 0
        for kind, when in self._connection.execute("SELECT kind, at FROM events ORDER BY seq DESC"):
            if when <= at:
                break
            count += kind == EventKind.ENDED
        return count

    def outcomes(self) -> Iterator[OutcomeRow]:
        """Iterate over the last outcome of each case that has one, in the order of the numbers."""
        return map(OutcomeRow._make, self._connection.execute(_RECORDS))

    def templates(self) -> Iterable[tuple[int, str]]:
        """Return the number and the template of each case."""
        return self._connection.execute("SELECT n, template FROM cases")

    def case(self, n: int) -> tuple[str, str, str | None, str]:
        """Return the key, the template, the id and the inputs of a case."""
        key, template, case_id, inputs = self._connection.execute(_CASE, (n,)).fetchone()
        return key, template, case_id, inputs

    def labels(self) -> KeptLabels:
        """Return what people said of its cases."""
        return kept_labels.read_labels(self._connection)
