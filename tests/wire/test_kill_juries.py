"""kill -9 at random instants of a run with repeats and a jury, and a fourth juror afterwards.

FI_ASYNC_KILLS says how often the one run is killed; where it does not, 2 times, and the run is small. With pytest -s
the sums are seen.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request

from fi_async.journal.schema import EventKind
from fi_async.journal.view import open_view
from killing import direct, ended, in_flight, keep, serve, statistics

KILLS = int(os.environ.get("FI_ASYNC_KILLS", "2"))
COUNT = 2000 if "FI_ASYNC_KILLS" in os.environ else 40
REPEATS = 3
JURORS = ["mini", "qwen", "third"]
KEEPER = Path(__file__).parent / "voting_keeper.py"
IS_SMALL = COUNT < 100
CHAT = {"latency": 0.1, "faults": {"529": 0.02, "reset_before": 0.01}}


def answered(url: str) -> dict[str, int]:
    """Return how many verdicts each model gave."""
    return {name: told["answered"] for name, told in statistics(url, "chat")["models"].items()}


def killed_after(votes: int, process: subprocess.Popen[str], url: str) -> None:
    """End a program as a power cut would, once so many more votes were given."""
    enough = sum(answered(url).values()) + votes
    while sum(answered(url).values()) < enough and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    process.kill()
    process.communicate()


def ends(path: str) -> dict[int, int]:
    """Return how often each vote ended, by its number in the file."""
    with closing(sqlite3.connect(path)) as file:
        return dict(file.execute(f"SELECT n, count(*) FROM events WHERE kind = {EventKind.ENDED} GROUP BY n"))


def test_each_vote_of_a_run_that_is_killed_is_given_once_but_those_in_flight(tmp_path):
    rng = random.Random(11)
    server, url = serve("--port", "0")
    began, opened = time.monotonic(), 0
    order: dict[str, Any] = {"url": url, "path": str(tmp_path / "r.db"), "count": COUNT}
    order |= {"repeats": REPEATS, "jurors": JURORS, "concurrency": 8 if IS_SMALL else 32}
    try:
        body = json.dumps({"chat": CHAT}).encode()
        with direct.open(Request(f"{url}/_local/switches", body, {"Content-Type": "application/json"}), timeout=10):
            pass
        for _ in range(KILLS):
            # After so many votes more that each pass has its share of them.
            left = 3 * REPEATS * COUNT - sum(answered(url).values())
            killed_after(rng.randint(1, max(1, 2 * left // (KILLS + 1))), keep(KEEPER, order), url)
            opened += in_flight(order["path"])
        outcomes = ended(keep(KEEPER, order))["outcomes"]
        given = answered(url)
        more = ended(keep(KEEPER, order | {"jurors": [*JURORS, "fourth"]}))
        after = answered(url)
    finally:
        server.kill()
        server.communicate()
    votes = COUNT * REPEATS
    again = sum(given.values()) - len(JURORS) * votes
    sums = {"kills": KILLS, "votes": sum(given.values()), "open at a kill": opened, "given again": again}
    sys.stdout.write(f"\n{sums | {'fourth juror': after['fourth'], 'seconds': round(time.monotonic() - began)}}")
    assert 0 <= again <= opened
    assert all(given[name] >= votes for name in JURORS)
    assert ends(order["path"]) == dict.fromkeys(range(1, 4 * votes + 1), 1)
    assert after == given | {"fourth": votes}
    assert [each[0][:2] for each in outcomes] == [[n, "scored"] for n in range(COUNT)]
    for (_, before), (_, now) in zip(outcomes, more["outcomes"], strict=True):
        assert [sitting[:3] for sitting in now] == before
    with open_view(order["path"]) as view:
        assert view.count().is_complete
        assert [record.outcome.index for record in view.records()] == list(range(COUNT))
