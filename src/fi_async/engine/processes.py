"""Processes of one function's own, for what keeps a processor busy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import anyio

from fi_async._errors import FunctionError
from fi_async._threads import hops
from fi_async.backends import own_code
from fi_async.backends.functions import Function
from fi_async.engine.asked import Answered, Headway, compute, late

_STARTS: Final = 60.0  # seconds that a process may take to start and to import the function


class Processes:
    """Asks a function in so many processes as it wants, which are ended when a case takes too long.

    Args:
        function: A `FunctionTemplate` at the top of a module.
        count: How many processes.
    """

    def __init__(self, function: Function, count: int) -> None:
        self._function = function
        self._count = count
        self._turns = anyio.Semaphore(count)
        self._pool: ProcessPoolExecutor | None = None
        self._starting = anyio.Lock()
        self._never: FunctionError | None = None
        self._alone: Processes | None = None

    async def ask(
        self, cases: Sequence[Mapping[str, Any]], params: Mapping[str, Any], limit: float | None
    ) -> Sequence[Answered]:
        """Return what became of each case. Those that spoil the work of others are asked again, each alone."""
        async with self._turns:
            said = await self._ask(cases, params, limit)
        if isinstance(said, FunctionError) and len(cases) == 1:
            return [Answered(said, limit or 0.0)]
        if said is None and self._count == len(cases) == 1:
            error = FunctionError(f"{self._function.template.name} ended its process, as a crash or os._exit() does")
            return [Answered(error, 0.0)]
        if said is None or isinstance(said, FunctionError):
            # Of several that were under way when a process ended, nobody knows which one ended it.
            alone = self._alone = self._alone or Processes(self._function, 1)
            return [each for case in cases for each in await alone.ask([case], params, limit)]
        return said

    async def _ask(
        self, cases: Sequence[Mapping[str, Any]], params: Mapping[str, Any], limit: float | None
    ) -> Sequence[Answered] | FunctionError | None:
        """Return what became of each case, or of all; None if a process ended."""
        hops.count(1)
        try:
            pool = await self._started()
            return pool if isinstance(pool, FunctionError) else await self._of(pool, cases, params, limit)
        finally:
            hops.count(-1)

    async def _of(
        self,
        pool: ProcessPoolExecutor,
        cases: Sequence[Mapping[str, Any]],
        params: Mapping[str, Any],
        limit: float | None,
    ) -> Sequence[Answered] | FunctionError | None:
        loop = asyncio.get_running_loop()
        call = partial(answer, *_place(self._function), list(cases), dict(params))
        try:
            return await asyncio.wait_for(loop.run_in_executor(pool, call), limit)
        except TimeoutError:
            self._end(pool)
            return late(self._function, limit)
        except (BrokenProcessPool, RuntimeError):  # the latter: it was shut down before it was asked
            self._end(pool)
            return None
        except asyncio.CancelledError:
            self._end(pool)
            raise
        except Exception as error:  # noqa: BLE001  # a value that cannot be handed over, there or back
            return FunctionError(f"{self._function.template.name}: {type(error).__name__}: {error}")

    async def _started(self) -> ProcessPoolExecutor | FunctionError:
        """Return processes that have found the function: what that takes is no case's time, and it fails once."""
        async with self._starting:
            if self._pool is None and self._never is None:
                self._never = await self._start()
        return self._pool or self._never or FunctionError(f"{self._function.template.name} is asked no more")

    async def _start(self) -> FunctionError | None:
        name = self._function.template.name
        # Not forked: threads and an event loop are running.
        pool = self._pool = ProcessPoolExecutor(self._count, mp_context=get_context("spawn"))
        loop = asyncio.get_running_loop()
        try:
            finding = [loop.run_in_executor(pool, find, *_place(self._function)) for _ in range(self._count)]
            await asyncio.wait_for(asyncio.gather(*finding), _STARTS)
        except BrokenProcessPool:
            self._end(pool)
            return FunctionError(
                f"{name}: its processes end as they start: does the program run itself again when it is imported?"
                ' Put what it does under if __name__ == "__main__"'
            )
        except TimeoutError:
            self._end(pool)
            return FunctionError(f"{name}: its processes did not start within {_STARTS:g} s")
        except Exception as error:  # noqa: BLE001  # what importing the user's module raises
            self._end(pool)
            return FunctionError(f"{name} cannot run in processes: {error}")
        return None

    def _end(self, pool: ProcessPoolExecutor) -> None:
        """End some processes, whatever they are at."""
        if pool is self._pool:
            self._pool = None
        # kill_workers() is there from Python 3.14 on.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):  # it has ended
                process.kill()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._end(self._pool)
        if self._alone is not None:
            self._alone.close()


def _place(function: Function) -> tuple[str, str]:
    return str(getattr(function, "__module__", "")), str(getattr(function, "__qualname__", ""))


def find(module: str, qualified_name: str) -> None:
    """Return if the function can be found: what a process does first."""
    own_code.named(module, qualified_name)


def answer(
    module: str, qualified_name: str, cases: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> Sequence[Answered]:
    """Return what the function says of some cases: what a process does."""
    headway = Headway()
    compute(own_code.named(module, qualified_name), cases, params, headway)
    return headway.said
