"""What a request handler pays for an evaluation behind it, and whether every case is accounted for."""

from __future__ import annotations

from lab import Client, Lab
from table import Line

_MOST_US = 20


def offers(lab: Lab) -> list[Line]:
    """A web application under load, its queue full at times; then one with a spool, left early and begun anew."""
    count = lab.scaled(9984, 1984)
    tasks = {
        "memory": {"count": count, "max_queue": count // 10, "drain": 60.0, "spool": False},
        "spool": {"count": count, "max_queue": count, "drain": 0.0, "spool": True},
    }
    results = lab.in_turn("offers", {who: Client("web_app.py", "offers", order) for who, order in tasks.items()}, 1)
    lines = []
    for who, what in (("memory", ""), ("spool", ", with a spool")):
        spent, missing = results.median(who, "offer_us"), results.median(who, "missing")
        holds = spent is not None and spent <= _MOST_US
        lines += [
            Line("offers", f"queue.offer, median of {count}{what}", spent, "µs", must=f"≤ {_MOST_US} µs", holds=holds),
            Line("offers", "… 99th percentile", results.median(who, "offer_p99_us"), "µs"),
            Line("offers", "… dropped, the queue being full", results.median(who, "dropped")),
            Line("offers", "… kept for a restart", results.median(who, "kept")),
            Line("offers", "… neither done nor reported dropped, after it", missing, must="= 0", holds=missing == 0),
        ]
    return lines
