"""Evaluators of the user's own and judges, one task each; see harness."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
from harness import Meter, main

import own_functions
from fi_async import AsyncEvaluator, Criteria, Judge

_TICK = 0.001
_CRITERIA = Criteria("calm", "Does {{output}} stay calm?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})


def here(url: str, count: int) -> dict[str, Any]:  # noqa: ARG001  # every task is given a server
    """Evaluate by a function template that is computed here."""
    return asyncio.run(_here(count))


async def _here(count: int) -> dict[str, Any]:
    cases = [{"text": f'{{"number": {number}}}' if number % 2 else f"case {number}"} for number in range(count)]
    async with AsyncEvaluator(backends=["local"]) as evaluator:
        await evaluator.gather(cases[:10], "is_json")
        meter = Meter()
        report = await evaluator.gather(cases, "is_json")
        return {**meter.read(count), "scored": len(report.results)}


def processes(url: str, count: int) -> dict[str, Any]:  # noqa: ARG001  # as above
    """Evaluate by a function that keeps a processor busy: in a process of its own, then in two."""
    return asyncio.run(_processes(count))


async def _processes(count: int) -> dict[str, Any]:
    walls = {}
    for name, function in (("one", own_functions.in_one), ("two", own_functions.in_two)):
        cases = [{"rounds": 30_000 + number} for number in range(count)]
        async with AsyncEvaluator(backends=["local"]) as evaluator:
            began = 0.0

            def first(outcome: Any) -> None:  # noqa: ARG001  # what comes before are processes that start
                nonlocal began
                began = began or time.perf_counter()

            scored = 0
            async with evaluator.stream(cases, function) as run:
                async for outcome in run:
                    first(outcome)
                    scored += outcome.result is not None
            walls[name] = time.perf_counter() - began
        if scored != count:
            raise RuntimeError(f"{scored} of {count} were scored")
    bare = _bare_wall(count, 1) / _bare_wall(count, 2)
    return {"one_s": walls["one"], "two_s": walls["two"], "gain": walls["one"] / walls["two"], "bare_gain": bare}


def _bare_wall(count: int, processes: int) -> float:
    """Return the seconds of the same work in so many processes that do nothing else: what this machine has to give."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(own_functions.busy, [1000] * processes * 4))  # they have started
        began = time.perf_counter()
        list(pool.map(own_functions.busy, [30_000 + number for number in range(count)], chunksize=25))
        return time.perf_counter() - began


def stalls(url: str, count: int, which: str) -> dict[str, Any]:  # noqa: ARG001  # as above
    """Evaluate by functions that take long, and measure how late the event loop is meanwhile."""
    return asyncio.run(_stalls(count, which))


async def _stalls(count: int, which: str) -> dict[str, Any]:
    text = "The quick brown fox jumps over the lazy dog. " * 45  # 2 kB
    by_name: dict[str, Any] = {
        "levenshtein": ("levenshtein_similarity", [{"output": text + str(n), "expected": text} for n in range(count)]),
        "own": (own_functions.in_thread, [{"rounds": 20_000 + n} for n in range(count)]),
    }
    template, cases = by_name[which]
    async with AsyncEvaluator(backends=["local"]) as evaluator:
        await evaluator.gather(cases[:4], template)
        with _watched() as seen:
            began = time.perf_counter()
            report = await evaluator.gather(cases, template)
            wall = time.perf_counter() - began
    late = sorted(seen)
    return {
        "wall_s": wall,
        "scored": len(report.results),
        "longest_ms": 1000 * late[-1],
        "p99_ms": 1000 * late[int(0.99 * len(late))],
    }


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Yield by how much the loop was late, tick by tick."""
    loop, late = asyncio.get_running_loop(), [0.0]
    due = loop.time() + _TICK

    def tick() -> None:
        nonlocal due, timer
        late.append(loop.time() - due)
        due = loop.time() + _TICK
        timer = loop.call_at(due, tick)

    timer = loop.call_at(due, tick)
    try:
        yield late
    finally:
        timer.cancel()


def judge(url: str, count: int, concurrency: int, transport: str) -> dict[str, Any]:
    """Have a judge give a verdict on each case."""
    if transport == "httpx":
        sys.modules["aiohttp"] = None  # type: ignore[assignment]  # Python's spelling of "not installed"
    return asyncio.run(_judge(url, count, concurrency))


async def _judge(url: str, count: int, concurrency: int) -> dict[str, Any]:
    cases = [{"output": f"Answer {number}: stay, please."} for number in range(count)]
    mine = Judge("m", base_url=f"{url}/v1", api_key="benchmark", concurrency=concurrency)
    async with AsyncEvaluator(backends=[mine]) as evaluator:
        await evaluator.gather(cases[:concurrency], _CRITERIA)
        meter = Meter()
        report = await evaluator.gather(cases, _CRITERIA)
        return {**meter.read(count), "scored": len(report.results)}


def bare(url: str, count: int, concurrency: int) -> dict[str, Any]:
    """Ask for the same by hand over httpx, and read the JSON of each reply and of the verdict in it."""
    return asyncio.run(_bare(url, count, concurrency))


async def _bare(url: str, count: int, concurrency: int) -> dict[str, Any]:
    labels = list(_CRITERIA.choices)
    properties = {"reason": {"type": "string"}, "result": {"type": "string", "enum": labels}}
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    about = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    clients = [
        httpx.AsyncClient(headers={"Authorization": "Bearer benchmark"}, trust_env=False, verify=False)
        for _ in range(concurrency)
    ]

    async def worker(client: httpx.AsyncClient, given: Iterator[int]) -> None:
        for number in given:
            said = f"Does this stay calm?\nAnswer {number}: stay, please."
            messages = [{"role": "system", "content": "You judge." * 60}, {"role": "user", "content": said}]
            body = {"model": "m", "messages": messages, "response_format": about}
            reply = await client.post(f"{url}/v1/chat/completions", json=body)
            found = json.loads(reply.raise_for_status().content)
            json.loads(found["choices"][0]["message"]["content"])

    async def run(number: int) -> None:
        given = iter(range(number))
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(worker(client, given))

    await run(concurrency)
    meter = Meter()
    await run(count)
    measured = meter.read(count)
    for client in clients:
        await client.aclose()
    return measured


if __name__ == "__main__":
    main({"here": here, "processes": processes, "stalls": stalls, "judge": judge, "bare": bare})
