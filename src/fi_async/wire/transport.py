"""One `send(call) -> reply`: how bytes move, and whether they left. The only importer of httpx.

httpx's own pool looks at every connection on each request and each reply: 14 ms of CPU a request with 64
connections. So each request takes a slot with a pool of one connection, from a stack of free slots; or the
httpx-aiohttp transport, where it is installed. Either way the client before it is a plain `httpx.AsyncClient`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from fi_async._errors import APIConnectionError, APITimeoutError, ConfigurationError
from fi_async._settings import LOCAL, Connection, Timeout
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

HttpClient = httpx.AsyncClient
AsgiApp = Callable[..., Any]

KEEPALIVE: Final = 25.0  # the server closes an idle connection after 30 s; a request must not meet that
_CLOSING: Final = 2.0  # seconds that closing connections may take
_IN_PROCESS: Final = "http://local.invalid"  # a host no resolver knows: an ASGI transport never looks it up

# A request that ended so had not begun to leave.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
# httpx-aiohttp reports every aiohttp connection error as a ConnectTimeout, a reset after sending too; the
# cause tells. Compared by name, so that aiohttp is not imported where it is not used.
_AIOHTTP_NEVER_SENT: Final = frozenset(
    {"ClientConnectorError", "ConnectionTimeoutError", "InvalidURL", "NonHttpUrlClientError"}
)


class Transport:
    """Sends calls as one client of the API, over connections that belong to the running event loop.

    Args:
        connection: Where and as whom.
        http_client: A client of the caller's own, with its proxies, certificates and pool; closing it
            stays the caller's part.
        app: An ASGI application that answers in process; for the "local" base URL.
    """

    def __init__(
        self, connection: Connection, *, http_client: HttpClient | None = None, app: AsgiApp | None = None
    ) -> None:
        self._root = _IN_PROCESS if connection.base_url == LOCAL else connection.base_url
        self._headers = {
            "Accept": "application/json",
            "User-Agent": connection.user_agent,
            **connection.default_headers,
            "X-Api-Key": connection.credentials.api_key,
            "X-Secret-Key": connection.credentials.secret_key,
        }
        self._injected = http_client
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: AsyncGenerator[HttpClient] | None = None
        self._client: HttpClient | None = None
        self._urls: dict[str, httpx.URL] = {}

    def __repr__(self) -> str:
        return f"<Transport to {self._root}>"

    async def open(self) -> None:
        """Be ready to send: what the first request needs may take a tenth of a second, and is no part of its time."""
        if self._injected is None:
            await self._client_of_this_loop()

    async def send(
        self, call: HttpCall, timeout: Timeout, deadline: float | None = None, left: Callable[[], None] | None = None
    ) -> Reply:
        """Return the server's reply, whatever its status.

        Args:
            call: What to send.
            timeout: Its `connect` and `read` bound this request.
            deadline: When to give up at the latest, on `anyio.current_time()`.

        Raises:
            APITimeoutError: No complete reply in time.
            APIConnectionError: No complete reply; `sent` tells whether the request may have left.
        """
        client = self._injected or await self._client_of_this_loop()
        request = client.build_request(
            call.method,
            self._url(call),
            content=call.body,
            headers=self._headers if call.body is None else {**self._headers, "Content-Type": "application/json"},
            timeout=httpx.Timeout(timeout.read, connect=timeout.connect),
        )
        try:
            with anyio.fail_at(deadline):
                response = await client.send(request, follow_redirects=False)
        except TimeoutError:
            raise APITimeoutError("no reply by the deadline of the call") from None
        except (httpx.TransportError, ConnectionError) as error:
            raise _connection_error(error, timeout) from error
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"fi_base_url cannot be used: {error}") from None
        except RuntimeError as error:
            if client.is_closed:
                raise ConfigurationError("the http_client that was passed in is closed") from error
            raise
        return Reply(response.status_code, response.headers, response.content)

    def _url(self, call: HttpCall) -> httpx.URL:
        if call.method == "GET":
            return httpx.URL(self._root + call.path)
        # The few POST addresses are parsed once: parsing takes twice as long as encoding a body.
        url = self._urls.get(call.path)
        if url is None:
            url = self._urls[call.path] = httpx.URL(self._root + call.path)
        return url

    async def _client_of_this_loop(self) -> HttpClient:
        """Return a client opened in the running loop; connections of a loop that has ended are of no use."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop, self._open = loop, self._opened()
            self._client = await anext(self._open)
        return self._client

    async def _opened(self) -> AsyncGenerator[HttpClient]:
        """Yield a client, and close it in the end.

        A generator, because a loop closes those that it still has when it ends: a client that nobody closed
        leaves no connection behind all the same, and no complaint.
        """
        transport = _socket_transport(self._root) if self._app is None else httpx.ASGITransport(self._app)
        # No cookies: a session's would put the keys' requests under the session's limits.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        client = httpx.AsyncClient(transport=transport, cookies=cookies, trust_env=False)
        try:
            yield client
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
                await client.aclose()

    async def aclose(self) -> None:
        """Close the connections. The transport opens new ones if it is used again."""
        opened, self._open, self._client = self._open, None, None
        if opened is not None and self._loop is asyncio.get_running_loop():
            await opened.aclose()


