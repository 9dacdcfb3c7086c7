"""Limits and servers that go away, over real sockets and both transports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from fi_async import AsyncEvaluator, Limit, Outcome
from fi_async.local import LocalBackend, Quota, Switches
from fi_async.local.server import running
from raw import CERTIFICATE, socket_server, tls_of_server

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("any_transport")]

KEYS = {"fi_api_key": "the-key", "fi_secret_key": "the-secret"}
HELD: dict[str, Any] = {"concurrency": 8, "strategy": "sync"}
NEEDLE = {"keyword": "needle"}
AWAY = 15.0  # seconds
SLOW = 0.4  # seconds that a connection takes to open
LIMIT = Limit(6, per=2.0)


def texts(count: int) -> list[dict[str, str]]:
    return [{"text": f"{number} needle"} for number in range(count)]


async def test_a_server_that_is_killed_and_started_again_costs_no_case(unused_port):
    backend = LocalBackend(Switches(latency=0.05))
    outcomes: list[Outcome] = []
    under_way, began = anyio.Event(), time.monotonic()
    with ExitStack() as first:
        url = first.enter_context(running(backend, unused_port))

        async def restarted() -> None:
            await under_way.wait()
            await anyio.to_thread.run_sync(first.close)
            await anyio.sleep(AWAY)
            first.enter_context(running(backend, unused_port))

        async with AsyncEvaluator(**KEYS, fi_base_url=url, **HELD) as ev, anyio.create_task_group() as tasks:
            tasks.start_soon(restarted)
            async for outcome in ev.stream(texts(250), "contains", eval_config=NEEDLE):
                outcomes.append(outcome)
                if len(outcomes) == 60:
                    under_way.set()
    assert len(outcomes) == sum(outcome.result is not None for outcome in outcomes) == 250
    assert time.monotonic() - began >= AWAY
    # Those that were cut off when it was killed are sent again: they used up an attempt. What never left used up none.
    assert sum(outcome.ambiguous for outcome in outcomes) <= HELD["concurrency"]
    assert all(outcome.possible_duplicates == outcome.ambiguous for outcome in outcomes)
    assert backend.statistics()["duplicates"] <= sum(outcome.possible_duplicates for outcome in outcomes)


@asynccontextmanager
async def slowly(url: str) -> AsyncIterator[str]:
    """Yield the URL of a way to a server whose connections take their time to open: the handshake of TLS does."""
    target = urlsplit(url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()  # what the client says belongs to the handshake
        await asyncio.sleep(SLOW)
        await writer.start_tls(tls_of_server())
        beyond, back = await asyncio.open_connection(target.hostname, target.port)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(pass_on(reader, back))
            ways.create_task(pass_on(beyond, writer))
        await back.wait_closed()

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ways.add(task)
        await answer(reader, writer)

    open_ways: set[asyncio.Task[Any]] = set()
    async with socket_server(noted) as way:
        yield way.replace("http:", "https:")
        await asyncio.wait(open_ways)  # the client has closed its connections


@pytest.mark.parametrize("before", [0.1, 0.3])
async def test_cold_connections_at_a_windows_boundary_are_not_over_the_limit(monkeypatch, before):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    backend = LocalBackend(Switches(requests=Quota(LIMIT.count, LIMIT.seconds)))
    with running(backend) as url:
        async with slowly(url) as way, AsyncEvaluator(**KEYS, fi_base_url=way, limits=[LIMIT], concurrency=12) as ev:
            await anyio.sleep((-before - time.time()) % LIMIT.seconds)
            report = await ev.gather(texts(18), "contains", eval_config=NEEDLE, rows=1)
    assert (report.coverage, report.summary()["requests"]) == (1.0, 18)
    assert backend.statistics()["refused_requests"] == 0
