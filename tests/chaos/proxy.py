"""The proxy of a round: passes requests on, and does to some what networks and their boxes do.

    python -m chaos.proxy '{"seed": …, "mischief": …, "to": …, "log": …}'

It prints its port, and writes a line for each thing that it did.

A byte is corrupted only where that can be told: in a body by a byte that no JSON has, which in a reason leaves the sign
for a character that was lost; in a head anywhere but in the digits of its status (another status is another answer) and
in the key pair (another one is somebody else's). So no result is changed without a trace.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from .lifeline import end_with_parent

_NO_LINGER = struct.pack("ii", 1, 0)
_SPARED = re.compile(rb"(?i)(?<=^HTTP/1\.1 )\d\d\d|\r\nx-(?:api|secret)-key:[^\r]*")


_TRIES = 30
JUNK = (b"\r\n", b"\0", b"HTTP/1.1 200 OK\r\n", b"junk")


class Message(NamedTuple):
    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        return self.head + self.body


async def read(reader: asyncio.StreamReader) -> Message:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return Message(head, await reader.readexactly(int(length[1])) if length else b"")


class Proxy:
    def __init__(self, order: dict[str, Any], log: TextIO) -> None:
        self._order, self._log = order, log
        self._number = 0
        self._tasks: set[asyncio.Task[Any] | None] = set()  # asyncio holds them weakly
        self._last = b""  # the last reply to anybody

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back: asyncio.StreamWriter | None = None
        self._tasks.add(asyncio.current_task())
        try:
            ahead, back = await self._connected()
            while await self._exchange(reader, writer, ahead, back):
                pass
        except (OSError, EOFError):  # one of the two is gone: so is the other
            reset(writer)
        finally:
            for each in (writer, back):
                if each is not None:
                    each.close()
            self._tasks.discard(asyncio.current_task())

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to the server, which is waited for while it is away: else all cases would be used up."""
        for _ in range(_TRIES):
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", self._order["to"])
            await asyncio.sleep(0.05)
        raise ConnectionRefusedError

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ahead: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request and its reply on; return False if that was the connection's last."""
        try:
            request = await read(reader)
        except asyncio.IncompleteReadError:
            return False
        number, self._number = self._number, self._number + 1
        rng = random.Random(f"{self._order['seed']} exchange {number}")
        what = pick(rng, self._order["mischief"])
        if what:
            self._log.write(f"{number} {what} {request.head.split(b' ', 2)[0].decode()}\n")
        if what == "drop_request":
            reset(writer)
            return False
        if what == "cut_request":  # the server sees half of it; the client, that the connection ends
            back.write(request.whole[: rng.randrange(1, len(request.whole))])
            await back.drain()
            return False
        if what == "corrupt_request":
            request = corrupted(request, rng, in_head=rng.random() < 0.5)
        await (trickle if what == "trickle_request" else write)(back, request.whole, rng)
        reply = await read(ahead)
        going_on = await self._pass_back(what, reply, writer, reader, rng)
        self._last = reply.whole
        return going_on

    async def _pass_back(
        self,
        what: str | None,
        reply: Message,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        rng: random.Random,
    ) -> bool:
        if what in ("swallow", "cut", "reset", "half_close"):
            # Of a swallowed reply nothing comes; of a half-closed connection the other half stands.
            await write(writer, b"" if what == "swallow" else reply.whole[: rng.randrange(len(reply.whole))])
            if what == "reset":
                reset(writer)
            elif what == "half_close":
                writer.write_eof()
            if what in ("swallow", "half_close"):
                await reader.read(1)  # until the client has had enough
            return False
        if what == "delay":
            await asyncio.sleep(rng.choice([0.05, 0.3, 1.2, 2.5]))
        await (trickle if what == "trickle" else write)(writer, self._in_place_of(reply, what, rng), rng)
        if what in ("again_later", "another_later"):
            await asyncio.sleep(rng.choice([0.0, 0.005, 0.05]))
            await write(writer, reply.whole if what == "again_later" else self._last)
        return True

    def _in_place_of(self, reply: Message, what: str | None, rng: random.Random) -> bytes:
        """Return what is sent in place of a whole reply: mostly, just that."""
        if what in ("corrupt_head", "corrupt_body"):
            return corrupted(reply, rng, in_head=what == "corrupt_head").whole
        if what == "early_hints":  # harmless, and rare
            return b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + reply.whole
        behind = {"again": reply.whole, "another": self._last, "junk": rng.choice(JUNK)}
        return reply.whole + behind.get(what or "", b"")


def pick(rng: random.Random, chances: dict[str, float]) -> str | None:
    at = rng.random()
    for name, chance in chances.items():
        at -= chance
        if at < 0:
            return name
    return None


def corrupted(message: Message, rng: random.Random, *, in_head: bool) -> Message:
    if in_head or not message.body:
        spared = {at for found in _SPARED.finditer(message.head) for at in range(*found.span())}
        at = rng.choice([at for at in range(len(message.head)) if at not in spared])
        return Message(changed(message.head, at, message.head[at] ^ rng.randrange(1, 256)), message.body)
    return Message(message.head, changed(message.body, rng.randrange(len(message.body)), rng.choice([0x00, 0xFF])))


def changed(text: bytes, at: int, to: int) -> bytes:
    return text[:at] + bytes([to]) + text[at + 1 :]


async def write(writer: asyncio.StreamWriter, text: bytes, _: object = None) -> None:
    writer.write(text)
    await writer.drain()


async def trickle(writer: asyncio.StreamWriter, text: bytes, rng: random.Random) -> None:
    step = rng.choice([7, 40, 200])
    for at in range(0, len(text), step):
        await write(writer, text[at : at + step])
        await asyncio.sleep(0.01)


def reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


async def main(order: dict[str, Any], log: TextIO) -> None:
    server = await asyncio.start_server(Proxy(order, log).serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    end_with_parent()
    told = json.loads(sys.argv[1])
    with Path(told["log"]).open("w", buffering=1) as log:
        asyncio.run(main(told, log))
