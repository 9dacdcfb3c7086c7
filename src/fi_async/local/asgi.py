"""Between ASGI messages and the rest: a request read whole, a reply written whole, a connection reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from fi_async._version import __version__
from fi_async.local.envelopes import HttpReply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, SendMessage], Awaitable[None]]

ABORT = "fi_async.abort"
"""The ASGI extension under which our uvicorn protocols offer to reset the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body read."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one, the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """Return the request with its whole body; None if the client left before it was sent."""
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return Request(
        scope["method"],
        scope["path"],
        scope.get("query_string", b"").decode("latin-1"),
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        b"".join(chunks),
    )


async def send_reply(send: SendMessage, request: Request, reply: HttpReply, now: float) -> None:
    """Send a reply, dated `now` (seconds since the epoch). To HEAD goes the head of what GET would get."""
    headers = (
        ("content-type", reply.content_type),
        ("content-length", str(len(reply.body))),
        ("x-request-id", request.headers.get("x-request-id") or str(uuid4())),
        ("date", _http_date(int(now))),
        ("server", f"fi_async/{__version__}"),
        *reply.headers,
    )
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else reply.body})


async def reset(scope: Scope, receive: Receive) -> None:
    """Break the connection off without a reply.

    Raises:
        ConnectionResetError: In process, where there is no connection to break.
    """
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise ConnectionResetError("the local backend was told to reset this connection")
    abort()
    await receive()  # returns once the server has seen it: before that it would answer 500 for us


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
