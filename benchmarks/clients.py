"""The client processes of fi_async, one task each; see harness."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from cookbook import evaluate_in_parallel, scored
from harness import KEYS, Growth, Meter, main
from workload import asked, cases


def gather(url: str, count: int, template: str, transport: str = "aiohttp", **options: Any) -> dict[str, Any]:
    """Evaluate all cases by `AsyncEvaluator.gather`, over connections that a warm-up has opened."""
    if transport == "httpx":
        sys.modules["httpx_aiohttp"] = None  # type: ignore[assignment]  # Python's spelling of "not installed"
    return asyncio.run(_gather(url, count, template, transport, **options))


async def _gather(
    url: str,
    count: int,
    template: str,
    transport: str,
    *,
    warm_up: bool = True,
    outcomes: bool = False,
    **options: Any,
) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # after the transport is chosen

    async with AsyncEvaluator(fi_base_url=url, **KEYS, **options) as evaluator:
        if warm_up:
            await evaluator.gather(cases(template, options["concurrency"]), **asked(template))
        meter = Meter()
        report = await evaluator.gather(list(cases(template, count)), **asked(template))
        measured: dict[str, Any] = meter.read(count)
        measured |= _transport(evaluator, transport)
    measured["summary"] = report.summary()
    if outcomes:
        measured["outcomes"] = [
            {"index": each.index, "status": each.status, "passed": each.passed, "eval_id": each.eval_id}
            for each in report.outcomes
        ]
    return measured


def _transport(evaluator: Any, expected: str) -> dict[str, Any]:
    """Return what really moved the bytes, or fail: a row must not be of another transport than it says."""
    used = evaluator._session.transport._client._transport
    kind = type(used).__name__
    if kind != {"httpx": "SlotTransport", "aiohttp": "AiohttpTransport"}[expected]:
        raise RuntimeError(f"asked for {expected}, and {kind} was used")
    return {"transport": kind, "connections": len(used._all) if expected == "httpx" else None}


def stream(url: str, count: int, first: int, concurrency: int) -> dict[str, Any]:
    """Take outcomes from `AsyncEvaluator.stream` over a generator, and keep none."""
    return asyncio.run(_stream(url, count, first, concurrency))


async def _stream(url: str, count: int, first: int, concurrency: int) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as above

    growth, meter = Growth(first), Meter()
    async with AsyncEvaluator(fi_base_url=url, concurrency=concurrency, **KEYS) as evaluator:
        async for _ in evaluator.stream(cases("contains", count), **asked("contains")):
            growth.one_done()
    return growth.read() | meter.read(count)


def parallel(url: str, count: int, workers: int) -> dict[str, Any]:
    """Run the cookbook's block with its import line changed."""
    from fi_async import Evaluator  # noqa: PLC0415  # as above

    meter = Meter()
    results = evaluate_in_parallel(Evaluator(fi_base_url=url, **KEYS), count, workers)
    return meter.read(count) | {"scored": scored(results)}


if __name__ == "__main__":
    main({"gather": gather, "stream": stream, "parallel": parallel})
