"""The scripts of the GitHub Action, as its steps run them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
ROWS = [{"id": "@octocat", "text": "no"}, {"id": "b`|<b>", "text": "[1]"}, {"id": "c", "text": "[2]"}]
MARK = "<!-- fi-async: tone -->"


@pytest.fixture
def script(monkeypatch):
    """Import a script of the action by its name."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "action"), *sys.path])
    return importlib.import_module


@pytest.fixture
def evaluated(script, monkeypatch, jsonl, capsys):
    """Take the step that evaluates; return its exit code, its outputs and the comment."""
    jsonl(*ROWS)
    for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    monkeypatch.setenv("GITHUB_OUTPUT", "outputs")

    def step(**inputs):
        Path("outputs").write_text("", encoding="utf-8")
        given = {"CASES": "in.jsonl", "EVAL": "is_json", "BACKEND": "local", "NAME": "tone", "BASE": "main"}
        given = {**given, "ARGS": "", "MIN": "", **inputs}
        for name, value in given.items():
            monkeypatch.setenv(f"ACTION_{name}", value)
        code = script("evaluate").step()
        told = dict(line.split("=", 1) for line in Path("outputs").read_text(encoding="utf-8").splitlines())
        return code, told, Path(".fi-async/tone/comment.md").read_text(encoding="utf-8")

    return step


def test_a_case_calls_nobody_and_stays_in_its_cell(evaluated):
    assert evaluated()[1]["verdict"] == "scored"
    Path("in.jsonl").write_text("".join(json.dumps({**row, "text": "no"}) + "\n" for row in ROWS), encoding="utf-8")
    code, told, comment = evaluated(MIN="is_json>=0.9")
    assert (code, told["exit-code"], told["verdict"]) == (0, "4", "below")
    assert "- @\u2060octocat (0)\n" in comment
    assert "worse under `is_json`: `b'/<b>`, `c`\n" in comment


def test_a_base_that_cannot_be_read_changes_no_verdict(evaluated, capsys):
    evaluated()
    Path(".fi-async/tone/base/scores.json").write_text("cut o", encoding="utf-8")
    code, told, comment = evaluated(MIN="is_json>=0.5")
    assert (code, told["exit-code"], told["verdict"]) == (0, "0", "passed")
    assert "#### Against `main`\n\nnot compared: its scores cannot be read\n" in comment
    assert "::warning::the scores of the base branch cannot be read" in capsys.readouterr().out
    assert "passed" in evaluated(MIN="is_json>=0.5")[2]


def test_what_cannot_be_meant_is_said(evaluated):
    with pytest.raises(SystemExit, match=r"^args: No closing quotation: write it as in a shell$"):
        evaluated(ARGS='--map "text')
    with pytest.raises(SystemExit, match=r"^name: '\.\./x' must be letters"):
        evaluated(NAME="../x")
    assert evaluated(CASES="none.jsonl") == (2, {"exit-code": "2", "verdict": "error"}, "### tone: error\n")


@pytest.mark.parametrize(
    ("author", "is_ours"),
    [
        ({"user": {"type": "Bot"}, "author_association": "NONE"}, True),
        ({"user": {"type": "User"}, "author_association": "OWNER"}, True),
        ({"user": {"type": "User"}, "author_association": "NONE"}, False),
        ({"user": None}, False),
    ],
)
def test_one_comment_is_kept_and_nobody_else_s_is_taken_for_it(script, author, is_ours):
    asked = []

    def github(request):
        asked.append((request.method, request.url.path, json.loads(request.content or b"{}")))
        found = [{"id": 7, "body": f"{MARK}\nold", **author}]
        return httpx.Response(200, json=found if request.method == "GET" else {"html_url": "there"})

    with httpx.Client(transport=httpx.MockTransport(github), base_url="https://api.invalid") as client:
        assert script("comment").keep_comment(client, "a/b", 3, "tone", "text") == "there"
    method, path, said = asked[-1]
    assert (method, path) == (
        ("PATCH", "/repos/a/b/issues/comments/7") if is_ours else ("POST", "/repos/a/b/issues/3/comments")
    )
    assert said["body"] == f"{MARK}\ntext"


def test_a_long_text_is_cut_off_before_the_link(script):
    clipped = script("comment").clipped
    assert (clipped("text"), clipped("x" * 70_000)) == ("text", f"{'x' * 60_000}\n\n(cut off)\n")


@pytest.mark.parametrize(
    ("code", "no_verdict", "expected"),
    [
        ("0", "fail", 0),
        ("4", "warn", 4),
        ("3", "warn", 0),
        ("5", "warn", 0),
        ("5", "fail", 5),
        ("", "warn", 3),
        ("0", "no", 2),
    ],
)
def test_the_build_fails_by_the_exit_code(script, code, no_verdict, expected):
    assert script("judge").judge(code, no_verdict) == expected
