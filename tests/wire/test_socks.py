"""SOCKS proxies, over real sockets: all goes through them, or nothing goes anywhere, and nothing is left open."""

from __future__ import annotations

import asyncio
import time
import traceback
from urllib.parse import urlsplit

import pytest

from fi_async import APIConnectionError, APITimeoutError, AsyncEvaluator, ConfigurationError, Timeout
from fi_async._connection import Connection
from fi_async.local import LocalBackend
from fi_async.local.server import running
from fi_async.wire import proxies
from fi_async.wire.requests import Parameters, new_eval
from fi_async.wire.transport import Transport
from raw import CERTIFICATE, OK, read_request, socket_server, tls_of_server
from socks_server import socks_proxy

pytest.importorskip("socksio")
# With aiohttp, which speaks no SOCKS, and without it: through a proxy it is httpcore that sends.
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("any_transport")]

KEYS = {"fi_api_key": "marked-api-key", "fi_secret_key": "marked-secret-key"}
POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)


def transport_to(url: str) -> Transport:
    return Transport(Connection.resolve(*KEYS.values(), url, allow_insecure_http=True))


async def failed(url: str = "http://api.invalid", **times: float) -> APIConnectionError:
    """Return how a request fails that never left, by which no key is shown."""
    transport, left = transport_to(url), []
    with pytest.raises(APIConnectionError) as caught:
        await transport.send(POST, Timeout(**times), left=lambda: left.append(1))
    await transport.aclose()
    assert (left, caught.value.sent) == ([], False)
    assert "marked" not in "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.mark.parametrize("strategy", ["sync", "async"])
async def test_a_run_goes_through_a_socks_proxy(strategy, monkeypatch):
    backend = LocalBackend()
    with running(backend) as url:
        port = urlsplit(url).port
        async with socks_proxy(login=(b"me", b"hunter2"), answers={("api.invalid", 80): port}) as proxy:
            monkeypatch.setenv("ALL_PROXY", proxy.url.replace("://", "h://me:hunter2@"))
            async with AsyncEvaluator(
                **KEYS, fi_base_url="http://api.invalid", allow_insecure_http=True, strategy=strategy, concurrency=4
            ) as ev:
                report = await ev.gather(
                    [{"text": f"a needle {n}"} for n in range(20)], "contains", eval_config={"keyword": "needle"}
                )
    summary = report.summary()
    assert (summary["scored"], summary["ambiguous"], summary["possible_duplicates"]) == (20, 0, 0)
    assert backend.statistics()["evaluations_made"] == 20
    assert {*proxy.asked} == {("api.invalid", 80)}  # the name, which this machine need not know
    assert len(proxy.asked) <= 5  # connections are kept
    assert b"marked" not in proxy.before


async def test_https_is_encrypted_within_the_tunnel(monkeypatch):
    async def answer(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with socket_server(answer, tls_of_server()) as url, socks_proxy() as proxy:
        port = urlsplit(url).port
        proxy.answers[("localhost", port)] = port
        monkeypatch.setenv("https_proxy", proxy.url)
        transport = transport_to(f"https://localhost:{port}")
        assert (await transport.send(POST, Timeout())).status == 200
        await transport.aclose()
    assert proxy.asked == [("localhost", port)]


async def test_a_proxy_that_refuses_or_is_none_costs_no_evaluation(monkeypatch):
    async with socks_proxy(login=(b"me", b"other"), refusal=5) as proxy:
        monkeypatch.setenv("all_proxy", proxy.url.replace("://", "://me:hunter2@"))
        assert str(await failed()) == "could not connect: Invalid username/password (ProxyError)"
        monkeypatch.setenv("all_proxy", proxy.url)
        assert "Requested NO AUTHENTICATION REQUIRED from proxy server" in str(await failed())
        monkeypatch.setenv("all_proxy", proxy.url.replace("://", "://me:other@"))
        assert (
            str(await failed()) == "could not connect: Proxy Server could not connect: Connection refused. (ProxyError)"
        )
    assert proxy.asked == [("api.invalid", 80)]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05", b"\x04\x00", b"\x05\xff"])
async def test_what_is_no_socks_server_is_told_and_given_no_key(said, monkeypatch):
    heard = []

    async def answer(reader, writer):
        heard.append(await reader.read(100))
        writer.write(said)
        await writer.drain()

    async with socket_server(answer) as url:
        monkeypatch.setenv("all_proxy", url.replace("http:", "socks5:"))
        assert str(await failed()).startswith("could not connect: ")
    assert heard == [b"\x05\x01\x00"]


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_proxy_that_says_nothing_is_given_as_long_as_a_connection_may_take(scheme, monkeypatch):
    async def hang(reader, writer):
        await reader.read()

    async with socket_server(hang) as url:
        monkeypatch.setenv("all_proxy", url.replace("http:", f"{scheme}:"))
        began = time.monotonic()
        error = await failed("https://api.invalid", connect=0.3)
    assert isinstance(error, APITimeoutError)
    assert str(error) == "no connection within 0.3 s"
    assert time.monotonic() - began < 2


async def test_a_proxy_that_is_not_there_is_waited_for(unused_port, monkeypatch):
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{unused_port}")
    assert (await failed()).unreachable


async def test_the_time_to_connect_bounds_no_reply_through_a_proxy(monkeypatch):
    async def answer(reader, writer):
        await read_request(reader)
        await asyncio.sleep(0.5)
        writer.write(OK)
        await writer.drain()

    async with socket_server(answer) as url, socks_proxy() as proxy:
        monkeypatch.setenv("all_proxy", proxy.url)
        transport = transport_to(url)
        assert (await transport.send(POST, Timeout(connect=0.3))).status == 200
        await transport.aclose()


async def test_without_its_extra_a_socks_proxy_is_refused_when_the_client_is_made(monkeypatch):
    monkeypatch.setattr(proxies, "find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:hunter2@127.0.0.1:9")
    with pytest.raises(ConfigurationError) as caught:
        AsyncEvaluator(**KEYS, fi_base_url="http://api.invalid", allow_insecure_http=True)
    assert str(caught.value) == (
        "ALL_PROXY names a SOCKS proxy: install fi-async[socks], name an http:// proxy, or list the server in NO_PROXY"
    )
