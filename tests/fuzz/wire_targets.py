"""What a server, a proxy's settings and a caller's headers may say, as bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import h11
import httpcore
import httpx

from fi_async import APIError, ConfigurationError, FiAsyncError, Timeout
from fi_async._connection import LOCAL, Connection, Credentials
from fi_async.wire import responses, verdicts
from fi_async.wire.bodies import Body
from fi_async.wire.connections import Connections
from fi_async.wire.departure import Departure
from fi_async.wire.over_httpx import CarriedClient
from fi_async.wire.proxies import check_certificates, proxy_to
from fi_async.wire.requests import Parameters, new_eval
from fi_async.wire.responses import Reply
from fi_async.wire.transport import Pool, Transport
from raw import read_request, socket_server

DATE = "Fri, 02 Jan 2026 12:00:00 GMT"
_KEYS = Credentials("fuzzed-api-key-0123456789", "fuzzed-secret-key-0123456789")
_POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)
_TIMES = Timeout(connect=2.0, read=2.0)


def read_every_way(got: Reply) -> None:
    """Read a reply as each of those that take replies does."""
    _ = got.date, got.request_id
    with suppress(APIError):
        responses.both_spellings(responses.read_body(got))
    with suppress(APIError):
        verdicts.started(got, "t", 1, is_async=False)
    with suppress(APIError):
        verdicts.polled(got, "id")
    with suppress(APIError):
        responses.listed_templates(got)


def reply(content: bytes, directory: Path) -> None:
    """A reply's status, headers and body, the body after the first line."""
    head, _, body = content.partition(b"\n")
    status, _, header = head.decode(errors="replace").partition(" ")
    code = int(status) if status.isascii() and status.isdecimal() and len(status) < 5 else 200
    for headers in ({"retry-after": header, "date": header}, {"retry-after": header, "date": DATE}):
        read_every_way(Reply(code, headers, body))


def headers(content: bytes, directory: Path) -> None:
    """Lines `name: value`: first as a caller's, then as a reply's; what follows a blank line is its body."""
    head, _, body = content.partition(b"\n\n")
    pairs = [line.partition(b":")[::2] for line in head.split(b"\n")]
    _of_a_caller({name.decode(errors="surrogateescape"): value.decode("utf-8", "replace") for name, value in pairs})
    told = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in pairs}
    whole = Body()
    whole.add(body)
    with suppress(FiAsyncError):
        Departure("client-1", None).check(told)
        unpacked = whole.content(told)
        for status in (200, 302, 429, 503):
            read_every_way(Reply(status, told, unpacked))


def _of_a_caller(given: dict[str, str]) -> None:
    stripped = {name: value.strip() for name, value in given.items()}
    for agent in ("a", *list(given.values())[:1]):
        for each in (given, stripped):
            with suppress(ConfigurationError):
                Connection("https://a.example", _KEYS, user_agent=agent, default_headers=each)
                h11.Request(method="GET", target="/", headers=[("Host", "a"), ("User-Agent", agent), *each.items()])


def environment(content: bytes, directory: Path) -> None:
    """Lines `VARIABLE=value`: the base URL, the proxies and the certificates that a client is made with."""
    lines = content.replace(b"\0", b"").decode(errors="surrogateescape").split("\n")
    given = {name: value for name, sign, value in (line.partition("=") for line in lines) if sign}
    with suppress(ConfigurationError):
        check_certificates(given)
    made = None
    with suppress(ConfigurationError):
        made = Connection.resolve("k", "s", given.get("FI_BASE_URL") or "https://a.example", allow_insecure_http=True)
    root = "https://a.example" if made is None or made.base_url == LOCAL else made.base_url
    assert httpx.URL(root + "/x").host
    assert httpcore.URL(root).origin.port > 0
    with suppress(ConfigurationError):
        proxy = proxy_to(root, given)
        if proxy is not None:
            httpcore.AsyncConnectionPool(proxy=httpcore.Proxy(proxy.url, auth=proxy.login))


class _Fed(Transport):
    """Reads what it is given in place of what a server sends."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Connection("http://127.0.0.1:9", _KEYS))
        self._content = content

    def _new_pool(self) -> Pool:
        carrier = Connections(self._root, None)
        parts = [self._content[at : at + 1000] for at in range(0, len(self._content), 1000)]
        carrier._network = httpcore.AsyncMockBackend(parts)  # type: ignore[assignment]  # it has what is used
        return CarriedClient(self._root, carrier)


async def _asked(transport: Transport) -> None:
    failed: FiAsyncError | None = None
    try:
        got = await transport.send(_POST, _TIMES)
        assert _KEYS.api_key.encode() not in got.content
        read_every_way(got)
    except FiAsyncError as error:
        failed = error
    finally:
        await transport.aclose()
    if failed is not None:
        assert failed.__cause__ is failed.__context__ is None
        assert _KEYS.api_key not in str(failed)
        assert _KEYS.secret_key not in str(failed)


def raw_reply(content: bytes, directory: Path) -> None:
    """All that comes over a connection, to httpcore."""
    asyncio.run(_asked(_Fed(content)))


def raw_reply_over_aiohttp(content: bytes, directory: Path) -> None:
    """All that comes over a connection, to aiohttp; over a socket, as there is no other way in."""

    async def answer(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(content)
        await writer.drain()

    async def ask() -> None:
        async with socket_server(answer) as url:
            await _asked(Transport(Connection(url, _KEYS)))

    asyncio.run(ask())


RAW_SEEDS = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"status": true, "result": []}',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n{"status": true, "result": []}\r\n0\r\n\r\n',
    b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nDate: " + DATE.encode() + b"\r\nConnection: close\r\n\r\nslow",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 \r\nSet-Cookie: a=b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 10\r\n\r\nx\x9c\xab\xae\x05\x00\x01u\x00\xf9",
)
HEADER_SEEDS = (
    b"X-Team: a b\nAccept: */*\nUser-Agent: mine/1",
    b"Retry-After: 120\nDate: " + DATE.encode() + b"\nContent-Type: text/html\n\n<title>x</title>",
    b"Content-Encoding: gzip, deflate\nLocation: https://b.example/x?y\nX-Request-Id: client-2\n\n\x1f\x8b\x08\x00",
)
ENVIRONMENT_SEEDS = (
    b"HTTPS_PROXY=http://me:pass@proxy.example:3128\nNO_PROXY=.example.com,10.0.0.0/8,[::1]:80,*",
    b"ALL_PROXY=socks5h://127.0.0.1:1080\nno_proxy=a.example:443",
    "FI_BASE_URL=https://bücher.example:8443/prefix/\nSSL_CERT_FILE=/nowhere:/else\nhttps_proxy=[::1]:8".encode(),
)