def _connection_error(error: Exception, timeout: Timeout) -> APIConnectionError:
    cause = error.__cause__
    if type(cause).__module__.startswith("aiohttp"):
        never_sent = not _AIOHTTP_NEVER_SENT.isdisjoint(kind.__name__ for kind in type(cause).__mro__)
        timed_out = isinstance(cause, TimeoutError)
    else:
        never_sent = isinstance(error, _NEVER_SENT)
        timed_out = isinstance(error, httpx.TimeoutException)
    if timed_out:
        waited = f"no connection within {timeout.connect:g} s" if never_sent else f"no reply within {timeout.read:g} s"
        return APITimeoutError(waited, sent=not never_sent)
    # The library's text names hosts and ports, never headers or bodies.
    said = str(error) or type(error).__name__
    if never_sent:
        return APIConnectionError(
            f"could not connect: {said}", sent=False, unreachable=isinstance(error, httpx.ConnectError) or None
        )
    return APIConnectionError(f"the connection broke before the reply was complete: {said}", sent=True)


def _socket_transport(root: str) -> httpx.AsyncBaseTransport:
    parts = urlsplit(root)
    verify = _ssl_context() if parts.scheme == "https" else False
    proxy = None if proxy_bypass(parts.hostname or "") else _proxy(parts.scheme)
    if find_spec("httpx_aiohttp") is not None:
        return _aiohttp_transport(verify, proxy)
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE)
    return SlotTransport(partial(httpx.AsyncHTTPTransport, verify=verify, limits=limits, proxy=proxy))


def _proxy(scheme: str) -> httpx.Proxy | None:
    url = getproxies().get(scheme) or getproxies().get("all")
    return httpx.Proxy(url if "://" in url else f"http://{url}") if url else None


@cache
def _ssl_context() -> ssl.SSLContext:
    """Return the one context of this process: building it takes 40-110 ms. SSL_CERT_FILE and SSL_CERT_DIR count."""
    return httpx.create_ssl_context()


def _aiohttp_transport(verify: ssl.SSLContext | bool, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
    import aiohttp  # noqa: PLC0415  # an extra, and slow to import
    import httpx_aiohttp  # noqa: PLC0415  # as above

    def session() -> aiohttp.ClientSession:
        # limit=0: what bounds requests is the concurrency of the run, not the pool.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE, ssl=verify)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return httpx_aiohttp.AiohttpTransport(verify=verify, proxy=proxy, client=session)


class SlotTransport(httpx.AsyncBaseTransport):
    """Sends each request through a transport of its own while it lasts, the one used last first.

    Args:
        make: Makes a transport for one connection.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._all: list[httpx.AsyncBaseTransport] = []
        self._free: list[httpx.AsyncBaseTransport] = []

    def __repr__(self) -> str:
        return f"<SlotTransport slots={len(self._all)} free={len(self._free)}>"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the reply with its body read, so that the slot is free again."""
        slot = self._free.pop() if self._free else self._new_slot()
        try:
            response = await slot.handle_async_request(request)
            try:
                content = b"".join([part async for part in response.stream])  # type: ignore[union-attr]  # async here
            finally:
                await response.aclose()
        finally:
            self._free.append(slot)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(content),
            extensions=_lasting(response.extensions),
        )

    def _new_slot(self) -> httpx.AsyncBaseTransport:
        slot = self._make()
        self._all.append(slot)
        return slot

    async def aclose(self) -> None:
        """Close every slot."""
        slots, self._all, self._free = self._all, [], []
        for slot in slots:
            await slot.aclose()


def _lasting(extensions: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what refers to the connection, which another request has by now."""
    return {name: value for name, value in extensions.items() if name != "network_stream"}
