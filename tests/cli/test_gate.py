from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HIT = "--eval contains --param keyword=Paris --backend local --no-progress"


@pytest.fixture
def ran(cli, jsonl):
    """Evaluate rows of these texts, with the ids q0, q1, ...; None is an invalid row."""

    def run(*texts, name="run.jsonl"):
        rows = [{"id": f"q{index}", "text": text} for index, text in enumerate(texts)]
        cli("run", jsonl(*rows), HIT, "--out", name)
        return name

    return run


def test_how_many_cases_are_beyond_those_named_is_not_made_up(cli, jsonl):
    rows = [{"index": at, "template": "tone", "status": "scored", "output": 0, "inputs": {"t": at}} for at in range(99)]
    shown = cli("gate", jsonl(*rows, name="a.jsonl"), "--min tone>=0.1").out
    assert "case 3 (0), case 4 (0) and more" in " ".join(shown.split())
    shown = cli("gate", jsonl(*rows[:7], name="b.jsonl"), "--min tone>=0.1").out
    assert "case 3 (0), case 4 (0) and 2 more" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("texts", "flags", "expected"),
    [
        (["Paris", "Rome"], "--min contains>=0.5", (0, "passed")),
        (["Paris", "Rome"], "--min contains>0.5", (4, "below")),
        (["Paris", None], "--min contains>0.5", (5, "inconclusive")),
        (["Paris", None], "--min contains>0.5 --coverage 0.5", (0, "passed")),
        (["Paris", None], "--coverage 0.98", (5, "inconclusive")),
        (["Paris", "Rome"], "--min contains>=0.5 --confidence 0.9", (5, "inconclusive")),
    ],
)
def test_a_verdict_has_its_exit_code(texts, flags, expected, cli, ran):
    code, verdict = expected
    ended = cli("gate", ran(*texts), flags)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.endswith(f"\ngate: {verdict}\n")
    found = json.loads(cli("gate run.jsonl --json", flags).out)
    assert (found["run"], found["verdict"]) == ("run.jsonl", verdict)


@pytest.mark.parametrize("flag", ["--out run.jsonl", "--run run.db"])
def test_estimates_are_called_so_however_the_run_was_kept(flag, cli, jsonl):
    row = {"output": "Paris.", "context": "It is Paris.", "input": "Where?"}
    cli("run", jsonl(row), "--eval groundedness --backend local --no-progress", flag)
    ended = cli("gate", flag.split()[1], "--coverage 1")
    assert "groundedness: lexical estimates, not the platform's judge\n" in ended.out


def test_a_server_that_was_down_is_not_a_bad_score(cli, jsonl):
    line = {"template": "contains", "status": "failed", "error": "ServerError: down", "inputs": {"text": "x"}}
    ended = cli("gate", jsonl(*({"index": index, **line} for index in range(2))), "--min contains>=0.5 --junit g.xml")
    assert ended.code == 3
    assert "none of 2 evaluations has a score: ServerError: down\ngate: infrastructure\n" in ended.out
    suite = ET.parse("g.xml").getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "0",
        "errors": "2",
    }
    assert cli("gate in.jsonl --write-baseline base.json").code == 3
    assert not Path("base.json").exists()


def test_a_run_without_a_score_is_no_baseline(cli, jsonl):
    line = {"index": 0, "template": "contains", "status": "failed", "error": "ServerError: down", "inputs": {}}
    ended = cli("gate", jsonl(line), "--write-baseline base.json")
    assert (ended.code, ended.out) == (
        3,
        "none of 1 evaluations has a score: ServerError: down\ngate: infrastructure\n",
    )
    assert not Path("base.json").exists()


def test_a_baseline_that_passed_is_what_later_runs_are_held_against(cli, ran):
    ran("Paris", "Paris", "Rome", name="a.jsonl")
    assert cli("gate a.jsonl --min contains>=0.9 --write-baseline base.json").code == 4
    assert not Path("base.json").exists()
    ended = cli("gate a.jsonl --write-baseline base.json --junit gate.xml")
    assert (ended.code, ended.out) == (0, "gate: passed\n")
    assert ET.parse("gate.xml").getroot().get("tests") == "0"
    ran("Paris", "London", "Paris", name="b.jsonl")
    for baseline in ("base.json", "a.jsonl"):
        ended = cli("gate b.jsonl --baseline", baseline)
        assert ended.code == 4
        assert "1 of 3 cases got worse, paired by id" in ended.out
        assert "q1 (contains)" in ended.out
    assert cli("gate b.jsonl --baseline base.json --max-regressions 1").code == 0


