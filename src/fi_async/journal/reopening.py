"""What ended without a score, so that a retry may ask for it again: its attempts count on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fi_async._errors import AmbiguousError
from fi_async._models import OutcomeStatus
from fi_async.journal import schema
from fi_async.journal.encoding import to_text
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Past

_COUNTED: Final = ("attempts", "ambiguous", "possible_duplicates")
_WITHOUT_SCORE: Final = f"""
    SELECT n, json_extract(body, '$.status'), json_extract(body, '$.error.type'), json_extract(body, '$.eval_id'),
        json_extract(body, '$.attempts'), json_extract(body, '$.ambiguous'),
        json_extract(body, '$.possible_duplicates'), json_extract(body, '$.usage'), json_extract(body, '$.cost')
    FROM events
    WHERE kind = {EventKind.ENDED} AND json_extract(body, '$.status') IN ('failed', 'stalled')
        AND seq = (SELECT max(seq) FROM events AS later WHERE later.n = events.n AND later.kind = {EventKind.ENDED})
    ORDER BY n
"""


def without_score(connection: sqlite3.Connection, path: Path, past: Past) -> list[tuple[int, str, str]]:
    """Return the cases that ended without a score: the number, how, and the body of the event that reopens it.

    Raises:
        JournalError: The file cannot be read.
    """
    with schema.explained(path):
        rows = connection.execute(_WITHOUT_SCORE).fetchall()
    return reopenings(rows, past)


def reopenings(rows: Iterable[tuple[Any, ...]], past: Past) -> list[tuple[int, str, str]]:
    """Return the cases that ended without a score: the number, how, and the body of the event that reopens it.

    Args:
        rows: The number, status, type of the error, eval_id, attempts, ambiguous ones, possible duplicates, usage as
            JSON, and dollars of each.
        past: How the cases stand.
    """
    found = []
    for n, status, kind, eval_id, *counts, usage, cost in rows:
        if past.has_ended(n):
            is_open = kind == AmbiguousError.__name__
            known: dict[str, Any] = {name: count for name, count in zip(_COUNTED, counts, strict=True) if count}
            if usage is not None:
                known["usage"] = json.loads(usage)
            if cost is not None:
                known["cost"] = cost
            if status == OutcomeStatus.STALLED:
                known["eval_id"] = eval_id
            elif is_open:  # to be sent again is what a retry of it asks for
                known |= {"is_open": True, "resend": True}
            found.append((n, "ambiguous" if is_open else status, to_text(known)))
    return found
