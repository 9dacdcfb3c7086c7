"""Workers that keep to given limits together over PostgreSQL: processes that evaluate a part of the cases each.

    python benchmarks/workers.py                    about 9 minutes
    python benchmarks/workers.py --workers 1 4 --rows requests-12000
    python benchmarks/workers.py --smaller 5        for a machine that is busy with other work
    python benchmarks/workers.py --virtual          about 2 minutes: all of it in one process, on simulated time

Starts a PostgreSQL in a temporary directory (`apt-get install postgresql`), the embedded backend in a process of its
own, which counts what it refuses, and the workers, which begin together at the start of a window. The first line of a
row is one machine without a shared budget. Exits with 1 if a request was refused, an evaluation made twice, or a run
took longer than it may. On a machine that is busy, processes are late for reasons of their own; on simulated time, with
the real database and the real clients, only the pace counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import KEYS, wait_for_window
from server import running

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import anyio
import psycopg

import embedded
from clock import VirtualClockLoop, wall_clock
from fi_async import Limit
from fi_async.local import Quota
from postgres_server import PostgresServer, missing

_WINDOW = 10.0
_LATENCY = 0.05
_LATER = 1.05  # of what one machine takes, or of the bound


@dataclass(frozen=True)
class Row:
    """So many cases under a limit of so much in each window.

    Attributes:
        cases: How many.
        count: The limit.
        of: What it counts.
    """

    cases: int
    count: int
    of: str

    @property
    def bound(self) -> float:
        """Seconds that all windows but the last take, and the last request after that."""
        return (self.cases - 1) // self.count * _WINDOW + _LATENCY


ROWS = {
    "requests-11500": Row(11_500, 3_000, "requests"),
    "requests-12000": Row(12_000, 3_000, "requests"),
    "evaluations-4500": Row(4_500, 1_000, "evaluations"),
}

_WORKER = """
import asyncio, json, sys, time
from fi_async import AsyncEvaluator, Limit

order = json.loads(sys.argv[1])

async def main():
    cases = [{"text": f"[{n}]"} for n in range(order["first"], order["cases"], order["step"])]
    limits = [Limit(order["count"], per=order["window"], of=order["of"])]
    async with AsyncEvaluator(**order["keys"], shared_budget=order["budget"]) as ev:
        await ev.gather(cases[:0], "is_json")  # the connection's and the imports' time is nobody's
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began, cpu = time.time(), time.process_time()
        report = await ev.gather(cases, "is_json", rows=1, strategy="sync", limits=limits)
        ended = time.time()
        budget = getattr(ev._session.permits, "exchanges", 0) if ev._session.permits else 0
    told = {"coverage": report.coverage, "duplicates": report.counts.possible_duplicates}
    print(json.dumps({**told, "began": began, "ended": ended, "cpu": time.process_time() - cpu, "exchanges": budget}))

