from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import anyio

from clock import wall_clock
from fi_async import AsyncEvaluator
from fi_async.local import LocalBackend, Switches

GROUNDED = {
    "output": "The Eiffel Tower is in Paris.",
    "context": "The Eiffel Tower stands in Paris.",
    "input": "Where is it?",
}


def backend(**switches: Any) -> LocalBackend:
    """Return an embedded backend on the loop's virtual clock."""
    return LocalBackend(Switches(**switches), clock=wall_clock, sleep=anyio.sleep)


def client(app: Any, **options: Any) -> AsyncEvaluator:
    """Return a client of it whose jitter is always the same."""
    evaluator = AsyncEvaluator.local(app, **options)
    evaluator._session.rng = random.Random(7)
    if evaluator._session.budget is not None:
        evaluator._session.budget.wall_clock = wall_clock
    return evaluator


def texts(count: int, *, hit: Callable[[int], bool] = lambda index: index % 3 == 0) -> list[dict[str, str]]:
    """Return cases for `contains` with keyword "needle", of which those that `hit` names contain it."""
    return [{"text": f"case {index} {'needle' if hit(index) else 'straw'}"} for index in range(count)]


NEEDLE = {"keyword": "needle"}
