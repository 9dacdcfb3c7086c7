"""Runs that machines share: what a database costs beside a file, what each worker adds, and limits that all keep to."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environment
from table import Line

if TYPE_CHECKING:
    from lab import Lab

_SCRIPT = Path(__file__).parents[1] / "store.py"
_MOST_STATUS_MS = 500
_NONE, _FILE, _ONE, _TWO = "nothing keeps it", "a file", "PostgreSQL, workers: 1", "PostgreSQL, workers: 2"
_RATE, _CPU, _SERVER = "cases a second", "µs of a worker's processor a case", "µs of the server's a case"
_LATENCY = "median ms to the outcome"


def store(lab: Lab) -> list[Line]:
    """One run in PostgreSQL, by one worker and by two; in a file; and by nobody kept. Fewer cases than the page has."""
    count, of_status = lab.scaled(8_000, 3_000), lab.scaled(1_000_000, 200_000)
    found = [_measured(count, of_status if turn == 0 else 0) for turn in range(lab.scaled(3, 1))]
    lab.raw["store"] = [{"rows": list(each.values())} for each in found]

    def median(run: str, figure: str) -> float:
        return statistics.median(each[run][figure] for each in found)

    calm = ", few at once"
    status = found[0]["status"]["median ms of status"]
    what = f"cases a second of {count}, 128 at once, latency 0.05 s"
    return [
        Line("store", f"{what}: a file; bound: nothing keeps it", median(_FILE, _RATE), "/s", median(_NONE, _RATE)),
        Line("store", "… a database, 1 worker", median(_ONE, _RATE), "/s", median(_NONE, _RATE)),
        Line("store", "… a database, 2 workers", median(_TWO, _RATE), "/s", median(_NONE, _RATE)),
        Line("store", "CPU of a case: a file; bound: nothing keeps it", median(_FILE, _CPU), "µs", median(_NONE, _CPU)),
        Line("store", "… a database, 1 worker", median(_ONE, _CPU), "µs", median(_NONE, _CPU)),
        Line("store", "… the processor of the database, beside it", median(_ONE, _SERVER), "µs"),
        Line(
            "store",
            "median to the outcome, 16 at once: a file; bound: nothing keeps it",
            median(_FILE + calm, _LATENCY),
            "ms",
            median(_NONE + calm, _LATENCY),
        ),
        Line("store", "… a database", median(f"PostgreSQL{calm}", _LATENCY), "ms", median(_NONE + calm, _LATENCY)),
        Line(
            "store",
            f"status of a run of {of_status} cases",
            status,
            "ms",
            must=f"≤ {_MOST_STATUS_MS} ms",
            holds=status <= _MOST_STATUS_MS,
        ),
    ]


def _measured(count: int, of_status: int) -> dict[str, dict[str, Any]]:
    reply = subprocess.run(
        [sys.executable, str(_SCRIPT), str(count), str(of_status)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment.clean(),
    )
    return {row["run"]: row for row in map(json.loads, reply.stdout.splitlines())}


def workers(lab: Lab) -> list[Line]:
    """Processes that keep to a given limit together over PostgreSQL: a third of the cases and of the limit."""
    import workers as script  # noqa: PLC0415  # needs psycopg, which no other row does

    from postgres_server import PostgresServer  # noqa: PLC0415  # found by what is imported before

    lines = []
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        database = PostgresServer(directory)
        database.start()
        try:
            for name in ("requests-12000", "evaluations-4500")[: lab.scaled(2, 1)]:
                row = script.ROWS[name]
                lines += _of_limit(lab, name, script.Row(row.cases // 3, row.count // 3, row.of), script, database)
        finally:
            database.stop()
    return lines


def _of_limit(lab: Lab, name: str, row: Any, script: Any, database: Any) -> list[Line]:
    found = script._in_processes(row, 4, database.url())
    lab.raw[f"workers: {name}"] = [found]
    what = f"wall of {row.cases} cases, {row.count} {row.of} / 10 s, 4 workers; bound: these windows"
    holds = found["wall"] < row.bound + script._WINDOW
    odd = found["refused"] + found["duplicates"]
    return [
        Line("workers", what, found["wall"], "s", row.bound, must="no window more", holds=holds),
        Line("workers", "… refused, or evaluated twice", odd, must="= 0", holds=not odd),
        Line("workers", "… cases without a score", (1 - found["coverage"]) * row.cases, must="= 0"),
        Line("workers", "… exchanges with the database in a window, of all", found["exchanges"]),
    ]
