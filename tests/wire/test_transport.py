"""What only real sockets show: what left and what did not, connections, proxies, certificates."""

from __future__ import annotations

import socket

import httpx
import pytest

from fi_async import APIConnectionError, APITimeoutError, AsyncEvaluator, ConfigurationError, Timeout
from fi_async._connection import Connection
from fi_async.local import Faults, LocalBackend, Quota, Switches
from fi_async.local.server import running
from fi_async.wire.connections import Connections
from fi_async.wire.requests import Parameters, get_evals, new_eval
from fi_async.wire.transport import Transport
from raw import read_request, socket_server

pytestmark = pytest.mark.anyio

KEYS = {"fi_api_key": "the-key", "fi_secret_key": "the-secret"}
NEEDLE = {"keyword": "needle"}
POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)


def transport_to(url: str, **more) -> Transport:
    return Transport(Connection.resolve(*KEYS.values(), url), **more)


async def sending_to(answer, read: float = 5) -> APIConnectionError:
    async with socket_server(answer) as url:
        transport = transport_to(url)
        with pytest.raises(APIConnectionError) as caught:
            await transport.send(POST, Timeout(read=read))
        await transport.aclose()
    return caught.value


@pytest.mark.usefixtures("any_transport")
async def test_a_refused_connection_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = transport_to(f"http://127.0.0.1:{port}")
    with pytest.raises(APIConnectionError, match="could not connect") as caught:
        await transport.send(POST, Timeout())
    assert caught.value.sent is False
    await transport.aclose()


@pytest.mark.usefixtures("any_transport")
async def test_a_connection_closed_without_a_reply_may_have_been_sent():
    async def hang_up(reader, writer):
        await read_request(reader)

    error = await sending_to(hang_up)
    assert (error.sent, isinstance(error, APITimeoutError)) == (True, False)


