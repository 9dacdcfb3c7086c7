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
        "template pairs before after change 95% interval better worse p",
        "contains 3 0.667 0.667 +0.000 -0.800 to +0.800 1 1 1.000",
        "Worse (1)",
        "q1 contains passed -> failed",
        "because of it",
        "Better (1)",
        "q2 contains failed -> passed",
        "because of it",
        "contains: not compared: 1 only in a.jsonl, 1 without a score in one or both",
    ]


def test_scores_and_the_changes_beyond_ten(cli, run):
    run("a.jsonl", [0.5] * 12)
    run("b.jsonl", [0.25] * 12)
    out = cli("compare a.jsonl b.jsonl").out
    assert "0.5 -> 0.25" in out
    assert "and 2 more: --html PATH shows all" in out
    assert "<0.001" in out
    assert "Better (12)" in cli("compare a.jsonl b.jsonl --lower-is-better contains").out
    assert "Worse" not in cli("compare a.jsonl b.jsonl --tolerance 0.25").out


def test_a_change_that_rounds_to_nothing_has_no_minus(cli, run):
    run("a.jsonl", [0.5, 0.25])
    run("b.jsonl", [0.4999, 0.25])
    assert "0.375 0.375 +0.000 +0.000 to +0.000" in " ".join(cli("compare a.jsonl b.jsonl").out.split())


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


def test_a_template_that_neither_run_has(cli, run):
    run("a.jsonl", [True])
    assert cli("compare a.jsonl a.jsonl --lower-is-better contain") == (
        2,
        "",
        "fi-async: --lower-is-better contain: the run has no template 'contain'; did you mean contains?\n",
    )


@pytest.mark.parametrize(
    ("name", "shown"), [("[/x] mine", "[/x] mine"), ("mine [v2]", "mine [v2]"), ("\x1b[31mred", "\\x1b[31mred")]
)
def test_a_name_commands_neither_markup_nor_the_terminal(name, shown, cli, run):
    run("a.jsonl", [True, None], template=name)
    run("b.jsonl", [False, None], template=name)
    for words in ("compare a.jsonl b.jsonl", "gate a.jsonl --coverage 0.5"):
        ended = cli(words)
        assert (ended.code, ended.err) == (0, "")
        assert shown in ended.out
        assert "\x1b" not in ended.out


def test_a_long_reason_is_cut(cli, run):
    run("a.jsonl", [True])
    run("b.jsonl", [False], reason="so " * 100)
    words = cli("compare a.jsonl b.jsonl").out.split()
    assert (words.count("so"), words[-1]) == (53, "…")


@pytest.mark.parametrize(("width", "heads"), [("79", "pairs change"), ("80", "pairs before after change")])
def test_a_narrow_terminal_shows_the_change_and_not_the_means(width, heads, cli, run, monkeypatch):
    run("a.jsonl", [True])
    monkeypatch.setenv("COLUMNS", width)
    head = " ".join(cli("compare a.jsonl a.jsonl").out.splitlines()[2].split())
    assert head == f"template {heads} 95% interval better worse p"


def test_no_number_is_cut_off_on_a_phone(cli, run, monkeypatch):
    run("a.jsonl", [True, False] * 8)
    run("b.jsonl", [False] * 16)
    for width in (80, 79, 54, 53, 40):
        monkeypatch.setenv("COLUMNS", str(width))
        out = cli("compare a.jsonl b.jsonl").out
        assert "…" not in out
        assert "-0.500" in out


def test_as_a_page(cli, run, tmp_path):
    run("a.jsonl", [True, 0.5, None])
    run("b.jsonl", [False, 0.5, True])
    ended = cli("compare a.jsonl b.jsonl --html c.html")
    assert (ended.code, ended.err) == (0, "")
    assert "Worse (1)" in ended.out
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<title>a → b (fi-async comparison)</title>" in page


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (".", "it is a directory"),
        ("no/c.html", "there is no directory no"),
        ("a.jsonl", "that is the input"),
        ("b.jsonl", "that is the input"),
    ],
)
def test_where_no_page_can_be(path, said, cli, run):
    for name in ("a.jsonl", "b.jsonl"):
        run(name, [True])
    assert cli("compare a.jsonl b.jsonl --html", path) == (2, "", f"fi-async: --html {path}: {said}\n")
