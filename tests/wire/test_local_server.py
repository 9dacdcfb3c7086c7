"""The embedded backend behind uvicorn, on real sockets and in real time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from fi_async import AsyncEvaluator
from fi_async.journal.view import open_view
from fi_async.local import ChatFaults, ChatSwitches, Faults, LocalBackend, Switches
from fi_async.local.server import running, serve

HEADERS = {"X-Api-Key": "key", "X-Secret-Key": "secret"}
PARIS = {"eval_name": "contains", "inputs": {"text": "Paris"}, "config": {"params": {"keyword": "Paris"}}}


def client(url):
    return httpx.Client(base_url=f"{url}/sdk/api/v1/", headers=HEADERS)


def test_running_answers_and_stops_promptly():
    backend = LocalBackend()
    with running(backend) as url:
        with client(url) as http:
            reply = http.post("new-eval/", json=PARIS)
            assert reply.json()["result"][0]["evaluations"][0]["output"] == "Passed"
            assert len(reply.headers.get_list("date")) == 1
            assert len(reply.headers.get_list("server")) == 1
            chunked = http.post("new-eval/", content=iter([b"{}"]), headers={"Content-Type": "application/json"})
            assert chunked.status_code == 400
            assert http.head("get-evals/").status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    assert backend.statistics()["requests"] == 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize(("kind", "evaluated"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_seen_as_one_and_leaves_no_trace_in_the_log(kind, evaluated, caplog):
    backend = LocalBackend(Switches(faults=Faults(**{kind: 1.0})))
    with running(backend) as url, client(url) as http:
        with pytest.raises(httpx.ReadError, match="reset"):
            http.post("new-eval/", json=PARIS)
        backend.switches = Switches()
        assert http.post("new-eval/", json=PARIS).status_code == 200
    assert backend.statistics()["evaluations_made"] == evaluated + 1
    assert not caplog.records


@pytest.mark.parametrize(("kind", "answered"), [("reset_before", 0), ("reset_after", 1)])
def test_judges_are_asked_on_the_same_port(kind, answered, caplog):
    backend = LocalBackend(Switches(chat=ChatSwitches(faults=ChatFaults(**{kind: 1.0}))))
    body = {"model": "small", "messages": [{"role": "user", "content": "Is Paris in France?"}]}
    with running(backend) as url, httpx.Client(base_url=url, headers={"Authorization": "Bearer key"}) as http:
        with pytest.raises(httpx.ReadError, match="reset"):
            http.post("/v1/chat/completions", json=body)
        http.post("/_local/switches", json={"chat": {"faults": []}})
        verdict = http.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
        assert json.loads(verdict)["result"] == "Pass"
        assert http.get("/_local/chat").json()["answered"] == answered + 1
    assert not caplog.records


def test_json_cut_half_way_is_a_whole_http_reply():
    with running(LocalBackend(Switches(faults=Faults(cut_json=1.0)))) as url, client(url) as http:
        reply = http.post("new-eval/", json=PARIS)
        assert reply.status_code == 200
        assert len(reply.content) == int(reply.headers["content-length"])
        with pytest.raises(ValueError, match="line 1"):
            reply.json()


def test_requests_in_flight_are_cut_at_the_end(caplog):
    backend = LocalBackend(Switches(latency=60.0))
    seen = []

    def post(url):
        try:
            httpx.post(f"{url}/sdk/api/v1/new-eval/", json=PARIS, headers=HEADERS, timeout=30)
        except httpx.ReadError as error:
            seen.append(error)

    with running(backend) as url:
        poster = threading.Thread(target=post, args=(url,))
        poster.start()
        while not backend.statistics()["in_flight"]:
            time.sleep(0.01)
    poster.join()
    assert len(seen) == 1
    assert backend.statistics()["evaluations_made"] == 1
    assert not caplog.records


def test_a_port_that_is_taken():
    with running(LocalBackend()) as url, pytest.raises(OSError, match="in use"):
        serve(LocalBackend(), port=httpx.URL(url).port)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_and_an_access_log(caplog):
    urls = []

    def on_started(url):
        urls.append(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(LocalBackend(), "::1", 0, on_started=on_started, access_log=True)
    assert urls[0].startswith("http://[::1]:")


PROGRAM = """
import sys
from fi_async.local import LocalBackend
from fi_async.local.server import serve
backend = LocalBackend(store=sys.argv[1])
serve(backend, port=0, on_started=lambda url: print(url, flush=True))
print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_gracefully(number, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "store.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        url = process.stdout.readline().strip()
        with client(url) as http:
            assert http.post("new-eval/", json=PARIS).status_code == 200
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
    assert (output, process.returncode) == ("stopped\n", 0)


def test_a_stop_is_quiet_about_who_hung_up_before(caplog):
    backend = LocalBackend(Switches(latency=30.0))
    with running(backend) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/sdk/api/v1/new-eval/", json=PARIS, headers=HEADERS, timeout=0.2)
        assert backend.statistics()["in_flight"] == 1
    assert not caplog.records


@pytest.mark.anyio
@pytest.mark.parametrize("is_kept", [True, False])
async def test_all_that_tells_of_a_run_names_its_own_server(is_kept, tmp_path):
    kept = tmp_path / "run.db" if is_kept else None
    with running(LocalBackend(Switches(faults=Faults(status={503: 0.5})))) as url:
        async with AsyncEvaluator("key", "secret", fi_base_url=url) as ev:
            cases = [{"text": str(number)} for number in range(8)] + [{}]
            report = await ev.gather(cases, "is_json", run=kept, rows=1, max_retries=0)
    assert {outcome.status for outcome in report.outcomes} == {"scored", "failed", "invalid"}
    assert {outcome.backend for outcome in report.outcomes} == {"server"}
    assert {outcome.result.backend for outcome in report.outcomes if outcome.result is not None} == {"server"}
    report.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count('["backend", "server"]') == 1
    if kept is not None:
        with open_view(kept) as view:
            assert view.info.backend == "server"
            assert {record.outcome.backend for record in view.records()} == {"server"}
