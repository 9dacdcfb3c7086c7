"""A web application that offers a case in each request, with a crowd that asks it, as a client process; see harness."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvicorn
from harness import KEYS, main
from workload import asked, cases

_VISITORS = 32
_REQUEST = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n"


class _App:
    """Answers every request at once, and offers the next case behind it."""

    def __init__(self, queue: Any, count: int) -> None:
        self.queue = queue
        self.cases = cases("contains", count)
        self.took_us: list[float] = []

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        case = next(self.cases)
        began = time.perf_counter()
        self.queue.offer(case)
        self.took_us.append(1e6 * (time.perf_counter() - began))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def offers(url: str, count: int, max_queue: int, drain: float, *, spool: bool) -> dict[str, Any]:
    """Ask a running application `count` times, leave it, and begin it anew if it has a spool."""
    with tempfile.TemporaryDirectory() as directory:
        options = {"max_queue": max_queue, "drain": drain, "spool": Path(directory, "spool") if spool else None}
        return asyncio.run(_offers(url, count, options))


async def _offers(url: str, count: int, options: dict[str, Any]) -> dict[str, Any]:
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as in clients.py

    taken = []

    async def sink(outcome: Any) -> None:
        taken.append(outcome.case.offer_id)

    async with AsyncEvaluator(fi_base_url=url, concurrency=32, **KEYS) as ev:
        asking = {**asked("contains"), **options, "sink": sink}
        async with ev.background(**asking) as queue:
            app = _App(queue, count)
            await _visited(app, count)
        first = queue.statistics()
        missing = count - first.dropped - first.done - first.kept
        if options["spool"]:
            async with ev.background(**{**asking, "drain": 120.0}) as again:
                pass
            missing = count - first.dropped - len(set(taken)) + again.statistics().kept
    return {
        "offer_us": statistics.median(app.took_us),
        "offer_p99_us": statistics.quantiles(app.took_us, n=100)[98],
        "dropped": first.dropped,
        "done": first.done,
        "kept": first.kept,
        "missing": missing,
    }


async def _visited(app: _App, count: int) -> None:
    """Serve the application until all visitors have had all their answers."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", ws="none", log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    await asyncio.gather(*(_visitor(port, count // _VISITORS) for _ in range(_VISITORS)))
    server.should_exit = True
    await serving


async def _visitor(port: int, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(_REQUEST)
        await reader.readuntil(b"ok")
    writer.close()


if __name__ == "__main__":
    main({"offers": offers})
