"""A SOCKS5 server of the tests (RFC 1928; logins: RFC 1929): it connects to where it is told, and tells where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

from raw import socket_server

_SUCCEEDED = b"\x05\x00\x00\x01" + bytes(6)
_OPEN, _LOGIN, _NONE = b"\x00", b"\x02", b"\xff"


@dataclass
class Socks:
    """What a SOCKS5 server does, and what it saw.

    Attributes:
        url: Where it listens.
        login: What it asks for; None if nobody needs one.
        answers: Where the connections to a name lead, by name and port.
        refusal: The code that it refuses all connections with: 5 for "Connection refused". 0: it refuses none.
        asked: Where it was asked to connect to.
        before: All bytes that came before a tunnel stood.
    """

    login: tuple[bytes, bytes] | None = None
    answers: dict[tuple[str, int], int] = field(default_factory=dict)
    refusal: int = 0
    url: str = ""
    asked: list[tuple[str, int]] = field(default_factory=list)
    before: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""

        async def read(count: int) -> bytes:
            found = await reader.readexactly(count)
            self.before += found
            return found

        methods = await read((await read(2))[1])
        wanted = _OPEN if self.login is None else _LOGIN
        writer.write(b"\x05" + (wanted if wanted in methods else _NONE))
        if wanted not in methods:
            return
        if self.login is not None:
            name = await read((await read(2))[1])
            is_known = (name, await read((await read(1))[0])) == self.login
            writer.write(b"\x01" + (b"\x00" if is_known else b"\x01"))
            if not is_known:
                return
        kind = (await read(4))[3]
        host = ".".join(map(str, await read(4))) if kind == 1 else (await read((await read(1))[0])).decode()
        port = int.from_bytes(await read(2))
        self.asked.append((host, port))
        if self.refusal:
            writer.write(b"\x05" + bytes([self.refusal]) + b"\x00\x01" + bytes(6))
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.answers.get((host, port), port))
        writer.write(_SUCCEEDED)
        with closing(back):
            await asyncio.gather(_moved(reader, back), _moved(there, writer))


async def _moved(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while part := await source.read(65536):
        sink.write(part)
    sink.close()


@asynccontextmanager
async def socks_proxy(**does: object) -> AsyncIterator[Socks]:
    """Yield a server that listens."""
    served = Socks(**does)  # type: ignore[arg-type]  # as its fields say
    async with socket_server(served) as url:
        served.url = url.replace("http:", "socks5:")
        yield served
