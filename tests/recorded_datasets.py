"""What was recorded of datasets, and a server that answers with it only if it is asked as was recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fi_async.wire.responses import Reply

FILE = Path(__file__).parent / "platform_datasets" / "exchanges.jsonl"
EXCHANGES: dict[str, dict[str, Any]] = {
    line["name"]: line for line in map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
}
BENCH = "5423410b-05c9-491e-8f1e-e3e4c465eae7"
BIG = "3f7c24da-c47c-4837-88b7-9082384242a3"
LEV_TEMPLATE = "761ca240-e188-4c18-b86f-1ebd8320aba4"
JSON_TEMPLATE = "7cb2a3f7-3918-4dde-ab87-c2105eba8fcd"


def recorded(name: str) -> Reply:
    line = EXCHANGES[name]
    return Reply(line["status"], line["headers"], line["body"].encode())


def body_of(name: str) -> Any:
    return json.loads(EXCHANGES[name]["body"])


def whole_table(name: str) -> Any:
    """The recorded page, as if it were all."""
    body = body_of(name)
    body["result"]["metadata"] |= {"total_rows": len(body["result"]["table"]), "total_pages": 1}
    return body


def request_of(name: str) -> tuple[str, str, Any]:
    """The method, path and JSON body of a recorded request."""
    request = EXCHANGES[name]["request"]
    return request["method"], request["path"], request.get("json")


class ReplayServer:
    """An ASGI application that answers each path with the next of its replies; the last one goes on.

    A reply is the name of an exchange, or (status, JSON body); or a function of the request's body that returns one.
    """

    def __init__(self, replies: dict[str, list[Any]]) -> None:
        self.replies = {path: list(each) for path, each in replies.items()}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = dict(parse_qsl(scope["query_string"].decode()))
        self.requests.append((scope["method"], scope["path"], query, body))
        found = next((each for path, each in self.replies.items() if re.fullmatch(path, scope["path"])), None)
        assert found is not None, f"nobody expected {scope['method']} {scope['path']}"
        reply = found.pop(0) if len(found) > 1 else found[0]
        if callable(reply):
            reply = reply(body)
        if isinstance(reply, str):
            line = EXCHANGES[reply]
            status, headers, content = line["status"], line["headers"], line["body"].encode()
        else:
            status, given = reply
            headers = {"content-type": "application/json"}
            content = given if isinstance(given, bytes) else json.dumps(given).encode()
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    def sent(self, ending: str) -> list[Any]:
        """The JSON bodies that were sent to paths with this end."""
        return [json.loads(body) for _, path, _, body in self.requests if path.endswith(ending)]


def ok(result: Any) -> tuple[int, Any]:
    return 200, {"status": True, "result": result}
