"""The labels of a run in a store: as in a run's file, see `journal.kept_labels`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from fi_async._run_url import RunUrl
from fi_async.journal.encoding import to_text
from fi_async.journal.kept_labels import draws_of, label_of, row_of
from fi_async.journal.label_records import KeptLabel, KeptLabels, LabelDraw
from fi_async.store import store_schema
from fi_async.store.store_connection import StoreConnection

_DRAWS: Final = "SELECT draw, at, template, how FROM fi_async.draws WHERE run = %(run)s ORDER BY draw"
_DRAWN: Final = "SELECT draw, key, position, weight FROM fi_async.drawn WHERE run = %(run)s ORDER BY draw, place"
_LABELS: Final = "SELECT at, person, template, key, act, body FROM fi_async.labels WHERE run = %(run)s ORDER BY seq"
_ADD_DRAW: Final = """
    INSERT INTO fi_async.draws (run, at, template, how) VALUES (%(run)s, %(at)s, %(template)s, %(how)s) RETURNING draw
"""
_ADD_DRAWN: Final = """
    INSERT INTO fi_async.drawn SELECT %(run)s, %(draw)s, place - 1, key, position, weight
    FROM unnest(%(keys)s::text[], %(positions)s::bigint[], %(weights)s::float8[])
    WITH ORDINALITY AS given (key, position, weight, place)
"""
_ADD_LABEL: Final = """
    INSERT INTO fi_async.labels (run, at, person, template, key, act, body)
    VALUES (%(run)s, %(at)s, %(person)s, %(template)s, %(key)s, %(act)s, %(body)s)
"""


def read_labels(connection: StoreConnection, run: int) -> KeptLabels:
    """Return the labels of a run."""
    draws, drawn, labels = (connection.execute(query, {"run": run}).fetchall() for query in (_DRAWS, _DRAWN, _LABELS))
    return KeptLabels(draws_of(draws, drawn), tuple(map(label_of, labels)))


class StoreLabels:
    """The labels of a run in a store, to read and to add to. See `LabelKeeper`.

    Each call has a connection of its own: people think long, and a database that was away is there again.

    Raises:
        ConfigurationError: psycopg is not installed.
        JournalError: The store cannot be read, or has no such run.
    """

    def __init__(self, url: RunUrl) -> None:
        self.url = url
        with self._run():
            pass  # it can be reached

    def __repr__(self) -> str:
        return f"<StoreLabels {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass  # each call closes what it opened

    @contextmanager
    def _run(self) -> Iterator[tuple[StoreConnection, int]]:
        connection = StoreConnection(self.url)
        try:
            with connection.explained():
                store_schema.check(connection)
                with connection.transaction():
                    yield connection, store_schema.run_of(connection)
        finally:
            connection.close()

    def read(self) -> KeptLabels:
        """Return all labels as they are now."""
        with self._run() as (connection, run):
            return read_labels(connection, run)

    def draw(self, draw: LabelDraw) -> None:
        """Keep a draw."""
        told = {"at": draw.at, "template": draw.template, "how": to_text(dict(draw.how))}
        cases = {
            "keys": [each.key for each in draw.cases],
            "positions": [each.position for each in draw.cases],
            "weights": [each.weight for each in draw.cases],
        }
        with self._run() as (connection, run):
            ((number,),) = connection.execute(_ADD_DRAW, {"run": run, **told}).fetchall()
            connection.execute(_ADD_DRAWN, {"run": run, "draw": number, **cases})

    def add(self, *labels: KeptLabel) -> None:
        """Keep what people did, in this order."""
        names = ("at", "person", "template", "key", "act", "body")
        with self._run() as (connection, run):
            for each in labels:
                connection.execute(_ADD_LABEL, {"run": run, **dict(zip(names, row_of(each), strict=True))})
