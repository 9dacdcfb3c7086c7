"""The server's own routes, which the platform does not have: what it saw, and what it is to be like."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Protocol

from fi_async.local.asgi import Request
from fi_async.local.envelopes import HttpReply, json_reply
from fi_async.local.switches import Switches
from fi_async.local.texts import parse_switches

PREFIX = "/_local/"
_LONGEST_MESSAGE = 1000


class Controlled(Protocol):
    """What can be watched and changed from outside."""

    switches: Switches

    def statistics(self) -> dict[str, Any]:
        """Return what it counted."""

    def chat_statistics(self) -> dict[str, Any]:
        """Return what the endpoint for judges counted."""


def answer(backend: Controlled, request: Request) -> HttpReply:
    """Answer GET statistics and GET chat, and POST switches with the fields to change; they need no credentials."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "statistics":
            return json_reply(200, backend.statistics())
        case "GET", "chat":
            return json_reply(200, _with_texts(backend.chat_statistics()))
        case "POST", "switches":
            return _change(backend, request)
    return json_reply(404, {"error": f"there are GET {PREFIX}statistics, GET {PREFIX}chat and POST {PREFIX}switches"})


def _with_texts(content: Any) -> Any:
    """Return content with a text for each amount of dollars, which no number of JSON is sure to keep."""
    if isinstance(content, dict):
        return {name: _with_texts(value) for name, value in content.items()}
    return f"{content:f}" if isinstance(content, Decimal) else content


def _change(backend: Controlled, request: Request) -> HttpReply:
    try:
        changes = json.loads(request.body)
        if not isinstance(changes, dict):
            raise TypeError("the body is not an object with the switches to change")
        if "allow_network" in changes:  # whoever reaches the server could have it ask what they cannot reach
            raise ValueError("allow_network is not changed over HTTP: start the server with it")
        backend.switches = parse_switches(changes, backend.switches)
    except (ValueError, TypeError, RecursionError) as error:
        return json_reply(400, {"error": str(error)[:_LONGEST_MESSAGE]})
    return json_reply(200, {"changed": sorted(changes)})
