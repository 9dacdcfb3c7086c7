"""Requests over sockets, by aiohttp: the faster way, where the extra of that name is installed."""

from __future__ import annotations

import io
import select
import socket
import ssl
from collections.abc import Awaitable
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from fi_async._settings import Timeout
from fi_async.wire.bodies import MOST_HEADERS, Body
from fi_async.wire.connections import KEEPALIVE
from fi_async.wire.dataset_requests import ROOT as OF_DATASETS
from fi_async.wire.departure import REQUEST_ID, Departure
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    import httpx

_LARGE: Final = 2**20  # bytes from which aiohttp complains of a body that it cannot send in parts
_leaving: Final[ContextVar[Departure]] = ContextVar("the request that asks for a connection")


class AiohttpConnections:
    """Sends requests through a session of aiohttp. Make it in the event loop that it serves.

    Args:
        root: Scheme, host, port and path prefix of every address.
        verify: What certificates are trusted; None for plain HTTP.
    """

    def __init__(self, root: str, verify: ssl.SSLContext | None) -> None:
        self._origin = root.removesuffix(urlsplit(root).path)
        self._urls: dict[str, URL] = {}
        # limit=0: what bounds requests is the concurrency of the run, not the pool.
        self._connector = _Connector(limit=0, keepalive_timeout=KEEPALIVE, ssl=verify or True)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),  # a session's cookie would put all under the session's limits
            auto_decompress=False,
            max_line_size=MOST_HEADERS,
            max_field_size=MOST_HEADERS,
        )
        self._closing: Awaitable[None] | None = None

    async def send(self, request: httpx.Request, timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply. Raises what aiohttp raises."""
        _leaving.set(departure)
        response = await self._session.request(
            request.method,
            self._url(request),
            data=_body(request.content),
            headers=[
                *((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw),
                (REQUEST_ID, departure.request_id),
                *departure.headers.items(),
            ],
            allow_redirects=False,
            timeout=_times(timeout),
        )
        body = Body()
        try:
            found = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.raw_headers}
            departure.check(found)
            while part := await response.content.readany():
                body.add(part)
        except BaseException:
            response.close()
            raise
        response.release()
        return Reply(response.status, found, body.content(found))

    def _url(self, request: httpx.Request) -> URL:
        path = request.url.raw_path.decode("ascii")
        if request.method == "GET" or OF_DATASETS in path:
            return URL(self._origin + path, encoded=True)
        # The few addresses of POSTs are parsed once.
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._origin + path, encoded=True)
        return url

    def close(self) -> None:
        """Close every connection at once, without waiting for anything."""
        if self._closing is None:
            self._session.detach()  # or it complains that it was not closed
            # Not the connector's own: from aiohttp 3.14 on that is a coroutine, which does nothing until it is awaited.
            self._closing = aiohttp.BaseConnector.close(self._connector)
            self._closing.__await__()  # or it complains that nobody waited

    async def aclose(self) -> None:
        """Close every connection."""
        self.close()
        assert self._closing is not None  # noqa: S101  # `close` sets it
        await self._closing
        await self._connector.close()  # its resolver


class _Connector(aiohttp.TCPConnector):
    """Hands out connections that have nothing more to say, and tells when the request leaves."""

    async def connect(self, *args: Any, **more: Any) -> Any:
        departure = _leaving.get()
        if departure.has_left:
            raise ConnectionError("the connection broke")  # aiohttp sends a GET again by itself: that is ours to do
        while True:
            connection = await super().connect(*args, **more)
            if not _has_more(connection):
                break
            connection.close()
        try:
            departure.leave()
        except BaseException:
            connection.release()  # nothing was sent
            raise
        return connection


def _has_more(connection: Any) -> bool:
    """Tell whether bytes came behind the last reply: they would be taken for the reply to the next request."""
    protocol, transport = connection.protocol, connection.transport
    return protocol is None or protocol.should_close or _is_readable(transport.get_extra_info("socket"))


def _is_readable(waiting: socket.socket) -> bool:
    """Tell whether bytes, or the end of the connection, wait in a socket for the event loop to read them."""
    if not hasattr(select, "poll"):  # Windows; elsewhere select() takes no descriptors beyond 1,023
        return bool(select.select([waiting], [], [], 0)[0])
    poll = select.poll()
    poll.register(waiting, select.POLLIN)
    return bool(poll.poll(0))


def _body(content: bytes) -> bytes | io.BytesIO | None:
    """Return a body as aiohttp takes it."""
    return io.BytesIO(content) if len(content) > _LARGE else content or None


@lru_cache(maxsize=16)
def _times(timeout: Timeout) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read)
