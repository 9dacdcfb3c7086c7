"""What OpenTelemetry costs."""

from __future__ import annotations

from typing import Any

from lab import Client, Lab
from table import Line

_MOST = 10.0  # percent of an evaluation's CPU
_OFF = 1.0
_WITHIN = {
    "metrics": "metrics alone",
    "run": "metrics, and the run's span, which all requests name",
}
_BEYOND = {
    "tenth": "metrics, and spans of a tenth of the cases and their requests",
    "cases": "metrics, and spans of all cases",
    "both": "metrics, and spans of all cases and requests",
    "exported": "… exported over OTLP in this process",
}


def telemetry(lab: Lab) -> list[Line]:
    """CPU that telemetry adds to an evaluation, by pairs of runs in one process."""
    order = {
        "count": lab.scaled(200, 200),
        "pairs": lab.scaled(41, 5),
        "settings": [*_WITHIN, *_BEYOND],
        "template": "groundedness",
        "concurrency": 64,
        "transport": "httpx",
    }
    results = lab.in_turn("telemetry", {"pairs": Client("overhead.py", "overhead", order)}, repeats=1)
    off = results.median("pairs", lambda run: run["guards_us"] / run["cpu_ms"] / 10)
    lines = [
        Line(
            "telemetry",
            "asking whether anybody listens, where nobody does, of an evaluation's CPU",
            off,
            "%",
            must=f"≤ {_OFF:g} %",
            holds=off is not None and off <= _OFF,
        )
    ]
    for which, what in {**_WITHIN, **_BEYOND}.items():
        share = results.median("pairs", lambda run, which=which: 100 * run["medians"][which])
        parts = _PARTS.get(which, ())
        sdk = results.median("pairs", lambda run, parts=parts: _of_the_sdk(run, parts))
        bound: dict[str, Any] = (
            {"must": f"≤ {_MOST:g} %", "holds": share is not None and share <= _MOST} if which in _WITHIN else {}
        )
        lines.append(Line("telemetry", f"{what}, of an evaluation's CPU", share, "%", sdk or None, **bound))
    return lines


_PARTS = {"metrics": ("metrics",), "both": ("metrics", "spans")}
"""What of the SDK a setting uses: what its documented calls cost in a loop of their own stands as the bound."""


def _of_the_sdk(run: dict[str, Any], parts: tuple[str, ...]) -> float:
    return sum(run["sdk_us"][part] for part in parts) / run["cpu_ms"] / 10
