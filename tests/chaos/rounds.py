"""Plays a round: server, proxy and clients in processes of their own, killed and begun again as the order says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from .orders import Order

LONGEST: Final = 120.0
"""Seconds that a client may take to its end; beyond, it hangs."""
_STOPPING: Final = 30.0  # seconds that a client may take to stop after a signal
_STARTING: Final = 60.0  # seconds that a process may take to say its port, on a machine that has other things to do
_PATH: Final = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
_HUNG: Final = -1000
_KILLED: Final = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130)


@dataclass(frozen=True)
class Pass:
    """One client: what it wrote, how it ended (None if it was killed, as it was told to be), and its last words."""

    lines: Path
    ended: int | None
    words: str


@dataclass
class Played:
    """What is left of a round."""

    order: Order
    place: Path
    passes: list[Pass] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def store(self) -> Path:
        return self.place / "server.db"

    @property
    def run(self) -> Path | None:
        return self.place / "run.db" if self.order.kept else None


async def play(order: Order, place: Path) -> Played:
    """Return what is left of a round, in a directory that is empty before."""
    began = perf_counter()
    (place / "order.json").write_text(json.dumps(order.as_dict(), indent=1))
    played = Played(order, place)
    server = _Server(order, played.store)
    await server.start()
    told = {"seed": order.seed, "mischief": order.mischief, "to": server.port, "log": str(place / "proxy.log")}
    proxy = await _spawn("proxy", told)
    restarts = asyncio.create_task(server.restart(order.restarts))
    try:
        port = await _port(proxy)
        kills: list[tuple[str, float] | None] = [*order.kills, None]
        for number, kill in enumerate(kills):
            played.passes.append(await _client(played, number, port, kill))
        await _stopped(restarts)
        if order.kept:  # once more, when everything has ended: nothing may be sent
            played.passes.append(await _client(played, len(kills), port, None))
    finally:
        await _stopped(restarts)
        for process in (proxy, server.process):
            await _end(process)
    played.seconds = perf_counter() - began
    return played


class _Server:
    def __init__(self, order: Order, store: Path) -> None:
        self._order, self._store = order, store
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        told = {"switches": self._order.switches, "store": str(self._store), "port": self.port}
        with (self._store.parent / "server.err").open("a") as words:
            self.process = await _spawn("server", told, words)
        self.port = await _port(self.process)

    async def restart(self, times: list[tuple[float, float]]) -> None:
        """Kill it after so many seconds, and start it after so many more; whole, even if nobody waits any more."""
        for after, away in times:
            await asyncio.sleep(after)
            again = asyncio.create_task(self._once_more(away))
            try:
                await asyncio.shield(again)
            except asyncio.CancelledError:
                await again
                raise

    async def _once_more(self, away: float) -> None:
        await _end(self.process)
        await asyncio.sleep(away)
        await self.start()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _client(played: Played, number: int, port: int, kill: tuple[str, float] | None) -> Pass:
    lines = played.place / f"pass-{number}.jsonl"
    told = {
        "order": played.order.as_dict(),
        "url": f"http://127.0.0.1:{port}",
        "run": played.run and str(played.run),
        "lines": str(lines),
        "last": kill[1] if kill is not None and kill[0] == "LINE" else None,
    }
    with (played.place / f"pass-{number}.err").open("w+") as words:
        process = await _spawn("client", told, words)
        ended: int | None = None
        try:
            if kill is None or kill[0] == "LINE":
                ended = await _wait(process, LONGEST)
                ended = _HUNG if ended is None else None if kill and ended == -signal.SIGKILL else ended
            else:
                assert process.stdout is not None
                await process.stdout.readline()  # it begins: before that there is nothing to be killed
                ended = await _wait(process, kill[1])
                if ended is None:
                    with suppress(ProcessLookupError):  # it has ended at this very moment
                        process.send_signal(getattr(signal, f"SIG{kill[0]}"))
                    ended = await _wait(process, _STOPPING)
                    ended = _HUNG if ended is None else None if ended in _KILLED else ended
            if ended == _HUNG:
                process.send_signal(signal.SIGUSR1)  # it writes its stacks
                await asyncio.sleep(0.5)
        finally:
            await _end(process)
        words.seek(0)
        return Pass(lines, ended, words.read())


def hung(ended: int | None) -> bool:
    return ended == _HUNG


async def _spawn(name: str, told: dict[str, Any], words: Any = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"chaos.{name}",
        json.dumps(told),
        stdin=asyncio.subprocess.DEVNULL if name == "client" else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=words,
        env={**os.environ, "PYTHONPATH": _PATH},
    )


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    try:
        return int(await asyncio.wait_for(process.stdout.readline(), _STARTING))
    except (TimeoutError, ValueError):
        await _end(process)
        raise RuntimeError("a process of the round did not start") from None


async def _wait(process: asyncio.subprocess.Process, seconds: float) -> int | None:
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return None


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