@pytest.mark.usefixtures("any_transport")
async def test_a_reset_may_have_been_sent():
    async def reset(reader, writer):
        await read_request(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    assert (await sending_to(reset)).sent is True


@pytest.mark.usefixtures("any_transport")
async def test_a_reply_cut_off_in_its_body_may_have_been_sent():
    async def cut(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()

    assert (await sending_to(cut)).sent is True


@pytest.mark.usefixtures("any_transport")
async def test_no_reply_in_time_may_have_been_sent():
    async def wait(reader, writer):
        await reader.read()

    error = await sending_to(wait, read=0.05)
    assert isinstance(error, APITimeoutError)
    assert error.sent is True


@pytest.mark.usefixtures("any_transport")
async def test_a_request_carries_what_the_server_wants():
    seen = []

    async def answer(reader, writer):
        while True:
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: sessionid=1\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()

    async with socket_server(answer) as url:
        transport = transport_to(url)
        reply = await transport.send(POST, Timeout())
        await transport.send(get_evals(), Timeout())
        await transport.aclose()
    assert (reply.status, reply.content) == (200, b"{}")
    post, get = (each.decode().split("\r\n") for each in seen)
    assert post[0] == "POST /sdk/api/v1/new-eval/ HTTP/1.1"
    sent = {line.split(": ")[0].lower(): line.split(": ")[1] for line in post[1:] if ": " in line}
    assert sent["x-api-key"] == "the-key"
    assert sent["x-secret-key"] == "the-secret"
    assert sent["content-type"] == "application/json"
    assert sent["content-length"] == str(len(POST.body))
    assert sent["accept"] == "application/json"
    assert sent["user-agent"].startswith("fi-async/")
    assert not {"authorization", "cookie", "transfer-encoding"} & sent.keys()
    assert get[0] == "GET /sdk/api/v1/get-evals/ HTTP/1.1"
    assert not any(line.lower().startswith("cookie") for line in get), "a session's limits would count"


@pytest.mark.usefixtures("any_transport")
async def test_a_redirect_is_not_followed():
    asked = []

    async def redirect(reader, writer):
        asked.append(await read_request(reader))
        writer.write(b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:9/elsewhere/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with socket_server(redirect) as url:
        transport = transport_to(url)
        reply = await transport.send(POST, Timeout())
        await transport.aclose()
    assert (reply.status, len(asked)) == (301, 1)


async def test_many_cases_travel_over_few_connections(any_transport):
    with running(LocalBackend()) as url:
        async with AsyncEvaluator(**KEYS, fi_base_url=url, concurrency=4) as ev:
            report = await ev.gather([{"text": "needle"}] * 50, "contains", eval_config=NEEDLE)
            if any_transport == "httpx":
                connections = ev._session.transport._pool.carrier
                assert isinstance(connections, Connections)
                assert repr(connections) == "<Connections busy=0 free=4>"
    assert report.coverage == 1.0


@pytest.mark.usefixtures("any_transport")
async def test_faults_of_a_real_server_lose_nothing():
    faults = Faults(status={503: 0.05}, reset_before=0.02, reset_after=0.02, cut_json=0.01, html_500=0.01, fail=0.02)
    backend = LocalBackend(Switches(faults=faults, seed=5))
    cases = [{"text": f"{index} {'needle' if index % 3 == 0 else 'straw'}"} for index in range(300)]
    with running(backend) as url:
        async with AsyncEvaluator(**KEYS, fi_base_url=url, concurrency=32) as ev:
            report = await ev.gather(cases, "contains", eval_config=NEEDLE)
    summary = report.summary()
    assert len(report.outcomes) == 300
    assert all(each.passed == (each.index % 3 == 0) for each in report.outcomes if each.result)
    assert summary["scored"] >= 280
    made = backend.statistics()
    assert 0 < made["duplicates"] <= summary["possible_duplicates"] <= summary["ambiguous"]


async def test_a_429_of_a_real_server_is_waited_out():
    backend = LocalBackend(Switches(requests=Quota(20, 1.0)))
    with running(backend) as url:
        async with AsyncEvaluator(**KEYS, fi_base_url=url, concurrency=4) as ev:
            report = await ev.gather([{"text": "needle"}] * 30, "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0


async def test_a_client_of_the_users_own_is_used_and_left_open():
    seen = []

    async def note(request: httpx.Request) -> None:
        seen.append(request.headers["x-mine"])

    with running(LocalBackend()) as url:
        async with httpx.AsyncClient(headers={"x-mine": "yes"}, event_hooks={"request": [note]}) as mine:
            async with AsyncEvaluator(**KEYS, fi_base_url=url, http_client=mine) as ev:
                batch = await ev.evaluate("contains", {"text": "needle"}, eval_config=NEEDLE)
            assert not mine.is_closed
        assert (batch.eval_results[0].passed, seen) == (True, ["yes"])
        with pytest.raises(ConfigurationError, match="http_client that was passed in is closed"):
            await ev.evaluate("contains", {"text": "needle"})


@pytest.mark.usefixtures("any_transport")
async def test_a_proxy_of_the_environment_is_used(monkeypatch):
    asked = []

    async def proxy(reader, writer):
        asked.append((await read_request(reader)).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with socket_server(proxy) as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = Transport(Connection.resolve(*KEYS.values(), "http://eval.invalid", allow_insecure_http=True))
        assert (await transport.send(get_evals(), Timeout())).status == 200
        await transport.aclose()
    assert asked == [b"GET http://eval.invalid/sdk/api/v1/get-evals/ HTTP/1.1"]


async def test_no_key_shows_in_what_a_transport_says():
    transport = transport_to("http://127.0.0.1:9")
    assert repr(transport) == "<Transport to http://127.0.0.1:9>"
    with pytest.raises(APIConnectionError) as caught:
        await transport.send(POST, Timeout())
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert "the-secret" not in shown
    assert "the-key" not in shown
    await transport.aclose()
