from __future__ import annotations

import json

import pytest


@pytest.fixture
def run(jsonl):
    """Write the lines of a run with these values of `contains`; None for no score."""

    def write(name, values, **columns):
        rows = []
        for index, value in enumerate(values):
            scored = value is not None
            verdict = isinstance(value, bool)
            row = {
                "index": index,
                "id": f"q{index}",
                "template": "contains",
                "status": "scored" if scored else "failed",
                "passed": value if verdict else None,
                "output": ("Passed" if value else "Failed") if verdict else value,
                "reason": "because\nof it" if scored else None,
                "error": None if scored else "ServerError: down",
                "inputs": {"text": f"{index}"},
            }
            rows.append({**row, **columns})
        return jsonl(*rows, name=name)

    return write


def test_what_changed_is_shown(cli, run):
    run("a.jsonl", [True, True, False, None, True])
    run("b.jsonl", [True, False, True, True])
    ended = cli("compare a.jsonl b.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert [" ".join(line.split()) for line in ended.out.splitlines() if line.strip(" ─")] == [
        "a.jsonl -> b.jsonl, paired by id",
        "change (0.95",
        "template pairs before after interval) better worse p",
        "contains 3 0.667 0.667 +0.000 (-0.800 to 1 1 1.000",
        "+0.800)",
        "Worse (1)",
        "case template score reason",
        "q1 contains passed -> failed because of it",
        "Better (1)",
        "case template score reason",
        "q2 contains failed -> passed because of it",
        "contains: not compared: 1 only in a.jsonl, 1 without a score in one or both",
    ]


def test_scores_and_the_changes_beyond_ten(cli, run):
    run("a.jsonl", [0.5] * 12)
    run("b.jsonl", [0.25] * 12)
    out = cli("compare a.jsonl b.jsonl").out
    assert "0.5 -> 0.25" in out
    assert "and 2 more: --json lists all" in out
    assert "<0.001" in out
    assert "Better (12)" in cli("compare a.jsonl b.jsonl --lower-is-better contains").out
    assert "Worse" not in cli("compare a.jsonl b.jsonl --tolerance 0.25").out


def test_nothing_to_compare(cli, run):
    run("a.jsonl", [True])
    run("b.jsonl", [True], id="other")
    out = cli("compare a.jsonl b.jsonl").out
    assert "contains: not compared: 1 only in a.jsonl, 1 only in b.jsonl" in out
    assert "paired by inputs" in cli("compare a.jsonl b.jsonl --by inputs").out


def test_as_json(cli, run):
    run("a.jsonl", [True, 0.5])
    run("b.jsonl", [False, 0.5])
    found = json.loads(cli("compare a.jsonl b.jsonl --json").out)
    assert (found["before"], found["after"], found["paired_by"]) == ("a.jsonl", "b.jsonl", "id")
    contains = found["templates"]["contains"]
    assert {name: contains[name] for name in ("pairs", "wins", "losses", "ties", "difference")} == {
        "pairs": 2,
        "wins": 0,
        "losses": 1,
        "ties": 1,
        "difference": -0.5,
    }
    assert contains["lost"][0]["after"] | {"digest": ""} == {
        "template": "contains",
        "index": 0,
        "id": "q0",
        "digest": "",
        "status": "scored",
        "passed": False,
        "score": 0.0,
        "reason": "because\nof it",
    }


def test_what_is_no_run(cli, jsonl):
    ended = cli("compare", jsonl({"text": "Paris"}), "lost.jsonl")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "fi-async: in.jsonl, line 1: no line that fi-async run --out writes: it has no 'index'\n"
