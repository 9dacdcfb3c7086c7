"""One `send(call) -> reply`: how bytes move, and whether they left."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from fi_async._connection import LOCAL, may_carry
from fi_async._errors import APITimeoutError, ConfigurationError, FiAsyncError
from fi_async._settings import Timeout
from fi_async.wire.bodies import ACCEPT_ENCODING, LONGEST_REPLY
from fi_async.wire.departure import Departure
from fi_async.wire.failures import failure
from fi_async.wire.proxies import Proxy, check_certificates, proxy_to, ssl_context
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    import httpx

    HttpClient = httpx.AsyncClient

AsgiApp = Callable[..., Any]

_OURS: Final = {"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
_CLOSING: Final = 2.0  # seconds that closing connections may take
_LONG_KEY: Final = 16  # characters: what is shorter may stand in a reply by chance
_NO_HEADERS: Final[Mapping[str, str]] = {}
_MASK: Final = b"********"
_IN_PROCESS: Final = "http://local.invalid"  # a host no resolver knows: an ASGI transport never looks it up


class Pool(Protocol):
    """What moves the bytes of requests, in one event loop."""

    async def send(self, call: HttpCall, headers: dict[str, str], timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply; raise whatever kept it from coming."""

    def close(self) -> None:
        """Close every connection at once, without waiting for anything."""

    async def aclose(self) -> None:
        """Close every connection."""


class Destination(Protocol):
    """Where requests go, and as whom.

    Attributes:
        base_url: What paths are joined to; "local" in process.
        backend: Who answers there, as outcomes name it.
        headers: What every request carries beside what belongs to its connection and its body.
        secrets: What no message may show, even if the server says it.
        keys: Those of them that are keys.
    """

    @property
    def base_url(self) -> str: ...  # noqa: D102  # see above

    @property
    def backend(self) -> str: ...  # noqa: D102  # see above

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102  # see above

    @property
    def secrets(self) -> Sequence[str]: ...  # noqa: D102  # see above

    @property
    def keys(self) -> Sequence[str]: ...  # noqa: D102  # see above


