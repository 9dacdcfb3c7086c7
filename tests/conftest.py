from __future__ import annotations

import os
import signal
import socket

import pytest
from hypothesis import settings

import homes
from clock import VirtualClockLoop
from postgres_server import postgres_server, postgres_url  # noqa: F401  # fixtures

# Before anything is imported that may look for the user's files.
_REAL_HOME = homes.move()
_BEFORE = homes.snapshot(_REAL_HOME)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if a test has left something in the developer's home."""
    if hasattr(session.config, "workerinput"):
        return
    if changed := homes.changes(_BEFORE, homes.snapshot(_REAL_HOME)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line(f"\ntests have changed the home of the developer: {', '.join(changed)}", red=True)


# In CI a run is judged by the change it tests, not by what a new draw happens to find; elsewhere each run draws anew.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

_real_connect = socket.socket.connect


def _fenced(self: socket.socket, address: object) -> None:
    """Refuse to leave this machine: a test that tries is a bug, or a leak of somebody's keys."""
    host = address[0] if isinstance(address, tuple) else "127.0.0.1"
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"a test tried to connect to {host}")
    _real_connect(self, address)


@pytest.fixture(autouse=True)
def _fence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _fenced)
    for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run async tests on virtual time; tests/wire/ overrides this with real time."""
    return "asyncio", {"loop_factory": VirtualClockLoop}
