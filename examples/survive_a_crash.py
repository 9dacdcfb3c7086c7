"""Evaluates 400 cases, is killed in mid-run, and goes on: nothing is lost, and what may be paid twice is told.

The server runs in a process of its own, so that it outlives the client, as the real one does. The client is this script
again, with words on its command line; `kill -9` ends it once the server has made 150 evaluations.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from fi_async import AsyncEvaluator
from fi_async.journal.view import open_view

CASES = [{"text": f"answer {number}: {'yes' if number % 4 == 0 else 'no'}"} for number in range(400)]
SERVE = [sys.executable, "-m", "fi_async", "serve", "--port", "0", "--latency", "0.1"]
direct = build_opener(ProxyHandler({}))


async def evaluate(url: str, run: str) -> None:
    """The program whose run is kept: begun twice, and the same both times."""
    async with AsyncEvaluator("key", "secret", url, concurrency=16) as ev:
        report = await ev.gather(CASES, "contains", eval_config={"keyword": "yes"}, run=run)
    if [outcome.passed for outcome in report.outcomes] != [number % 4 == 0 for number in range(len(CASES))]:
        raise SystemExit("a case has no outcome, or another's")
    print(json.dumps(report.summary()))


def made(url: str) -> int:
    with direct.open(f"{url}/_local/statistics", timeout=10) as reply:
        return int(json.load(reply)["evaluations_made"])


def main(url: str, run: str) -> None:
    program = [sys.executable, __file__, url, run]
    client = subprocess.Popen(program)  # noqa: S603  # this script
    while made(url) < 150:
        time.sleep(0.01)
    client.kill()
    client.wait()
    with open_view(run) as view:
        print(f"killed: {view.past.done} of {len(CASES)} have ended, {view.count().ambiguous} may have been evaluated")
    resumed = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)  # noqa: S603
    beyond = made(url) - len(CASES)
    print(f"went on: {resumed['replayed']} replayed, {resumed['requests']} requests")
    if beyond > resumed["possible_duplicates"]:
        raise SystemExit("a case was evaluated twice, and the report does not say so")
    print(f"{resumed['scored']} scored; {resumed['possible_duplicates']} possible duplicates, and {beyond} made")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(evaluate(*sys.argv[1:]))
    else:
        server = subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own
        with tempfile.TemporaryDirectory() as place, server:
            try:
                main(server.stdout.readline().split()[2], str(Path(place) / "run.db"))
            finally:
                server.kill()
