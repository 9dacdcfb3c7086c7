"""How cases and chunks are put into a store: by who loads, and by workers whose cases are worth further samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fi_async.journal.storage import CaseRow
from fi_async.store.store_connection import StoreConnection

_PUT: Final = """
    INSERT INTO fi_async.cases (run, n, key, template, position, id, inputs)
    SELECT %(run)s, each.* FROM unnest(
        %(n)s::integer[], %(key)s::text[], %(template)s::text[], %(position)s::bigint[], %(id)s::text[],
        %(inputs)s::text[]
    ) AS each
"""
_CHUNK: Final = """
    INSERT INTO fi_async.chunks (run, chunk, first, last, worker, done)
    SELECT %(run)s, coalesce((SELECT max(chunk) FROM fi_async.chunks WHERE run = %(run)s), 0) + 1, %(first)s, %(last)s,
        %(worker)s, %(done)s
    RETURNING chunk
"""


def put_cases(connection: StoreConnection, run: int, rows: Sequence[CaseRow], first: int) -> None:
    """Put these rows, numbered from `first`, in a transaction of the caller's."""
    columns: dict[str, Any] = {
        name: [_storable(getattr(row, name)) for row in rows] for name in ("key", "template", "id", "inputs")
    }
    places = [row.position for row in rows]
    numbers = list(range(first, first + len(rows)))
    connection.execute(_PUT, {"run": run, "n": numbers, "position": places, **columns})


def put_chunk(
    connection: StoreConnection, run: int, first: int, last: int, worker: int | None = None, *, is_done: bool = False
) -> int:
    """Return the number of a new chunk of these cases, in a transaction of the caller's.

    Args:
        connection: To the store.
        run: The run's number.
        first: The number of the first case.
        last: The number of the last one.
        worker: Who holds it; None for nobody.
        is_done: True if all of its cases have ended.
    """
    asked = {"run": run, "first": first, "last": last, "worker": worker, "done": is_done}
    ((chunk,),) = connection.execute(_CHUNK, asked).fetchall()
    return int(chunk)


def chunks_of(rows: Sequence[CaseRow], in_chunk: int) -> list[tuple[int, int]]:
    """Return where chunks of some rows begin and end: of about so many each, and no case in two of them.

    So whoever holds a chunk has all evaluations that a case has at first, and sees what they come to.
    """
    found: list[tuple[int, int]] = []
    begins = 0
    for place, row in enumerate(rows):
        if place - begins >= in_chunk and not _is_same(rows[place - 1], row):
            found.append((begins, place - 1))
            begins = place
    return [*found, (begins, len(rows) - 1)]


def _is_same(one: CaseRow, other: CaseRow) -> bool:
    """Return True if two rows are evaluations of one case."""
    return one.position == other.position and one.inputs == other.inputs


def _storable(text: str | None) -> str | None:
    """Return a text that PostgreSQL takes: it has no letter with the number 0."""
    return None if text is None else text.replace("\0", "\\u0000")
