from __future__ import annotations

import socket

import pytest

from fi_async.wire import transport


@pytest.fixture
def anyio_backend() -> str:
    """Run on real time: sockets do not know of ours."""
    return "asyncio"


@pytest.fixture(params=["httpx", "aiohttp"])
def any_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test over plain httpx (its httpcore), then over aiohttp."""
    if request.param == "httpx":
        monkeypatch.setattr(transport, "find_spec", lambda _: None)
    else:
        pytest.importorskip("aiohttp")
    return str(request.param)


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of this machine's own environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
