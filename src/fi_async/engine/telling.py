"""What a run tells whoever listens: when it begins and ends, how it stands, and each outcome."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import anyio

from fi_async._events import CaseEnded, RunBegun, RunEnded, RunStands, emit, wants
from fi_async._models import Outcome
from fi_async.engine.attempts import Context
from fi_async.engine.lanes import RunLanes

_SELDOM: Final = 1.0  # seconds from one telling of how a run stands to the next, at least


class Teller:
    """Tells of one run, where anybody listens; for nobody it costs next to nothing.

    Args:
        lanes: The run's.
    """

    def __init__(self, lanes: RunLanes) -> None:
        self._lanes = lanes
        self._context: Context = lanes.first.context
        self._due = 0.0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Tell when the run begins and, whatever ends it, when it has ended."""
        context, began, problem = self._context, anyio.current_time(), None
        if wants(context, RunBegun):
            emit(context, RunBegun(context.run, self._lanes.templates, self._lanes.cases))
        try:
            yield
        except BaseException as error:
            problem = type(error).__name__
            raise
        finally:
            if wants(context, RunEnded):
                emit(context, RunEnded(context.run, anyio.current_time() - began, problem))

    def stands(self, now: float) -> float:
        """Tell how the run stands, if that was not told just now; else return when it is to be told, or infinity."""
        if not wants(self._context, RunStands):
            return math.inf
        if now < self._due:
            return self._due
        self._due = now + _SELDOM
        found: dict[str, RunStands] = {}
        for each in (lane.stands(now) for lane in self._lanes):
            found[each.at] = _together(found[each.at], each) if each.at in found else each
        for each in found.values():
            emit(self._context, each)
        return math.inf

    def ended(self, item: Any) -> None:
        """Tell of an outcome that is handed out; of all else that a run hands out there is nothing to tell."""
        if isinstance(item, Outcome) and wants(self._context, CaseEnded):
            emit(self._context, CaseEnded(item.index, item.template, item.status, self._context.run, item))


def _together(one: RunStands, other: RunStands) -> RunStands:
    """Return how a run stands at two lanes, as one: functions have one each."""
    names = ("waiting", "under_way", "limit", "at_work")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})
