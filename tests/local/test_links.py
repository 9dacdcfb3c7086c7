"""The templates that ask the network: what they ask, what they make of the answer, and that they may not by default."""

from __future__ import annotations

import json

import httpx
import pytest

from fi_async.local import Switches
from fi_async.local.metrics import links
from fi_async.local.scoring import EngineError, run_evaluator
from local.api import Api

pytestmark = pytest.mark.anyio

INPUTS = {
    "contains_valid_link": {"text": "https://example.com"},
    "no_invalid_links": {"text": "https://example.com"},
    "api_call": {"response": "yes"},
}
OFF = (
    "it asks the network, which is off: allow it with LocalBackend(Switches(allow_network=True)), "
    "or with fi-async serve --allow-network."
)
PAGES = {"https://a.example/": 200, "https://a.example/gone": 404, "https://www.b.example": 200}


def world(asked, answer=None):
    """Answer as these pages do; "down.example" does not answer."""

    def reply(request):
        asked.append(request)
        if request.url.host == "down.example":
            raise httpx.ConnectError("no route")
        if request.url.path == "/moved":
            return httpx.Response(301, headers={"Location": "https://a.example/"})
        return answer or httpx.Response(PAGES.get(str(request.url), 200))

    return httpx.MockTransport(reply)


def test_what_is_a_link():
    text = (
        "See (https://a.example/x?y=1#z), www.b.example. Or c-d.example/path; not e@f.example, 3.14, data.csv, "
        "a.b.c.py, nor e.g. this; https://a.example/x?y=1#z again. HTTP://G.EXAMPLE!"
    )
    assert links.links_in(text) == [
        "https://a.example/x?y=1#z",
        "https://www.b.example",
        "https://c-d.example/path",
        "HTTP://G.EXAMPLE",
    ]


@pytest.mark.parametrize(
    ("text", "output", "reason"),
    [
        ("nothing", "Failed", "No link found in output"),
        (
            "https://a.example/ https://down.example",
            "Passed",
            "Link https://a.example/ found and valid (status 200)",
        ),
        ("https://a.example/moved", "Passed", "Link https://a.example/moved found and valid (status 200)"),
        ("https://a.example/gone", "Failed", "Link https://a.example/gone found and not valid (status 404)"),
        ("down.example/x", "Failed", "Link https://down.example/x found and not valid (unreachable: no route)"),
        ("http://a.b:x/", "Failed", "Link http://a.b:x/ found and not valid (unreachable: Invalid port: 'x')"),
    ],
)
def test_the_first_link_has_to_answer(text, output, reason):
    with links.network():
        assert links.contains_valid_link({"text": text}, {}, world([])) == (output, reason)


@pytest.mark.parametrize(
    ("text", "output", "reason"),
    [
        ("nothing", "Passed", "No links found in output, so none are invalid"),
        ("https://a.example/ www.b.example", "Passed", "All 2 link(s) are valid"),
        (
            "https://a.example/gone https://a.example/ down.example",
            "Failed",
            "Found invalid links: https://a.example/gone (status 404), https://down.example (unreachable: no route)",
        ),
    ],
)
def test_every_link_has_to_answer(text, output, reason):
    with links.network():
        assert links.no_invalid_links({"text": text}, {}, world([])) == (output, reason)


def test_more_links_than_are_asked_are_refused():
    asked = []
    text = " ".join(f"https://{number}.example" for number in range(links.MOST_LINKS + 1))
    with links.network(), pytest.raises(ValueError, match="text has 21 different links, and 20 at most are asked"):
        links.no_invalid_links({"text": text}, {}, world(asked))
    assert asked == []


def test_links_that_there_is_no_time_for_are_not_asked(monkeypatch):
    times = iter([0.0, 1.0, 21.0])
    monkeypatch.setattr(links.time, "monotonic", lambda: next(times))
    asked = []
    with links.network():
        verdict = links.no_invalid_links({"text": "https://a.example/ www.b.example"}, {}, world(asked))
    assert verdict == ("Failed", "Found invalid links: https://www.b.example (not asked within 20 s)")
    assert [str(request.url) for request in asked] == ["https://a.example/"]


