"""Evaluations that the server accepts at once and works on by itself: when is each found done, and at what cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checking import fewest_polls
from lab import Client, Lab, Measured
from table import Line

from rows import pace
from rows.pace import Pace

if TYPE_CHECKING:
    from server import Server

_LATENCY = 2.0
_SECONDS = {"httpx": 7.0, "aiohttp": 5.0}  # that 2,000 may take
_REQUESTS = 1.4
_SIGMA = 0.8
_LATE, _LATE_SHARE = 0.5, 0.1  # seconds, or of the evaluation's own time
_IN_TIME = 0.95  # of the cases


def many(lab: Lab) -> list[Line]:
    """All of the same latency, over either transport, beside the official SDK's polling."""
    count = lab.scaled(2000, 500)
    order = {"count": count, "template": pace.TEMPLATE}
    switches = {"latency": _LATENCY}
    clients = {
        transport: Client(
            "clients.py",
            "gather",
            {**order, "strategy": "async", "transport": transport, "warm_up": False},
            switches,
        )
        for transport in _SECONDS
    }
    clients["official"] = Client("official.py", "poll", {**order, "workers": 64}, switches)
    lines = Pace("async, one latency", lab.in_turn("pace_async", clients), count)
    return [
        line
        for transport, seconds in _SECONDS.items()
        for line in (
            _wall(lines, transport, seconds),
            lines.lost(transport, "official"),
            lines.requests(transport, "official", _REQUESTS),
        )
    ]


def _wall(lines: Pace, transport: str, seconds: float) -> Line:
    ours, official = (lines.results.median(who, "wall_s") for who in (transport, "official"))
    what = f"wall of {lines.count} cases, latency {_LATENCY:g} s, over {transport}"
    return Line(
        lines.row, what, ours, "s", _LATENCY, official, f"≤ {seconds:g} s", ours is not None and ours <= seconds
    )


def spread(lab: Lab) -> list[Line]:
    """Of lognormal latencies. The bound of the wall is the slowest evaluation, which the server tells the time of.

    That of the requests is the fewest polls by which so many are in time, the law being known, and a request for three.
    """
    count, median = lab.scaled(500, 200), lab.scaled(2, 1)
    order = {"count": count, "template": pace.TEMPLATE}
    switches = {"latency": f"{median}~{_SIGMA}"}
    ours = {**order, "strategy": "async", "warm_up": False, "outcomes": True}
    clients = {
        "ours": Client("clients.py", "gather", ours, switches, inspect=_inspected),
        "official": Client("official.py", "poll", {**order, "workers": 64}, switches),
    }
    lines = Pace("async, lognormal", lab.in_turn("pace_lognormal", clients), count)
    in_time = lines.results.median("ours", "in_time")
    least = 1 / 3 + fewest_polls(median, _SIGMA, late=_LATE, share=_LATE_SHARE, in_time=_IN_TIME)
    what = f"wall of {count} cases, median {median} s, sigma {_SIGMA}"
    return [
        lines.wall("ours", what, lambda measured: float(measured["slowest_s"]), most=1.05, official="official"),
        lines.lost("ours", "official"),
        Line(lines.row, "… p95 lateness", lines.results.median("ours", "late_s"), "s"),
        Line(
            lines.row,
            f"… late by at most {_LATE} s or {_LATE_SHARE:.0%} of their own time",
            None if in_time is None else 100 * in_time,
            "%",
            must=f"≥ {_IN_TIME:.0%}",
            holds=in_time is not None and in_time >= _IN_TIME,
        ),
        lines.requests("ours", "official", bound=least),
    ]


def _inspected(_: Server, measured: Measured) -> Measured:
    """Hold the time after which each outcome was known against the time that its evaluation took."""
    pairs = [(each["latency_s"], each["runtime_ms"] / 1000) for each in measured.pop("outcomes")]
    late = sorted(known - own for known, own in pairs)
    in_time = sum(known - own <= max(_LATE, _LATE_SHARE * own) for known, own in pairs)
    return {
        "slowest_s": max(own for _, own in pairs),
        "late_s": late[int(0.95 * (len(late) - 1))],
        "in_time": in_time / len(pairs),
    }
