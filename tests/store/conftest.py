from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run on real time: databases do not know of ours."""
    return "asyncio"


@pytest.fixture
def run_url(postgres_url):
    """The URL of a run that is not there yet."""
    return f"{postgres_url}/nightly"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of this machine's own environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
