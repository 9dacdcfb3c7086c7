"""Replies that no server should send, over real sockets: one case's trouble, never the others'."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import traceback
import zlib
from collections.abc import Callable
from itertools import count

import httpx
import pytest

from fi_async import APIConnectionError, APITimeoutError, AsyncEvaluator, Timeout
from fi_async._connection import Connection
from fi_async.wire import bodies, transport
from fi_async.wire.requests import Parameters, new_eval
from fi_async.wire.transport import Transport
from raw import read_request, socket_server

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("any_transport")]

KEYS = {"fi_api_key": "marked-api-key", "fi_secret_key": "marked-secret-key"}
POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)
MORE = {"default_headers": {"X-Gateway-Token": "marked-token"}}

_HEAD = b"HTTP/1.1 200 OK\r\n"
_JSON = b'{"status": true, "result": []}'
_LENGTH = b"Content-Length: %d\r\n\r\n"


def packed(content: bytes) -> bytes:
    return _HEAD + b"Content-Encoding: gzip\r\n" + _LENGTH % len(content) + content


MALFORMED = {
    "nothing": b"",
    "half a status line": b"HTTP/1.",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a corrupted status line": b"HTTQ/1.1 2\x000 OK\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of ten digits": b"HTTP/1.1 9999999999 OK\r\nContent-Length: 0\r\n\r\n",
    "a head that is cut off": _HEAD + b"Content-Type: applic",
    "a header without a colon": _HEAD + b"nonsense\r\n" + _LENGTH % 2 + b"{}",
    "a zero byte in a header": _HEAD + b"X-Odd: a\0b\r\n" + _LENGTH % 2 + b"{}",
    "a length that is no number": _HEAD + b"Content-Length: many\r\n\r\n{}",
    "a length below zero": _HEAD + b"Content-Length: -1\r\n\r\n{}",
    "two lengths": _HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a bad chunk size": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is cut off": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{",
    "a body that is cut off": _HEAD + _LENGTH % 100 + b"{",
    "a header of 200 kB": _HEAD + b"X-Long: " + b"x" * 200_000 + b"\r\n" + _LENGTH % 2 + b"{}",
    "twenty thousand headers": _HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + _LENGTH % 2 + b"{}",
    "no gzip": packed(_JSON),
    "gzip that is cut off": packed(gzip.compress(_JSON * 50)[:-20]),
    "gzip that is corrupted": packed(gzip.compress(_JSON * 50)[:20] + bytes(40)),
    "an encoding not asked for": _HEAD + b"Content-Encoding: br\r\n" + _LENGTH % 4 + b"\x0b\x02\x80\x03",
}


class Api:
    """Answers evaluations of single rows with their own text as the reason; what it does beside that is `spoil`'s.

    Args:
        spoil: Given the number of a POST, returns what is sent instead of an answer, or None.
        extra: Given the number of a POST, tells whether its reply is sent a second time, 0.05 s later.
    """

    def __init__(
        self, spoil: Callable[[int], bytes | None] = lambda _: None, extra: Callable[[int], bool] | None = None
    ):
        self.spoil = spoil
        self.extra = extra or (lambda _: False)
        self.posts = count()
        self.accepted: list[str] = []
        self.doubled = 0

    async def __call__(self, reader, writer):
        while True:
            head, _, body = (await read_request(reader)).partition(b"\r\n\r\n")
            await asyncio.sleep(0.01)  # as work takes
            number = next(self.posts)
            spoiled = self.spoil(number)
            if spoiled is not None:
                writer.write(spoiled)
                await writer.drain()
                return
            reply = self.reply(head, body)
            writer.write(reply)
            if self.extra(number):
                self.doubled += 1
                await asyncio.sleep(0.05)
                writer.write(reply)
            await writer.drain()

    def reply(self, head: bytes, body: bytes) -> bytes:
        given = {line.split(b": ")[0].lower(): line.split(b": ")[1] for line in head.split(b"\r\n")[1:]}
        if head.startswith(b"GET") and b"eval_id=" in head:
            eval_id = head.split(b"eval_id=")[1].split()[0].decode()
            text = self.accepted[int(eval_id[-12:])]
            result = {"eval_status": "completed", "result": {"name": "contains", "value": "Passed", "reason": text}}
            result["result"]["eval_id"] = eval_id
        elif head.startswith(b"GET"):
            result = []
        else:
            asked = json.loads(body)
            item = {
                "name": "contains",
                "output": "Passed",
                "reason": asked["inputs"]["text"],
                "output_type": "Pass/Fail",
            }
            if asked.get("is_async"):
                item = {"name": "contains", "eval_id": f"00000000-0000-4000-8000-{len(self.accepted):012}"}
                self.accepted.append(asked["inputs"]["text"])
            result = [{"evaluations": [item]}]
        content = json.dumps({"status": True, "result": result}).encode()
        return _HEAD + b"X-Request-Id: %s\r\n" % given[b"x-request-id"] + _LENGTH % len(content) + content


async def reply_to(content: bytes, **more) -> bytes:
    """Return the body of a reply that is sent as it stands; the server then hangs up."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(content)
        await writer.drain()

    async with socket_server(answer) as url:
        client = Transport(Connection.resolve(*KEYS.values(), url, **MORE))
        try:
            return (await client.send(POST, Timeout(**more))).content
        finally:
            await client.aclose()


