"""Requests through an `httpx.AsyncClient`: over our connections, to an application in process, or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import httpx

from fi_async._errors import ConfigurationError
from fi_async._settings import Timeout
from fi_async.wire.bodies import Body
from fi_async.wire.dataset_requests import ROOT as OF_DATASETS
from fi_async.wire.departure import REQUEST_ID, Departure
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

# A request that ended so had not begun to leave. Transports of others may not tell when it does.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)
# httpx-aiohttp reports every connection error of aiohttp as a ConnectTimeout, a reset after sending too: the cause
# tells. Compared by name, so that aiohttp is not imported where it is not used.
_AIOHTTP_NEVER_SENT: Final = frozenset(
    {"ClientConnectorError", "ConnectionTimeoutError", "InvalidURL", "NonHttpUrlClientError"}
)


class _NoCookies(httpx.Cookies):
    """Keeps none: a session's would put the keys' requests under the session's limits."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""

    def set_cookie_header(self, request: httpx.Request) -> None:
        """Send none."""


class _Client(httpx.AsyncClient):
    """A client of httpx that keeps no cookies, and looks for none."""

    @property
    def cookies(self) -> httpx.Cookies:
        """None."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        """Leave them."""


_NO_COOKIES: Final = _NoCookies()


class Carrier(Protocol):
    """Moves the bytes of one request, over connections of its own."""

    async def send(self, request: httpx.Request, timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply, unpacked; raise whatever kept it from coming."""

    def close(self) -> None:
        """Close every connection at once, without waiting for anything."""

    async def aclose(self) -> None:
        """Close every connection."""


class _Carried(httpx.AsyncBaseTransport):
    """Hands the requests of a client to a carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        extensions = request.extensions
        reply = await self._carrier.send(request, extensions["times"], extensions["departure"])
        # Whole, and unpacked: what httpx would make of its headers and its body is not asked for.
        return httpx.Response(reply.status, content=b"", extensions={"reply": reply})


class CarriedClient:
    """Sends requests through a client of httpx, over connections of ours.

    httpx's own pool looks at every connection on each request and each reply, which is quadratic in their number.

    Args:
        root: Scheme, host, port and path prefix of every address.
        carrier: What moves the bytes.
    """

    def __init__(self, root: str, carrier: Carrier) -> None:
        self.carrier = carrier
        self._root = root
        self._client = _Client(transport=_Carried(carrier), trust_env=False)
        self._urls: dict[str, httpx.URL] = {}
        self._headers: dict[str, httpx.Headers] = {}

    async def send(self, call: HttpCall, headers: Mapping[str, str], timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply. Raises what the carrier raises."""
        extensions = {"times": timeout, "departure": departure}
        # The few sets of headers are encoded once.
        prepared = self._headers.get(call.method) if call.content_type is None else httpx.Headers(headers)
        if prepared is None:
            prepared = self._headers[call.method] = httpx.Headers(headers)
        request = httpx.Request(
            call.method, self._url(call), headers=prepared, content=call.body, extensions=extensions
        )
        response = await self._client.send(request, follow_redirects=False)
        reply: Reply = response.extensions["reply"]
        return reply

    def _url(self, call: HttpCall) -> httpx.URL:
        if call.method == "GET" or call.path.startswith(OF_DATASETS):
            return httpx.URL(self._root + call.path)
        # The few addresses of POSTs are parsed once: parsing takes twice as long as encoding a body.
        url = self._urls.get(call.path)
        if url is None:
            url = self._urls[call.path] = httpx.URL(self._root + call.path)
        return url

    def close(self) -> None:
        """Close every connection at once, without waiting for anything."""
        self.carrier.close()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.carrier.aclose()


class HttpxClient:
    """Sends requests through a client of httpx.

    Args:
        root: Scheme, host, port and path prefix of every address.
        client: What sends them. Closing it is its owner's part.
    """

    def __init__(self, root: str, client: httpx.AsyncClient) -> None:
        self._root = root
        self._client = client

    async def send(self, call: HttpCall, headers: Mapping[str, str], timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply. Raises what httpx raises.

        Raises:
            ConfigurationError: The client is closed.
        """
        if self._client.is_closed:
            raise ConfigurationError("the http_client that was passed in is closed")
        request = self._client.build_request(
            call.method,
            self._root + call.path,
            content=call.body,
            headers={**headers, **departure.headers, REQUEST_ID: departure.request_id},
            timeout=httpx.Timeout(timeout.read, connect=timeout.connect),
            extensions={"trace": departure.trace()},
        )
        body: Body | None = None
        try:
            response = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                found = dict(response.headers.items())
                departure.check(found)  # before the body is read: so a connection that is out of step is closed
                if not response.is_stream_consumed:  # a hook of the client's owner may have read it
                    body = Body()
                    async for part in response.aiter_raw():
                        body.add(part)
            finally:
                await response.aclose()
        except Exception as error:
            if not (departure.has_left or departure.is_traced or _never_sent(error)):
                departure.has_left = True  # its transport does not tell: it may have
            raise
        content = response.content if body is None else body.content(found)
        return Reply(response.status_code, found, content)

    def close(self) -> None:
        """Leave the client open: closing it is its owner's part."""

    async def aclose(self) -> None:
        """Leave the client open: closing it is its owner's part."""


class InProcess(HttpxClient):
    """Sends requests to an ASGI application in this process.

    Args:
        root: Scheme and host of every address; never looked up.
        app: The application.
    """

    def __init__(self, root: str, app: Callable[..., Any]) -> None:
        transport = httpx.ASGITransport(app)
        super().__init__(root, _Client(transport=transport, trust_env=False))

    async def send(self, call: HttpCall, headers: Mapping[str, str], timeout: Timeout, departure: Departure) -> Reply:
        """Return the whole reply. Raises what the application raises."""
        departure.leave()
        try:
            return await super().send(call, headers, timeout, departure)
        except (httpx.TransportError, OSError) as error:
            departure.has_left = not _never_sent(error)
            raise
        except Exception as error:
            departure.broke = error
            raise


def _never_sent(error: Exception) -> bool:
    cause = error.__cause__
    if type(cause).__module__.startswith("aiohttp"):
        return not _AIOHTTP_NEVER_SENT.isdisjoint(kind.__name__ for kind in type(cause).__mro__)
    return isinstance(error, _NEVER_SENT)
