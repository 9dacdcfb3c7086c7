"""A limit of requests a window: not told, told, and shared by two processes.

Every run begins with a window, so that the bound is the same for all: the windows that its requests fill, and what the
requests of the last one take with as many under way as the run ever had.
"""

from __future__ import annotations

import itertools
import math
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
_BEGUN = (0.0, 0.1, 0.5, 0.9)  # of a window
_ROWS = 3  # of a request, at most
_BEFORE_THE_END = 0.1  # seconds: what is counted later is the next window's


def requests(lab: Lab) -> list[Line]:
    """The limit unknown and given, beside the official SDK with few threads and with many."""
    count, quota, seconds = _sizes(lab)
    switches = {"latency": _LATENCY, "requests": f"{quota}/{seconds}s"}
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False, "window": seconds}
    meanwhile = partial(_by_window, seconds)
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


def begun_late(lab: Lab) -> list[Line]:
    """The limit unknown, with all options as they are, begun at several times into a window.

    The first window teaches what one request a case costs; in the others, each request carries three rows. The bound is
    for a first window that is used whole. Begun late into one, it teaches and carries few: then all cases are still to
    come, and the windows that they need are allowed beside it.
    """
    count, quota, seconds = _sizes(lab)
    switches = {"latency": _LATENCY, "requests": f"{quota}/{seconds}s"}
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False, "window": seconds}
    meanwhile = partial(_by_window, seconds)
    clients = {
        f"{into:g}": Client("clients.py", "gather", {**order, "into": into}, switches, meanwhile=meanwhile)
        for into in (share * seconds for share in _BEGUN)
    }
    results = lab.at_once("pace_begun", clients, most=2)
    fewest = 1 + math.ceil((count - quota) / (_ROWS * quota))
    most = 1 + math.ceil(count / (_ROWS * quota))
    return [
        line
        for into in clients
        for line in _begun(Pace(f"begun {into} s into a window", results, count), into, (fewest, most), seconds)
    ]


def _begun(lines: Pace, into: str, windows: tuple[int, int], seconds: int) -> list[Line]:
    fewest, most = windows
    bound = (fewest - 1) * seconds - float(into) + _ROWS * _LATENCY
    wall = lines.results.median(into, "wall_s")
    used = max(lines.results.every(into, lambda run: sum(each > 0 for each in run["accepted_by_window"])))
    refused = max(lines.results.every(into, lambda run: run["server"]["refused_requests"]))
    return [
        Line(lines.row, f"wall of {lines.count} cases, latency {_LATENCY:g} s, limit unknown", wall, "s", bound),
        lines.lost(into),
        Line(lines.row, "… windows used", used, "", fewest, None, f"≤ {most}", used <= most),
        Line(lines.row, "… requests refused", refused, "", None, None, f"≤ {_MOST_REFUSED}", refused <= _MOST_REFUSED),
        lines.requests(into),
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


def _by_window(seconds: int, server: Server, ended: threading.Event) -> Measured:
    """Count what the server accepted and refused in each of its windows."""
    counts = [(0, 0)]
    while not ended.wait(seconds - (time.time() + _BEFORE_THE_END) % seconds):
        counts.append(_counted(server))
    counts.append(_counted(server))
    steps = [(after[0] - before[0], after[1] - before[1]) for before, after in itertools.pairwise(counts)]
    return {"accepted_by_window": [step[0] for step in steps], "refused_by_window": [step[1] for step in steps]}


def _counted(server: Server) -> tuple[int, int]:
    """Return how many requests the server accepted and refused so far."""
    counted = server.statistics()
    return counted["requests"] - counted["refused_requests"], counted["refused_requests"]
