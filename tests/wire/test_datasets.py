"""Datasets over sockets: 503s, lost answers, resets in mid-upload, a kill; and another process that comes back."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from fi_async import AsyncEvaluator
from fi_async.local import Faults, LocalBackend, Switches
from fi_async.local.server import running
from killing import keep

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
NEEDLE = {"keyword": "needle"}
COUNT = 1_000
FAULTS = Faults(status={503: 0.05}, reset_before=0.03, reset_after=0.2)


@pytest.fixture
def app() -> LocalBackend:
    return LocalBackend(Switches(latency=0.2, faults=FAULTS, seed=32))


@pytest.fixture
def faulty(app: LocalBackend) -> Iterator[str]:
    with running(app) as url:
        yield url


def rows(count: int) -> list[dict[str, str]]:
    """The rows that the keeper sends."""
    return [
        {"id": f"q-{number}", "text": f"case {number}: {'needle' if number % 3 == 0 else 'straw'}"}
        for number in range(count)
    ]


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    while (line := process.stdout.readline().strip()) != word:
        assert line, process.communicate()


async def test_a_thousand_rows_survive_faults_and_two_kills_and_score_as_gather_does(faulty, app):
    order = {"url": faulty, "name": "thousand", "count": 700, "resume": False}
    first = keep(HERE / "dataset_keeper.py", order)
    until(first, "made")
    first.kill()
    first.communicate()
    second = keep(HERE / "dataset_keeper.py", {**order, "count": COUNT, "resume": True})
    until(second, "started")
    second.kill()
    second.communicate()
    async with AsyncEvaluator("key", "secret", faulty, max_retries=12) as ev:
        dataset = await ev.datasets.get("thousand")
        report = await (await dataset.attach())
        assert [each.rows for each in await ev.datasets.list("thousand")] == [COUNT]
    assert app.statistics()["evaluations_made"] == COUNT
    assert {"503", "reset_after"} <= set(app.statistics()["faults"])
    async with AsyncEvaluator.local() as ev:
        gathered = await ev.gather([{"text": row["text"]} for row in rows(COUNT)], "contains", eval_config=NEEDLE)
    assert [each.case.id for each in report.outcomes] == [row["id"] for row in rows(COUNT)]
    found = [(each.index, each.score, each.passed, each.result.reason) for each in report.outcomes]
    assert found == [(each.index, each.score, each.passed, each.result.reason) for each in gathered.outcomes]


async def test_resets_in_mid_upload_make_one_dataset(faulty, app, any_transport):
    """The connection breaks while the body is being sent: the server never has it whole."""
    app.switches = Switches()
    port = int(faulty.rpartition(":")[2])
    resets = 2

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal resets
        back: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST") and resets:
                resets -= 1
                await reader.read(50_000)
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return
            ahead, back = await asyncio.open_connection("127.0.0.1", port)
            # One request a connection: each POST is met by its first bytes.
            back.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await asyncio.gather(pump(reader, back), pump(ahead, writer))
        for each in (writer, back):
            if each is not None:
                each.close()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(65_536):
                writer.write(part)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    name = f"reset over {any_transport}"
    async with AsyncEvaluator("key", "secret", url, max_retries=12) as ev:
        with anyio.fail_after(60):
            dataset = await ev.datasets.create([{"text": "x" * 20_000} for _ in range(200)], name=name)
        assert (resets, await dataset.count()) == (0, 200)
        assert [each.rows for each in await ev.datasets.list(name)] == [200]
        await dataset.delete()
    server.close()
