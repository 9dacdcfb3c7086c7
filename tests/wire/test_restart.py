"""A process that is killed with a full queue: the next one that has its spool ends what it began."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from fi_async import Evaluator
from fi_async.background import JsonlSink

OFFERING = """
import asyncio, sys
from fi_async import AsyncEvaluator
from fi_async.background import JsonlSink
from fi_async.local import LocalBackend, Switches

async def main(spool, out):
    backend = LocalBackend(Switches(latency=0.02))
    async with AsyncEvaluator.local(backend) as ev:
        async with ev.background("is_json", sink=JsonlSink(out), spool=spool) as queue:
            for number in range(100_000):
                await queue.put({"text": str(number)})
                print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def accepted_until_killed(after, *files):
    """Return how many cases `put` accepted in a process that is killed after so many."""
    command = [sys.executable, "-c", OFFERING, *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        accepted = 0
        for _ in process.stdout:
            accepted += 1
            if accepted == after:
                process.kill()
        assert process.wait(20) == -signal.SIGKILL
    return accepted


def test_what_put_accepted_survives_a_kill(tmp_path):
    spool, out = tmp_path / "spool", tmp_path / "scores.jsonl"
    accepted = [accepted_until_killed(after, spool, out) for after in (1, 40, 200)]
    with Evaluator.local() as ev, ev.background("is_json", sink=JsonlSink(out), spool=spool) as queue:
        assert queue.drained(60) is True
    done = {json.loads(line)["offer_id"] for line in out.read_text().splitlines()}
    supplies = sorted({offer_id.rpartition("-")[0] for offer_id in done})  # one a process, in order
    for count, supply in zip(accepted, supplies, strict=True):
        assert {f"{supply}-{number:08x}" for number in range(count)} <= done
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scores.jsonl", "spool"]
