"""Servers and programs in processes of their own, for tests that end them as a power cut would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from fi_async import JournalError
from fi_async.journal.view import open_view

direct = build_opener(ProxyHandler({}))


def serve(*flags: str) -> tuple[subprocess.Popen[str], str]:
    words = [sys.executable, "-m", "fi_async", "serve", *flags]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    line = ""
    while "http://" not in line:
        line = process.stdout.readline()
        assert line, "the server did not start"
    return process, "http://" + line.split("http://")[1].split()[0].rstrip("/.,")


def statistics(url: str, what: str = "statistics") -> dict[str, Any]:
    with direct.open(f"{url}/_local/{what}", timeout=10) as reply:
        return dict(json.load(reply))


def keep(script: Path, order: dict[str, Any]) -> subprocess.Popen[str]:
    words = [sys.executable, str(script), json.dumps(order)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return dict(json.loads(out.splitlines()[-1]))


def killed(process: subprocess.Popen[str], seconds: float) -> None:
    """Let it run so long from its beginning, then end it as a power cut would."""
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def in_flight(path: str) -> int:
    try:
        with open_view(path) as view:
            return view.count().ambiguous
    except JournalError:  # killed before there was a run
        return 0
