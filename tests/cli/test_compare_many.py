from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async.cli import main


@pytest.fixture
def run(jsonl):
    """Write the lines of a run: P, F or - for no score, by template."""

    def write(name, **verdicts):
        rows = [
            {
                "index": index,
                "id": f"q{index}",
                "template": template,
                "status": "failed" if letter == "-" else "scored",
                "passed": {"P": True, "F": False}.get(letter),
                "output": {"P": "Passed", "F": "Failed"}.get(letter),
                "error": "ServerError: down" if letter == "-" else None,
                "inputs": {"text": f"{index}"},
            }
            for template, letters in verdicts.items()
            for index, letter in enumerate(letters)
        ]
        return jsonl(*rows, name=name)

    return write


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─")]


def test_three_runs_are_shown_beside_each_other(cli, run):
    run("a.jsonl", contains="P" * 20)
    run("b.jsonl", contains="P" * 8 + "F" * 12)
    run("c.jsonl", contains="P" * 19 + "-")
    ended = cli("compare a.jsonl b.jsonl c.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert lines(ended.out) == [
        "3 runs against a, paired by id; 95% for all 2 comparisons together (Holm)",
        "template, run pairs change 95% interval better worse p verdict",
        "contains",
        "a 20 baseline",
        "b 20 -0.600 -0.802 to -0.189 0 12 <0.001 worse",
        "c 19 +0.000 -0.167 to +0.167 0 0 1.000 unclear",
        "Runs disagree on 12 of 20",
        *("q19 contains", "a passed b failed c -"),
        *[line for n in range(8, 17) for line in (f"q{n} contains", "a passed b failed c passed")],
        "and 2 more: --html PATH shows all",
        "contains, c: not compared: 1 without a score in one or both",
    ]


def test_a_wide_terminal_shows_means_and_a_narrow_one_its_numbers(cli, run, monkeypatch):
    for name in "abc":
        run(f"{name}.jsonl", contains="PPPF" * 5)
    monkeypatch.setenv("COLUMNS", "110")
    assert "a 20 0.750 baseline" in lines(cli("compare a.jsonl b.jsonl c.jsonl").out)
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, cli("compare a.jsonl b.jsonl c.jsonl").out.splitlines()[2:])) <= 60


@pytest.mark.parametrize("name", ["b", "b.jsonl"])
def test_another_baseline(cli, run, name):
    for each, letters in (("a", "PP"), ("b", "FF"), ("c", "PF")):
        run(f"{each}.jsonl", contains=letters)
    out = lines(cli(f"compare a.jsonl b.jsonl c.jsonl --baseline {name}").out)
    assert out[0] == "3 runs against b, paired by id; 95% for all 2 comparisons together (Holm)"
    assert out[3:6] == ["b 2 baseline", "a 2 +1.000 - 2 0 1.000 unclear", "c 2 +0.500 - 1 0 1.000 unclear"]
    assert "contains, a: an interval needs 10 pairs, not 2" in out
    two = cli(f"compare a.jsonl b.jsonl --baseline {name}").out
    assert two.startswith("b.jsonl -> a.jsonl, paired by id")


def test_as_json(cli, run):
    run("a.jsonl", contains="PP", tone="P")
    run("b.jsonl", contains="PF")
    run("c.jsonl", contains="PP", tone="F")
    found = json.loads(cli("compare a.jsonl b.jsonl c.jsonl --json").out)
    assert found["files"] == {"a": "a.jsonl", "b": "b.jsonl", "c": "c.jsonl"}
    assert set(found["took"]) == {"a", "b", "c"}
    assert [(each["run"], each["template"], each["losses"], each["said"]) for each in found["differences"]] == [
        ("b", "contains", 1, "an interval needs 10 pairs, not 2"),
        ("c", "contains", 0, "an interval needs 10 pairs, not 2"),
        ("b", "tone", 0, "not in this run"),
        ("c", "tone", 1, "an interval needs 10 pairs, not 1"),
    ]
    assert [each["template"] for each in found["disagreements"]] == ["tone", "contains"]
    assert "verdict" not in found


