"""A limit of requests a window: not told, told, and shared by two processes.

Every run begins with a window, so that the bound is the same for all: the windows that its requests fill, and what the
requests of the last one take with as many under way as the run ever had.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lab import Client, Lab, Measured, Results
from table import Line

from rows import pace
from rows.pace import Pace

if TYPE_CHECKING:
    import threading

    from server import Server

_LATENCY = 0.2
_MOST_REFUSED = 64
_BEFORE_THE_END = 0.1  # seconds: what is counted later is the next window's


def requests(lab: Lab) -> list[Line]:
    """The limit unknown and given, beside the official SDK with few threads and with many."""
    count, quota, seconds = _sizes(lab)
    switches = {"latency": _LATENCY, "requests": f"{quota}/{seconds}s"}
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False, "window": seconds}
    meanwhile = partial(_refusals_by_window, seconds)
    ours = {
        "unknown": Client("clients.py", "gather", order, switches, meanwhile=meanwhile),
        "given": Client("clients.py", "gather", {**order, "limits": [[quota, seconds]]}, switches, meanwhile=meanwhile),
    }
    official = {
        f"official {width}": Client(
            "official.py", "threads", {**order, "workers": width}, switches, meanwhile=meanwhile
        )
        for width in (8, 64)
    }
    first = lab.at_once("pace_requests", ours, most=2)
    results = Results({**first.runs, **lab.at_once("pace_requests", official).runs})
    bound = partial(_bound, count, quota, seconds)
    what = f"wall of {count} cases, latency {_LATENCY:g} s, {quota} requests / {seconds} s"
    unknown, given = Pace("limit unknown", results, count), Pace("limit given", results, count)
    return [
        unknown.wall("unknown", what, bound, most=1.15, at_most=lab.scaled(15, 0) or None, official="official 8"),
        unknown.lost("unknown", "official 8", " (official: 8 threads)"),
        unknown.lost("unknown", "official 64", " (official: 64 threads)"),
        _most_refused(results),
        unknown.requests("unknown", "official 8"),
        given.wall("given", what, bound, most=1.1, official="official 8"),
        given.lost("given"),
        given.refused("given"),
        given.requests("given"),
    ]


def shared(lab: Lab) -> list[Line]:
    """Two processes on one budget; no lines while the package has no `shared_budget`."""
    if not _can_share():
        print("there is no shared_budget: the row of two processes is left out", file=sys.stderr)
        return []
    count, quota, seconds = _sizes(lab)
    switches = {"latency": _LATENCY, "requests": f"{quota}/{seconds}s"}
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False, "window": seconds}
    client = Client("clients.py", "halves", {**order, "limits": [[quota, seconds]]}, switches)
    lines = Pace("two processes", lab.at_once("pace_shared", {"ours": client}), count)
    what = f"wall of {count} cases, one budget of {quota} requests / {seconds} s"
    return [
        lines.wall("ours", what, partial(_bound, count, quota, seconds), most=1.2),
        lines.lost("ours"),
        lines.refused("ours"),
        lines.requests("ours"),
    ]


def _sizes(lab: Lab) -> tuple[int, int, int]:
    return lab.scaled(1000, 200), lab.scaled(300, 60), lab.scaled(10, 2)


def _can_share() -> bool:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as its environment may lack it

    with tempfile.TemporaryDirectory() as home:
        try:
            AsyncEvaluator.local(shared_budget=str(Path(home) / "budget"))
        except TypeError:
            return False
    return True


def _bound(count: int, quota: int, seconds: int, measured: Measured) -> float:
    server = measured["server"]
    sent = server["requests"] - server["refused_requests"]
    full = pace.windows(sent, quota)
    last = sent - full * quota
    # Held until they are scored, the later requests carry more rows: as many as make up for those that carried one.
    of_three = 0 if server["gets"] else max(0, min(last, (count - sent) / 2))
    rows = (last + 2 * of_three) / last
    return float(full * seconds + rows * max(1.0, last / server["peak_in_flight"]) * _LATENCY)


def _most_refused(results: Results) -> Line:
    most, official = (
        results.median(who, lambda run: max(run["refused_by_window"])) for who in ("unknown", "official 64")
    )
    holds = most is not None and most <= _MOST_REFUSED
    what = "… most requests refused in a window (64 threads)"
    return Line("limit unknown", what, most, "", None, official, f"≤ {_MOST_REFUSED}", holds)


def _refusals_by_window(seconds: int, server: Server, ended: threading.Event) -> Measured:
    counts = [0]
    while not ended.wait(seconds - (time.time() + _BEFORE_THE_END) % seconds):
        counts.append(server.statistics()["refused_requests"])
    counts.append(server.statistics()["refused_requests"])
    return {"refused_by_window": [after - before for before, after in itertools.pairwise(counts)]}
