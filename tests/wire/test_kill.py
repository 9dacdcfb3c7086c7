"""kill -9 at random instants, of the client and of the server: the run that is gone on with ends right.

FI_ASYNC_KILLS says how many instants of runs of 2,000 cases; where it does not, there are 4 of runs of 300. With
pytest -s the sums are seen.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import killing
from killing import ended, in_flight, killed, serve, statistics

KILLS = int(os.environ.get("FI_ASYNC_KILLS", "4"))
COUNT = 2000 if "FI_ASYNC_KILLS" in os.environ else 300
HERE = Path(__file__).parent
# None of these makes an evaluation of its own: those beyond the number of cases are the kill's.
FAULTS = ["503=0.01", "reset_before=0.01", "slow=0.02:0.3"]


def keep(**order: Any) -> subprocess.Popen[str]:
    return killing.keep(HERE / "keeper.py", order)


def wrong(outcomes: list[list[Any]]) -> list[Any]:
    return [each for each in outcomes if each[1] == "scored" and each[2] != (each[0] % 3 == 0)]


@pytest.mark.parametrize("strategy", ["sync", "async"])
@pytest.mark.parametrize("on_ambiguous", ["resubmit", "fail"])
def test_a_run_killed_at_any_instant_ends_right(strategy, on_ambiguous, tmp_path):
    rng = random.Random(f"{strategy}{on_ambiguous}")
    options = {"strategy": strategy, "on_ambiguous": on_ambiguous, "concurrency": 64, "max_retries": 8}
    sums = {"kills": 0, "cases": 0, "lost": 0, "wrong": 0, "open at the kill": 0, "made beyond": 0, "ambiguous": 0}
    server, url = serve("--port", "0", "--latency", "0.05~0.5", "--fault", *FAULTS)
    try:
        whole = keep(url=url, path=str(tmp_path / "whole.db"), group=-1, count=COUNT, options=options)
        longest = ended(whole)["summary"]["wall_s"]
        for kill in range(-(-KILLS // 4)):
            before = statistics(url)
            order = {
                "url": url,
                "path": str(tmp_path / f"{kill}.db"),
                "group": kill,
                "count": COUNT,
                "options": options,
            }
            killed(keep(**order), rng.uniform(0.0, longest))
            opened = in_flight(order["path"])
            resumed = ended(keep(**order))["outcomes"]
            ambiguous = [each for each in resumed if each[3] == "AmbiguousError"]
            made, last = made_since(before, url), resumed
            if on_ambiguous == "fail":
                assert made[1] == 0
                last = ended(keep(**order, retry=["ambiguous"]))["outcomes"]
            sums["kills"] += 1
            sums["cases"] += len(resumed)
            sums["lost"] += COUNT - len(resumed) + sum(each[1] != "scored" for each in resumed) - len(ambiguous)
            sums["wrong"] += len(wrong(resumed)) + len(wrong(last))
            sums["open at the kill"] += opened
            sums["made beyond"] += made[1]
            sums["ambiguous"] += len(ambiguous)
            assert made[1] <= (opened if on_ambiguous == "resubmit" else 0)
            assert sum(each[1] == "scored" for each in last) >= COUNT - len(ambiguous)
    finally:
        server.kill()
        server.communicate()
    sys.stdout.write(f"\n{strategy}, {on_ambiguous}: {sums}\n")
    assert sums["lost"] == sums["wrong"] == 0


def made_since(before: dict[str, Any], url: str) -> tuple[int, int]:
    """Return how many evaluations were made, and how many of these of a case that had been evaluated."""
    now = statistics(url)
    return now["evaluations_made"] - before["evaluations_made"], now["duplicates"] - before["duplicates"]


@pytest.mark.parametrize("strategy", ["sync", "async"])
def test_a_server_killed_in_mid_run_and_started_again_is_gone_on_with(strategy, tmp_path):
    flags = ("--latency", "0.3", "--store", str(tmp_path / "server.db"))
    server, url = serve("--port", "0", *flags)
    options = {"strategy": strategy, "concurrency": 32}
    client = keep(url=url, path=str(tmp_path / "run.db"), group=0, count=400, options=options)
    try:
        assert client.stdout is not None
        client.stdout.readline()
        while statistics(url)["evaluations_made"] < 150:
            time.sleep(0.01)
        server.kill()
        server.communicate()
        server, _ = serve("--port", url.rpartition(":")[2], *flags)
        report = ended(client)
        assert wrong(report["outcomes"]) == []
        assert report["summary"]["scored"] == 400
        assert statistics(url)["evaluations_made"] - 400 <= report["summary"]["possible_duplicates"]
    finally:
        server.kill()
        server.communicate()
        client.kill()
        client.communicate()
