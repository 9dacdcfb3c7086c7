"""A server that says what it is told to, reply by reply: for replies no real server gives on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Scripted:
    """An ASGI application that answers with the next of some replies; the last one goes on for ever.

    A reply is (status, body) or (status, body, headers), an exception to raise in place of one, or a function of
    the request that returns either. A body that is not bytes is sent as JSON.
    """

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        request = (scope["method"], path, json.loads(body) if body else None, headers)
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if callable(reply) and not isinstance(reply, type):
            reply = reply(request)
        if isinstance(reply, BaseException):
            raise reply
        status, content, *more = reply
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"content-type": "application/json", **(more[0] if more else {})}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})


def scored(
    output: Any = "Passed", *, output_type: str = "Pass/Fail", count: int = 1, name: str = "contains"
) -> tuple[int, Any]:
    """Return the reply to a sync evaluation."""
    item = {"name": name, "reason": "because", "runtime": 5, "output": output, "output_type": output_type}
    return 200, {"status": True, "result": [{"evaluations": [{**item, "eval_id": uuid(n)} for n in range(count)]}]}


def accepted(*numbers: int) -> tuple[int, Any]:
    """Return the reply to an async evaluation of so many rows."""
    items = [{"name": "contains", "output_type": "Pass/Fail", "eval_id": uuid(number)} for number in numbers]
    return 200, {"status": True, "result": [{"evaluations": items}]}


def pending() -> tuple[int, Any]:
    """Return the reply to a poll that comes too soon."""
    return 200, {"status": True, "result": {"eval_status": "pending", "result": "Evaluation is being processed."}}


def completed(value: str = "Passed", number: int = 0, **record: Any) -> tuple[int, Any]:
    """Return the reply to a poll of a finished evaluation."""
    inner = {"eval_id": uuid(number), "name": "contains", "value": value, "output_type": "Pass/Fail", **record}
    return 200, {"status": True, "result": {"eval_status": "completed", "result": inner}}


def failed(words: str, number: int = 0) -> tuple[int, Any]:
    """Return the reply to a poll of an evaluation that failed."""
    inner = {"eval_id": uuid(number), "name": "contains", "value": None, "error_message": words}
    return 200, {"status": True, "result": {"eval_status": "failed", "result": inner}}


def error(status: int, words: str = "no", **more: Any) -> tuple[int, Any]:
    """Return a refusal in the API's own shape."""
    body = {"status": False, "code": "invalid", "detail": words, "message": words, "error": words, "result": words}
    return status, {**body, **more}


def uuid(number: int) -> str:
    """Return an evaluation's id."""
    return f"00000000-0000-4000-8000-{number:012d}"
