"""Somebody who labels by what truth.jsonl says: python tests/labeller.py label RUN --by NAME ...

Runs the command, and answers its page as a browser would. Who is called ben errs on every 37th case.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit


class Page:
    """The page of the command, by its address."""

    def __init__(self, address):
        self._url = urlsplit(address)

    def ask(self, name, said=None):
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=30)
        headers = {"Origin": f"http://{self._url.netloc}", "Content-Type": "application/json"}
        path = f"{self._url.path}{name}"
        if said is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(said), headers)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        assert reply.status == 200, body
        return json.loads(body)


def label_all(page, verdict_of):
    """Label what is left; `verdict_of` returns what to say of the case of a name, None to skip it."""
    state = page.ask("state")
    while (case := state["case"]) is not None:
        value = verdict_of(case["name"])
        act = "skip" if value is None else "label"
        state = page.ask("act", {"act": act, "place": case["place"], "value": value})
    page.ask("act", {"act": "end"})


def main(words):
    truth = {row["id"]: row["label"] for row in map(json.loads, Path("truth.jsonl").read_text().splitlines())}
    errs = "ben" in words

    def verdict_of(name):
        return truth[name] != (errs and int(name.lstrip("q")) % 37 == 0)

    with subprocess.Popen([sys.executable, "-m", "fi_async", *words], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip().startswith("http://"):
                label_all(Page(line.strip()), verdict_of)
            sys.stdout.write(line)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
