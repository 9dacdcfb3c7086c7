"""What `fi-async control` sets for all workers of a run, while they work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from fi_async._run_url import RunUrl
from fi_async._settings import Concurrency
from fi_async.store import store_schema
from fi_async.store.store_connection import StoreConnection

_SET: Final = """
    UPDATE fi_async.runs SET control = %(control)s::jsonb, changes = changes + 1 WHERE run = %(run)s
"""


@dataclass(frozen=True, slots=True)
class Control:
    """What is set for all workers of a run.

    Attributes:
        paused: True if no request is to leave.
        concurrency: Requests under way at once, of each worker; None for what each was begun with.
        limits: As the run's own, such as "300 requests per minute"; None for those that the run was loaded with.
        max_cost: Dollars that all workers together may spend on judges; None for what each was begun with.
    """

    paused: bool = False
    concurrency: Concurrency | None = None
    limits: tuple[str, ...] | None = None
    max_cost: float | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Return what a store has; what a newer version may have set beside is not known here."""
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        if isinstance(known.get("limits"), list):
            known["limits"] = tuple(known["limits"])
        return cls(**known)


def change(url: RunUrl, **changes: Any) -> Control:
    """Return what is set for the workers of a run, after it was changed so; nothing is changed without changes.

    Raises:
        JournalError: The store cannot be used, or has no such run.
    """
    connection = StoreConnection(url)
    try:
        with connection.explained(), connection.transaction():
            store_schema.check(connection)
            run = store_schema.run_of(connection)
            lock = "FOR UPDATE" if changes else ""
            query = f"SELECT control FROM fi_async.runs WHERE run = %(run)s {lock}"
            ((facts,),) = connection.execute(query, {"run": run}).fetchall()
            control = Control.of({**facts, **changes})
            if changes:
                text = json.dumps({**facts, **asdict(control)})
                connection.execute(_SET, {"run": run, "control": text})
    finally:
        connection.close()
    return control
