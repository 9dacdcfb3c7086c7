"""The rows of the table: each measures in a lab and returns its lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rows import (
    capacity,
    cpu,
    evaluations,
    evaluators,
    faults,
    imports,
    journal,
    memory,
    offers,
    outage,
    polling,
    requests,
    store,
    telemetry,
    waiting,
)

if TYPE_CHECKING:
    from lab import Lab
    from table import Line

ROWS: dict[str, Callable[[Lab], list[Line]]] = {
    "wall": waiting.wall,
    "cookbook": waiting.cookbook,
    "async": waiting.asynchronous,
    "cpu": cpu.cpu,
    "import": imports.imports,
    "memory": memory.memory,
    "faults": faults.faults,
    "outage": outage.outage,
    "offers": offers.offers,
    "journal": journal.journal,
    "store": store.store,
    "workers": store.workers,
    "functions": evaluators.functions,
    "judge": evaluators.judge,
    "telemetry": telemetry.telemetry,
    "pace_requests": requests.requests,
    "pace_begun": requests.begun_late,
    "pace_shared": requests.shared,
    "pace_evaluations": evaluations.unknown,
    "pace_plan": evaluations.plan,
    "pace_async": polling.many,
    "pace_lognormal": polling.spread,
    "pace_capacity_8": partial(capacity.found, 8),
    "pace_capacity_32": partial(capacity.found, 32),
    "pace_capacity_128": partial(capacity.found, 128),
    "pace_drop": capacity.falls,
    "pace_saturated": capacity.saturated,
}
"""By the names that `--only` takes."""

AT_ONCE = ("outage", "pace_evaluations", "pace_capacity_8", "pace_capacity_32", "pace_saturated")
"""Those that wait for minutes and hardly load the machine: they share it."""
