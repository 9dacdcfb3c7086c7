"""Whether memory grows with the number of cases."""

from __future__ import annotations

from lab import Client, Lab
from table import Line

_MOST_MB = 20


def memory(lab: Lab) -> list[Line]:
    """Resident memory after the first cases of a `stream` over a generator, and after ten times as many.

    Runs of ours share the machine: only their memory is measured. The official SDK has no stream; it runs once.
    """
    first = lab.scaled(2000, 500)
    order = {"first": first, "count": 10 * first}
    stream = Client("clients.py", "stream", {"concurrency": 64, **order})
    threads = Client("official.py", "memory", {"workers": 64, **order})
    ours = lab.at_once("memory", {"ours": stream}).median("ours", "growth_mb")
    official = lab.in_turn("memory", {"official": threads}, repeats=1).median("official", "growth_mb")
    what = f"growth of RSS from {first} cases to {10 * first}"
    return [Line("memory", what, ours, "MB", None, official, f"≤ {_MOST_MB} MB", ours is not None and ours <= _MOST_MB)]
