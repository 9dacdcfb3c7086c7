"""A server that is killed in the middle of a run, and is there again after a while."""

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

_LATENCY, _WIDTH = 0.5, 8
_MOST_POSSIBLE = 2 * _WIDTH  # what was under way, and what met the server as it went
_SHARE = 1 / 3  # of the cases are evaluated when it is killed


def outage(lab: Lab) -> list[Line]:
    """What could not leave meanwhile waits; what was under way may have been evaluated, and is asked for again."""
    count, seconds = lab.scaled(250, 60), lab.scaled(15, 5)
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False}
    ours = {**order, "strategy": "sync", "concurrency": _WIDTH, "rows": 1}
    clients = {
        "ours": Client(
            "clients.py", "gather", ours, {"latency": _LATENCY}, meanwhile=partial(_killed, _SHARE * count, seconds)
        )
    }
    lines = Pace("server down", lab.at_once("outage", clients), count)
    bound = seconds + math.ceil(count / _WIDTH) * _LATENCY
    what = f"wall of {count} cases, {_WIDTH} at once, latency {_LATENCY:g} s, server down for {seconds} s"
    possible = lines.results.median("ours", lambda run: run["summary"]["possible_duplicates"])
    return [
        Line(lines.row, what, lines.results.median("ours", "wall_s"), "s", bound),
        lines.lost("ours"),
        Line(
            lines.row,
            "… possible duplicates, as reported",
            possible,
            "",
            must=f"≤ {_MOST_POSSIBLE}",
            holds=possible <= _MOST_POSSIBLE,
        ),
    ]


def _killed(after: float, seconds: float, server: Server, ended: threading.Event) -> Measured:
    while not ended.wait(0.05):
        if server.statistics()["evaluations_made"] >= after:
            server.stop()
            time.sleep(seconds)
            server.start()
            return {}
    raise RuntimeError("the run ended before the server was killed")
