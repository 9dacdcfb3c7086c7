"""The embedded backend in a process of its own. As a script: `python server.py '{"latency": 2}'`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from harness import KEYS

_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str

    def statistics(self) -> dict[str, Any]:
        """Return what it has counted since it began."""
        return _json(Request(f"{self.url}/_local/statistics"))

    def change(self, **switches: Any) -> None:
        """Let it be like this from now on; what it has accepted keeps the time that it was promised."""
        _json(Request(f"{self.url}/_local/switches", json.dumps(switches).encode()))

    def evaluated_text(self, eval_id: str) -> str:
        """Return the text that the evaluation with this id was made of."""
        headers = {"X-Api-Key": KEYS["fi_api_key"], "X-Secret-Key": KEYS["fi_secret_key"]}
        answer = _json(Request(f"{self.url}/sdk/api/v1/new-eval/?eval_id={eval_id}", headers=headers))
        return str(answer["result"]["result"]["input_data"]["text"])


def _json(request: Request) -> Any:
    with _direct.open(request, timeout=10) as reply:
        return json.load(reply)


@contextmanager
def running(**switches: Any) -> Iterator[Server]:
    """Yield a fresh server with these switches: nothing is counted yet, and its draws begin anew."""
    command = [sys.executable, str(Path(__file__)), json.dumps(switches)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()


def _serve(switches: dict[str, Any]) -> None:
    from fi_async.local import LocalBackend, parse_switches  # noqa: PLC0415  # only the server's process needs them
    from fi_async.local.server import serve  # noqa: PLC0415  # as above

    serve(LocalBackend(parse_switches(switches)), port=0, on_started=lambda url: print(url, flush=True), grace=0.0)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
