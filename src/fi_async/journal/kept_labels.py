"""The labels that a run's file keeps: only ever added to, and never touched by a run.

    draws   one row each time cases were drawn to be labelled: of which template, when, and how, as JSON
    drawn   the cases of each draw, in the order in which they are shown, and how many cases each stands for
    labels  what people did, in order: who, which case, when, the act (see LabelAct), and the rest as JSON

People label while a run goes on, too: each act is a transaction of its own, which takes no time, and a run's lock is
not asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from fi_async._errors import JournalError
from fi_async.journal import schema
from fi_async.journal.encoding import to_text
from fi_async.journal.label_records import DrawnCase, KeptLabel, KeptLabels, LabelAct, LabelDraw

_ARE_THERE: Final = "SELECT count(*) FROM sqlite_master WHERE name = 'labels'"
_DRAWS: Final = "SELECT draw, at, template, how FROM draws ORDER BY draw"
_DRAWN: Final = "SELECT draw, key, position, weight FROM drawn ORDER BY draw, place"
_LABELS: Final = "SELECT at, person, template, key, act, body FROM labels ORDER BY seq"


def read_labels(connection: sqlite3.Connection) -> KeptLabels:
    """Return the labels of a run's file; none of one of an older version."""
    if not connection.execute(_ARE_THERE).fetchone()[0]:
        return KeptLabels()
    drawn, draws, labels = (connection.execute(query) for query in (_DRAWN, _DRAWS, _LABELS))
    return KeptLabels(draws_of(draws, drawn), tuple(map(label_of, labels)))


def draws_of(draws: Iterable[Sequence[Any]], drawn: Iterable[Sequence[Any]]) -> tuple[LabelDraw, ...]:
    """Return the draws of rows: number, time, template and how; and of their cases: number, key, position, weight."""
    cases: dict[int, list[DrawnCase]] = defaultdict(list)
    for draw, key, position, weight in drawn:
        cases[draw].append(DrawnCase(key, position, weight))
    return tuple(LabelDraw(template, tuple(cases[draw]), json.loads(how), at) for draw, at, template, how in draws)


def label_of(row: Sequence[Any]) -> KeptLabel:
    """Return what a row holds: see `row_of`."""
    at, by, template, key, act, body = row
    return KeptLabel(template, key, by, LabelAct(act), **json.loads(body), at=at)


def row_of(label: KeptLabel) -> tuple[float, str, str, str, int, str]:
    """Return the row of what a person did: when, who, template, key, act, and the rest as JSON."""
    body = {"value": label.value, "note": label.note, "saw_verdict": label.saw_verdict}
    said = to_text({name: value for name, value in body.items() if value not in (None, "")})
    return label.at, label.by, label.template, label.key, int(label.act), said


def add_draw(connection: sqlite3.Connection, draw: LabelDraw) -> None:
    """Put a draw into a run's file, in one transaction."""
    with schema.transaction(connection):
        row = (draw.at, draw.template, to_text(dict(draw.how)))
        number = connection.execute("INSERT INTO draws (at, template, how) VALUES (?, ?, ?)", row).lastrowid
        rows = [(number, place, each.key, each.position, each.weight) for place, each in enumerate(draw.cases)]
        connection.executemany("INSERT INTO drawn VALUES (?, ?, ?, ?, ?)", rows)


def add_labels(connection: sqlite3.Connection, labels: Sequence[KeptLabel]) -> None:
    """Put what people did into a run's file, in one transaction; what they did before stays."""
    with schema.transaction(connection):
        connection.executemany(
            "INSERT INTO labels (at, person, template, key, act, body) VALUES (?, ?, ?, ?, ?, ?)", map(row_of, labels)
        )


def add_all(connection: sqlite3.Connection, kept: KeptLabels) -> None:
    """Put the labels of other runs into a run's file."""
    for draw in kept.draws:
        add_draw(connection, draw)
    add_labels(connection, kept.labels)


class LabelBook:
    """The labels of a run's file, to read and to add to, from any thread. Use it in `with`.

    Each call that adds returns once that is committed, so that it survives a power cut.

    Raises:
        JournalError: There is no such file, it is no run's, or damaged; or, as of each call, it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file() or not schema.is_run(path):
            raise JournalError(f"{path}: there is no such run")
        self.path = path
        self._connection = schema.open_writer(path)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._connection.close()

    def __repr__(self) -> str:
        return f"<LabelBook {self.path}>"

    def read(self) -> KeptLabels:
        """Return all labels as they are now."""
        with self._lock, schema.explained(self.path):
            return read_labels(self._connection)

    def draw(self, draw: LabelDraw) -> None:
        """Keep a draw."""
        with self._lock, schema.explained(self.path):
            add_draw(self._connection, draw)

    def add(self, *labels: KeptLabel) -> None:
        """Keep what people did, in this order."""
        with self._lock, schema.explained(self.path):
            add_labels(self._connection, labels)