def test_junit_tells_failures_from_errors(cli, ran):
    ran("Paris", "Rome", None)
    cli("gate run.jsonl --min contains>0.9 contains>=0.5 contains>=0.3 --junit gate.xml")
    root = ET.parse("gate.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    assert [(case.get("classname"), case.get("name"), [each.tag for each in case]) for case in root[0]] == [
        ("run.jsonl", "contains>0.9", ["failure"]),
        ("run.jsonl", "contains>=0.5", ["error"]),
        ("run.jsonl", "contains>=0.3", ["system-out"]),
    ]
    assert root[0][0][0].attrib == {
        "type": "below",
        "message": "pass rate 0.5 of 2 cases; 0.3333 to 0.6667 (1 missing)",
    }


def test_ids_may_hold_what_neither_terminals_nor_xml_can(cli, jsonl):
    line = {"index": 0, "id": "q\x00\ud83d", "template": "contains", "status": "scored", "inputs": {"text": "x"}}
    jsonl({**line, "output": 0.5}, name="a.jsonl")
    jsonl({**line, "output": 0.1}, name="b.jsonl")
    ended = cli("gate b.jsonl --baseline a.jsonl --junit gate.xml")
    assert "q\\x00\\ud83d (contains)" in ended.out
    assert ET.parse("gate.xml").getroot()[0][0][0].text == "q\ufffd\ufffd (contains)"
    assert "q\\x00\\ud83d" in cli("compare a.jsonl b.jsonl").out
    assert cli("gate b.jsonl --write-baseline base.json").code == 0
    assert "0 of 1 cases got worse, paired by id" in cli("gate b.jsonl --baseline base.json").out


