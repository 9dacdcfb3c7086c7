"""The local backend behind uvicorn, on a real socket."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from fi_async.local.app import LocalBackend
from fi_async.local.asgi import ABORT, Application, Receive, Scope, SendMessage

KEEP_ALIVE_SECONDS = 30
"""How long the platform, and so this server, keeps an idle connection."""

_START_SECONDS = 30.0
_NO_LINGER = struct.pack("ii", 1, 0)


def serve(
    backend: LocalBackend,
    host: str = "127.0.0.1",
    port: int = 8100,
    *,
    on_started: Callable[[str], None] | None = None,
    grace: float = 3.0,
    access_log: bool = False,
    on_stopped: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; it prints nothing unless asked for an access log.

    Args:
        backend: What answers.
        host: The address to listen at.
        port: The port; 0 for a free one.
        on_started: Called with the base URL once it listens.
        grace: Seconds that requests in flight have to finish in when it stops; then they are cut.
        access_log: Log every request.
        on_stopped: Awaited once it answers no more, in its event loop.

    Raises:
        OSError: The port is taken, or the address is not of this machine.
    """
    with closing(_listen(host, port)) as listener:
        _Server(backend, on_started, grace, access_log=access_log, on_stopped=on_stopped).run_on(listener)


@contextmanager
def running(backend: LocalBackend, port: int = 0) -> Iterator[str]:
    """Yield the base URL of a server on the loopback, in a thread; requests in flight at the end are cut."""
    url: Future[str] = Future()
    with closing(_listen("127.0.0.1", port)) as listener:
        server = _Server(backend, url.set_result, grace=0.0)
        thread = threading.Thread(target=server.run_on, args=(listener,), name="fi-async local backend", daemon=True)
        thread.start()
        try:
            yield url.result(_START_SECONDS)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Says when it has started, and stops without waiting for evaluations that take long."""

    def __init__(
        self,
        backend: LocalBackend,
        on_started: Callable[[str], None] | None,
        grace: float,
        *,
        access_log: bool = False,
        on_stopped: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        logging: dict[str, Any] = {"log_level": "info"} if access_log else {"log_level": "warning", "log_config": None}
        config = uvicorn.Config(
            backend,
            http=ResettableProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            access_log=access_log,
            date_header=False,  # the backend dates its replies by its own clock
            server_header=False,
            **logging,
        )
        super().__init__(config)
        self._on_started = on_started
        self._grace = grace
        self._on_stopped = on_stopped

    def run_on(self, listener: socket.socket) -> None:
        """Serve on this socket until told to stop."""
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self._on_started is not None:
            self._on_started(_url(self.servers[0].sockets[0]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, let requests in flight finish within the grace, cut the rest."""
        for server in self.servers:
            server.close()
        if self.server_state.tasks:
            _, late = await asyncio.wait(set(self.server_state.tasks), timeout=self._grace)
            for task in late:
                task.cancel()
        await super().shutdown(sockets)
        if self._on_stopped is not None:
            await self._on_stopped()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a signal handler
        """Stop; unlike uvicorn, do not raise the signal again afterwards: the caller goes on."""
        self.should_exit = True


class ResettableProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's protocol (httptools', or h11's without it), with an ASGI extension that resets the connection."""

    app: Application

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Give the application, on this connection, the means to reset it."""
        super().connection_made(transport)
        app = self.app

        def abort() -> None:
            # With no linger the peer sees a reset; an orderly close would read as the end of an empty reply.
            if transport.is_closing():
                return  # the client hung up first
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()

        async def resettable(scope: Scope, receive: Receive, send: SendMessage) -> None:
            scope.setdefault("extensions", {})[ABORT] = abort
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # The server stops and this request's grace is over: a cut connection, not a traceback.
                abort()
                await receive()

        self.app = resettable


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only on sockets that say TCP: with it,
    # every reply would wait 40 ms for the client's delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would let two servers share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
