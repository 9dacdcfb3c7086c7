"""A million cases through `stream`, kept in a file, and what it takes to find that nothing is left to do.

    python benchmarks/million.py [COUNT] [PATH]

The server is a scripted one in this process: it answers at once and keeps nothing, so that memory is the client's.
Takes about ten minutes and 1 GB of disk. Prints a line each tenth of the way, and the figures.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from harness import rss_mb

from fi_async import AsyncEvaluator

_FINISHED = """
import resource, sys, time
began = time.perf_counter()
from fi_async.journal.view import open_view
with open_view(sys.argv[1]) as view:
    told = view.count().pending, view.info.ended_at is not None
print(*told, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def cases(number: int) -> Iterator[dict[str, str]]:
    return ({"text": f"A sentence of about the length that answers have, and its number, {n}."} for n in range(number))


def server() -> Callable[..., Any]:
    """Return an ASGI application that finds every text to contain the keyword."""
    numbers = count()
    item = {
        "name": "contains",
        "reason": "Keyword found.",
        "runtime": 5,
        "output": "Passed",
        "output_type": "Pass/Fail",
    }
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}

    async def app(_scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        await receive()
        evaluation = {**item, "eval_id": f"00000000-0000-4000-8000-{next(numbers):012d}"}
        body = json.dumps({"status": True, "result": [{"evaluations": [evaluation]}]}).encode()
        await send(head)
        await send({"type": "http.response.body", "body": body})

    return app


async def main(number: int, path: Path) -> None:
    seen, began, early, peak = 0, time.perf_counter(), 0.0, 0.0
    used = time.process_time()
    async with AsyncEvaluator.local(server(), strategy="sync", concurrency=64) as ev:
        outcomes = ev.stream(cases(number), "contains", eval_config={"keyword": "e"}, run=path)
        async for outcome in outcomes:
            seen += outcome.passed is True
            if seen % (number // 10) == 0:
                memory = rss_mb() or 0.0
                early, peak = early or memory, max(peak, memory)
                print(f"{seen:>9,}  {seen / (time.perf_counter() - began):7,.0f}/s  {memory:7.1f} MB", flush=True)
    wall = time.perf_counter() - began
    used = time.process_time() - used
    print(f"{seen:,} scored in {wall:,.0f} s, growth from a tenth on {peak - early:.1f} MB to {peak:.0f} MB", end=", ")
    print(f"CPU {used:,.1f} s ({used / seen * 1e6:,.0f} µs a case, with the server's share)")


def finished(path: Path) -> None:
    """Print what it takes another process to find that nothing is left to do."""
    told = subprocess.run([sys.executable, "-c", _FINISHED, str(path)], check=True, capture_output=True, text=True)
    pending, ended, seconds, memory = told.stdout.split()
    print(f"the file of {path.stat().st_size / 1e6:,.0f} MB: pending {pending}, complete {ended}", end=", ")
    print(f"told in {float(seconds):.1f} s, {float(memory):.0f} MB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch) / "million.db"
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, where))
        finished(where)
