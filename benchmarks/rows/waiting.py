"""How long a run takes when the server is what takes long: against the time that the latency alone makes."""

from __future__ import annotations

import math

from lab import Client, Lab, Measured
from table import Line

_LATENCY = 2.0
_SLOW = {"latency": _LATENCY}
_MOST = 1.05  # x the bound


def wall(lab: Lab) -> list[Line]:
    """500 cases in `gather`, one request each, held until it is scored."""
    count, width = lab.scaled(500, 250), 64
    order = {"count": count, "template": "groundedness", "warm_up": False}
    results = lab.in_turn(
        "wall",
        {
            "ours": Client("clients.py", "gather", {"concurrency": width, **order}, _SLOW),
            "official": Client("official.py", "threads", {"workers": width, **order}, _SLOW),
        },
    )
    what = f"wall of {count} cases, {width} at once, latency {_LATENCY:g} s"
    ours, official = results.median("ours", "wall_s"), results.median("official", "wall_s")
    return [_within("wall", what, ours, math.ceil(count / width) * _LATENCY, official)]


def cookbook(lab: Lab) -> list[Line]:
    """The cookbook's parallel block, with only its import line changed."""
    count, workers = 50, 8
    order = {"count": count, "workers": workers}
    ours_runs = lab.at_once("cookbook", {"ours": Client("clients.py", "parallel", order, _SLOW)})
    official_runs = lab.at_once("cookbook", {"official": Client("official.py", "parallel", order, _SLOW)})
    what = f"wall of the {count}-case block, {workers} threads, latency {_LATENCY:g} s"
    ours, official = ours_runs.median("ours", "wall_s"), official_runs.median("official", "wall_s")
    scored, official_scored = min(ours_runs.every("ours", "scored")), official_runs.median("official", "scored")
    return [
        _within("cookbook", what, ours, math.ceil(count / workers) * _LATENCY, official),
        Line(
            "cookbook",
            "cases scored",
            scored,
            "cases",
            count,
            official_scored,
            must=f"= {count}",
            holds=scored == count,
        ),
    ]


def asynchronous(lab: Lab) -> list[Line]:
    """500 cases that the server accepts at once, and that are asked for until they are done."""
    count, width = 500, 64
    order = {"count": count, "template": "groundedness"}
    ours_only = {"concurrency": width, "strategy": "async", "warm_up": False}
    results = lab.in_turn(
        "async",
        {
            "ours": Client("clients.py", "gather", {**order, **ours_only}, _SLOW),
            "official": Client("official.py", "poll", {"workers": width, **order}, _SLOW),
        },
    )

    def requests(measured: Measured) -> float:
        return float(measured["server"]["requests"]) / count

    what = f'wall of {count} cases, strategy="async", latency {_LATENCY:g} s'
    ours, official = results.median("ours", "wall_s"), results.median("official", "wall_s")
    asked, officially = results.median("ours", requests), results.median("official", requests)
    return [
        Line("async", what, ours, "s", _LATENCY, official),
        Line("async", "requests an evaluation, a row a request", asked, "requests", 2, officially),
    ]


def _within(row: str, what: str, ours: float | None, bound: float, official: float | None) -> Line:
    holds = ours is not None and ours <= _MOST * bound
    return Line(row, what, ours, "s", bound, official, f"≤ {_MOST} x bound", holds)