def test_github_shows_the_verdict_with_the_step(cli, jsonl, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    for name, output in (("a.jsonl", 0.5), ("b.jsonl", 0.1)):
        rows = [
            {"index": at, "template": "tone", "status": "scored", "output": output, "inputs": {"text": at}}
            for at in range(22)
        ]
        jsonl(*rows, name=name)
    cli("gate b.jsonl --min tone>=0.1 --baseline a.jsonl")
    text = Path("summary.md").read_text(encoding="utf-8")
    listed = "".join(f"- case {index} (tone)\n" for index in range(20))
    assert text == (
        "### b.jsonl: below\n\n| | check | found |\n| --- | --- | --- |\n"
        "| ✅ | tone\\>=0.1 | mean score 0.1 of 22 cases |\n"
        "| ❌ | regressions\\<=0 | 22 of 22 cases got worse, paired by inputs |\n"
        f"\nregressions\\<=0:\n\n{listed}- and 2 more\n\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gate run.jsonl", "nothing to check: give --min, --coverage or --baseline, such as --min 'groundedness>=0.9'"),
        ("gate run.jsonl --max-regressions 1", "nothing to check: give --min, --coverage or --baseline"),
        ("gate run.jsonl --min contains>=0.5 --max-regressions 1", "give --baseline PATH"),
        ("gate run.jsonl --min contains>=0.5 --tolerance 0.1", "--tolerance is of what is worse than a baseline"),
        (
            "gate run.jsonl --min contains>=0.5 --by id",
            "--by is of what is worse than a baseline",
        ),
        ("gate run.jsonl --write-baseline run.jsonl", "--write-baseline run.jsonl: that is the input"),
        ("gate run.jsonl --coverage 0.1 --junit run.jsonl", "--junit run.jsonl: that is the input"),
        ("gate run.jsonl --coverage 0.1 --junit lost/gate.xml", "--junit lost/gate.xml: there is no directory lost"),
        ("gate run.jsonl --min contains>=90", "--min contains>=90: a pass rate is from 0 to 1: write 0.9"),
        ("gate run.jsonl --min contains.mean>=90", "a mean of verdicts is from 0 to 1: write 0.9"),
        ("gate run.jsonl --min contain>=0.5", "the run has no template 'contain'; did you mean contains?"),
        ("gate run.jsonl --min contains", "write it as TEMPLATE>=NUMBER"),
        ("gate run.jsonl --coverage 98", "--coverage"),
        ("gate lost.jsonl --min contains>=0.5", "lost.jsonl: no such file"),
        ("gate run.jsonl --baseline lost.json", "lost.json: no such file"),
        ("gate run.jsonl --min contains>=0.5 --junit no/g.xml", "--junit no/g.xml: there is no directory no"),
        ("gate run.jsonl --write-baseline no/b.json", "--write-baseline no/b.json: there is no directory no"),
        ("gate run.jsonl --write-baseline base", "--write-baseline base: its name must end in .json, to be known by"),
        ("run in.jsonl --eval contains --fail-fast", "--fail-fast stops at a verdict: give --min or --coverage"),
        ("run in.jsonl --eval contains --min contains>=1 --error-rate 0.1", "give --fail-fast too"),
        ("run in.jsonl --eval contains --min contain>=1", "the run has no template 'contain'; did you mean contains?"),
        ("run - --eval contains --min contains>=1 --fail-fast", "give a file instead of stdin"),
    ],
)
def test_wrong_usage_says_what_to_write(words, said, cli, ran):
    ran("Paris")
    ended = cli(words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


@pytest.mark.parametrize("command", ["gate", "compare"])
def test_help_has_examples(command, cli):
    ended = cli(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"Examples:\n  fi-async {command} " in ended.out


@pytest.mark.parametrize(
    ("texts", "flags", "expected"),
    [
        (["Paris", "Rome"], "--min contains>=0.5", (0, "passed")),
        (["Paris", "Rome"], "--min contains>0.5", (4, "below")),
        (["Paris", None], "--min contains>0.5", (5, "inconclusive")),
        (["Paris", None], "--coverage 0.5", (0, "passed")),
    ],
)
def test_a_run_is_judged_at_its_end(texts, flags, expected, cli, jsonl):
    code, verdict = expected
    rows = [{"text": text} for text in texts]
    ended = cli("run", jsonl(*rows), HIT, flags)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.endswith(f"\ngate: {verdict}\n")
    assert cli("run in.jsonl", HIT, flags, "--json").summary["gate"]["verdict"] == verdict


def test_github_shows_the_verdict_of_a_run_too(cli, jsonl, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    cli("run", jsonl({"text": "Paris"}), HIT, "--min contains>=0.5")
    assert Path("summary.md").read_text(encoding="utf-8").startswith("### in.jsonl: passed\n")


def test_a_run_stops_when_its_verdict_is_certain(cli, jsonl, lines):
    rows = [{"text": "Rome" if index < 6 else "Paris"} for index in range(40)]
    ended = cli("run", jsonl(*rows), HIT, "--min contains>=0.9 --fail-fast --concurrency 1 --out out.jsonl")
    assert (ended.code, ended.err) == (4, "stopped after 5 of 40 evaluations: the verdict is certain\n")
    assert [line["index"] for line in lines()] == [0, 1, 2, 3, 4]
    ended = cli("run in.jsonl", HIT, "--min contains>=0.1 --fail-fast --concurrency 1")
    assert (ended.code, ended.err) == (0, "stopped after 10 of 40 evaluations: the verdict is certain\n")
    ended = cli("run in.jsonl", HIT, "--min contains>=0.85 --coverage 1 --fail-fast")
    assert (ended.code, ended.err) == (0, "")


def test_with_an_error_rate_rows_are_drawn_and_keep_their_places(cli, jsonl, lines):
    rows = [{"id": f"q{index}", "text": "Rome"} for index in range(100)]
    rows[50] = {"text": None}
    ended = cli("run", jsonl(*rows), HIT, "--min contains>=0.9 --fail-fast --error-rate 0.05 --out out.jsonl --json")
    assert ended.code == 4
    found = lines()
    assert len(found) < 11
    assert all(line["id"] in (f"q{line['index']}", None) for line in found)
    assert [line["index"] for line in found] != list(range(len(found)))


def test_a_row_that_is_drawn_and_invalid_is_named_by_its_line(cli, jsonl):
    rows = [{"text": "Paris"}, {"text": None}, {"text": None}]
    ended = cli("run", jsonl(*rows), HIT, "--coverage 0.1 --fail-fast --error-rate 0.0001 --json")
    (cause,) = ended.summary["causes"] or [None]
    assert cause is None or cause["message"] == "the input 'text' is None: give it text, or leave the key out"
