"""The client processes of fi_async, one task each; see harness."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cookbook import evaluate_in_parallel, scored
from harness import KEYS, Growth, Meter, main, wait_for_window
from workload import asked, cases


def gather(url: str, count: int, template: str, transport: str = "aiohttp", **options: Any) -> dict[str, Any]:
    """Evaluate all cases by `AsyncEvaluator.gather`, over connections that a warm-up has opened."""
    if transport == "httpx":
        sys.modules["aiohttp"] = None  # type: ignore[assignment]  # Python's spelling of "not installed"
    return asyncio.run(_gather(url, count, template, transport, **options))


async def _gather(
    url: str,
    count: int,
    template: str,
    transport: str,
    *,
    warm_up: bool = True,
    window: float = 0.0,
    into: float = 0.0,
    limits: list[list[Any]] | None = None,
    outcomes: bool = False,
    **options: Any,
) -> dict[str, Any]:
    from fi_async import AsyncEvaluator, Limit  # noqa: PLC0415  # after the transport is chosen

    if limits:
        options["limits"] = [Limit(*each) for each in limits]
    async with AsyncEvaluator(fi_base_url=url, **KEYS, **options) as evaluator:
        if warm_up:
            await evaluator.gather(cases(template, options["concurrency"]), **asked(template))
        wait_for_window(window, into)
        meter = Meter()
        report = await evaluator.gather(list(cases(template, count)), **asked(template))
        measured: dict[str, Any] = meter.read(count)
        measured |= _transport(evaluator, transport)
    measured["summary"] = report.summary()
    measured["scored"] = len(report.results)
    if outcomes:
        measured["outcomes"] = [_plain(each) for each in report.outcomes]
    return measured


def _plain(outcome: Any) -> dict[str, Any]:
    told = {name: getattr(outcome, name) for name in ("index", "status", "passed", "eval_id", "latency_s")}
    return {**told, "runtime_ms": outcome.result and outcome.result.runtime}


def halves(url: str, count: int, template: str, **order: Any) -> dict[str, Any]:
    """Evaluate half of the cases in each of two processes, which share one budget of requests."""
    with tempfile.TemporaryDirectory() as home:
        half = partial(gather, url, count // 2, template, shared_budget=str(Path(home) / "budget"), **order)
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
            both = [each.result() for each in [processes.submit(half), processes.submit(half)]]
    return {"wall_s": max(each["wall_s"] for each in both), "scored": sum(each["scored"] for each in both)}


def _transport(evaluator: Any, expected: str) -> dict[str, Any]:
    """Return what really moved the bytes, or fail: a row must not be of another transport than it says."""
    used = evaluator._session.transport._pool.carrier
    kind = type(used).__name__
    if kind != {"httpx": "Connections", "aiohttp": "AiohttpConnections"}[expected]:
        raise RuntimeError(f"asked for {expected}, and {kind} was used")
    return {"transport": kind, "connections": len(used._free) + len(used._busy) if expected == "httpx" else None}


def after_queueing(url: str, count: int, template: str, strategy: str) -> dict[str, Any]:
    """Evaluate all cases twice by one client: accepted at once, so that they queue up, then by this strategy.

    What is measured is the second time.
    """
    return asyncio.run(_after_queueing(url, count, template, strategy))


async def _after_queueing(url: str, count: int, template: str, strategy: str) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as in _gather

    async with AsyncEvaluator(fi_base_url=url, **KEYS) as evaluator:
        if strategy != "sync":
            await evaluator.gather(cases(template, count), **asked(template), strategy="async")
        meter = Meter()
        report = await evaluator.gather(cases(template, count), **asked(template), strategy=strategy)
        return meter.read(count) | {"scored": len(report.results), "requests": report.counts.requests}


def stream(url: str, count: int, first: int, concurrency: int) -> dict[str, Any]:
    """Take outcomes from `AsyncEvaluator.stream` over a generator, and keep none."""
    return asyncio.run(_stream(url, count, first, concurrency))


async def _stream(url: str, count: int, first: int, concurrency: int) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as in _gather

    growth, meter = Growth(first), Meter()
    async with AsyncEvaluator(fi_base_url=url, concurrency=concurrency, **KEYS) as evaluator:
        async for _ in evaluator.stream(cases("contains", count), **asked("contains")):
            growth.one_done()
    return growth.read() | meter.read(count)


def kept(url: str, count: int, concurrency: int, *, run: bool) -> dict[str, Any]:
    """Take outcomes from `AsyncEvaluator.stream`, with a file that keeps them or without."""
    return asyncio.run(_kept(url, count, concurrency, run=run))


async def _kept(url: str, count: int, concurrency: int, *, run: bool) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as in _gather

    options = {"strategy": "sync", "concurrency": concurrency, "rows": 1, **KEYS}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "run.db") if run else None
        async with AsyncEvaluator(fi_base_url=url, **options) as evaluator:
            await evaluator.gather(cases("contains", concurrency), **asked("contains"))
            meter, seen = Meter(), 0
            async for outcome in evaluator.stream(cases("contains", count), **asked("contains"), run=file):
                seen += outcome.passed is not None
            return meter.read(count) | {"scored": seen}


def written(url: str, count: int, at_once: int) -> dict[str, Any]:  # noqa: ARG001  # it asks no server
    """Put cases and their outcomes into a run's file, as many at once as a run's requests would."""
    return asyncio.run(_written(count, at_once))


async def _written(count: int, at_once: int) -> dict[str, Any]:
    from fi_async.journal.records import RunInfo  # noqa: PLC0415  # as in _gather
    from fi_async.journal.schema import EventKind  # noqa: PLC0415  # as in _gather
    from fi_async.journal.writer import CaseRow, Journal  # noqa: PLC0415  # as in _gather

    body = json.dumps({"status": "scored", "result": {"name": "contains", "output": "Passed", "reason": "x" * 100}})
    with tempfile.TemporaryDirectory() as scratch:
        info = RunInfo("run", ("contains",), None, "local", "local", started_at=0.0)
        meter = Meter()
        async with Journal(Path(scratch, "run.db"), info) as journal:
            for first in range(0, count, at_once):
                rows = [
                    CaseRow(f"{n:024x}", "contains", n, None, '{"text":"a"}') for n in range(first, first + at_once)
                ]
                numbered = await journal.admit(rows)
                for kind, text in ((EventKind.INTENT, None), (EventKind.ENDED, body)):
                    for each in numbered:
                        journal.write(each.n, kind, text)
                    await journal.flush()
        measured = meter.read(count)
    return measured | {"outcomes_s": count / measured["wall_s"]}


def parallel(url: str, count: int, workers: int) -> dict[str, Any]:
    """Run the cookbook's block with its import line changed."""
    from fi_async import Evaluator  # noqa: PLC0415  # as in _gather

    meter = Meter()
    results = evaluate_in_parallel(Evaluator(fi_base_url=url, **KEYS), count, workers)
    return meter.read(count) | {"scored": scored(results)}


if __name__ == "__main__":
    tasks = {
        "after_queueing": after_queueing,
        "gather": gather,
        "halves": halves,
        "kept": kept,
        "parallel": parallel,
        "stream": stream,
    }
    main({**tasks, "written": written})
