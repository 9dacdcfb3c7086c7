from __future__ import annotations

import importlib.util

import pytest

from fi_async.wire import transport


@pytest.fixture
def anyio_backend() -> str:
    """Run on real time: sockets do not know of ours."""
    return "asyncio"


@pytest.fixture(params=["slots", "aiohttp"])
def any_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test over plain httpx, then over httpx-aiohttp."""
    if request.param == "slots":
        monkeypatch.setattr(transport, "find_spec", lambda _: None)
    else:
        pytest.importorskip("httpx_aiohttp")
        assert importlib.util.find_spec("httpx_aiohttp")
    return str(request.param)
