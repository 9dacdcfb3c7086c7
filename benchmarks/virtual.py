"""The embedded backend and a client of it on the tests' virtual clock: hours in seconds, the same in each run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clock import VirtualClockLoop
from embedded import backend, client

T = TypeVar("T")

__all__ = ["backend", "client", "run"]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, in an event loop whose time begins with a window of any length."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(work)
