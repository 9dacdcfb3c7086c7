"""The moment when a request leaves: told once, and remembered, as it decides what a failure means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fi_async._errors import APIConnectionError

_SENDING: Final = frozenset({"http11.send_request_headers.started", "http2.send_request_headers.started"})
REQUEST_ID: Final = "X-Request-Id"  # the server gives it back

_NONE: Final[Mapping[str, str]] = {}


class Departure:
    """Whether a request has begun to leave, and which reply is its own.

    Args:
        request_id: What it is sent with, beginning with what all requests of its client begin with.
        left: Called once, when the connection stands and before the first byte of the request is written.

    Attributes:
        headers: What it carries beside those of all requests.
        has_left: True from then on: the server may have acted on the request.
        is_traced: True once a library has told anything of the request's way: then it tells when it leaves, too.
        broke: What `left` raised, or an application in this process: a bug, and no failure of the request.
    """

    __slots__ = ("_left", "broke", "has_left", "headers", "is_traced", "request_id")

    def __init__(self, request_id: str, left: Callable[[], None] | None) -> None:
        self.request_id = request_id
        self.headers: Mapping[str, str] = _NONE
        self._left = left
        self.has_left = self.is_traced = False
        self.broke: Exception | None = None

    def leave(self) -> None:
        """Take note that the request leaves now. A second call tells nobody."""
        if self.has_left:
            return
        self.has_left = True
        if self._left is not None:
            try:
                self._left()
            except Exception as error:
                self.broke = error
                raise

    def trace(self) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
        """Return what httpcore, and transports like its own, call at each step of a request."""

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            self.is_traced = True
            # A tunnel through a proxy is asked for in a request of its own.
            if event in _SENDING and info["request"].method != b"CONNECT":
                self.leave()

        return trace

    def check(self, headers: Mapping[str, str]) -> None:
        """Return unless a reply is that to another request of this client.

        A reply that nobody asked for, on a connection that was kept, would be taken for the reply to what was asked
        next: only what it is a reply to tells. Servers that give back no id, or one of their own, are believed.

        Args:
            headers: The reply's, by lower-case name.

        Raises:
            APIConnectionError: It is.
        """
        said = headers.get("x-request-id")
        if said is None or said == self.request_id:
            return
        if said.partition("-")[0] == self.request_id.partition("-")[0]:
            raise APIConnectionError("the reply that came is that to another request", sent=True)
