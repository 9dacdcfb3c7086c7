"""The least a client can spend: the same request by hand over httpx, checked for nothing; see harness."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from harness import KEYS, Meter, main
from workload import asked, cases

Post = Callable[[dict[str, str]], Any]


def post(url: str, count: int, concurrency: int, template: str, transport: str) -> dict[str, Any]:
    return asyncio.run(_post(url, count, concurrency, template, transport))


async def _post(url: str, count: int, concurrency: int, template: str, transport: str) -> dict[str, Any]:
    headers = {"X-Api-Key": KEYS["fi_api_key"], "X-Secret-Key": KEYS["fi_secret_key"]}
    clients = _clients(concurrency, transport, headers)

    async def run(number: int) -> None:
        given = cases(template, number)
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(_worker(client, f"{url}/sdk/api/v1/new-eval/", given, template))

    await run(concurrency)
    meter = Meter()
    await run(count)
    measured = meter.read(count)
    for client in set(clients):
        await client.aclose()
    return measured


def _clients(concurrency: int, transport: str, headers: dict[str, str]) -> list[httpx.AsyncClient]:
    """Return the client of each worker: httpx's own pool is slow with many connections, so each has its own."""
    if transport == "aiohttp":
        import httpx_aiohttp  # noqa: PLC0415  # an extra

        return [httpx_aiohttp.HttpxAiohttpClient(headers=headers, trust_env=False)] * concurrency
    return [httpx.AsyncClient(headers=headers, trust_env=False, verify=False) for _ in range(concurrency)]


async def _worker(client: httpx.AsyncClient, url: str, given: Iterator[dict[str, str]], template: str) -> None:
    question = asked(template)
    for inputs in given:
        body = {"eval_name": template, "inputs": inputs, "model": question["model_name"]}
        reply = await client.post(url, json=body)
        json.loads(reply.raise_for_status().content)


if __name__ == "__main__":
    main({"post": post})
