"""A function asked about some cases, in a thread or in another process: what each came to, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fi_async._errors import EvaluationError, FunctionError
from fi_async.backends.functions import Finding, Function


class Answered(NamedTuple):
    """What became of one case: the verdict or the failure, and the seconds that it took."""

    verdict: Finding | EvaluationError
    seconds: float


@dataclass(slots=True)
class Headway:
    """How far a thread is with the cases that it was handed.

    Attributes:
        said: What became of those that are done.
        began: When the present one began, by `time.perf_counter`.
        seconds: What all of them took.
        on_processor: Seconds of these that they kept a processor busy.
        is_over: Set by whoever waits no longer: no further case is begun.
    """

    said: list[Answered] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    on_processor: float = 0.0
    is_over: bool = False


def compute(
    function: Function, cases: Sequence[Mapping[str, Any]], params: Mapping[str, Any], headway: Headway
) -> None:
    """Ask a function about some cases, one after the other, and note each answer: what a thread or a process does."""
    began, busy = time.perf_counter(), time.thread_time()
    for values in cases:
        if headway.is_over:
            return
        headway.began = time.perf_counter()
        verdict = _answer(function, values, params)
        headway.said.append(Answered(verdict, time.perf_counter() - headway.began))
    headway.seconds = time.perf_counter() - began
    headway.on_processor = time.thread_time() - busy


def _answer(function: Function, values: Mapping[str, Any], params: Mapping[str, Any]) -> Finding | EvaluationError:
    try:
        return function.verdict(function.call(values, params))
    except BaseException as error:  # noqa: BLE001  # sys.exit() in a check ends the check
        return function.failure(error)


async def awaited(
    function: Function, values: Mapping[str, Any], params: Mapping[str, Any]
) -> Finding | EvaluationError:
    """Return what a coroutine function says of one case, or what it came to."""
    try:
        return function.verdict(await function.call(values, params))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # its own failure, and no other case's
        return function.failure(error)


def late(function: Function, limit: float | None) -> FunctionError:
    """Return the failure of a case whose time is over."""
    return FunctionError(f"{function.template.name} did not return within {limit:g} s, the timeout of a case")
