"""The GitHub Action: the scripts of its steps, run in the order and with the environment that action.yml gives them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
GOOD = [{"id": "a", "text": "[1]"}, {"id": "b", "text": "[2]"}, {"id": "c", "text": "7"}]
WORSE = [{"id": "a", "text": "[1]"}, {"id": "b", "text": "no"}, {"id": "d", "text": "7"}]


class GitHub(ThreadingHTTPServer):
    """The comments of pull requests, as GitHub's API gives and takes them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Routes)
        self.comments: list[dict] = [{"id": n, "body": "a person's words"} for n in range(1, 131)]
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Routes(BaseHTTPRequestHandler):
    server: GitHub

    def log_message(self, *_) -> None:
        pass

    def answer(self, status: int, body) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def body(self) -> str:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer a-token"
        asked = urlsplit(self.path)
        assert asked.path == "/repos/an/owner/issues/7/comments"
        page, size = (int(parse_qs(asked.query)[name][0]) for name in ("page", "per_page"))
        self.answer(200, self.server.comments[(page - 1) * size : page * size])

    def do_POST(self) -> None:
        text = self.body()
        if self.server.refuses:
            self.answer(403, {"message": "Resource not accessible by integration"})
            return
        self.server.comments.append({"id": len(self.server.comments) + 1, "body": text, "user": {"type": "Bot"}})
        self.answer(201, {"html_url": f"{self.server.url}/c"})

    def do_PATCH(self) -> None:
        found = next(each for each in self.server.comments if each["id"] == int(self.path.rpartition("/")[2]))
        found["body"] = self.body()
        self.answer(200, {"html_url": f"{self.server.url}/c"})


@pytest.fixture
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Job:
    """A job of a workflow with this one action, in a repository of the test."""

    def __init__(self, place: Path, github: GitHub) -> None:
        self.place, self.github = place, github

    def run(self, event: str, rows: list[dict], /, **inputs: str) -> tuple[dict[str, str], str, int]:
        """Return the action's outputs, all that was printed, and the exit code of the last step."""
        (self.place / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (self.place / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
        names = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
        names |= {"cases": "rows.jsonl", "eval": "is_json", "backend": "local", "token": "a-token", **inputs}
        values = {f"inputs.{name}": value for name, value in names.items()}
        values |= {"github.action_path": str(ROOT), "github.base_ref": "main" if event == "pull_request" else ""}
        printed, code, outputs = "", 0, {}
        for step in STEPS:
            if "run" not in step or step["name"] == "Install" or not self.is_due(step, event, values, code):
                continue
            out = self.place / "output"
            out.write_text("")
            env = {name: filled(value, values) for name, value in step["env"].items()}
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", step["run"]],
                cwd=self.place,
                env={**self.environment(out), **env},
                capture_output=True,
                check=False,
                text=True,
                timeout=60,
            )
            printed += done.stdout + done.stderr
            code = code or done.returncode
            for line in out.read_text().splitlines():
                name, _, outputs_value = line.partition("=")
                outputs[name] = outputs_value
                values[f"steps.{step.get('id')}.outputs.{name}"] = outputs_value
        return outputs, printed, code

    def is_due(self, step: dict, event: str, values: dict[str, str], code: int) -> bool:
        condition = step.get("if", "success()")
        if "always()" not in condition and code:
            return False
        if "pull_request" in condition and event != "pull_request":
            return False
        return "steps.evaluate.outputs.report" not in condition or "steps.evaluate.outputs.report" in values

    def environment(self, out: Path) -> dict[str, str]:
        python = str(Path(sys.executable).parent)
        return {
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.place),
            "GITHUB_OUTPUT": str(out),
            "GITHUB_STEP_SUMMARY": str(self.place / "step_summary.md"),
            "GITHUB_API_URL": self.github.url,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "an/owner",
            "GITHUB_RUN_ID": "42",
            "GITHUB_EVENT_PATH": str(self.place / "event.json"),
        }


def filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values.get(found[1], ""), str(text))


@pytest.fixture
def job(tmp_path, github) -> Job:
    return Job(tmp_path, github)


def test_a_pull_request_is_compared_with_its_base_in_one_comment(job, github):
    outputs, printed, code = job.run("push", GOOD, min="is_json>=0.9")
    assert (code, outputs["verdict"], outputs["exit-code"]) == (0, "passed", "0"), printed
    assert len(github.comments) == 130

    outputs, printed, code = job.run("pull_request", WORSE, min="is_json>=0.9")
    assert (code, outputs["verdict"]) == (4, "below"), printed
    [said] = [each["body"] for each in github.comments if each["body"].startswith("<!-- fi-async: evaluation -->")]
    assert "| ❌ | is\\_json\\>=0.9 | pass rate 0.6667 of 3 cases |" in said
    assert "| `is_json` (1 new, 1 gone) | 1.000 | 0.500 | -0.500" in said
    assert "worse under `is_json`: `b`" in said
    assert said.endswith("[The report and all scores](https://github.example/an/owner/actions/runs/42)\n")
    assert (job.place / "step_summary.md").read_text().count("Against `main`") == 1
    assert (job.place / outputs["report"]).read_text().startswith("<!doctype html>")
    assert "<failure" in (job.place / ".fi-async/evaluation/gate.xml").read_text()

    job.run("pull_request", GOOD, min="is_json>=0.9")
    [said] = [each["body"] for each in github.comments if each["body"].startswith("<!-- fi-async: evaluation -->")]
    assert "✅" in said
    assert "❌" not in said


def test_a_token_that_may_not_write_and_no_verdict_are_warnings(job, github):
    github.refuses = True
    outputs, printed, code = job.run(
        "pull_request", [{"id": "a", "text": ""}], min="is_json>=0.9", **{"no-verdict": "warn"}
    )
    assert (code, outputs["verdict"], outputs["exit-code"]) == (0, "inconclusive", "5"), printed
    assert "::warning::no comment: GitHub answered 403" in printed
    assert "::warning::no verdict (exit code 5)" in printed
    assert "a-token" not in printed


@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        ({"args": "--nonsense"}, 2, "--nonsense"),
        ({"cases": "none.jsonl"}, 2, "none.jsonl"),
        ({"name": "../x"}, 1, "name: '../x' must be letters"),
        ({"eval": "is_json; touch pwned", "args": "'$(touch pwned)'"}, 2, ""),
    ],
)
def test_what_cannot_be_run_fails_the_build(job, inputs, code, said):
    outputs, printed, found = job.run("push", GOOD, **inputs)
    assert found == code, printed
    assert said in printed
    assert "report" not in outputs
    assert not list(job.place.glob("**/pwned"))


def test_inputs_reach_scripts_by_the_environment_only():
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]


def test_the_example_gives_what_the_action_takes():
    [job] = yaml.safe_load((ROOT / "examples/github_workflow.yml").read_text(encoding="utf-8"))["jobs"].values()
    given = job["steps"][-1]["with"]
    assert given.keys() <= ACTION["inputs"].keys()
    assert {name for name, each in ACTION["inputs"].items() if each.get("required")} <= given.keys()
