"""When a request leaves, over real sockets: told once, when the connection stands, whatever had to be done for it."""

from __future__ import annotations

import asyncio
import time

import anyio
import httpx
import pytest

from fi_async import APIConnectionError, Timeout
from fi_async._connection import Connection
from fi_async.local import LocalBackend
from fi_async.wire.requests import Parameters, get_evals, new_eval
from fi_async.wire.transport import Transport
from raw import CERTIFICATE, OK, read_request, socket_server, tls_of_server

pytestmark = pytest.mark.anyio

KEYS = ("the-api-key", "the-secret-key")
POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)
SLOW = 0.4  # seconds that a handshake takes


def transport_to(url: str, **more) -> Transport:
    return Transport(Connection.resolve(*KEYS, url, allow_insecure_http=True), **more)


class Leaving:
    """Notes when a request leaves, in seconds since it was handed over."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(time.monotonic() - self.began)


async def answer(reader, writer):
    while True:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()


async def sent_twice(transport: Transport) -> tuple[list[float], list[float]]:
    """Return when a request over a cold connection left, and when one over the same connection did."""
    noted = []
    for call in (POST, get_evals()):
        left = Leaving()
        assert (await transport.send(call, Timeout(), left=left)).status == 200
        noted.append(left.times)
    await transport.aclose()
    return noted[0], noted[1]


@pytest.mark.usefixtures("any_transport")
async def test_a_request_leaves_once_over_cold_and_over_open_connections():
    async with socket_server(answer) as url:
        cold, warm = await sent_twice(transport_to(url))
    assert (len(cold), len(warm)) == (1, 1)


@pytest.mark.usefixtures("any_transport")
async def test_a_request_leaves_after_the_handshake_of_tls(monkeypatch):
    async def slow(reader, writer):
        writer.transport.pause_reading()  # what the client says belongs to the handshake
        await asyncio.sleep(SLOW)
        await writer.start_tls(tls_of_server())
        await answer(reader, writer)

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with socket_server(slow) as url:
        cold, warm = await sent_twice(transport_to(url.replace("http:", "https:")))
    assert len(cold) == len(warm) == 1
    assert cold[0] >= SLOW > warm[0]


@pytest.mark.usefixtures("any_transport")
async def test_a_request_leaves_after_its_tunnel_through_a_proxy(monkeypatch):
    asked = []

    async def proxy(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        await asyncio.sleep(SLOW)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(tls_of_server())
        await answer(reader, writer)

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with socket_server(proxy) as url:
        monkeypatch.setenv("https_proxy", url)
        cold, warm = await sent_twice(transport_to("https://localhost:1"))
    assert asked == [b"CONNECT localhost:1 HTTP/1.1"]
    assert len(cold) == len(warm) == 1
    assert cold[0] >= SLOW > warm[0]


@pytest.mark.usefixtures("any_transport")
async def test_a_request_whose_connection_never_stood_has_not_left(monkeypatch):
    async def hang_up(reader, writer):
        await reader.read(1)

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with socket_server(hang_up) as url:
        transport, left = transport_to(url.replace("http:", "https:")), Leaving()
        with pytest.raises(APIConnectionError) as caught:
            await transport.send(POST, Timeout(), left=left)
        await transport.aclose()
    assert (left.times, caught.value.sent, caught.value.unreachable) == ([], False, False)


@pytest.mark.usefixtures("any_transport")
async def test_a_handshake_that_takes_too_long_has_not_sent_the_request():
    async def wait(reader, writer):
        await reader.read()

    async with socket_server(wait) as url:
        transport, left = transport_to(url.replace("http:", "https:")), Leaving()
        with pytest.raises(APIConnectionError, match=r"no connection within 0\.1 s") as caught:
            await transport.send(POST, Timeout(connect=0.1), left=left)
        await transport.aclose()
    assert (left.times, caught.value.sent, caught.value.unreachable) == ([], False, False)


@pytest.mark.usefixtures("any_transport")
@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://no-such-host.invalid"])
async def test_nobody_is_there(url, unused_port):
    transport, left = transport_to(url.format(port=unused_port)), Leaving()
    with pytest.raises(APIConnectionError) as caught:
        await transport.send(POST, Timeout(), left=left)
    await transport.aclose()
    assert (left.times, caught.value.sent, caught.value.unreachable) == ([], False, True)


async def test_a_call_in_process_leaves_at_once():
    transport = Transport(Connection.resolve(None, None, "local"), app=LocalBackend())
    cold, warm = await sent_twice(transport)
    assert (len(cold), len(warm)) == (1, 1)


async def test_a_client_of_the_users_own_tells_when_a_request_leaves():
    async with socket_server(answer) as url, httpx.AsyncClient() as mine:
        cold, warm = await sent_twice(transport_to(url, http_client=mine))
    assert (len(cold), len(warm)) == (1, 1)


async def test_a_client_of_the_users_own_that_cannot_tell_does_not():
    async def reply(request):
        return httpx.Response(200, content=b"{}")

    async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as mine:
        cold, warm = await sent_twice(transport_to("http://localhost", http_client=mine))
    assert (cold, warm) == ([], [])


async def test_what_a_client_of_the_users_own_does_not_tell_of_may_have_left():
    async def broken(request):
        raise httpx.ReadError("reset")

    async with httpx.AsyncClient(transport=httpx.MockTransport(broken)) as mine:
        with pytest.raises(APIConnectionError) as caught:
            await transport_to("http://localhost", http_client=mine).send(POST, Timeout())
    assert caught.value.sent is True


@pytest.mark.usefixtures("any_transport")
async def test_a_request_that_may_not_leave_after_all_is_not_sent_and_keeps_its_connection():
    accepted, asked = [], []

    async def count(reader, writer):
        accepted.append(writer)
        while True:
            asked.append(await read_request(reader))
            writer.write(OK)
            await writer.drain()

    def left():
        raise LookupError("not now")

    async with socket_server(count) as url:
        transport = transport_to(url)
        for _ in range(2):  # over a connection that is new, then over one that has been used
            for _ in range(2):
                with pytest.raises(LookupError, match="not now"):
                    await transport.send(POST, Timeout(), left=left)
            assert (await transport.send(POST, Timeout())).status == 200
        await transport.aclose()
    assert (len(accepted), len(asked)) == (1, 2)


@pytest.mark.usefixtures("any_transport")
async def test_a_connection_that_was_kept_unused_and_then_closed_is_not_used():
    accepted = []

    async def hang_up_first(reader, writer):
        accepted.append(writer)
        if len(accepted) > 1:
            await answer(reader, writer)

    def left():
        raise LookupError("not now")

    async with socket_server(hang_up_first) as url:
        transport = transport_to(url)
        with pytest.raises(LookupError, match="not now"):
            await transport.send(POST, Timeout(), left=left)
        await anyio.sleep(0.05)
        assert (await transport.send(POST, Timeout())).status == 200
        await transport.aclose()
    assert len(accepted) == 2


@pytest.mark.usefixtures("any_transport")
async def test_a_poll_whose_connection_breaks_is_not_sent_again_underneath():
    asked = []

    async def hang_up(reader, writer):
        asked.append(await read_request(reader))

    async with socket_server(hang_up) as url:
        transport, left = transport_to(url), Leaving()
        with pytest.raises(APIConnectionError) as caught:
            await transport.send(get_evals(), Timeout(), left=left)
        await anyio.sleep(0.05)
        await transport.aclose()
    assert (len(asked), len(left.times), caught.value.sent) == (1, 1, True)
