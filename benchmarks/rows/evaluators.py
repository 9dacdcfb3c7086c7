"""Functions that are computed here, functions of a user's, and judges."""

from __future__ import annotations

from lab import Client, Lab
from table import Line

_MOST_CPU_S = 1.0
_LEAST_SHARE = 0.85  # of what bare processes gain: 1.7 where two processors are idle
_LONGEST_MS = 50
_WIDTH = 64
_SHARE_OF_BARE = 1.5


def functions(lab: Lab) -> list[Line]:
    """CPU of function templates that are computed here; what two processes gain; how late the loop is meanwhile."""
    count = 10_000
    orders = {
        "here": Client("evaluators.py", "here", {"count": count}),
        "processes": Client("evaluators.py", "processes", {"count": lab.scaled(3000, 1500)}),
        **{
            which: Client("evaluators.py", "stalls", {"count": lab.scaled(count, 3000), "which": which})
            for which in ("levenshtein", "own")
        },
    }
    results = lab.in_turn("functions", orders)
    cpu = results.median("here", lambda run: run["cpu_ms"] * count / 1000)
    gain, most = results.median("processes", "gain"), results.median("processes", "bare_gain")
    lines = [
        Line(
            "functions",
            f"CPU of {count} evaluations by a function template, computed here",
            cpu,
            "s",
            must=f"≤ {_MOST_CPU_S:g} s",
            holds=cpu is not None and cpu <= _MOST_CPU_S,
        ),
        Line(
            "functions",
            "a CPU-bound own function in 2 processes, x as quick as in 1",
            gain,
            bound=most,
            must=f"≥ {_LEAST_SHARE} x bound",
            holds=gain is not None and most is not None and gain >= _LEAST_SHARE * most,
        ),
    ]
    for which, what in (("levenshtein", "levenshtein_similarity of 2 kB"), ("own", "a CPU-bound own function")):
        longest = results.median(which, "longest_ms")
        lines += [
            Line(
                "functions",
                f"longest stall of the loop beside {orders[which].order['count']} of {what}, in threads",
                longest,
                "ms",
                must=f"≤ {_LONGEST_MS} ms",
                holds=longest is not None and longest <= _LONGEST_MS,
            ),
            Line("functions", "… 99th percentile", results.median(which, "p99_ms"), "ms"),
        ]
    return lines


def judge(lab: Lab) -> list[Line]:
    """CPU of a verdict of a judge, beside the same request by hand."""
    order = {"count": lab.scaled(2000, 1000), "concurrency": _WIDTH}
    clients = {each: Client("evaluators.py", "judge", {**order, "transport": each}) for each in ("httpx", "aiohttp")}
    clients["bare"] = Client("evaluators.py", "bare", order)
    results = lab.in_turn("judge", clients)
    spent = {who: results.median(who, "cpu_ms") for who in clients}
    ours, bare = spent["httpx"], spent["bare"]
    holds = None if ours is None or bare is None else ours <= _SHARE_OF_BARE * bare
    what = f"CPU of a verdict of a judge, {_WIDTH} at once"
    return [
        Line("judge", f"{what}, over httpx", ours, "ms", bare, must=f"≤ {_SHARE_OF_BARE} x bound", holds=holds),
        Line("judge", f"{what}, over aiohttp", spent["aiohttp"], "ms"),
    ]