@pytest.mark.parametrize("others", ["", "c.jsonl"])
@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("P" * 20, (0, "passed", "contains")),
        ("P" * 8 + "F" * 12, (4, "below", "is worse: contains -0.600, p <0.001")),
        (
            "P" * 8 + "-" * 12,
            (5, "inconclusive", "contains: 12 cases had a score and have none: with all of them worse"),
        ),
        ("-" * 20, (5, "inconclusive", "contains: not compared: no case has a number in both")),
        ("P" * 2, (5, "inconclusive", "contains: too few cases to tell: not even if all 2 were worse, it would be")),
    ],
)
def test_the_exit_code_tells_whether_a_run_is_worse(cli, run, letters, expected, others):
    code, verdict, said = expected
    run("a.jsonl", contains="P" * 20)
    run("b.jsonl", contains=letters)
    run("c.jsonl", contains="P" * 20)
    ended = cli(f"compare a.jsonl b.jsonl {others} --fail-if-worse")
    assert (ended.code, lines(ended.out)[-1]) == (code, f"gate: {verdict}")
    assert said in " ".join(ended.out.split())
    assert cli(f"compare a.jsonl b.jsonl {others}").code == 0
    found = json.loads(cli(f"compare a.jsonl b.jsonl {others} --fail-if-worse --json").out)
    assert (found["verdict"], len(found["worse"]), len(found["doubts"])) == (verdict, code == 4, code == 5)


def test_a_run_that_is_not_complete_leaves_it_open(cli, run, jsonl):
    run("a.jsonl", contains="P" * 20)
    rows = [json.loads(line) for line in Path("a.jsonl").read_text(encoding="utf-8").splitlines()]
    jsonl(*({**row, "run": {"evaluations": 30}} for row in rows), name="b.jsonl")
    ended = cli("compare a.jsonl b.jsonl --fail-if-worse")
    assert (ended.code, lines(ended.out)[-2:]) == (
        5,
        ["b.jsonl is not complete: 10 pending", "gate: inconclusive"],
    )


def test_a_run_and_itself(cli, run):
    run("a.jsonl", contains="P" * 20)
    assert cli("compare a.jsonl a.jsonl --fail-if-worse").code == 0
    ended = cli("compare a.jsonl a.jsonl a.jsonl")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: names: two runs are called 'a.jsonl': give each a name of its own\n",
    )


def test_a_baseline_that_is_none_of_the_runs(cli, run):
    for name in "abc":
        run(f"{name}.jsonl", contains="P")
    ended = cli("compare a.jsonl b.jsonl c.jsonl --baseline d")
    assert (ended.code, ended.err) == (2, "fi-async: baseline: no run is called 'd'; there are a, b, c\n")


def test_runs_of_one_name_in_two_directories_are_called_by_their_paths(cli, run):
    for folder in ("x", "y"):
        Path(folder).mkdir()
        run(f"{folder}/a.jsonl", contains="P")
    run("b.jsonl", contains="P")
    assert lines(cli("compare x/a.jsonl y/a.jsonl b.jsonl").out)[0].startswith("3 runs against x/a.jsonl,")


def test_as_a_page(cli, run):
    for name in "abc":
        run(f"{name}.jsonl", contains="PF")
    assert cli("compare a.jsonl b.jsonl c.jsonl --html matrix.html").code == 0
    assert "<title>a, b, c (fi-async comparison)</title>" in Path("matrix.html").read_text(encoding="utf-8")
    assert main(["compare", "a.jsonl", "b.jsonl", "c.jsonl", "--html", "c.jsonl"]) == 2


def test_what_a_terminal_would_obey_is_shown_as_it_is(cli, run):
    for name in "abc":
        run(f"{name}.jsonl", **{"\x1b[31m[/x]": "P" if name == "a" else "F"})
    out = cli("compare a.jsonl b.jsonl c.jsonl").out
    assert "\x1b" not in out
    assert "\\x1b[31m[/x]" in out
