"""A client of the embedded backend in process, on a clock that moves only when somebody sleeps."""

from __future__ import annotations

import heapq
from typing import Any

import anyio.lowlevel
import httpx

from fi_async.local import LocalBackend

NEW_EVAL = "new-eval/"
PARIS = {"eval_name": "contains", "inputs": {"text": "Paris"}, "config": {"params": {"keyword": "Paris"}}}
"""A Pass/Fail evaluation that passes."""


class Clock:
    """Time that jumps to the next sleeper's deadline once nobody else has anything to do."""

    def __init__(self, now: float = 1_000_020.0) -> None:
        self.now = now
        self._deadlines: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        deadline = self.now + seconds
        heapq.heappush(self._deadlines, deadline)
        while self.now < deadline:
            for _ in range(50):  # enough turns for every other task to reach a sleep of its own
                await anyio.lowlevel.checkpoint()
            self.now = max(self.now, min(deadline, self._deadlines[0]))
        heapq.heappop(self._deadlines)


class Api:
    """The API of one backend, for one key."""

    def __init__(self, backend: LocalBackend, clock: Clock, key: str = "key") -> None:
        self.backend = backend
        self.clock = clock
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(backend),
            base_url="http://local/sdk/api/v1/",
            headers={"X-Api-Key": key, "X-Secret-Key": "secret"},
        )

    def as_key(self, key: str) -> Api:
        return Api(self.backend, self.clock, key)

    async def post(self, body: Any = None, path: str = NEW_EVAL, **options: Any) -> httpx.Response:
        return await self.client.post(path, **({"json": body} if body is not None else {}), **options)

    async def submit(self, **changes: Any) -> str:
        """Accept one asynchronous evaluation and return its id."""
        reply = await self.post({**PARIS, "is_async": True, **changes})
        assert reply.status_code == 200, reply.text
        return reply.json()["result"][0]["evaluations"][0]["eval_id"]

    async def get(self, path: str = NEW_EVAL, **params: Any) -> httpx.Response:
        return await self.client.get(path, params=params)

    async def progress(self, eval_id: str) -> dict[str, Any]:
        reply = await self.get(eval_id=eval_id)
        assert reply.status_code == 200, reply.text
        return reply.json()["result"]
