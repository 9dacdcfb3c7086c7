"""What a store tells of a run: the queries that every reader of it shares."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from fi_async._errors import JournalError
from fi_async._models import OutcomeStatus
from fi_async.journal import paid, reopening
from fi_async.journal.events import EventKind
from fi_async.journal.reading import OutcomeRow
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past, past_of
from fi_async.store import tallies
from fi_async.store.store_connection import StoreConnection

_AT_ONCE: Final = 10_000  # rows fetched at a time
_NAMES: Final = count()
_ENDED: Final = f"run = %(run)s AND kind = {EventKind.ENDED}"
_LAST: Final = f"SELECT n, max(seq) AS seq FROM fi_async.events WHERE {_ENDED} GROUP BY n"
_OF_LAST: Final = (
    f"FROM ({_LAST}) AS last JOIN fi_async.events AS e ON e.run = %(run)s AND e.n = last.n AND e.seq = last.seq"
)
# Of what happened to a case itself, only what came after its last outcome says how it stands.
_SINCE: Final = f"""
    SELECT e.n, e.kind, e.at, e.body FROM fi_async.events AS e LEFT JOIN ({_LAST}) AS last ON last.n = e.n
    WHERE e.run = %(run)s AND e.kind <> {EventKind.ENDED}
        AND (e.kind > {EventKind.REOPENED} OR last.seq IS NULL OR e.seq > last.seq)
    ORDER BY e.seq
"""
# The status is what `encode` writes first; to parse a million bodies for it takes seconds.
_STATUS: Final = f"""substr(e.body, {len('{"status":"') + 1}, {max(map(len, OutcomeStatus))})"""
_STATUSES: Final = f"SELECT {_STATUS}, count(*) {_OF_LAST} GROUP BY 1"
_STATUS_OF_EACH: Final = f"SELECT e.n, {_STATUS} {_OF_LAST}"
_DUPLICATES: Final = f"""
    SELECT e.n, ({tallies.PARSED} ->> 'possible_duplicates')::integer {_OF_LAST}
    WHERE strpos(e.body, '"possible_duplicates"') > 0
"""
_BY_TEMPLATE: Final = f"""
    SELECT c.template, {tallies.COST}::double precision {_OF_LAST}
    JOIN fi_async.cases AS c ON c.run = %(run)s AND c.n = e.n
    WHERE strpos(e.body, '"origin":"reused"') = 0 AND strpos(e.body, '"cost"') > 0
"""
_PAID: Final = f"SELECT e.n, {tallies.USAGE}, {tallies.COST}::double precision {_OF_LAST} WHERE {tallies.IS_PAID}"
_OUTCOMES: Final = f"""
    SELECT c.n, c.key, c.template, c.id, c.inputs, e.at, e.body {_OF_LAST}
    JOIN fi_async.cases AS c ON c.run = %(run)s AND c.n = e.n WHERE c.n BETWEEN %(first)s AND %(last)s ORDER BY c.n
"""
_WITHOUT_SCORE: Final = f"""
    SELECT e.n, {tallies.PARSED} ->> 'status', {tallies.PARSED} #>> '{{error,type}}', {tallies.PARSED} ->> 'eval_id',
        ({tallies.PARSED} ->> 'attempts')::integer, ({tallies.PARSED} ->> 'ambiguous')::integer,
        ({tallies.PARSED} ->> 'possible_duplicates')::integer, {tallies.PARSED} ->> 'usage',
        ({tallies.PARSED} ->> 'cost')::double precision {_OF_LAST}
    WHERE substr(e.body, {len('{"status":"') + 1}, 7) IN ('failed"', 'stalled') ORDER BY e.n
