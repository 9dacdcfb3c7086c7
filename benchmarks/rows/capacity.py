"""A server that does so many evaluations at once, which nobody told: found, and found again when it falls."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

from lab import Client, Lab, Measured
from table import Line

from rows import pace
from rows.pace import Pace

if TYPE_CHECKING:
    import threading

    from server import Server

_SWEEP = (1, 2, 4)  # x the capacity; below it some of it is idle
_MOST = 1.15  # x the best of the sweep
_FEW = 32  # at once: all runs together load no core by half
_BEFORE, _AFTER = 64, 8
_QUEUED = 0.04  # seconds of an evaluation at a server that does one at once
_MOST_AFTER_QUEUEING = 1.3  # x the time with requests held from the start
_RECOVERED = 1.1  # x the bound that the lower capacity makes


def found(capacity: int, lab: Lab) -> list[Line]:
    """Lognormal latencies, `concurrency="auto"` beside a sweep of numbers; runs share the machine."""
    few = capacity <= _FEW
    count, median = lab.scaled(2000, 500 if few else 2000), lab.scaled(100, 25) / 100
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False}
    order["window"] = lab.scaled(30, 10) if few else 0  # of many that begin together, all have started by then
    switches = {"latency": f"{median:g}~0.5", "capacity": capacity}
    fixed = [str(factor * capacity) for factor in _SWEEP]
    clients = {
        width: Client(
            "clients.py",
            "gather",
            {**order, "strategy": "sync", "concurrency": int(width) if width in fixed else width},
            switches,
        )
        for width in ("auto", *fixed)
    }
    results = lab.at_once(f"pace_capacity_{capacity}", clients, most=None if few else lab.scaled(4, 2))
    best = min((each for width in fixed if (each := results.median(width, "wall_s")) is not None), default=math.inf)
    lines = Pace(f"capacity {capacity}", results, count)
    what = f"wall of {count} cases, median {median:g} s, sigma 0.5, against the best of {', '.join(fixed)} at once"
    return [lines.wall("auto", what, lambda _: best, most=_MOST), lines.lost("auto"), lines.requests("auto")]


def saturated(lab: Lab) -> list[Line]:
    """A server that does one at once, and a client that has seen its queue: held to what holding requests takes."""
    count = lab.scaled(500, 100)
    order = {"count": count, "template": pace.TEMPLATE}
    switches = {"latency": _QUEUED, "capacity": 1}
    clients = {
        strategy: Client("clients.py", "after_queueing", {**order, "strategy": strategy}, switches)
        for strategy in ("auto", "sync")
    }
    lines = Pace("saturated", lab.at_once("pace_saturated", clients), count)
    auto, sync = (lines.results.median(strategy, "wall_s") for strategy in ("auto", "sync"))
    requests = lines.results.median("auto", lambda run: run["requests"] / count)
    least = lines.results.median("sync", lambda run: run["requests"] / count)
    what = f'wall of {count} cases, strategy="auto", after as many that queued up; bound: strategy="sync"'
    holds = auto is not None and sync is not None and auto <= _MOST_AFTER_QUEUEING * sync
    return [
        Line(lines.row, what, auto, "s", sync, None, f"≤ {_MOST_AFTER_QUEUEING} x bound", holds),
        lines.lost("auto"),
        Line(lines.row, "… requests an evaluation", requests, "requests", least),
    ]


def falls(lab: Lab) -> list[Line]:
    """Half-way the capacity falls, and what is beyond it is refused with 503."""
    count, latency = lab.scaled(800, 400), lab.scaled(50, 25) / 100
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False}
    switches = {"latency": latency, "capacity": _BEFORE}
    ours = {**order, "strategy": "sync", "concurrency": "auto"}
    clients = {
        "ours": Client("clients.py", "gather", ours, switches, meanwhile=partial(_drop, count)),
        "official": Client(
            "official.py", "threads", {**order, "workers": _BEFORE}, switches, meanwhile=partial(_drop, count)
        ),
    }
    lines = Pace("capacity falls", lab.at_once("pace_drop", clients), count)
    after, bound = lines.results.median("ours", _after), lines.results.median("ours", partial(_bound, count, latency))
    holds = after is not None and bound is not None and after <= _RECOVERED * bound
    what = f"wall after the fall from {_BEFORE} to {_AFTER}, of {count} cases, latency {latency:g} s"
    return [
        Line(lines.row, what, after, "s", bound, None, f"≤ {_RECOVERED} x bound", holds),
        lines.lost("ours", "official", f" (official: {_BEFORE} threads)"),
        lines.refused("ours", "official", may=True),
        lines.requests("ours", "official"),
    ]


def _drop(count: int, server: Server, ended: threading.Event) -> Measured:
    while not ended.wait(0.05):
        if server.statistics()["evaluations_made"] >= count / 2:
            server.change(capacity=_AFTER, overload="refuse")
            counted = server.statistics()
            return {"dropped_at": time.time(), "made": counted["evaluations_made"], "accepted": counted["in_flight"]}
    raise RuntimeError("the run ended before the capacity fell")


def _after(measured: Measured) -> float:
    return float(measured["ended_at"] - measured["dropped_at"])


def _bound(count: int, latency: float, measured: Measured) -> float:
    """Return the seconds that are left at best: what was accepted keeps its time, then so many at once take turns."""
    turns: int = math.ceil(measured["accepted"] / _BEFORE) + math.ceil((count - measured["made"]) / _AFTER)
    return turns * latency
