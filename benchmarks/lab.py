"""Starts clients, each in a process of its own beside a fresh server, and takes medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import environment
import server

_HERE = Path(__file__).parent
_LONGEST = 600  # seconds that one client may take

Measured = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """One task of one client, and what the server is like meanwhile.

    Attributes:
        script: The client; "official.py" runs where the official SDK is.
        task: What it does.
        order: The task's arguments.
        switches: The server's.
        inspect: Adds to what was measured what the server, still running, knows of it.
        meanwhile: Watches the server, or changes it, until the event is set, and adds what it saw.
    """

    script: str
    task: str
    order: Mapping[str, Any]
    switches: Mapping[str, Any] = field(default_factory=dict)
    inspect: Callable[[server.Server, Measured], Measured] = lambda *_: {}
    meanwhile: Callable[[server.Server, threading.Event], Measured] = lambda *_: {}

    def measure(self, python: str) -> Measured:
        """Run the task against a fresh server, and return what was measured and what the server counted."""
        with server.running(**self.switches) as running, ThreadPoolExecutor(1) as beside:
            ended = threading.Event()
            seen = beside.submit(self.meanwhile, running, ended)
            try:
                measured = self._run(python, running)
            finally:
                ended.set()
            watched = seen.result()  # first: a server that was stopped is there again
            measured |= {"server": running.statistics()} | watched
            return measured | self.inspect(running, measured)

    def _run(self, python: str, running: server.Server) -> Measured:
        reply = subprocess.run(
            [python, str(_HERE / self.script), json.dumps({"task": self.task, "url": running.url, **self.order})],
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LONGEST,
            check=True,
            env=environment.clean(),
        )
        measured: Measured = json.loads(reply.stdout.splitlines()[-1])
        return measured


@dataclass(frozen=True)
class Results:
    """What each client measured in each of its runs; no runs if it was left out."""

    runs: Mapping[str, Sequence[Measured]]

    def median(self, who: str, figure: str | Callable[[Measured], float]) -> float | None:
        """Return the median of one figure, by its name or from all that was measured; None if it was not."""
        figures = self.every(who, figure)
        known = [each for each in figures if each is not None]
        return statistics.median(known) if known else None

    def every(self, who: str, figure: str | Callable[[Measured], Any]) -> list[Any]:
        """Return one figure of each run."""
        return [figure(run) if callable(figure) else run[figure] for run in self.runs[who]]


@dataclass(frozen=True)
class Lab:
    """How thoroughly to measure, and with which Pythons.

    Attributes:
        quick: Once, and less of it.
        official: A Python with the official SDK; None leaves its rows out.
        other: The `src` directory of another checkout, which the time of the import is held against.
        raw: Everything measured, by row and client, in the order it was measured.
    """

    quick: bool
    official: str | None
    other: str | None = None
    raw: dict[str, Sequence[Measured]] = field(default_factory=dict)

    def scaled(self, full: int, quick: int) -> int:
        """Return the size for this kind of run."""
        return quick if self.quick else full

    def in_turn(self, row: str, clients: Mapping[str, Client], repeats: int = 3) -> Results:
        """Measure each, then each again, so that a noisy minute of the machine meets all of them."""
        return self._measured(row, clients, repeats, at_once=1)

    def at_once(self, row: str, clients: Mapping[str, Client], repeats: int = 3, most: int | None = None) -> Results:
        """Measure all, or so many, at the same time: what hardly loads the machine, or where time is not measured."""
        return self._measured(row, clients, repeats, at_once=most or repeats * len(clients))

    def _measured(self, row: str, clients: Mapping[str, Client], repeats: int, *, at_once: int) -> Results:
        turns = [
            (who, client, python)
            for _ in range(1 if self.quick else repeats)
            for who, client in clients.items()
            if (python := self._python(client)) is not None
        ]
        with ThreadPoolExecutor(at_once) as threads:
            done = list(threads.map(lambda turn: (turn[0], turn[1].measure(turn[2])), turns))
        results = Results({who: [measured for each, measured in done if each == who] for who in clients})
        self.raw.update({f"{row}: {who}": runs for who, runs in results.runs.items()})
        return results

    def _python(self, client: Client) -> str | None:
        return self.official if client.script == "official.py" else sys.executable
