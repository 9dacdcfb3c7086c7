"""Backends in process, on a clock of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from fi_async.local import LocalBackend, Switches
from local.api import Api, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., Api]]:
    """Returns what starts a backend with these switches."""
    with ExitStack() as stack:

        def starter(store: Any = None, **switches: Any) -> Api:
            backend = LocalBackend(Switches(**switches), store=store, clock=clock, sleep=clock.sleep)
            stack.enter_context(closing(backend))
            return Api(backend, clock)

        yield starter


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    return start()
