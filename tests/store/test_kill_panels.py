"""kill -9 of workers in the middle of chunks of a jury's votes, with further samples under way.

FI_ASYNC_KILLS says how often a worker is killed; where it does not, once, and the run is small. With pytest -s the
sums are seen.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from fi_async._run_url import RunUrl
from fi_async.journal.events import EventKind
from fi_async.local.server import running
from fi_async.store.run_workers import shared_standing
from fi_async.store.store_reader import open_run
from ordeal import KEYS
from voting import Voter, answers, noisy

KILLS = int(os.environ.get("FI_ASYNC_KILLS", "1"))
COUNT = 1000 if "FI_ASYNC_KILLS" in os.environ else 16
WORKERS = 3 if "FI_ASYNC_KILLS" in os.environ else 2
CONCURRENCY = 4
LEASE = 0.8
NAMES = ("mini", "qwen", "third")
CHECKS = 'from fi_async import Criteria\n\ncalm = Criteria("calm", "Does {{output}} stay calm?")\n'


def given(voters):
    return sum(sum(each.votes.values()) for each in voters)


def prepared(folder: Path, urls: list[str]) -> None:
    tables = "".join(
        f"[judges.{name}]\nmodel = '{name}'\nurl = '{url}/v1'\nkey-env = 'FI_API_KEY'\nconcurrency = {CONCURRENCY}\n"
        for name, url in zip(NAMES, urls, strict=True)
    )
    (folder / "fi-async.toml").write_text(tables)
    (folder / "checks.py").write_text(CHECKS)
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in answers(COUNT)))


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fi_async", *words]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **KEYS}, stdout=subprocess.DEVNULL)


def held(url: RunUrl) -> dict[int, int]:
    """Return how many chunks each process holds."""
    return {each.pid: each.chunks for each in shared_standing(url).workers if each.chunks}


def test_each_vote_is_given_once_but_those_in_flight_and_these_are_counted(tmp_path, postgres_url, sql):
    rng = random.Random(5)
    run = f"{postgres_url}/nightly"
    url = RunUrl.parse(run)
    voters = [Voter(noisy(lambda n: (0.5, 0.9, 0.2)[n % 3], seed), latency=0.1) for seed in range(3)]
    how = f"load rows.jsonl --eval checks.py:calm --repeats auto --max-retries 8 --run {run} --jury {' '.join(NAMES)}"
    began, harms, workers, deepened = time.monotonic(), 0, [], 0
    with ExitStack() as servers:
        prepared(tmp_path, [servers.enter_context(running(each)) for each in voters])
        assert started(tmp_path, *how.split()).wait(60) == 0
        try:
            while True:
                workers = [each for each in workers if each.poll() is None]
                with open_run(url) as view:
                    count, rows = view.count(), view.past.count
                if count.is_complete or time.monotonic() - began > 60 + 20 * KILLS:
                    break
                while len(workers) < WORKERS:
                    words = f"work {run} --lease {LEASE} --no-progress"
                    workers.append(started(tmp_path, *words.split()))
                busy = [each for each in workers if each.pid in held(url)]
                if harms < KILLS and busy and count.done >= COUNT * harms / (2 * KILLS) and rows > 9 * COUNT:
                    victim = rng.choice(busy)
                    victim.kill()
                    victim.wait()
                    harms += 1
                    deepened += rows > 9 * COUNT
                time.sleep(0.1)
            for each in workers:
                each.wait(30)
        finally:
            for each in workers:
                each.kill()
                each.wait()
        asked = given(voters)
    with open_run(url) as view:
        outcomes = [record.outcome for record in view.records()]
        count, rows = view.count(), view.past.count
    votes = sum(len(sample.votes) for each in outcomes for sample in each.samples)
    again = asked - rows
    sums = {"cases": COUNT, "kills": harms, "votes": rows, "given again": again, "counted": count.possible_duplicates}
    sys.stdout.write(f"\n{sums | {'seconds': round(time.monotonic() - began, 1)}}\n")
    assert count.is_complete
    assert (count.evaluations, count.unsettled, len(outcomes)) == (COUNT, 0, COUNT)
    assert votes == rows > 9 * COUNT
    assert deepened == harms == KILLS
    assert 0 <= again <= count.possible_duplicates <= KILLS * CONCURRENCY * len(NAMES)
    ends = sql(f"SELECT n, count(*) FROM fi_async.events WHERE kind = {EventKind.ENDED} GROUP BY n")
    assert dict(ends) == dict.fromkeys(range(1, rows + 1), 1)