"""
_ALL: Final = {"first": 1, "last": 2**31 - 1}


def rows(connection: StoreConnection, query: str, **parameters: Any) -> Iterator[tuple[Any, ...]]:
    """Iterate over the rows of a query, few in memory at a time."""
    with connection.transaction(), connection.cursor(f"fi_async_{next(_NAMES)}") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(query.encode(), parameters)
        yield from cursor


def now(connection: StoreConnection) -> float:
    """Return the store's time, in seconds since the epoch."""
    ((seconds,),) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::double precision").fetchall()
    return float(seconds)


def passes(connection: StoreConnection, run: int) -> Sequence[tuple[float, str]]:
    """Return when cases were loaded, and the run's facts as JSON."""
    return connection.execute(
        "SELECT at, info FROM fi_async.passes WHERE run = %(run)s ORDER BY pass", {"run": run}
    ).fetchall()


def past(connection: StoreConnection, run: int) -> Past:
    """Return how the cases stand."""
    places = rows(connection, "SELECT n, position FROM fi_async.cases WHERE run = %(run)s ORDER BY n", run=run)
    ended = rows(connection, f"SELECT DISTINCT n FROM fi_async.events WHERE {_ENDED}", run=run)
    return past_of(((n, place) for n, place in places), (n for (n,) in ended), _since(connection, run))


def _since(connection: StoreConnection, run: int) -> Iterator[tuple[int, int, float, str | None]]:
    return ((n, kind, at, body) for n, kind, at, body in rows(connection, _SINCE, run=run))


def statuses(connection: StoreConnection, run: int) -> Counter[str]:
    """Return how many different cases ended in each status; those that were removed or reopened since count too."""
    found = connection.execute(_STATUSES, {"run": run}).fetchall()
    counted: Counter[str] = Counter()
    for text, number in found:
        counted[text.partition('"')[0]] += number
    return counted


def status_of_each(connection: StoreConnection, run: int) -> Iterator[tuple[int, str]]:
    """Iterate over the cases that ended at some time: the number, and the status that each ended in last."""
    return ((n, text.partition('"')[0]) for n, text in rows(connection, _STATUS_OF_EACH, run=run))


def duplicates(connection: StoreConnection, run: int) -> Iterable[tuple[int, int | None]]:
    """Return the possible duplicates of the outcomes that have any, by number."""
    return connection.execute(_DUPLICATES, {"run": run}).fetchall()


def paid_for(connection: StoreConnection, run: int) -> Iterable[tuple[int, str | None, float | None]]:
    """Return what judges answered: number, usage as JSON, and dollars."""
    return ((n, usage, cost) for n, usage, cost in rows(connection, _PAID, run=run))


def dollars_by_template(connection: StoreConnection, run: int) -> Mapping[str, float]:
    """Return what a run has spent on each template; see `journal.paid`."""
    return paid.by_template(connection.execute(_BY_TEMPLATE, {"run": run}).fetchall())


def outcomes(connection: StoreConnection, run: int) -> Iterator[OutcomeRow]:
    """Iterate over the last outcome of each case that has one, in the order of the numbers."""
    return map(OutcomeRow._make, rows(connection, _OUTCOMES, run=run, **_ALL))


def without_score(connection: StoreConnection, run: int, past: Past) -> list[tuple[int, str, str]]:
    """Return the cases that ended without a score: the number, how, and the body of the event that reopens it."""
    return reopening.reopenings(connection.execute(_WITHOUT_SCORE, {"run": run}).fetchall(), past)


def facts_of(name: str, passes: Sequence[tuple[float, str]]) -> RunInfo:
    """Return the facts of a run, as its last pass has them.

    Raises:
        JournalError: There is no pass: a load has just begun, or was stopped before it did.
    """
    if not passes:
        raise JournalError(f"{name}: no case is loaded into it yet: try again in a moment, or load it again")
    facts = json.loads(passes[-1][1])
    known = {name: value for name, value in facts.items() if name in RunInfo.__dataclass_fields__}
    own = {"templates": tuple(known["templates"]), "passes": tuple(at for at, _ in passes)}
    return RunInfo(**{**known, **own})
