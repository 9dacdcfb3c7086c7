"""Backends in process, on a clock of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from fi_async.local import ChatSwitches, LocalBackend, Switches
from local.api import Api, Clock
from local.chatting import Chat


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


@pytest.fixture
def chat(clock: Clock) -> Iterator[Callable[..., Chat]]:
    """Returns what starts a backend whose endpoint for judges has these switches."""
    with ExitStack() as stack:

        def starter(judge: Any = None, *, seed: int = 0, overhead: float = 0.0, **switches: Any) -> Chat:
            server = Switches(seed=seed, overhead=overhead, chat=ChatSwitches(**switches))
            backend = LocalBackend(server, judge=judge, clock=clock, sleep=clock.sleep)
            stack.enter_context(closing(backend))
            return Chat(backend, clock)

        yield starter