def test_a_question_carries_nothing_of_this_machine(monkeypatch):
    monkeypatch.setenv("FI_API_KEY", "mine")
    asked = []
    with links.network():
        links.contains_valid_link({"text": "a.example"}, {}, world(asked))
    (request,) = asked
    assert (request.method, request.content) == ("HEAD", b"")
    assert dict(request.headers) == {
        "host": "a.example",
        "accept": "*/*",
        "accept-encoding": request.headers["accept-encoding"],
        "connection": "keep-alive",
        "user-agent": "fi-async",
    }


@pytest.mark.parametrize(
    ("answer", "output", "reason"),
    [
        ({"result": True, "reason": "well said"}, "Passed", "well said"),
        ({"result": 1}, "Passed", "The API answered result=1"),
        ({"result": "yes"}, "Failed", "The API answered result=yes"),
        ({}, "Failed", "The API answered result=None"),
    ],
)
def test_an_api_decides(answer, output, reason):
    asked = []
    params = {"url": "https://api.example/judge", "payload": {"k": 1, "response": "no"}, "headers": {"X-Who": 7}}
    with links.network():
        verdict = links.api_call({"response": "yes"}, params, world(asked, httpx.Response(200, json=answer)))
    assert verdict == (output, reason)
    (request,) = asked
    assert (request.method, json.loads(request.content)) == ("POST", {"k": 1, "response": "yes"})
    assert request.headers["X-Who"] == "7"


@pytest.mark.parametrize(
    ("params", "answer", "message"),
    [
        ({}, None, "params.url is the address of an API"),
        ({"url": "ftp://x"}, None, "params.url is the address of an API"),
        ({"url": "http://x", "payload": [1]}, None, "params.payload is an object, not list"),
        ({"url": "http://x", "headers": "a"}, None, "params.headers is an object, not str"),
        ({"url": "http://x"}, httpx.Response(500), "the API answered with status 500"),
        ({"url": "http://x"}, httpx.Response(200, text="[]"), "the API's reply is not a JSON object"),
        ({"url": "http://x"}, httpx.Response(200, text="<"), "the API's reply is not a JSON object"),
        ({"url": "http://x"}, httpx.Response(200, text="a" * 1_000_001), "reply has more than 1000000 bytes"),
    ],
)
def test_an_api_that_cannot_be_asked_or_understood(params, answer, message):
    with links.network(), pytest.raises(ValueError, match=message):
        links.api_call({"response": "yes"}, params, world([], answer))


@pytest.mark.parametrize("name", links.METRICS)
def test_the_network_is_off_unless_allowed(name):
    asked = []
    params = {"url": "https://api.example"}
    with pytest.raises(ValueError, match="the network is not allowed here"):
        getattr(links, name)(INPUTS[name], params, world(asked))
    with pytest.raises(EngineError) as caught:
        run_evaluator(name, INPUTS[name], params)
    assert str(caught.value) == f"The local backend cannot evaluate {name}: {OFF}"
    assert asked == []


@pytest.mark.parametrize("name", links.METRICS)
async def test_a_backend_says_how_to_allow_it(api: Api, name):
    reply = await api.post({"eval_name": name, "inputs": INPUTS[name]})
    assert (reply.status_code, reply.json()["details"]) == (
        400,
        {"non_field_errors": [f"The local backend cannot evaluate {name!r}: {OFF}"]},
    )


async def test_what_was_accepted_is_not_evaluated_once_it_is_off_again(start):
    api = start(allow_network=True)
    eval_id = await api.submit(eval_name="contains_valid_link", inputs=INPUTS["contains_valid_link"], config={})
    api.backend.switches = Switches()
    polled = await api.progress(eval_id)
    assert polled["result"]["error_message"] == f"The local backend cannot evaluate contains_valid_link: {OFF}"


async def test_the_list_says_what_is_allowed(start):
    for allowed in (False, True):
        api = start(allow_network=allowed)
        listed = (await api.client.get("get-evals/")).json()["result"]
        evals = listed["evals"] if isinstance(listed, dict) else listed
        assert {each["name"]: each["available"] for each in evals}["api_call"] is allowed


async def test_nobody_allows_it_over_http(api: Api):
    reply = await api.client.post("http://local/_local/switches", json={"allow_network": True})
    assert (reply.status_code, reply.json()) == (
        400,
        {"error": "allow_network is not changed over HTTP: start the server with it"},
    )
    assert api.backend.switches.allow_network is False
