"""A limit of evaluations: one that nobody told, on real sockets; a whole plan for weeks, on a virtual clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import environment
from lab import Client, Lab
from table import Line

from rows import pace
from rows.pace import Pace

_LATENCY = 0.2
_ACCURACY = 1.01
_LONGEST = 60.0  # seconds that the simulation may take


def unknown(lab: Lab) -> list[Line]:
    """Held and polled, beside the official SDK. Runs share the machine: nearly all of it is waiting."""
    count, quota, seconds = lab.scaled(500, 100), lab.scaled(50, 25), lab.scaled(10, 5)
    switches = {"latency": _LATENCY, "evaluations": [f"{quota}/{seconds}s"]}
    order = {"count": count, "template": pace.TEMPLATE, "warm_up": False, "window": seconds}
    clients = {
        strategy: Client("clients.py", "gather", {**order, "strategy": strategy}, switches)
        for strategy in ("async", "sync")
    }
    clients["official"] = Client("official.py", "threads", {**order, "workers": 8}, switches)
    lines = Pace("evaluations", lab.at_once("pace_evaluations", clients), count)
    bound = pace.windows(count, quota) * seconds + _LATENCY
    what = f"wall of {count} cases, {quota} evaluations / {seconds} s, unknown"
    return [
        line
        for strategy in ("async", "sync")
        for line in (
            lines.wall(strategy, f'{what}, strategy="{strategy}"', lambda _: bound, most=1.15),
            lines.lost(strategy, "official"),
            lines.requests(strategy, "official"),
        )
    ]


def plan(lab: Lab) -> list[Line]:
    """A plan's limits of a minute, an hour and a day: simulated, so 1 run."""
    script = str(Path(__file__).parents[1] / "simulated.py")
    count = lab.scaled(10_000, 2_000)
    reply = subprocess.run(
        [sys.executable, script, str(count)], check=True, capture_output=True, text=True, env=environment.clean()
    )
    wall, bound, refused, lost, took = map(float, reply.stdout.split())
    lab.raw["pace_plan"] = [{"wall_s": wall, "bound_s": bound, "refused": refused, "lost": lost, "took_s": took}]
    row, what = "plan, simulated", f"wall of {count} cases, 50 a minute, 300 an hour, 1,000 a day"
    holds = bound <= wall <= _ACCURACY * bound
    return [
        Line(row, what, wall, "s", bound, None, f"≤ {_ACCURACY} x bound", holds),
        Line(row, "… lost or failed", lost, "", None, None, "= 0", lost == 0),
        Line(row, "… evaluations refused", refused, "", None, None, "= 0", refused == 0),
        Line(row, "… time that the simulation took", took, "s", None, None, f"≤ {_LONGEST:g} s", took <= _LONGEST),
    ]