class Transport:
    """Sends calls as one client of the API, over connections that belong to the running event loop.

    Args:
        connection: Where and as whom.
        http_client: A client of the caller's own, with its proxies, certificates and pool; closing it
            stays the caller's part.
        app: An ASGI application that answers in process; for the "local" base URL.

    Attributes:
        url: The server's address; empty in process.

    Raises:
        ConfigurationError: The client is none of httpx's that are awaited.
    """

    def __init__(
        self, connection: Destination, *, http_client: HttpClient | None = None, app: AsgiApp | None = None
    ) -> None:
        _check_http_client(http_client)
        self._backend = connection.backend
        self._root = _IN_PROCESS if connection.base_url == LOCAL else connection.base_url
        self._get_headers: dict[str, str] = {}
        for name, value in (
            *_OURS.items(),
            *connection.headers.items(),
        ):  # the last of each name, however it is spelled
            self._get_headers = {each: of for each, of in self._get_headers.items() if each.lower() != name.lower()}
            self._get_headers[name] = value
        self._post_headers = {**self._get_headers, "Content-Type": "application/json"}
        self._taken = frozenset(name.lower() for name in self._post_headers)
        self.url = "" if app is not None or connection.base_url == LOCAL else self._root
        self._keys = [each.encode() for each in connection.keys if len(each) >= _LONG_KEY]
        self._secrets = tuple(connection.secrets)
        self._name = os.urandom(8).hex()  # no two clients' requests have the same id
        self._numbers = count(1)
        self._proxy: Proxy | None = None
        if http_client is None and app is None:
            self._proxy = proxy_to(self._root)
            check_certificates()
        self._http_client = http_client
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: AsyncGenerator[Pool] | None = None
        self._pool: Pool | None = None

    def __repr__(self) -> str:
        return f"<Transport to {self._root}>"

    async def open(self) -> None:
        """Be ready to send: what the first request needs may take a tenth of a second, and is no part of its time."""
        await self._pool_of_this_loop()

    async def send(
        self,
        call: HttpCall,
        timeout: Timeout,
        deadline: float | None = None,
        left: Callable[[], None] | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Reply:
        """Return the server's reply, whatever its status.

        Args:
            call: What to send.
            timeout: Its `connect` and `read` bound this request.
            deadline: When to give up at the latest, on `anyio.current_time()`.
            left: Called once, when the connection stands and before the first byte of the request is written. Never
                called where the transport of a client of the caller's own does not tell. What it raises is raised;
                the request is not sent then, and the connection is kept for the next, unless it leads through a proxy.
            headers: What this one request carries beside those of all. Those that all carry, that belong to the
                connection or that no header can be are left out.

        Raises:
            APITimeoutError: No complete reply in time.
            APIConnectionError: No complete reply; `sent` tells whether the request may have left, `unreachable`
                whether nobody is there.
        """
        pool = self._pool
        if pool is None or self._loop is not asyncio.get_running_loop():
            pool = await self._pool_of_this_loop()
        departure = Departure(f"{self._name}-{next(self._numbers)}", left)
        if headers:
            departure.headers = self._may_carry(headers)
        common = self._get_headers if call.body is None else self._post_headers
        if call.content_type is not None:
            common = {**common, "Content-Type": call.content_type}
        deadline, by_call = self._until(timeout, deadline)
        try:
            with anyio.move_on_at(deadline):
                return self._told(await pool.send(call, common, timeout, departure))
            problem: Exception = _overdue(departure, by_call=by_call)
        except FiAsyncError as error:
            problem = error
        except Exception as error:  # noqa: BLE001  # whatever a library raises is this request's failure, no more
            problem = departure.broke or failure(error, timeout, sent=departure.has_left, secrets=self._secrets)
        # Raised here, where no exception of a library is being handled: it would be kept as the context.
        raise problem

    def _may_carry(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return those of some headers that a request may carry beside ours."""
        return {
            name: value for name, value in headers.items() if may_carry(name, value) and name.lower() not in self._taken
        }

    def _told(self, reply: Reply) -> Reply:
        """Return a reply that names who answered, and no key of ours."""
        reply = _without(self._keys, reply)
        return reply if reply.backend == self._backend else replace(reply, backend=self._backend)

    def _until(self, timeout: Timeout, deadline: float | None) -> tuple[float, bool]:
        """Return when a request that begins now ends at the latest, and whether it is its call that ends then."""
        call = math.inf if deadline is None else deadline
        if self._app is not None:
            return call, True
        whole = anyio.current_time() + timeout.connect + timeout.read + LONGEST_REPLY
        return min(call, whole), call <= whole

    async def _pool_of_this_loop(self) -> Pool:
        """Return a pool opened in the running loop; connections of a loop that has ended are of no use."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            if self._pool is not None and self._loop is not None and self._loop.is_closed():
                _end(self._pool)
            self._loop, self._open = loop, _opened(self._new_pool())
            self._pool = await anext(self._open)
        return self._pool

    def _new_pool(self) -> Pool:
        if self._http_client is not None:
            from fi_async.wire.over_httpx import HttpxClient  # noqa: PLC0415  # httpx: 45 ms, when needed

            return HttpxClient(self._root, self._http_client)
        if self._app is not None:
            from fi_async.wire.over_httpx import InProcess  # noqa: PLC0415  # as above

            return InProcess(self._root, self._app)
        from fi_async.wire.over_httpx import CarriedClient  # noqa: PLC0415  # as above

        verify = ssl_context() if self._root.startswith("https:") else None
        if self._proxy is None and find_spec("aiohttp") is not None:
            from fi_async.wire.over_aiohttp import AiohttpConnections  # noqa: PLC0415  # an extra

            return CarriedClient(self._root, AiohttpConnections(self._root, verify))
        from fi_async.wire.connections import Connections  # noqa: PLC0415  # as above

        return CarriedClient(self._root, Connections(self._root, verify, self._proxy))

    async def aclose(self) -> None:
        """Close the connections. The transport opens new ones if it is used again."""
        opened, self._open, self._pool = self._open, None, None
        if opened is not None and self._loop is asyncio.get_running_loop():
            await opened.aclose()

    def __del__(self) -> None:
        """Close the connections of a transport that nobody closed, from whatever thread it is dropped in."""
        pool, loop = getattr(self, "_pool", None), getattr(self, "_loop", None)
        if pool is None or loop is None:
            return
        try:
            loop.call_soon_threadsafe(_end, pool)
        except RuntimeError:  # the loop has ended
            _end(pool)


# Pools that are open. Were they held by their transports alone, and these by a cycle, all would be collected at once,
# and the libraries complain of what is closed a moment later.
_pools: Final[set[Pool]] = set()


def _check_http_client(given: object) -> None:
    """Raise a ConfigurationError if it cannot send requests: a blocking client fails once they may have left."""
    if given is None:
        return
    from httpx import AsyncClient  # noqa: PLC0415  # 45 ms, when needed

    if not isinstance(given, AsyncClient):
        kind = f"{type(given).__module__.partition('.')[0]}.{type(given).__name__}"
        raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not {kind.removeprefix('builtins.')}")


def _without(keys: Sequence[bytes], reply: Reply) -> Reply:
    """Return a reply without our keys, where a server says them back: its words get into errors, logs and files."""
    content, headers = reply.content, reply.headers
    for key in keys:
        if key in content:
            content = content.replace(key, _MASK)
        if any(key.decode() in value for value in headers.values()):
            masked = _MASK.decode()
            headers = {name.lower(): value.replace(key.decode(), masked) for name, value in headers.items()}
    if content is reply.content and headers is reply.headers:
        return reply
    return replace(reply, content=content, headers=headers)


async def _opened(pool: Pool) -> AsyncGenerator[Pool]:
    """Yield a pool, and close it in the end.

    A generator, because a loop closes those that it still has when it ends: a client that nobody closed leaves no
    connection behind all the same, and no complaint.
    """
    _pools.add(pool)
    try:
        yield pool
    finally:
        _end(pool)
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
            await pool.aclose()


def _end(pool: Pool) -> None:
    """Close the connections of a pool at once."""
    _pools.discard(pool)
    pool.close()


def _overdue(departure: Departure, *, by_call: bool) -> APITimeoutError:
    if by_call:
        return APITimeoutError("no reply by the deadline of the call", sent=departure.has_left)
    return APITimeoutError(
        f"the reply was not whole {LONGEST_REPLY:g} s after the time it may take to begin", sent=departure.has_left
    )
