"""Workers of one run that are killed, frozen and cut off from their store, while the run goes on.

    PYTHONPATH=tests python tests/ordeal.py '{"cases": 20000, "workers": 4, "kills": 50, "freezes": 10, "restarts": 5}'

It starts a server, a PostgreSQL and workers of its own, and prints what came of it as JSON: see `Ordeal.verdict`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import killing
from fi_async import JournalError, Outcome
from fi_async._run_url import RunUrl
from fi_async.store.run_workers import shared_standing
from fi_async.store.store_reader import open_run
from postgres_server import PostgresServer

KEYS = {"FI_API_KEY": "key", "FI_SECRET_KEY": "secret"}
LATENCY = "0.05~0.5"
DRIVER = """
import asyncio, json, sys
from fi_async import AsyncEvaluator, Case
order, how = json.load(sys.stdin), json.loads(sys.argv[1])
async def main():
    cases = [Case({"text": each["text"]}, each["id"]) for each in order["cases"]]
    async with AsyncEvaluator() as ev:
        await ev.gather(cases, "contains", eval_config={"keyword": "needle"}, run=order["run"], **how["options"])
asyncio.run(main())
"""


@dataclass
class Ordeal:
    """One run, and all that happens to those who work on it.

    Attributes:
        store: The URL of a database.
        server: Of the evaluation API.
        database: Stopped and started again, if there are to be restarts.
    """

    store: str
    server: str
    cases: int = 1500
    workers: int = 3
    kills: int = 3
    freezes: int = 1
    restarts: int = 0
    lease: float = 1.5
    on_ambiguous: str = "resubmit"
    strategy: str = "sync"
    concurrency: int = 32
    seed: int = 1
    database: PostgresServer | None = None
    log: Any = subprocess.DEVNULL
    in_flight_at_harm: int = 0
    driven: bool = False
    _all: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _driver: Any = None

    def __post_init__(self) -> None:
        self.url = f"{self.store}/ordeal_{self.on_ambiguous}_{self.strategy}_{self.seed}"
        self.rng = random.Random(f"{self.seed}{self.on_ambiguous}{self.strategy}")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **KEYS, "FI_BASE_URL": self.server}

    def load(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder, "cases.jsonl")
            rows.write_text("".join(f"{json.dumps(self.case(number))}\n" for number in range(self.cases)))
            words = [sys.executable, "-m", "fi_async", "load", str(rows), "--run", self.url, "--eval", "contains"]
            words += ["--param", "keyword=needle", "--on-ambiguous", self.on_ambiguous, "--strategy", self.strategy]
            words += ["--max-retries", "8"]
            subprocess.run(words, env=self._environment(), check=True, stdout=self.log)

    def start_driver(self) -> None:
        """Let a program gather the run: it loads the cases, and works on them until it is killed."""
        order = {"run": self.url, "cases": [self.case(number) for number in range(self.cases)]}
        options = {"on_ambiguous": self.on_ambiguous, "strategy": self.strategy, "max_retries": 8}
        words = [sys.executable, "-c", DRIVER, json.dumps({"options": {**options, "concurrency": self.concurrency}})]
        self._driver = subprocess.Popen(words, env=self._environment(), stdin=subprocess.PIPE, stdout=self.log)
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps(order).encode())
        self._driver.stdin.close()
        self._all.append(self._driver)
        while not self._is_loaded():
            time.sleep(0.05)

    def _is_loaded(self) -> bool:
        try:
            with open_run(RunUrl.parse(self.url)) as view:
                return bool(view.past.read_in)
        except JournalError:
            return False

    def case(self, number: int) -> dict[str, str]:
        return {"id": f"c{number}", "text": f"{self.seed}, case {number}: {'straw' if number % 3 else 'needle'}"}

    def start_worker(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "fi_async", "work", self.url, "--lease", str(self.lease), "--no-progress"]
        words += ["--concurrency", str(self.concurrency)]
        worker = subprocess.Popen(words, env=self._environment(), stdout=self.log, stderr=self.log)
        self._all.append(worker)
        return worker

    def endure(self) -> None:
        """Return once the run is done, after all harm that was asked for, or as much as came in time."""
        harms = (
            ["driver"] * self.driven + ["kill"] * self.kills + ["freeze"] * self.freezes + ["restart"] * self.restarts
        )
        self.rng.shuffle(harms)
        at_work = [self.start_worker() for _ in range(self.workers)]
        frozen: list[tuple[float, subprocess.Popen[bytes]]] = []
        deadline = time.monotonic() + 600
        self._wait_for_work()
        while not self._is_done():
            assert time.monotonic() < deadline, "the run does not end"
            time.sleep(self.rng.uniform(0.2, 0.6))
            for when, worker in frozen[:]:
                if time.monotonic() >= when:
                    worker.send_signal(signal.SIGCONT)
                    frozen.remove((when, worker))
            at_work = [each for each in at_work if each.poll() is None]
            while len(at_work) < self.workers and not self._is_done():
                at_work.append(self.start_worker())
            if harms and (busy := self._busy([*at_work, *self._drivers()], frozen)):
                what = harms.pop()
                victim = self._driver if what == "driver" else self.rng.choice(busy)
                self._harm(what, victim, frozen)
        for _, worker in frozen:
            worker.send_signal(signal.SIGCONT)
        self.left_out = harms
        for worker in self._all:
            worker.wait(60)

    def _harm(self, what: str, victim: subprocess.Popen[bytes], frozen: list[Any]) -> None:
        if what in ("kill", "driver"):
            victim.kill()
        elif what == "freeze":
            victim.send_signal(signal.SIGSTOP)
            frozen.append((time.monotonic() + 2.5 * self.lease, victim))
        elif self.database is not None:
            self.database.stop(self.rng.choice([signal.SIGINT, signal.SIGQUIT]))
            time.sleep(self.rng.uniform(0.1, 1.5))
            self.database.start()

    def _drivers(self) -> list[subprocess.Popen[bytes]]:
        return [] if self._driver is None or self._driver.poll() is not None else [self._driver]

    def _busy(self, of: list[subprocess.Popen[bytes]], frozen: list[Any]) -> list[subprocess.Popen[bytes]]:
        """Return those that hold a part of the run, and so have something to lose."""
        held = {each.pid for each in shared_standing(RunUrl.parse(self.url)).workers if each.chunks}
        return [each for each in of if each.pid in held and each not in [other for _, other in frozen]]

    def _wait_for_work(self) -> None:
        """Harm what works: a worker that has not begun has nothing to lose."""
        while sum(each.ended for each in shared_standing(RunUrl.parse(self.url)).workers) < self.cases * 0.02:
            time.sleep(0.05)

    def _is_done(self) -> bool:
        with open_run(RunUrl.parse(self.url)) as view:
            return view.count().is_complete

    def close(self) -> None:
        for each in self._all:
            with suppress(ProcessLookupError):
                each.send_signal(signal.SIGCONT)
                each.kill()
            each.wait()

    def verdict(self, before: dict[str, Any]) -> dict[str, Any]:
        """Return what became of the cases, and how many evaluations were paid twice, and counted as such."""
        with open_run(RunUrl.parse(self.url)) as view:
            outcomes = [record.outcome for record in view.records()]
            count = view.count()
        after = killing.statistics(self.server)
        ambiguous = sum(_is_ambiguous(each) for each in outcomes)
        return {
            "cases": self.cases,
            "lost": self.cases - len({each.index for each in outcomes}),
            "twice": len(outcomes) - len({each.index for each in outcomes}),
            "unscored": sum(each.status != "scored" for each in outcomes) - ambiguous,
            "wrong": sum(each.status == "scored" and each.passed != (each.index % 3 == 0) for each in outcomes),
            "ambiguous": ambiguous,
            "counted": count.possible_duplicates,
            "made": after["evaluations_made"] - before["evaluations_made"],
            "paid twice": after["duplicates"] - before["duplicates"],
            "not done": self.left_out,
        }


def _is_ambiguous(outcome: Outcome) -> bool:
    return type(outcome.error).__name__ == "AmbiguousError"


def through(order: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict of an ordeal with a store and a server of its own."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        database = PostgresServer(directory)
        database.start()
        server, url = killing.serve("--port", "0", "--latency", LATENCY)
        ordeal = Ordeal(database.url(), url, database=database, **order)
        try:
            before = killing.statistics(url)
            (ordeal.start_driver if ordeal.driven else ordeal.load)()
            ordeal.endure()
            return ordeal.verdict(before)
        finally:
            ordeal.close()
            server.kill()
            server.communicate()
            database.stop()


if __name__ == "__main__":
    json.dump(through(json.loads(sys.argv[1])), sys.stdout, indent=2)
