"""What it costs to keep a run: its file is written beside the requests, and each waits for its own line in it."""

from __future__ import annotations

from lab import Client, Lab
from table import Line

_MOST = 1.10
_LEAST_S = 5000


def journal(lab: Lab) -> list[Line]:
    """A run of no latency at all, kept and not; and how fast outcomes can be written."""
    counts = lab.scaled(4_000, 1_000), lab.scaled(20_000, 4_000)
    writing = Client("clients.py", "written", {"count": counts[-1] // 64 * 64, "at_once": 64})
    rate = lab.in_turn("written", {"written": writing}).median("written", "outcomes_s")
    return [
        *(line for count in counts for line in _cost(lab, count)),
        Line(
            "journal",
            "outcomes written a second, the intents before them too",
            rate,
            must=f"≥ {_LEAST_S}",
            holds=rate is not None and rate >= _LEAST_S,
        ),
    ]


def _cost(lab: Lab, count: int) -> list[Line]:
    """Return the lines of one run's size: a short run has its file opened for fewer cases."""
    order = {"count": count, "concurrency": 64}
    clients = {who: Client("clients.py", "kept", {**order, "run": who == "kept"}) for who in ("kept", "not")}
    results = lab.in_turn(f"journal {count}", clients)
    kept, plain = results.median("kept", "wall_s"), results.median("not", "wall_s")
    holds = kept is not None and plain is not None and kept <= _MOST * plain
    what = f"wall of {count} cases, latency 0, kept; bound: not kept"
    return [
        Line("journal", what, kept, "s", plain, must=f"≤ {_MOST} x bound", holds=holds),
        Line("journal", "CPU of a case", results.median("kept", "cpu_ms"), "ms", results.median("not", "cpu_ms")),
    ]
