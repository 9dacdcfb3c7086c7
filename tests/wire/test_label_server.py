"""The page to label on: who may ask for it, what is kept, and when the command ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from fi_async.cli.label_server import LabelServer
from fi_async.journal.kept_labels import LabelBook
from labelled_runs import kept_run, labelling_of

TEXTS = ["[1]", "no", "{}x"]


@pytest.fixture
def run(tmp_path):
    return kept_run(tmp_path / "run.db", TEXTS)


@contextmanager
def serving(run, linger=30.0):
    """Serve the page until it ends by itself, or the block does."""
    with LabelBook(run) as book:
        server = LabelServer(labelling_of(run, book), linger=linger)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Page(server.url), thread, book
        finally:
            if thread.is_alive():
                Page(server.url).act({"act": "end"})
            thread.join(10)
            assert not thread.is_alive()


class Page:
    """What somebody asks who knows the address."""

    def __init__(self, url):
        self.url = urlsplit(url)
        self.origin = f"http://{self.url.netloc}"

    def ask(self, method="GET", path=None, body=None, **headers):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=10)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
            connection.request(method, self.url.path if path is None else path, body, names)
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def act(self, said, **headers):
        how = {"Origin": self.origin, "Content_Type": "application/json", **headers}
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return self.ask("POST", f"{self.url.path}act", body, **how)


def given(book):
    return [each.value for each in book.read().labels]


def test_it_listens_on_the_loopback_and_its_address_cannot_be_guessed(run):
    with serving(run) as (page, _, _), serving(run) as (other, _, _):
        assert page.url.hostname == "127.0.0.1"
        tokens = {each.url.path.strip("/") for each in (page, other)}
        assert len(tokens) == 2
        assert all(len(token) == 43 for token in tokens)  # 32 random bytes
        for path in ("/", "/x/", f"{page.url.path}x", page.url.path[:-2] + "/", f"{page.url.path}../", "//"):
            status, headers, body = page.ask(path=path)
            assert (status, body) == (404, b'{"error": "no such page"}')
            assert headers["Content-Security-Policy"] == "default-src 'none'"


def test_the_page_may_run_its_own_script_and_nothing_else(run):
    with serving(run) as (page, _, _):
        status, headers, body = page.ask()
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        assert re.fullmatch(
            r"default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self';"
            r" img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
            r" require-trusted-types-for 'script'; trusted-types 'none'",
            policy,
        )
        told = {name: headers[name] for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control")}
        assert told == {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        assert headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in headers
        assert b"[1]" not in body  # no case is in it
        status, headers, body = page.ask(path=f"{page.url.path}state")
        assert (status, headers["Content-Type"], json.loads(body)["total"]) == (200, "application/json", 3)
        assert "Server" not in headers or headers["Server"] == "fi-async"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "", "127.0.0.1:{port}."]
)
def test_whoever_calls_it_by_another_name_is_refused(host, run):
    with serving(run) as (page, _, book):
        host = host.format(port=page.url.port)
        for path in ("", "state"):
            status, _, body = page.ask(path=f"{page.url.path}{path}", Host=host)
            assert (status, body) == (421, b'{"error": "this server has another name"}')
        said = {"act": "label", "place": 0, "value": True}
        assert page.act(said, Host=host, Origin=f"http://{host}")[0] == 421
        assert given(book) == []
        assert page.ask(Host=f"localhost:{page.url.port}")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_what_another_page_sends_is_refused(headers, status, run):
    with serving(run) as (page, _, book):
        assert page.act({"act": "label", "place": 0, "value": True}, **headers)[0] == status
        assert given(book) == []


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"{", 400, "this is no JSON"),
        (b"[" * 60_000, 400, "this is no JSON"),
        (b"9" * 60_000, 400, "this is no JSON"),
        (b"\xff", 400, "this is no JSON"),
        (b"7", 400, "no such act: label, skip or back"),
        (b'{"act": "label", "place": 0, "value": "x"}', 400, '"x" is no label of is_json'),
        (b"x" * 65_537, 413, "too long, or of no length"),
    ],
)
def test_what_is_no_label_is_refused(body, status, why, run):
    with serving(run) as (page, _, book):
        found = page.act(body)
        assert (found[0], json.loads(found[2])["error"]) == (status, why)
        assert page.ask("PUT")[0] == page.ask("OPTIONS")[0] == 501
        assert page.ask("POST", "/x/act", b"{}", Origin=page.origin, Content_Type="application/json")[0] == 404
        assert given(book) == []


def test_nobody_holds_it_up(run):
    """A connection that says nothing, and one that stops in the middle, keep nobody waiting and no thread alive."""
    with serving(run) as (page, thread, book):
        with socket.create_connection((page.url.hostname, page.url.port)) as silent:
            silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
            with socket.create_connection((page.url.hostname, page.url.port)):
                assert page.act({"act": "label", "place": 0, "value": True})[0] == 200
                assert page.act({"act": "end"})[0] == 200
                thread.join(10)
                assert not thread.is_alive()
        assert given(book) == [True]


def test_it_ends_by_itself_once_all_are_labelled(run):
    with serving(run, linger=0.0) as (page, thread, book):
        for place, value in enumerate((True, False)):
            status, _, body = page.act({"act": "label", "place": place, "value": value})
            assert (status, json.loads(body)["labelled"]) == (200, place + 1)
        assert thread.is_alive()
        page.act({"act": "skip", "place": 2})
        thread.join(10)
        assert not thread.is_alive()
        assert given(book) == [True, False, None]


def test_the_last_label_can_be_taken_back(run):
    with serving(run) as (page, thread, _):
        for place in range(3):
            state = json.loads(page.act({"act": "label", "place": place, "value": True})[2])
        assert (state["case"], state["linger"]) == (None, 30.0)
        assert json.loads(page.act({"act": "back"})[2])["case"]["place"] == 2
        assert thread.is_alive()


def test_what_cannot_be_written_is_not_said_to_be_kept(run):
    with serving(run) as (page, _, book), closing(sqlite3.connect(run, isolation_level=None)) as other:
        book._connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        status, _, body = page.act({"act": "label", "place": 0, "value": True})
        assert (status, json.loads(body)["error"]) == (
            500,
            f"{run}: another process has it locked: wait for it, or use another file",
        )
        other.execute("ROLLBACK")
        assert given(book) == []
        assert page.act({"act": "label", "place": 0, "value": True})[0] == 200


@pytest.fixture
def command(run):
    """Start the command on the run, and return it with its page."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "fi_async", "label", str(run), "--by", "ana", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        started.append(process)
        lines = [process.stdout.readline() for _ in range(3)]
        return process, Page(lines[1].strip()), lines

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_command_goes_on_where_it_was_stopped(command, run):
    process, page, lines = command()
    assert lines[0] == "3 cases of is_json. Label them at\n"
    assert lines[2] == "Each label is kept as you give it. Ctrl-C stops; the same command goes on.\n"
    assert page.act({"act": "label", "place": 0, "value": True})[0] == 200
    process.send_signal(signal.SIGKILL)  # nothing was left to do for what was said
    process.communicate()
    process, page, lines = command()
    assert lines[0] == "3 cases of is_json, 1 of them done. Label them at\n"
    assert page.act({"act": "label", "place": 1, "value": False})[0] == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert out == f"\n2 of 3 cases of is_json are labelled by ana: fi-async label {run}\n"
    process, page, _ = command()
    assert page.act({"act": "skip", "place": 2})[0] == page.act({"act": "end"})[0] == 200
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert out == f"2 of 3 cases of is_json are labelled by ana, 1 skipped: fi-async agree {run}\n"


def test_an_end_that_is_told_as_the_last_label_comes_is_not_waited_for(run):
    """Whoever serves has seen the label, and has yet to take the sign of it down, as the end is told."""

    class Sign(threading.Event):
        def clear(self):
            if server._labelling.is_done:
                server.stop()
            super().clear()

    with LabelBook(run) as book:
        server = LabelServer(labelling_of(run, book), linger=30.0)
        server._acted = Sign()
        thread = threading.Thread(target=server.run)
        thread.start()
        page = Page(server.url)
        for place in range(len(TEXTS)):
            page.act({"act": "label", "place": place, "value": True})
        thread.join(10)
        assert not thread.is_alive()
