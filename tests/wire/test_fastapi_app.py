"""The example behind uvicorn in a process of its own, asked over a real socket, and stopped with work in its queue."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")
pytest.importorskip("uvicorn")

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTIONS = ["How long does delivery take?", "When is my refund paid?", "<b>When</b> are you open?"]


@contextmanager
def served(directory):
    """Serve the application on a free port, and stop it as a supervisor does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "ANSWERS_DIRECTORY": str(directory)}
    with subprocess.Popen(command, cwd=EXAMPLES, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
                _wait_for(browser)
                yield browser
            process.send_signal(signal.SIGTERM)
            assert process.stderr.read() == ""
            assert process.wait(30) in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
        finally:
            process.kill()


def _wait_for(browser):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return browser.get("/health").raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.02)
    raise TimeoutError("the application did not begin")


def test_answers_are_scored_behind_the_handler_and_shown(tmp_path):
    with served(tmp_path) as browser:
        for question in QUESTIONS:
            began = time.monotonic()
            answer = browser.post("/ask", json={"question": question}).raise_for_status().json()
            assert answer["is_scored"] is True
            assert time.monotonic() - began < 0.2  # what a score takes at least
        # Left with three in its queue: they are scored before it ends.
    with served(tmp_path) as browser:
        page = browser.get("/").raise_for_status().text
        assert page.count("not yet") == 0
        assert page.count("<td>1.00</td>") == 2
        assert page.count("<td>0.00</td>") == 1
        assert "<td>&lt;b&gt;When&lt;/b&gt; are you open?</td>" in page
        assert browser.get("/health").json()["offered"] == 0
