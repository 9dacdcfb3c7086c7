"""kill -9 at random instants of a run that asks a judge, the platform and a function at once.

FI_ASYNC_KILLS says how many instants; where it does not, there are 2. With pytest -s the sums are seen.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request

from killing import direct, ended, in_flight, keep, killed, serve, statistics

KILLS = int(os.environ.get("FI_ASYNC_KILLS", "2"))
COUNT = 120 if "FI_ASYNC_KILLS" in os.environ else 60
KEEPER = Path(__file__).parent / "judging_keeper.py"
# No malformed verdicts: a case whose repair is in flight has been answered once before, and may be twice again.
CHAT = {"latency": 0.05, "capacity": 16, "faults": {"529": 0.02, "reset_before": 0.01}}
PASSED = {"even": lambda n: n % 2 == 0, "contains": lambda n: n % 3 == 0}


def switch(url: str, **changes: Any) -> None:
    body = json.dumps(changes).encode()
    headers = {"Content-Type": "application/json"}
    with direct.open(Request(f"{url}/_local/switches", body, headers), timeout=10) as reply:
        assert reply.status == 200


def duplicates(url: str) -> tuple[int, int]:
    """Return how many answers of the judge, and evaluations of the platform, were of what had been answered."""
    return statistics(url, "chat")["duplicates"], statistics(url)["duplicates"]


def test_a_run_of_all_kinds_killed_at_any_instant_ends_right(tmp_path):
    rng = random.Random(12)
    sums = {"kills": 0, "outcomes": 0, "lost": 0, "wrong": 0, "open at the kill": 0, "judged again": 0, "made again": 0}
    server, url = serve("--port", "0", "--latency", "0.05~0.5")
    try:
        switch(url, chat=CHAT)
        order = {"url": url, "path": str(tmp_path / "whole.db"), "group": -1, "count": COUNT}
        whole = ended(keep(KEEPER, order))
        longest = whole["summary"]["wall_s"]
        for kill in range(KILLS):
            before = duplicates(url)
            order = {"url": url, "path": str(tmp_path / f"{kill}.db"), "group": kill, "count": COUNT}
            killed(keep(KEEPER, order), rng.uniform(0.0, longest))
            opened = in_flight(order["path"])
            outcomes = ended(keep(KEEPER, order))["outcomes"]
            again = [now - then for now, then in zip(duplicates(url), before, strict=True)]
            sums["kills"] += 1
            sums["outcomes"] += len(outcomes)
            sums["lost"] += 3 * COUNT - len({(index, name) for index, name, *_ in outcomes})
            sums["wrong"] += sum(map(is_wrong, outcomes))
            sums["open at the kill"] += opened
            sums["judged again"] += again[0]
            sums["made again"] += again[1]
            sys.stdout.write(f"\n{sums}")
            sys.stdout.flush()
            assert sum(again) <= opened
    finally:
        server.kill()
        server.communicate()
    assert (sums["lost"], sums["wrong"]) == (0, 0)


def is_wrong(told: list[Any]) -> bool:
    """Return True if an outcome is another than it has to be; a judge's is right if it is scored."""
    index, name, status, output, _ = told
    if name == "calm":
        return bool(status != "scored")
    return output != ("Passed" if PASSED[name](index) else "Failed")
