"""What every client process shares, on the standard library alone: the official SDK's environment runs it too.

A client is `python client.py '{"task": …}'`: it runs one task and prints what it measured as one JSON line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

KEYS = {"fi_api_key": "benchmark", "fi_secret_key": "benchmark"}  # the embedded backend takes any pair

T = TypeVar("T")


def main(tasks: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Run the task that the command line names, and print what it returns."""
    order = json.loads(sys.argv[1])
    measured = tasks[order.pop("task")](**order)
    print(json.dumps(measured))


def wait_for_window(seconds: float, into: float = 0.0) -> None:
    """Return so many seconds into a window, as the server counts windows of this length; at once for 0.

    So every run of a row meets the same windows, and none is luckier than the bound allows for.
    """
    if seconds:
        time.sleep((into - time.time()) % seconds)


class Meter:
    """Wall time and this process's CPU, from construction to `read`."""

    def __init__(self) -> None:
        gc.collect()  # what came before is not the measured part's to clean up
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self, evaluations: int) -> dict[str, float]:
        """Return the seconds since construction, the CPU of one evaluation, and the time of day."""
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        return {"wall_s": wall, "cpu_ms": 1000 * cpu / evaluations, "ended_at": time.time()}


def rss_mb() -> float | None:
    """Return this process's resident memory in MB; None where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.exists() else None


class Growth:
    """Resident memory at two points of a run: when the first few are done, and at its end."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._done = 0
        self._early: float | None = None

    def one_done(self) -> None:
        self._done += 1
        if self._done == self._first:
            self._early = rss_mb()

    def read(self) -> dict[str, Any]:
        late = rss_mb()
        known = self._early is not None and late is not None
        return {"done": self._done, "rss_mb": late, "growth_mb": late - self._early if known else None}  # type: ignore[operator]
