"""The cases that a run's file holds, as a table: to go on with a run whose input is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from fi_async.journal import replay, schema
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Past
from fi_async.panels.shape import Seat
from fi_async.sources.rows import TableRow

_CASE: Final = f"""
    SELECT template, id, inputs, (
        SELECT CASE json_extract(body, '$.status') WHEN 'invalid' THEN json_extract(body, '$.error.message') END
        FROM events WHERE n = cases.n AND kind = {EventKind.ENDED} ORDER BY seq DESC LIMIT 1
    )
    FROM cases WHERE n = ?
"""


@dataclass(frozen=True, slots=True)
class StoredCases:
    """The cases of a run, in the order of its input, each as it was read. The run may be written meanwhile."""

    path: Path
    has_header: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path.name

    def columns(self) -> None:
        """Return None: the cases need not be alike."""

    def count(self) -> int:
        """Return the number of cases."""
        with closing(schema.open_reader(self.path)) as connection, schema.explained(self.path):
            return len({position for position, _ in _places(replay.read(connection))})

    def records(self) -> Iterator[TableRow]:
        """Yield every case.

        Raises:
            JournalError: The file is damaged.
        """
        with closing(schema.open_reader(self.path)) as connection, schema.explained(self.path):
            past = replay.read(connection)
            for position, places in groupby(_places(past), key=lambda place: place[0]):
                # First the works of this very case: one that is equal to an earlier case's has the inputs of that.
                numbers = sorted((n for _, n in places), key=lambda n: past.positions[n] != position)
                rows = [connection.execute(_CASE, (n,)).fetchone() for n in numbers]
                _, case_id, inputs, _ = rows[0]
                # What could not be sent is the same again only with the place and the reason it had. What its inputs
                # are here is what could be shown of them: looked at anew, they could be sent.
                asked = {Seat.of(name).template for name, *_ in rows}
                said = {Seat.of(name).template: why.partition(": ") for name, *_, why in rows if why is not None}
                place = next((place for place, _, _ in said.values()), f"{self.name}, case {position}")
                refused = {template: fault for template, (_, _, fault) in said.items()}
                is_unread = inputs == "{}" and len(refused) == len(asked) and len(set(refused.values())) == 1
                at = numbers[0], position
                case_id = past.refused.get(at, past.also.get(at, case_id))
                values, problem = (None, next(iter(refused.values()))) if is_unread else (json.loads(inputs), None)
                yield TableRow(place, values, problem, id=case_id, refused=refused, position=position)


def _places(past: Past) -> Iterable[tuple[int, int]]:
    """Return where cases stand in the input, and their numbers: several at a place under several templates."""
    own = ((past.positions[n], n) for n in range(1, past.count + 1) if not past.is_removed(n))
    if past.is_in_order:
        return own
    return sorted([*own, *((position, n) for n, position in (*past.also, *past.refused))])
