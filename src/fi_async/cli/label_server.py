"""Serves the page on which a person labels: on the loopback alone, and to nobody who does not know its address.

Who asks must know a token that is in the address, and must name the server as the loopback: a page elsewhere whose
name was made to lead here (DNS rebinding) names another. What is sent must come from the page itself.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Mapping
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from fi_async._errors import FiAsyncError
from fi_async.reports.label_page import render_label_page
from fi_async.reports.labelling import Labelling, RefusedError

_LONGEST: Final = 65_536  # bytes of what a page sends
_PATIENCE: Final = 30.0  # seconds that a request may take to come
_LINGER: Final = 5.0
_HOSTS: Final = ("127.0.0.1", "::1")
_JSON: Final = "application/json"
_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LabelServer:
    """Answers the page of one person until all is labelled.

    Args:
        labelling: What is shown and kept.
        port: The port; 0 for a free one.
        linger: Seconds after the last label in which it can be taken back.

    Attributes:
        url: Of the page, with the token.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, labelling: Labelling, port: int = 0, *, linger: float = _LINGER) -> None:
        self._labelling, self._linger = labelling, linger
        token = secrets.token_urlsafe(32)
        self._acted, self._finished = threading.Event(), threading.Event()
        self._server = _listening(port)
        host, port = self._server.server_address[:2]
        self._origins = _origins(port)
        self._server.pages = _Pages(labelling, f"/{token}/", self._origins, self._told, linger)
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        self.url = f"http://{name}:{port}/{token}/"

    def _told(self, *, is_end: bool) -> None:
        if is_end:
            self._finished.set()
        self._acted.set()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._told(is_end=True)

    def run(self) -> None:
        """Return once all cases are labelled or skipped, or whoever labels says that this is the end."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="fi-async label", daemon=True)
        thread.start()
        try:
            while not self._finished.is_set():
                self._acted.wait()
                self._acted.clear()
                # An end that was told before the line above is seen here; one that is told after it, by the wait.
                if self._finished.is_set() or (self._labelling.is_done and not self._acted.wait(self._linger)):
                    break
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Loopback(ThreadingHTTPServer):
    """Answers each request in a thread of its own, which does not outlive the program."""

    daemon_threads = True
    pages: _Pages

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke."""


class _Loopback6(_Loopback):
    address_family = socket.AF_INET6


def _listening(port: int) -> _Loopback:
    try:
        return _Loopback((_HOSTS[0], port), _Exchange)
    except OSError:
        if port:
            raise
        return _Loopback6((_HOSTS[1], port), _Exchange)  # a machine without IPv4


def _origins(port: int) -> Mapping[str, str]:
    """Return the origin of a page by the Host that a browser names of it."""
    return {f"{name}:{port}": f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}


class _Pages:
    """What is answered to whom."""

    def __init__(self, labelling: Labelling, root: str, origins: Mapping[str, str], told: Any, linger: float) -> None:
        self.labelling, self.root, self.origins, self.told, self.linger = labelling, root, origins, told, linger
        self.page, self.policy = render_label_page(labelling.task.template)

    def state(self, found: Mapping[str, Any]) -> bytes:
        return json.dumps({**found, "linger": self.linger}).encode()


class _Exchange(BaseHTTPRequestHandler):
    """One request, and its answer; the connection is closed after it."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: _Loopback

    def version_string(self) -> str:
        """Return what the server calls itself."""
        return "fi-async"

    def log_message(self, *_: Any) -> None:
        """Log nothing: addresses hold the token."""

    def do_GET(self) -> None:
        """Answer with the page, or with what it is to show."""
        pages = self.server.pages
        if not self._is_for_us():
            return
        if self._is_at(""):
            self._answer(200, pages.page.encode(), "text/html; charset=utf-8", policy=pages.policy)
        elif self._is_at("state"):
            self._state(pages.labelling.state)
        else:
            self._refuse(404, "no such page")

    def do_POST(self) -> None:
        """Keep what the page sends, and answer with what it is to show next."""
        pages = self.server.pages
        body = self._body()
        if body is None or not self._is_for_us():
            return
        if not self._is_at("act"):
            self._refuse(404, "no such page")
        elif self.headers.get("Origin") != pages.origins[self.headers["Host"]]:
            self._refuse(403, "this comes from another page")
        elif self.headers.get("Content-Type") != _JSON:
            self._refuse(415, f"send {_JSON}")
        else:
            self._keep(body)

    def _keep(self, body: bytes) -> None:
        pages = self.server.pages
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            self._refuse(400, "this is no JSON")
            return
        if said == {"act": "end"}:
            self._answer(200, b"{}", _JSON)
            pages.told(is_end=True)
        elif self._state(lambda: pages.labelling.act(said)):
            pages.told(is_end=False)

    def _state(self, find: Any) -> bool:
        try:
            found = find()
        except RefusedError as error:
            self._refuse(400, str(error))
            return False
        except FiAsyncError as error:
            self._refuse(500, error.message)
            return False
        self._answer(200, self.server.pages.state(found), _JSON)
        return True

    def _body(self) -> bytes | None:
        """Return what was sent; None if it is refused."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            self._refuse(413 if length.isdecimal() else 411, "too long, or of no length")
            return None
        return self.rfile.read(int(length))

    def _is_for_us(self) -> bool:
        """Tell whether whoever asks named us rightly and is no page elsewhere, having refused it if not."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0] not in self.server.pages.origins:
            self._refuse(421, "this server has another name")
            return False
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self._refuse(403, "this comes from another page")
            return False
        return True

    def _is_at(self, name: str) -> bool:
        return compare_digest(self.path.encode("utf-8", "replace"), f"{self.server.pages.root}{name}".encode())

    def _refuse(self, status: int, why: str) -> None:
        self._answer(status, json.dumps({"error": why}).encode(), _JSON)

    def _answer(self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'") -> None:
        self.close_connection = True
        self.send_response(status)
        headers = {
            **_ALWAYS,
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": policy,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
