"""A web application that evaluates: one client for its whole life, opened and closed by its lifespan.

Plain ASGI, so that it needs no framework; in one, the same three places hold the same lines. Serve it with
`uvicorn web_app:app` (extra `local`), or run this file: it then asks the application a few questions itself.

    POST /score    {"input": …, "output": …, "context": …}  →  the verdict, once it is there
    POST /submit   the same                                 →  202 and an id, at once
    GET  /result/ID                                         →  the verdict, or 202 while there is none
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fi_async import AsyncEvaluator, FiAsyncError, InvalidCaseError, NotFoundError
from fi_async.local import LocalBackend, Switches

TEMPLATE = "groundedness"
Answer = tuple[int, dict[str, Any]]


@asynccontextmanager
async def lifespan(state: dict[str, AsyncEvaluator]) -> AsyncIterator[None]:
    # In production: AsyncEvaluator(concurrency=32). One client shares its connections between all handlers.
    backend = LocalBackend(Switches(latency=0.3))
    async with AsyncEvaluator.local(backend, concurrency=32, timeout=20) as state["ev"]:
        yield


async def score(ev: AsyncEvaluator, body: Any) -> Answer:
    result = (await ev.evaluate(TEMPLATE, body, timeout=10)).eval_results[0]
    return 200, {"passed": result.passed, "reason": result.reason}


async def submit(ev: AsyncEvaluator, body: Any) -> Answer:
    execution = await ev.submit(TEMPLATE, body, timeout=5)
    return 202, {"id": execution.id}


async def result_of(ev: AsyncEvaluator, eval_id: str) -> Answer:
    execution = await ev.get_execution(eval_id).refresh()
    if not execution.is_done():
        return 202, {"status": execution.status}
    return 200, {"passed": (await execution).passed}


async def respond(ev: AsyncEvaluator, method: str, path: str, body: bytes) -> Answer:
    try:
        if method == "POST" and path in ("/score", "/submit"):
            return await (score if path == "/score" else submit)(ev, json.loads(body))
        if method == "GET" and path.startswith("/result/"):
            return await result_of(ev, path.removeprefix("/result/"))
    except (InvalidCaseError, json.JSONDecodeError) as error:
        return 422, {"error": str(error)}
    except NotFoundError as error:
        return 404, {"error": error.message}
    except FiAsyncError as error:  # the evaluation service, not us: the caller may come again
        return 503, {"error": error.message}
    return 404, {"error": "there is POST /score, POST /submit and GET /result/ID"}


class App:
    """The ASGI part: lifespan, a body read, a reply written."""

    def __init__(self) -> None:
        self.state: dict[str, AsyncEvaluator] = {}

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with lifespan(self.state):
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, answer = await respond(self.state["ev"], scope["method"], scope["path"], body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


app = App()


async def main() -> None:
    """Asks the application what a browser would."""
    case = {"input": "Where?", "output": "The tower is in Paris.", "context": "The tower stands in Paris."}
    transport = httpx.ASGITransport(app)
    async with lifespan(app.state), httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
        print("POST /score  ", (await browser.post("/score", json=case)).json()["passed"])
        print("POST /score  ", (await browser.post("/score", json={**case, "output": " "})).json())
        submitted = await browser.post("/submit", json=case)
        address = f"/result/{submitted.json()['id']}"
        while (reply := await browser.get(address)).status_code == 202:
            print("GET  /result ", reply.json())
            await asyncio.sleep(0.2)
        print("GET  /result ", reply.json())
        both = await asyncio.gather(*(browser.post("/score", json=case) for _ in range(20)))
        print(f"20 requests at once: {sum(reply.status_code == 200 for reply in both)} answered")


if __name__ == "__main__":
    asyncio.run(main())
