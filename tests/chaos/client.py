"""The client of a round: evaluates its cases, and writes a line for each outcome that it is handed.

    python -m chaos.client '{"order": …, "url": …, "run": …, "lines": …, "last": …}'

It prints "begun". The last line that it writes is the summary. It exits with 0 at the end, with 3 if a typed error
stopped the run, with 130 after a SIGINT.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TextIO

import httpx

from fi_async import AsyncEvaluator, Counts, Evaluator, FiAsyncError, Outcome, RunFile, Timeout
from fi_async.reports.report import Report
from fi_async.wire import transport

from .orders import PARAMS, Order

KEYS = ("key-of-the-chaos", "secret-of-the-chaos")


def told(outcome: Outcome) -> dict[str, Any]:
    error, result = outcome.error, outcome.result
    return {
        "index": outcome.index,
        "template": outcome.template,
        "status": outcome.status.value,
        "output": None if result is None else result.output,
        "reason": None if result is None else result.reason,
        "error": None if error is None else type(error).__name__,
        "said": None if error is None else str(error),
        "eval_id": outcome.eval_id or (None if result is None else result.eval_id),
        "attempts": outcome.attempts,
        "ambiguous": outcome.ambiguous,
        "possible_duplicates": outcome.possible_duplicates,
        "origin": outcome.origin,
    }


class Lines:
    """Where the outcomes go; after the last line that it is to write, the process kills itself."""

    def __init__(self, file: TextIO, last: int | None) -> None:
        self._file, self._left = file, last

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def write_report(self, report: Report) -> None:
        for outcome in report.outcomes:
            self.write(told(outcome))
        self.write({"summary": report.summary()})


@contextlib.asynccontextmanager
async def evaluator(order: Order, url: str) -> AsyncIterator[AsyncEvaluator]:
    own = httpx.AsyncClient(trust_env=False) if order.transport == "client" else None
    async with AsyncEvaluator(*KEYS, url, http_client=own) as ev:
        yield ev
    if own is not None:
        await own.aclose()


async def stream(order: Order, url: str, keywords: dict[str, Any], lines: Lines) -> None:
    counts = Counts()
    outcomes = []
    async with evaluator(order, url) as ev:
        async for outcome in ev.stream(order.cases(), order.templates, counts=counts, **keywords):
            lines.write(told(outcome))
            outcomes.append(outcome)
    lines.write({"summary": Report(outcomes, 0.0, counts).summary()})


async def gather(order: Order, url: str, keywords: dict[str, Any]) -> Report:
    async with evaluator(order, url) as ev:
        return await ev.gather(order.cases(), order.templates, **keywords)


def run(order: Order, url: str, keywords: dict[str, Any], lines: Lines) -> None:
    if order.door == "stream":
        asyncio.run(stream(order, url, keywords, lines))
    elif order.door == "gather" or order.transport == "client":
        lines.write_report(asyncio.run(gather(order, url, keywords)))
    else:
        with Evaluator(*KEYS, url) as ev:
            lines.write_report(ev.gather(order.cases(), order.templates, **keywords))


def main(told: dict[str, Any]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's job was told to ignore it
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    order = Order(**told["order"])
    if order.transport == "httpx":
        transport.find_spec = lambda _: None  # as where aiohttp is not installed
    params = {name: PARAMS[name] for name in order.templates if name in PARAMS}
    keywords = {**order.options, "timeout": Timeout(**order.timeout), "run": told["run"] and RunFile(told["run"])}
    if params:
        keywords["eval_config"] = params if len(order.templates) > 1 else next(iter(params.values()))
    with Path(told["lines"]).open("w", encoding="utf-8") as file:
        lines = Lines(file, told["last"])
        try:
            sys.stdout.write("begun\n")
            sys.stdout.flush()
            run(order, told["url"], keywords, lines)
        except KeyboardInterrupt:
            return 130
        except FiAsyncError as error:
            lines.write({"stopped": f"{type(error).__name__}: {error}"})
            return 3
    return 0


if __name__ == "__main__":
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
    sys.exit(main(json.loads(sys.argv[1])))
