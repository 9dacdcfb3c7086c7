"""A client of the endpoint for judges in process, and what it asks."""

from __future__ import annotations

import json
from typing import Any

import httpx

from fi_async.local import LocalBackend
from local.api import Clock

COMPLETIONS = "http://local/v1/chat/completions"
MODELS = "http://local/v1/models"
SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "result": {"type": "string", "enum": ["Pass", "Fail"]}},
    "required": ["reason", "result"],
    "additionalProperties": False,
}


def about(case: str = "Is Paris in France?", instructions: str = "Judge it.") -> list[dict[str, Any]]:
    """Return the messages that ask about a case."""
    return [{"role": "system", "content": instructions}, {"role": "user", "content": case}]


def formatted(schema: dict[str, Any] = SCHEMA, *, strict: bool = True) -> dict[str, Any]:
    """Return a response format that asks for this schema."""
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": strict, "schema": schema}}


class Chat:
    """The endpoint of one backend, for one key."""

    def __init__(self, backend: LocalBackend, clock: Clock, key: str = "sk-1") -> None:
        self.backend = backend
        self.clock = clock
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(backend), headers={"Authorization": f"Bearer {key}"}
        )

    def as_key(self, key: str) -> Chat:
        return Chat(self.backend, self.clock, key)

    async def ask(self, case: str | None = None, **changes: Any) -> httpx.Response:
        """Ask about a case for a verdict; a change to None leaves a field out."""
        body = {
            "model": "small",
            "messages": about() if case is None else about(case),
            "response_format": formatted(),
            **changes,
        }
        return await self.client.post(
            COMPLETIONS, json={name: value for name, value in body.items() if value is not None}
        )

    async def verdict(self, case: str | None = None, **changes: Any) -> Any:
        """Return the verdict that the reply holds."""
        return json.loads(message(await self.ask(case, **changes))["content"])

    async def statuses(self, count: int, **changes: Any) -> list[int]:
        return [(await self.ask(f"case {number}", **changes)).status_code for number in range(count)]

    @property
    def counted(self) -> dict[str, Any]:
        return self.backend.chat_statistics()

    def switch(self, **changes: Any) -> None:
        switches = self.backend.switches
        self.backend.switches = switches.replace(chat=switches.chat.replace(**changes))


def message(reply: httpx.Response) -> dict[str, Any]:
    """Return the message of a reply."""
    assert reply.status_code == 200, reply.text
    return reply.json()["choices"][0]["message"]


def error(reply: httpx.Response) -> dict[str, Any]:
    """Return the error of a reply in OpenAI's shape."""
    content = reply.json()
    assert content.keys() == {"error"}
    assert content["error"].keys() == {"message", "type", "param", "code"}
    return content["error"]
