"""What is measured where: the machine, the package versions, and an environment with the official SDK."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import venv
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OFFICIAL = "ai-evaluation==1.1.0"
_SHOWN = ("fi-async", "httpx", "httpcore", "httpx-aiohttp", "aiohttp", "anyio", "sniffio", "pydantic", "uvicorn")


def clean() -> dict[str, str]:
    """Return this environment without proxies, and without key pairs and servers of the user's own."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("FI_") and "_proxy" not in name.lower()
    }


def official_python(given: str | None) -> str | None:
    """Return a Python that has the official SDK, installed in a cache directory if none is given.

    None if it cannot be had; why not is printed.
    """
    python = given or _cached()
    try:
        found = _ask(python, "from importlib.metadata import version; print(version('ai-evaluation'))")
        if given is None and f"ai-evaluation=={found}" != OFFICIAL:
            raise OSError(f"it has {found}")
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no {OFFICIAL} in {python} ({error}): the official SDK's rows are left out", file=sys.stderr)
        return None
    return python


def _cached() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "fi_async-benchmarks" / OFFICIAL.replace("==", "-")
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "complete").exists():
        print(f"installing {OFFICIAL} in {home}", file=sys.stderr)
        try:
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", OFFICIAL], check=True, timeout=600)
            (home / "complete").touch()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"that failed: {error}", file=sys.stderr)
    return str(python)


def described(official: str | None) -> list[str]:
    """Return when, where and with what this run was made, a line each."""
    ours = ", ".join(f"{name} {_version(name)}" for name in _SHOWN)
    theirs = "left out"
    if official is not None:
        asked = "from importlib.metadata import version as v; import platform as p; "
        asked += 'print(f\'ai-evaluation {v("ai-evaluation")}, requests {v("requests")}, Python {p.python_version()}\')'
        theirs = _ask(official, asked)
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, shared by server and clients",
        f"fi_async: {platform.python_implementation()} {platform.python_version()}, {ours}",
        f"Official SDK: {theirs}",
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _ask(python: str, code: str) -> str:
    reply = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=clean())
    return reply.stdout.strip()
