"""What the cases of a run's file took of judges: tokens and dollars, retries included."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from fi_async._results import Usage
from fi_async._spending import Spending
from fi_async.journal.events import EventKind

# A million bodies take seconds to parse: those of the platform's answers, which tell no cost, are only looked through.
_COST: Final = "coalesce(json_extract(events.body, '$.result.cost'), json_extract(events.body, '$.cost'))"
_USAGE: Final = "coalesce(json_extract(events.body, '$.result.usage'), json_extract(events.body, '$.usage'))"
_LAST: Final = f"""
    FROM (SELECT max(seq) AS last FROM events WHERE kind = {EventKind.ENDED} GROUP BY n) CROSS JOIN events ON seq = last
"""
_PAID_HERE: Final = """instr(events.body, '"origin":"reused"') = 0"""
_BY_TEMPLATE: Final = f"""
    SELECT cases.template, {_COST} {_LAST} JOIN cases ON cases.n = events.n
    WHERE {_PAID_HERE} AND instr(events.body, '"cost"') > 0
"""
_OF_CASES: Final = f"""
    SELECT events.n, {_USAGE}, {_COST} {_LAST}
    WHERE {_PAID_HERE} AND (
        instr(events.body, '"cost"') > 0 OR instr(events.body, '"usage"') > 0
        OR instr(events.body, '"backend":"judge"') > 0
        AND (instr(events.body, '"result"') > 0 OR json_extract(events.body, '$.error.type') = 'JudgeError')
    )
"""


def dollars_by_template(connection: sqlite3.Connection) -> Mapping[str, float]:
    """Return what a run has spent on each template, cases included that are tried again or were removed since.

    An outcome counts what its earlier attempts took, so that the last of each case tells all.
    """
    return by_template(connection.execute(_BY_TEMPLATE))


def of_cases(connection: sqlite3.Connection) -> Iterator[tuple[int, str | None, float | None]]:
    """Iterate over what judges answered: the case's number, the usage as JSON, and the cost in dollars."""
    return iter(connection.execute(_OF_CASES))


def total(rows: Iterable[tuple[int, str | None, float | None]], counts: Callable[[int], bool]) -> Spending:
    """Return what the outcomes of a run took.

    Args:
        rows: As of `of_cases`.
        counts: Tells whether the outcome of a case counts, by the case's number.
    """
    found = Spending()
    for n, usage, cost in rows:
        if counts(n):
            found.pay(None if usage is None else Usage.model_validate(json.loads(usage)), cost)
    return found


def by_template(rows: Iterable[tuple[str, float | None]]) -> Mapping[str, float]:
    """Return the sums of these dollars, by template."""
    found: defaultdict[str, Spending] = defaultdict(Spending)
    for template, cost in rows:
        if cost is not None:
            found[template].pay(None, cost)
    return {template: spending.dollars or 0.0 for template, spending in found.items()}
