"""What an evaluation costs the client in CPU: a server that answers at once, connections that are open."""

from __future__ import annotations

from lab import Client, Lab
from table import Line

_WIDTHS = (8, 64, 256)
_THREADS = (8, 64)
_SHARE_OF_OFFICIAL = 0.5
_SHARES_OF_BARE = {"httpx": 1.25, "aiohttp": 1.4}
_GROWTH = 1.3


def cpu(lab: Lab) -> list[Line]:
    """CPU of an evaluation, over either transport, beside the same request by hand and the official SDK."""
    order = {"count": lab.scaled(2000, 1000), "template": "groundedness"}
    clients = {
        f"{transport} {width}": Client("clients.py", "gather", {**order, "concurrency": width, "transport": transport})
        for transport in ("httpx", "aiohttp")
        for width in _WIDTHS
    }
    clients |= {
        f"bare {transport}": Client("bare.py", "post", {**order, "concurrency": 64, "transport": transport})
        for transport in ("httpx", "aiohttp")
    }
    clients |= {
        f"official {width}": Client("official.py", "threads", {**order, "workers": width}) for width in _THREADS
    }
    results = lab.in_turn("cpu", clients)
    spent = {who: results.median(who, "cpu_ms") for who in clients}
    lines = [_line(spent, transport, width) for transport in ("httpx", "aiohttp") for width in _WIDTHS]
    return [*lines, _growth(spent), _connections(max(results.every("httpx 256", "connections")))]


def _line(spent: dict[str, float | None], transport: str, width: int) -> Line:
    ours, official = spent[f"{transport} {width}"], spent.get(f"official {width}")
    bare = spent[f"bare {transport}"] if width == 64 else None
    most = {}
    if bare is not None:
        most[f"≤ {_SHARES_OF_BARE[transport]} x bound"] = _SHARES_OF_BARE[transport] * bare
    if transport == "httpx" and official is not None:
        most[f"≤ {_SHARE_OF_OFFICIAL} x official"] = _SHARE_OF_OFFICIAL * official
    holds = ours is not None and ours <= min(most.values()) if most else None
    what = f"an evaluation over {transport}, {width} at once"
    return Line("cpu", what, ours, "ms", bare, official, ", ".join(most), holds)


def _growth(spent: dict[str, float | None]) -> Line:
    few, many = spent["httpx 8"], spent["httpx 256"]
    ratio = many / few if few and many else None
    holds = ratio is not None and ratio <= _GROWTH
    return Line("cpu", "over httpx at 256, x that at 8", ratio, must=f"≤ {_GROWTH}", holds=holds)


def _connections(most: int) -> Line:
    return Line("cpu", "connections over httpx at 256", most, must="≤ 256", holds=most <= 256)
