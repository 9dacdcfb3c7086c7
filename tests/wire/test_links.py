"""The templates that ask the network, against a server of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import httpx
import pytest

from fi_async.local import LocalBackend, Switches, bounded

pytestmark = pytest.mark.anyio


class SiteServer(ThreadingHTTPServer):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.let_go = threading.Event()


class Site(BaseHTTPRequestHandler):
    """Has a page, an API that repeats what it was sent, and a place that never answers."""

    def do_HEAD(self) -> None:
        if self.path == "/never":
            assert isinstance(self.server, SiteServer)
            self.server.let_go.wait(20)
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = b'{"result": true, "reason": "It said %s"}' % sent.replace('"', "'").encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = SiteServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """What was asked before is asked again, and no process is left."""
    bounded._apart._known.clear()
    yield
    bounded._apart.close()


async def evaluated(name: str, params: dict[str, object] | None = None, **inputs: str) -> tuple[int, dict[str, object]]:
    transport = httpx.ASGITransport(LocalBackend(Switches(allow_network=True)))
    keys = {"X-Api-Key": "key", "X-Secret-Key": "secret"}
    async with httpx.AsyncClient(transport=transport, base_url="http://local", headers=keys) as client:
        body = {"eval_name": name, "inputs": inputs, "config": {"params": params or {}}}
        reply = await client.post("/sdk/api/v1/new-eval/", json=body)
    result = reply.json()
    return reply.status_code, result["result"][0]["evaluations"][0] if reply.status_code == 200 else result


async def test_links_and_apis_are_asked(site):
    status, found = await evaluated("contains_valid_link", text=f"see {site}/")
    assert (status, found["output"], found["reason"]) == (
        200,
        "Passed",
        f"Link {site}/ found and valid (status 200)",
    )
    _, found = await evaluated("no_invalid_links", text=f"{site}/ {site}/gone")
    assert (found["output"], found["reason"]) == ("Failed", f"Found invalid links: {site}/gone (status 404)")
    _, found = await evaluated("api_call", {"url": site, "payload": {"k": 1}}, response="yes")
    assert (found["output"], found["reason"]) == ("Passed", "It said {'k':1,'response':'yes'}")


async def test_who_never_answers_is_not_waited_for(site, monkeypatch):
    await evaluated("contains_valid_link", text=f"{site}/")  # the process is ready
    monkeypatch.setattr(bounded, "APART_LIMIT", 0.5)
    beats = []

    async def beat() -> None:
        while True:
            beats.append(time.perf_counter())
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        status, refused = await evaluated("contains_valid_link", text=f"{site}/never")
        group.cancel_scope.cancel()
    assert beats[-1] - beats[0] < 4
    assert len(beats) > 5  # the event loop goes on meanwhile
    assert (status, refused["detail"]) == (
        400,
        "Code eval input validation failed: Runtime error: took longer than 0.5 s",
    )
