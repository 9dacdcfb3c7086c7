from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clock import wall_clock
from embedded import client
from fi_async import AsyncEvaluator
from fi_async.journal.view import RunView, open_view


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.fixture
def evaluator():
    """Return clients on the virtual clock, whose files say virtual times."""

    def make(app: Any, **options: Any) -> AsyncEvaluator:
        made = client(app, **{"strategy": "sync", "concurrency": 16, **options})
        made._session.wall_clock = wall_clock
        return made

    return make


@pytest.fixture
def stories(path: Path):
    """Return what the file tells of each case, by its position: an outcome's status, or how far it came."""

    def read() -> list[str]:
        with open_view(path) as view:
            return [_standing(view, n) for n in range(1, view.past.count + 1)]

    def _standing(view: RunView, n: int) -> str:
        if view.past.has_ended(n):
            return next(r.outcome.status.value for m, r in view._of_cases() if m == n)
        story = view.past.story(n)
        return "open" if story.is_open else "accepted" if story.eval_id else "fresh"

    return read
