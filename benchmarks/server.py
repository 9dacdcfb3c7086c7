"""The embedded backend in a process of its own. As a script: `python server.py '{"latency": 2}'`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from harness import KEYS

_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: Where it is reached.
        stop: Kills it.
        start: Starts it again at the same place, with nothing counted or kept.
    """

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]

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
    process, url = _started(switches, 0)
    processes = [process]

    def stop() -> None:
        processes[-1].kill()
        processes[-1].wait()

    def start() -> None:
        processes.append(_started(switches, int(url.rpartition(":")[2]))[0])

    try:
        yield Server(url, stop, start)
    finally:
        for each in processes:
            with each:
                each.terminate()


def _started(switches: dict[str, Any], port: int) -> tuple[subprocess.Popen[str], str]:
    """Return a server's process and its address; port 0 takes a free one."""
    command = [sys.executable, str(Path(__file__)), json.dumps(switches), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _serve(switches: dict[str, Any], port: int) -> None:
    from fi_async.local import LocalBackend, parse_switches  # noqa: PLC0415  # only the server's process needs them
    from fi_async.local.server import serve  # noqa: PLC0415  # as above

    serve(LocalBackend(parse_switches(switches)), port=port, on_started=lambda url: print(url, flush=True), grace=0.0)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