def everything_about(error: BaseException) -> str:
    """All that a tracker of errors would show of an exception: its chain, their arguments and attributes."""
    shown, waiting, seen = [], [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        shown += [repr(each), str(each), repr(each.args), repr(vars(each))]
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return "\n".join([*shown, *traceback.format_exception(error)])


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
async def test_a_reply_that_cannot_be_read_is_ambiguous_and_shows_no_key(content):
    with pytest.raises(APIConnectionError) as caught:
        await reply_to(content, read=5)
    assert (caught.value.sent, caught.value.unreachable) == (True, False)
    assert not isinstance(caught.value, APITimeoutError)
    assert "marked" not in everything_about(caught.value)
    assert caught.value.__cause__ is None is caught.value.__context__


async def test_a_key_that_the_server_says_back_does_not_show():
    said = " ".join([*KEYS.values(), *MORE["default_headers"].values()]).encode()
    with pytest.raises(APIConnectionError) as caught:
        await reply_to(b"HTTP/1.1 " + said + b"\r\n\r\n")
    assert "***" in str(caught.value)
    assert "marked" not in everything_about(caught.value)


async def test_one_malformed_reply_in_ten_leaves_everyone_elses_outcome():
    kinds = list(MALFORMED.values())
    api = Api(lambda number: kinds[number // 10 % len(kinds)] if number % 10 == 3 else None)
    async with socket_server(api) as url, AsyncEvaluator(**KEYS, fi_base_url=url, concurrency=16, rows=1) as ev:
        cases = [{"text": f"text {number}"} for number in range(300)]
        report = await ev.gather(cases, "contains", eval_config={"keyword": "text"}, strategy="sync")
    assert [outcome.result.reason for outcome in report.outcomes] == [case["text"] for case in cases]
    assert sum(outcome.ambiguous for outcome in report.outcomes) >= 30


@pytest.mark.parametrize("strategy", ["sync", "async"])
async def test_a_second_reply_that_nobody_asked_for_is_nobodys(strategy):
    api = Api(extra=lambda number: number % 7 == 2)
    async with socket_server(api) as url, AsyncEvaluator(**KEYS, fi_base_url=url, concurrency=4, rows=1) as ev:
        cases = [{"text": f"text {number}"} for number in range(50)]
        report = await ev.gather(
            cases, "contains", eval_config={"keyword": "text"}, strategy=strategy, poll_interval=0.05
        )
    assert [outcome.result.reason for outcome in report.outcomes] == [case["text"] for case in cases]
    assert api.doubled >= 7


@pytest.mark.parametrize("together", [True, False])
async def test_a_connection_with_a_byte_too_many_is_not_used_again(together):
    """Of a server that gives back no ids: the connection alone tells."""
    connections = []

    async def answer(reader, writer):
        connections.append(writer)
        for number in count():
            await read_request(reader)
            content = b'{"number": %d}' % number
            reply = _HEAD + _LENGTH % len(content) + content
            writer.write(reply * 2 if together else reply)
            if not together:
                await asyncio.sleep(0.05)
                writer.write(reply)

    async with socket_server(answer) as url:
        client = Transport(Connection.resolve(*KEYS.values(), url))
        for _ in range(3):
            assert (await client.send(POST, Timeout(read=5))).content == b'{"number": 0}'
            await asyncio.sleep(0.1)
        await client.aclose()
    assert len(connections) == 3


async def test_a_connection_that_is_out_of_step_is_not_used_again_in_a_client_of_ones_own():
    connections = []

    async def answer(reader, writer):
        connections.append(writer)
        for number in count():
            head, _, _ = (await read_request(reader)).partition(b"\r\n\r\n")
            asked = next(line.split()[1] for line in head.split(b"\r\n") if line.lower().startswith(b"x-request-id:"))
            await asyncio.sleep(0.05)  # as work takes: its own reply is not there yet when the next request leaves
            reply = _HEAD + b"X-Request-Id: %s\r\n" % asked + _LENGTH % len(_JSON) + _JSON
            writer.write(reply * 2 if number == len(connections) == 1 else reply)

    async with socket_server(answer) as url, httpx.AsyncClient() as own:
        client = Transport(Connection.resolve(*KEYS.values(), url), http_client=own)
        for number in range(5):
            if number == 2:
                with pytest.raises(APIConnectionError, match="the reply that came is that to another request"):
                    await client.send(POST, Timeout(read=5))
            else:
                assert (await client.send(POST, Timeout(read=5))).content == _JSON
        await client.aclose()
    assert len(connections) == 2


async def test_what_is_long_and_right_is_read():
    body = b'{"text": "' + b"x" * 5_000_000 + b'"}'
    many = b"".join(b"X-%d: y\r\n" % number for number in range(100))
    head = _HEAD + many + b"X-Long: " + b"x" * 30_000 + b"\r\n"
    assert await reply_to(head + _LENGTH % len(body) + body) == body


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("identity", bytes),
        ("deflate", zlib.compress),
        ("deflate", lambda plain: zlib.compress(plain, wbits=-zlib.MAX_WBITS)),
        ("gzip, gzip", lambda plain: gzip.compress(gzip.compress(plain))),
    ],
)
async def test_bodies_are_unpacked(encoding, pack):
    content = pack(_JSON)
    head = _HEAD + b"Content-Encoding: %s\r\n" % encoding.encode()
    assert await reply_to(head + _LENGTH % len(content) + content) == _JSON


async def test_a_body_is_bounded_as_sent(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_BYTES", 2**20)
    with pytest.raises(APIConnectionError, match="the reply is longer than 1 MiB as sent") as caught:
        await reply_to(_HEAD + b"\r\n" + b"x" * (2**21))
    assert caught.value.sent is True


async def test_a_body_is_bounded_as_unpacked():
    bomb = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    content = b"".join(bomb.compress(bytes(2**20)) for _ in range(100)) + bomb.flush()
    assert len(content) < 2**20
    with pytest.raises(APIConnectionError, match="the reply is longer than 64 MiB as unpacked") as caught:
        await reply_to(packed(content))
    assert caught.value.sent is True


@pytest.mark.parametrize("begun", [_HEAD + _LENGTH % 1000, _HEAD + b"X-Slow: ", b""], ids=["body", "head", "status"])
async def test_a_reply_is_bounded_in_time_though_it_trickles(begun, monkeypatch):
    monkeypatch.setattr(transport, "LONGEST_REPLY", 0.1)

    async def trickle(reader, writer):
        await read_request(reader)
        writer.write(begun)
        for byte in (_HEAD + b"X" * 1000) if not begun else b"x" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    async with socket_server(trickle) as url:
        client, began = Transport(Connection.resolve(*KEYS.values(), url)), time.monotonic()
        with pytest.raises(APITimeoutError, match=r"the reply was not whole 0\.1 s after") as caught:
            await client.send(POST, Timeout(connect=0.2, read=0.2))
        await client.aclose()
    assert caught.value.sent is True
    assert 0.5 <= time.monotonic() - began < 2
