"""Everything about a request but what it asks for: credentials, media types, paths, methods, headers."""

from __future__ import annotations

import httpx
import pytest

from fi_async.local import LocalBackend
from local.api import PARIS

pytestmark = pytest.mark.anyio

NOT_PROVIDED = ("not_authenticated", "Authentication credentials were not provided.")
WRONG_PAIR = ("authentication_failed", "Invalid API key or secret key")
WRONG_TOKEN = ("authentication_failed", "Invalid Token parsed: Invalid Token parsed: Invalid token encryption")


def refusal(status_type, code, text):
    return {
        "status": False,
        "type": status_type,
        "code": code,
        **dict.fromkeys(("detail", "message", "error", "result"), text),
        "details": {"detail": [text]},
    }


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NOT_PROVIDED),
        ({"X-Api-Key": "known"}, NOT_PROVIDED),
        ({"X-Api-Key": "", "X-Secret-Key": "s"}, NOT_PROVIDED),
        ({"X-Api-Key": "known", "X-Secret-Key": "wrong"}, WRONG_PAIR),
        ({"X-Api-Key": "unknown", "X-Secret-Key": "right"}, WRONG_PAIR),
        ({"Authorization": "Bearer abc"}, WRONG_TOKEN),
        ({"Authorization": "Bearer abc", "X-Api-Key": "known", "X-Secret-Key": "right"}, WRONG_TOKEN),
    ],
)
async def test_credentials_are_checked_before_the_body(start, headers, expected):
    backend = start(keys={"known": "right"}).backend
    async with httpx.AsyncClient(transport=httpx.ASGITransport(backend), base_url="http://local") as client:
        reply = await client.post("/sdk/api/v1/new-eval/", json={"bad": 1}, headers=headers)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "ApiKey")
    assert reply.json() == refusal("authentication_error", *expected)


async def test_the_right_pair_passes(start):
    api = start(keys={"known": "secret"}).as_key("known")
    assert (await api.post(PARIS)).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml"])
async def test_a_client_that_takes_no_json(api, accept):
    reply = await api.post(PARIS, headers={"Accept": accept})
    assert reply.status_code == 406
    assert reply.json() == refusal("api_error", "not_acceptable", "Could not satisfy the request Accept header.")


@pytest.mark.parametrize("accept", ["*/*", "text/html, application/*;q=0.5", "application/json"])
async def test_a_client_that_does(api, accept):
    assert (await api.post(PARIS, headers={"Accept": accept})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "new-eval/"), ("DELETE", "new-eval/"), ("POST", "get-evals/"), ("PATCH", "eval/1/")]
)
async def test_methods_that_a_route_lacks(api, method, path):
    reply = await api.client.request(method, path)
    assert reply.status_code == 405
    assert reply.json() == refusal("api_error", "method_not_allowed", f'Method "{method}" not allowed.')


@pytest.mark.parametrize("path", ["nope/", "nope", "", "eval//", "eval/1/2/", "/sdk/api/v2/new-eval/", "//new-eval/"])
async def test_an_unknown_path_is_a_page(api, path):
    reply = await api.client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not Found</h1><p>The requested resource was not found on this server.</p>" in reply.text


async def test_without_the_trailing_slash_there_is_only_a_redirect(api):
    reply = await api.post(PARIS, path="new-eval")
    assert (reply.status_code, reply.content) == (301, b"")
    assert reply.headers["location"] == "/sdk/api/v1/new-eval/"
    reply = await api.client.get("new-eval?eval_id=28d0202c")
    assert reply.headers["location"] == "/sdk/api/v1/new-eval/?eval_id=28d0202c"


async def test_options_describes_a_route(api):
    reply = await api.client.options("new-eval/")
    assert reply.json() == {
        "name": "Standalone Eval View V2",
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/json"],
    }


async def test_headers_of_every_reply(api):
    mine = await api.post(PARIS, headers={"X-Request-Id": "my-id-1"})
    other = await api.get("get-evals/")
    assert mine.headers["x-request-id"] == "my-id-1"
    assert len(other.headers["x-request-id"]) == 36
    assert other.headers["date"] == "Mon, 12 Jan 1970 13:47:00 GMT"
    assert other.headers["server"].startswith("fi_async/")
    assert other.headers["content-type"] == "application/json"


async def test_the_list_of_templates(api):
    templates = (await api.get("get-evals/")).json()["result"]
    assert len(templates) == 156
    contains = next(template for template in templates if template["name"] == "contains")
    assert contains["eval_id"] == 43
    assert contains["owner"] == "system"
    assert contains["available"] is True
    assert contains["config"]["required_keys"] == ["text"]
    recall = next(template for template in templates if template["name"] == "recall_at_k")
    assert recall["config"]["function_params_schema"]["k"]["minimum"] == 1
    head = await api.client.head("get-evals/")
    assert head.content == b""
    assert int(head.headers["content-length"]) > 100_000


async def test_one_template_by_number(api):
    assert (await api.get("eval/43/")).json()["result"]["name"] == "contains"
    unknown = await api.get("eval/999999/")
    assert (unknown.status_code, unknown.json()["detail"]) == (400, "Evaluation template not found.")
    for crash in ("contains", "d18fc82d-de07-4d56-8425-859fc05df04b", "%C2%B2"):
        reply = await api.get(f"eval/{crash}/")
        assert reply.status_code == 500
        assert "<h1>Server Error (500)</h1>" in reply.text


async def test_overhead_is_added_to_every_reply(start):
    api = start(overhead=0.25, latency=2.0)
    began = api.clock.now
    await api.get("nope/")
    await api.post(PARIS)
    assert api.clock.now - began == 2.5


async def test_only_http_is_spoken():
    with pytest.raises(NotImplementedError, match="websocket"):
        await LocalBackend()({"type": "websocket"}, None, None)


async def test_a_client_that_leaves_before_its_request_is_whole_gets_nothing():
    async def receive():
        return {"type": "http.disconnect"}

    backend = LocalBackend()
    await backend({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, None)
    assert backend.statistics()["requests"] == 0
