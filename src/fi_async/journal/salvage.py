"""What is whole in a damaged run's file: read row by row, past what cannot be read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from fi_async._models import Case
from fi_async.journal import encoding, schema
from fi_async.journal.events import EventKind
from fi_async.journal.gathered import gathered
from fi_async.journal.records import OutcomeRecord
from fi_async.journal.replay import Past
from fi_async.journal.view import elsewhere
from fi_async.panels.shape import PanelShape, shapes_of

# By the tables alone: an index may be damaged where they are not.
_CASES: Final = "SELECT n, position, key, template, id, inputs FROM cases WHERE n > ? ORDER BY n"
_EVENTS: Final = "SELECT seq, n, kind, at, body FROM events WHERE seq > ? ORDER BY seq"
_EVENT: Final = "SELECT at, body FROM events WHERE seq = ?"
_OF_CASES: Final = (int, int, str, str, str | None, str)
_OF_EVENTS: Final = (int, int, int, int | float, str | None)
_SHORTEST_ROW: Final = 10  # bytes
_IN_VAIN: Final = 10_000  # rows in succession that cannot be read: the rest is gone


class Salvage:
    """The outcomes of a damaged file that are whole. Use it in `with`, and iterate over `records` once.

    Attributes:
        cases: How many cases the file is known to have had.
        said: What is wrong with it.

    Raises:
        JournalError: Nothing of it can be read, or it is no run's file of this version.
    """

    def __init__(self, path: Path) -> None:
        self.cases = 0
        self.said = ""
        self._most = path.stat().st_size // _SHORTEST_ROW
        self._connection = schema.open_damaged(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def records(self) -> Iterator[OutcomeRecord]:
        """Iterate over the outcomes that are whole, in the order of the cases in the file."""
        if shapes := self._shapes():
            found = gathered(self._evaluations(), shapes).records
            yield from sorted(found, key=lambda each: (each.outcome.index, each.outcome.template))
        else:  # where nobody knows what samples and votes come to, they are no outcomes of cases
            yield from (each for each in self._evaluations() if not each.outcome.sample and each.outcome.juror is None)

    def _shapes(self) -> Mapping[str, PanelShape]:
        """Return what the run asks of each case; nothing where that cannot be read."""
        with suppress(sqlite3.DatabaseError, ValueError, TypeError, KeyError, AttributeError):
            (info,) = self._connection.execute("SELECT info FROM passes ORDER BY pass DESC LIMIT 1").fetchone()
            return shapes_of(json.loads(info)["questions"])
        return {}

    def _evaluations(self) -> Iterator[OutcomeRecord]:
        past, outcomes = self._history()
        self.cases = past.held
        places = past.further_places()
        for n, _, key, template, case_id, inputs in self._rows(_CASES, _OF_CASES):
            if n not in outcomes or not past.has_ended(n) or past.is_removed(n):
                continue
            try:
                at, body = self._connection.execute(_EVENT, (outcomes[n],)).fetchone()
                case = Case(json.loads(inputs), case_id)
                record = OutcomeRecord(key, encoding.decode(body, past.positions[n], case, template, "evaluated"), at)
            except (sqlite3.DatabaseError, ValueError, TypeError, RecursionError) as error:
                self._note(error)
                continue
            yield record
            yield from elsewhere(record, places.get(n, ()))

    def _history(self) -> tuple[Past, dict[int, int]]:
        """Return how the cases stand, as far as it is known, and where the outcome of each is."""
        past, outcomes = Past(), dict[int, int]()
        for n, position, *_ in self._rows(_CASES, _OF_CASES):
            while past.count < n:  # those in between cannot be read
                past.add(position)
        for seq, n, kind, at, body in self._rows(_EVENTS, _OF_EVENTS):
            # Of a case that cannot be read, or no event.
            with suppress(ValueError, TypeError, AttributeError, OverflowError, RecursionError):
                past.take(n, EventKind(kind), at, body)
                if kind == EventKind.ENDED:
                    outcomes[n] = seq
        return past, outcomes

    def _rows(self, query: str, kinds: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that can be read, and whose values are of these types, in the order of their numbers.

        The number is the first column. There are no more rows than there is room for in the file: a larger number is
        damage, as is one that is not above the last.
        """
        number = in_vain = 0
        while in_vain < min(_IN_VAIN, self._most):
            try:
                for row in self._connection.execute(query, (number,)):
                    if not number < row[0] <= self._most:
                        raise sqlite3.DatabaseError("rows are out of order")  # as SQLite says of others
                    if all(map(isinstance, row, kinds)):
                        yield row
                    else:
                        self._note(ValueError("a value of another type"))
                    number, in_vain = row[0], 0
            except (sqlite3.DatabaseError, TypeError) as error:
                self._note(error)
                if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                    return  # enough was read for a file of this size: it goes in circles
                number, in_vain = number + 1, in_vain + 1
            else:
                return

    def _note(self, error: Exception) -> None:
        self.said = self.said or str(error)
