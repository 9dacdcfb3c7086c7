"""Where outcomes go: a function, or an object that takes them by the batch."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from fi_async._models import Outcome
from fi_async._threads import Worker
from fi_async._values import shown_inputs
from fi_async.background.offers import Offer

_BATCH: Final = 256  # outcomes that one write takes at most


@runtime_checkable
class Sink(Protocol):
    """Takes outcomes by the batch. Its methods are called one after the other, in a thread of the queue's own."""

    def open(self) -> None:
        """Get ready. What it raises ends the queue before it begins."""
        ...

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Store some outcomes, all or none; the `case` of each is its Offer."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


SinkLike = Sink | Callable[[Outcome], Any]


def record(outcome: Outcome, *, inputs: bool = False) -> dict[str, Any]:
    """Return an outcome as plain values; with the case's inputs only if they are asked for."""
    offer, result = outcome.case, outcome.result
    assert isinstance(offer, Offer)  # noqa: S101  # the queue hands out no other
    error = outcome.error
    return {
        "offer_id": offer.offer_id,
        "template": outcome.template,
        "case_id": offer.id,
        "offered_at": offer.offered_at,
        "status": outcome.status.value,
        "score": outcome.score,
        "passed": outcome.passed,
        "output": None if result is None else result.output,
        "reason": None if result is None else result.reason,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "eval_id": outcome.eval_id or (None if result is None else result.eval_id),
        "backend": outcome.backend,
        "attempts": outcome.attempts,
        "latency_s": outcome.latency_s,
        **({"inputs": shown_inputs(offer.inputs)} if inputs else {}),
    }


class JsonlSink:
    """Appends a line of JSON for each outcome to a file; a batch is on disk when its write returns.

    A restart with a spool may append an outcome again: `offer_id` and `template` tell.

    Args:
        path: Made if it is not there, readable by its owner only.
        inputs: Write the cases' inputs too.
    """

    def __init__(self, path: str | os.PathLike[str], *, inputs: bool = False) -> None:
        self._path = Path(os.path.expanduser(path))  # noqa: PTH111  # a name nobody has stays
        self._inputs = inputs
        self._file = -1
        self._is_torn = False

    def open(self) -> None:
        """Open the file.

        Raises:
            OSError: It cannot be opened.
        """
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        os.lseek(self._file, max(0, os.lseek(self._file, 0, os.SEEK_END) - 1), os.SEEK_SET)
        self._is_torn = os.read(self._file, 1) not in (b"", b"\n")

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Append a line for each outcome.

        Raises:
            OSError: They cannot be written.
        """
        lines = [json.dumps(record(outcome, inputs=self._inputs), default=str) + "\n" for outcome in outcomes]
        # A line that a crash or a full disk cut off must not spoil the next.
        left = ("\n" * self._is_torn + "".join(lines)).encode()
        self._is_torn = True
        while left:
            left = left[os.write(self._file, left) :]
        self._is_torn = False
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Outlet:
    """The way to a sink of any kind: what is a coroutine is awaited, all else is called in a thread of its own.

    Args:
        sink: A function of one outcome, or a Sink.
    """

    def __init__(self, sink: SinkLike) -> None:
        self._sink = sink
        self._worker = Worker("fi_async.sink")
        self._is_open = False
        self.batch: Final = _BATCH if isinstance(sink, Sink) else 1

    async def open(self) -> None:
        """Get the sink ready. Raises what it raises; such a sink is not closed."""
        if isinstance(self._sink, Sink):
            await self._call(self._sink.open)
            self._is_open = True

    async def write(self, outcomes: Sequence[Outcome]) -> Exception | None:
        """Hand over up to `batch` outcomes; return what the sink raised."""
        sink = self._sink
        try:
            if isinstance(sink, Sink):
                await self._call(sink.write, outcomes)
            else:
                await self._call(sink, outcomes[0])
        except Exception as error:  # noqa: BLE001  # whatever a sink raises, the queue goes on
            return error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return RuntimeError("the sink awaited what was cancelled")  # not the queue, which goes on
        return None

    async def close(self) -> None:
        """Let go of the sink."""
        if isinstance(self._sink, Sink) and self._is_open:
            await self._call(self._sink.close)

    def leave(self) -> None:
        """End the thread once its calls are made."""
        self._worker.close()

    async def _call(self, function: Callable[..., Any], *given: Any) -> None:
        call = partial(function, *given)
        answer = call() if _is_async(function) else await self._worker.call(call)
        if inspect.isawaitable(answer):  # also that of a lambda around a coroutine function
            await answer


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
