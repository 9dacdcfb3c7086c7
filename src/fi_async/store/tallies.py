"""What the outcomes of a chunk come to, counted once by the database when all of its cases have ended.

A chunk's row keeps the sums of the last outcomes of its cases, up to an event: nothing happens to these cases any more
that does not leave an event of its own, which the index `events_apart` finds. So a tally is never wrong, whoever writes
the run; a chunk without one is counted from its events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self

from fi_async._models import OutcomeStatus
from fi_async._results import Usage
from fi_async._spending import Spending, TokenCount
from fi_async.journal.events import EventKind

_STATUSES: Final = tuple(each.value for each in OutcomeStatus)
_TOKENS: Final = tuple(Usage.model_fields)
# The status is what `encode` writes first; bodies are looked through before they are parsed, which takes longer.
_STATUS: Final = f"""split_part(substr(e.body, {len('{"status":"') + 1}, {max(map(len, _STATUSES)) + 1}), '"', 1)"""
PARSED: Final = r"""
    (CASE WHEN strpos(e.body, '\u') = 0 THEN e.body
    ELSE regexp_replace(e.body, '\\u[0-9A-Fa-f]{4}', '\\u003f', 'g') END)::json
"""
"""An outcome as PostgreSQL parses it: JSON may name letters that its texts cannot have; no number has any."""

_DUPLICATES: Final = f"""
    CASE WHEN strpos(e.body, '"possible_duplicates"') > 0
    THEN ({PARSED} ->> 'possible_duplicates')::integer ELSE 0 END
"""
IS_PAID: Final = f"""
    (strpos(e.body, '"origin":"reused"') = 0 AND (
        strpos(e.body, '"cost"') > 0 OR strpos(e.body, '"usage"') > 0
        OR strpos(e.body, '"backend":"judge"') > 0
        AND (strpos(e.body, '"result"') > 0 OR {PARSED} #>> '{{error,type}}' = 'JudgeError')
    ))
"""
"""Of an outcome's event: whether a judge was paid for it here."""

COST: Final = f"coalesce({PARSED} #>> '{{result,cost}}', {PARSED} ->> 'cost')"
USAGE: Final = f"coalesce({PARSED} #>> '{{result,usage}}', {PARSED} ->> 'usage')"
_ENDED: Final = f"e.kind = {EventKind.ENDED}"
FIGURES: Final = f"""
    CASE WHEN {_ENDED} THEN {_STATUS} END AS status,
    CASE WHEN {_ENDED} THEN {_DUPLICATES} END AS possible_duplicates,
    {_ENDED} AND {IS_PAID} AS is_paid,
    CASE WHEN {_ENDED} AND {IS_PAID} THEN {COST} END AS cost,
    CASE WHEN {_ENDED} AND {IS_PAID} THEN {USAGE} END AS usage
"""
"""Of an event: what its outcome adds to the numbers of a run."""

_COLUMNS: Final = {
    "counted_to": ("bigint", "coalesce(max(seq), 0)"),
    "last_at": ("double precision", "max(at)"),
    **{name: ("integer", f"nullif(count(*) FILTER (WHERE status = '{name}'), 0)") for name in _STATUSES},
    "possible_duplicates": ("integer", "nullif(sum(possible_duplicates), 0)"),
    "unknown_cost": ("integer", "nullif(count(*) FILTER (WHERE is_paid AND cost IS NULL), 0)"),
    "known_cost": ("integer", "nullif(count(cost), 0)"),
    "cost": ("numeric", "sum(cost::numeric)"),
    "known_usage": ("integer", "nullif(count(usage), 0)"),
    **{name: ("bigint", f"nullif(sum(coalesce((usage::json ->> '{name}')::bigint, 0)), 0)") for name in _TOKENS},
}
COLUMNS: Final = ", ".join(f"ADD COLUMN {name} {kind}" for name, (kind, _) in _COLUMNS.items())
"""What a chunk's row has beside who holds it, as ALTER TABLE adds it."""

COUNTED: Final = f"""
    ({", ".join(_COLUMNS)}) = (
        SELECT {", ".join(expression for _, expression in _COLUMNS.values())} FROM (
            SELECT DISTINCT ON (e.n) e.seq, e.at, {FIGURES} FROM fi_async.events AS e
            WHERE e.run = held.run AND e.n BETWEEN held.first AND held.last AND {_ENDED} ORDER BY e.n, e.seq DESC
        ) AS ended
    )
"""
"""Sets these, in an UPDATE of `fi_async.chunks AS held`."""

SUMS: Final = ", ".join(f"sum({name})" for name in list(_COLUMNS)[2:])
"""Adds up what chunks come to, as `OutcomeTally.of` takes it."""


class OutcomeFigures(NamedTuple):
    """What one outcome adds to the numbers of a run: the columns of FIGURES.

    Attributes:
        cost: Dollars, as JSON has them.
        usage: As JSON.
    """

    status: str
    possible_duplicates: int
    is_paid: bool
    cost: str | None
    usage: str | None


@dataclass(slots=True)
class OutcomeTally:
    """The numbers of some outcomes.

    Attributes:
        statuses: How many have each status.
        possible_duplicates: Of all.
        unknown: Outcomes that a judge was paid for, and nobody knows how much.
        priced: Outcomes whose cost is known.
        cost: Dollars.
        told: Outcomes whose tokens are known.
        tokens: These, by the fields of `Usage`.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    possible_duplicates: int = 0
    unknown: int = 0
    priced: int = 0
    cost: Decimal = Decimal(0)
    told: int = 0
    tokens: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, sums: Any) -> Self:
        """Return what the row of SUMS says."""
        values = [each or 0 for each in sums]
        statuses, rest = values[: len(_STATUSES)], values[len(_STATUSES) :]
        duplicates, unknown, priced, cost, told, *tokens = rest
        return cls(
            Counter(dict(zip(_STATUSES, map(int, statuses), strict=True))),
            int(duplicates),
            int(unknown),
            int(priced),
            Decimal(cost),
            int(told),
            Counter(dict(zip(_TOKENS, map(int, tokens), strict=True))),
        )

    def leave_out(self, outcome: OutcomeFigures) -> None:
        """Count an outcome no more."""
        self.statuses[outcome.status] -= 1
        self.possible_duplicates -= outcome.possible_duplicates
        if not outcome.is_paid:
            return
        if outcome.cost is None:
            self.unknown -= 1
        else:
            self.priced -= 1
            self.cost -= Decimal(outcome.cost)
        if outcome.usage is not None:
            self.told -= 1
            self.tokens -= Counter(Usage.model_validate_json(outcome.usage).model_dump())

    def spending(self) -> Spending:
        """Return what judges took."""
        tokens = TokenCount(*(self.tokens[name] for name in _TOKENS)) if self.told else None
        return Spending.of(self.cost if self.priced else None, self.unknown, tokens)
