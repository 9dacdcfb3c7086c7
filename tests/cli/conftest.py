from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import fi_async.client
from fi_async.cli import main
from fi_async.local import LocalBackend, Switches


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _at_a_plain_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for name in [name for name in os.environ if name.startswith("FI_ASYNC_")]:
        monkeypatch.delenv(name)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line of words, given as one text or several, and return what came of it."""

    def run(*words: str) -> Ended:
        capsys.readouterr()
        code = main([part for word in words for part in word.split()])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LocalBackend]:
    """Make the embedded backend of this test's runs one with these switches."""

    def make(**switches: Any) -> LocalBackend:
        app = LocalBackend(Switches(**switches))
        monkeypatch.setattr(fi_async.client, "embedded_backend", lambda: app)
        return app

    return make


@pytest.fixture
def jsonl() -> Callable[..., str]:
    """Write rows, as they are or as JSON, to a file here, and return its name."""

    def write(*rows: Any, name: str = "in.jsonl") -> str:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        Path(name).write_bytes(b"\n".join([*lines, b""]))
        return name

    return write


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put these bytes on stdin."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def lines() -> Callable[..., list[dict[str, Any]]]:
    """Return what a run wrote, by index and then template."""

    def read(name: str = "out.jsonl") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]
        return sorted(found, key=lambda line: (line["index"], line["template"]))

    return read