asyncio.run(main())
"""


def _on_simulated_time(row: Row, workers: int, budget: str | None) -> dict[str, Any]:
    """Return what it took so many clients in this process, whose clock jumps ahead whenever all of them wait."""
    quota = Quota(row.count, _WINDOW)
    app = embedded.backend(**{row.of: quota if row.of == "requests" else (quota,)}, latency=_LATENCY)
    limits = [Limit(row.count, per=_WINDOW, of=row.of)]  # type: ignore[arg-type]  # one of the two
    reports: list[Any] = []
    asked = 0

    async def work(place: int) -> None:
        nonlocal asked
        async with embedded.client(app, shared_budget=budget) as ev:
            link = None if budget is None else ev._session.permits
            if link is not None:
                link.wall_clock = lambda: None if link._link.wall_clock() is None else wall_clock()
            cases = ({"text": f"[{n}]"} for n in range(place, row.cases, workers))
            reports.append(await ev.gather(cases, "is_json", rows=1, strategy="sync", limits=limits))
            asked += 0 if link is None else link.exchanges

    async def all_of_them() -> float:
        await anyio.sleep(_WINDOW + 0.05)
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for place in range(workers):
                tasks.start_soon(work, place)
        return anyio.current_time() - began

    if budget is not None:
        _forget(budget)
    cpu = time.process_time()
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        wall = runner.run(all_of_them())
    seen = app.statistics()
    return {
        "wall": wall,
        "refused": seen["refused_requests"] + seen["refused_evaluations"],
        "duplicates": seen["duplicates"] + sum(each.counts.possible_duplicates for each in reports),
        "coverage": min(each.coverage for each in reports),
        "cpu_us": 1e6 * (time.process_time() - cpu) / row.cases,
        "exchanges": asked / (row.bound // _WINDOW + 1),
    }


def _forget(budget: str) -> None:
    """Let nothing be used: each simulation begins at the same hour."""
    with psycopg.connect(budget, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS fi_async_budget, fi_async_budget_windows")


def _in_processes(row: Row, workers: int, budget: str | None) -> dict[str, Any]:
    """Return what it took so many workers, each a process."""
    quota = f"{row.count}/{_WINDOW:g}s"
    switches: dict[str, Any] = {"latency": _LATENCY, row.of: quota if row.of == "requests" else [quota]}
    with running(**switches) as server:
        keys = {**KEYS, "fi_base_url": server.url}
        order = {"cases": row.cases, "count": row.count, "of": row.of, "window": _WINDOW, "keys": keys}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WORKER, json.dumps({**order, "first": n, "step": workers, "budget": budget})],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(workers)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        wait_for_window(_WINDOW, into=0.05)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        told = [json.loads(process.communicate(timeout=600)[0].splitlines()[-1]) for process in processes]
        seen = server.statistics()
    return {
        "wall": max(each["ended"] for each in told) - min(each["began"] for each in told),
        "refused": seen["refused_requests"] + seen["refused_evaluations"],
        "duplicates": seen["duplicates"] + sum(each["duplicates"] for each in told),
        "coverage": min(each["coverage"] for each in told),
        "cpu_us": 1e6 * sum(each["cpu"] for each in told) / row.cases,
        "exchanges": sum(each["exchanges"] for each in told) / (row.bound // _WINDOW + 1),
    }


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--virtual", action="store_true")
    parser.add_argument("--smaller", type=int, default=1, metavar="N", help="cases and limits divided by N")
    options = parser.parse_args()
    if (why := missing()) is not None:
        print(why)
        return 2
    failed = False
    print(
        f"{'row':<18}{'workers':>8}{'wall s':>8}{'bound s':>8}{'refused':>8}{'twice':>6}{'CPU µs':>7}"
        f"{'asked/window':>13}"
    )
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        postgres = PostgresServer(directory)
        postgres.start()
        try:
            for name in options.rows:
                row = ROWS[name]
                row = Row(row.cases // options.smaller, row.count // options.smaller, row.of)
                measured = _on_simulated_time if options.virtual else _in_processes
                alone = measured(row, 1, None)
                most = _LATER * max(alone["wall"], row.bound)
                _print(name, "alone", alone, row)
                for workers in options.workers:
                    found = measured(row, workers, postgres.url())
                    is_good = not found["refused"] and not found["duplicates"] and found["wall"] <= most
                    failed |= not is_good or found["coverage"] < 1.0
                    _print(name, str(workers), found, row, "" if is_good else "  NOT AS IT MUST BE")
                    time.sleep(0.1)
        finally:
            postgres.stop()
    return int(failed)


def _print(name: str, workers: str, found: dict[str, Any], row: Row, remark: str = "") -> None:
    print(
        f"{name:<18}{workers:>8}{found['wall']:>8.2f}{row.bound:>8.2f}{found['refused']:>8}{found['duplicates']:>6}"
        f"{found['cpu_us']:>7.0f}{found['exchanges']:>13.0f}{remark}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
