"""Requests over sockets, by the HTTP library below httpx: a connection to itself for each request under way.

httpcore's own pool looks at every connection on each request and each reply: 14 ms of CPU a request with 64
connections. A stack of free connections costs the same at any number.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpcore

from fi_async._settings import Timeout
from fi_async.wire.bodies import Body
from fi_async.wire.departure import REQUEST_ID, Departure
from fi_async.wire.proxies import Proxy
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    import httpx

KEEPALIVE: Final = 25.0  # the server closes an idle connection after 30 s; a request must not meet that
_REQUEST_ID: Final = REQUEST_ID.encode()
_opened: Final[ContextVar[list[httpcore.AsyncNetworkStream]]] = ContextVar("the streams that a request opened")


class Connections:
    """Sends each request over a connection of its own while it lasts, the one used last first.

    Args:
        root: Scheme, host, port and path prefix of every address.
        verify: What certificates are trusted; None for plain HTTP.
        proxy: What all connections go through.
    """

    def __init__(self, root: str, verify: ssl.SSLContext | None, proxy: Proxy | None = None) -> None:
        self._root = httpcore.URL(root)
        self._origin = self._root.origin
        self._verify = verify
        self._network = httpcore.AnyIOBackend()
        # Never asked for a request: it knows how to make connections through proxies.
        self._proxied: httpcore.AsyncConnectionPool | None = None
        if proxy is not None:
            through = httpcore.Proxy(proxy.url, auth=proxy.login)
            self._proxied = httpcore.AsyncConnectionPool(
                ssl_context=verify, proxy=through, keepalive_expiry=KEEPALIVE, network_backend=_Noting()
            )
        self._free: list[httpcore.AsyncConnectionInterface] = []
        self._busy: set[httpcore.AsyncConnectionInterface] = set()
        self._unused: dict[httpcore.AsyncConnectionInterface, httpcore.AsyncNetworkStream] = {}

    def __repr__(self) -> str:
        return f"<Connections busy={len(self._busy)} free={len(self._free)}>"

    async def send(self, request: httpx.Request, timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply. Raises what httpcore raises."""
        asked = self._asked(request, timeout, departure)
        connection = self._taken()
        is_proxied = connection is None and self._proxied is not None
        if connection is None and self._proxied is not None:
            connection = self._proxied.create_connection(self._origin)
        else:
            connection = connection or await self._connected(timeout)
            try:
                departure.leave()
            except BaseException:
                self._free.append(connection)  # nothing was sent
                raise
            self._unused.pop(connection, None)
        self._busy.add(connection)
        is_whole = False
        try:
            if is_proxied:
                response = await _through_proxy(connection, asked, timeout, departure)
            else:
                response = await connection.handle_async_request(asked)
            found = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            departure.check(found)
            body = Body()
            async for part in response.stream:  # type: ignore[union-attr]  # it is an async one here
                body.add(part)
            await response.aclose()
            is_whole = not _has_more(connection)
        finally:
            self._busy.discard(connection)
            if is_whole:
                self._free.append(connection)
            else:
                _close(connection)
        return Reply(response.status, found, body.content(found))

    def _taken(self) -> httpcore.AsyncConnectionInterface | None:
        """Return a free connection that still stands and has nothing more to say."""
        while self._free:
            connection = self._free.pop()
            unused = self._unused.get(connection)
            is_over = connection.has_expired() if unused is None else unused.get_extra_info("is_readable")
            if not is_over and not connection.is_closed():
                return connection
            self._unused.pop(connection, None)
            _close(connection)
        return None

    async def _connected(self, timeout: Timeout) -> httpcore.AsyncConnectionInterface:
        """Return a new connection that stands."""
        host = self._origin.host.decode()
        stream = await self._network.connect_tcp(host, self._origin.port, timeout=timeout.connect)
        if self._verify is not None:
            try:
                stream = await stream.start_tls(self._verify, host, timeout=timeout.connect)
            except BaseException:
                _close(stream)
                raise
        connection = httpcore.AsyncHTTP11Connection(self._origin, stream, keepalive_expiry=KEEPALIVE)
        self._unused[connection] = stream
        return connection

    def _asked(self, request: httpx.Request, timeout: Timeout, departure: Departure) -> httpcore.Request:
        headers = [*request.headers.raw, (_REQUEST_ID, departure.request_id.encode())]
        headers += [(name.encode(), value.encode()) for name, value in departure.headers.items()]
        url = httpcore.URL(
            scheme=self._root.scheme, host=self._root.host, port=self._root.port, target=request.url.raw_path
        )
        times = {"connect": timeout.connect, "read": timeout.read, "write": timeout.read}
        return httpcore.Request(
            request.method, url, headers=headers, content=request.content, extensions={"timeout": times}
        )

    def close(self) -> None:
        """Close every connection at once, without waiting for anything."""
        connections, self._free, self._busy = [*self._free, *self._busy], [], set()
        self._unused.clear()
        for connection in connections:
            _close(connection)

    async def aclose(self) -> None:
        """Close every connection."""
        self.close()


async def _through_proxy(
    connection: httpcore.AsyncConnectionInterface, asked: httpcore.Request, timeout: Timeout, departure: Departure
) -> httpcore.Response:
    """Return the head of the reply to the first request over a connection that a proxy has to make.

    Raises:
        TimeoutError: It did not make it in time. The library bounds each step towards it, and with SOCKS none.
    """
    told = departure.trace()
    opened: list[httpcore.AsyncNetworkStream] = []
    _opened.set(opened)
    try:
        with anyio.move_on_after(timeout.connect) as connecting:

            async def trace(event: str, info: Mapping[str, Any]) -> None:
                await told(event, info)
                if departure.has_left:
                    connecting.deadline = math.inf

            asked.extensions["trace"] = trace
            return await connection.handle_async_request(asked)
        raise TimeoutError
    except BaseException:
        for stream in opened:  # a connection that was not made has none to close
            _close(stream)
        raise


class _Noting(httpcore.AnyIOBackend):
    """Notes what the request that runs opens."""

    async def connect_tcp(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*args, **more)
        _opened.get().append(stream)
        return stream


def _has_more(connection: Any) -> bool:
    """Tell whether bytes came behind the reply: they would be taken for the reply to the next request.

    httpcore does not say; its parser does.
    """
    while connection is not None and not hasattr(connection, "_h11_state"):
        connection = getattr(connection, "_connection", None)
    return connection is None or bool(connection._h11_state.trailing_data[0])


def _close(connection: httpcore.AsyncConnectionInterface | httpcore.AsyncNetworkStream) -> None:
    """Close a connection without awaiting: no cancellation can leave it open."""
    closing = connection.aclose()
    with suppress(Exception, StopIteration):
        closing.send(None)  # as far as its first wait: by then the socket is told to close
    closing.close()
