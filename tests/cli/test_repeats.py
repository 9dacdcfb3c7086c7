"""Repeats from the command line: a run, its file, its lines, its page and its gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async import Evaluator, Jury
from fi_async.reports.run_files import load_run
from voting import CALM, Voter, answers

CASES = [{"output": f"Answer {n}.", "context": f"Answer {n % 2}.", "input": "Where?"} for n in range(4)]
HOW = "--eval groundedness --backend local --no-progress"


def told(path):
    with load_run(Path(path)) as run:
        return [record.outcome.to_dict() for record in run.records()]


def comparable(outcomes):
    left_out = ("origin", "latency_s", "eval_id")
    return json.loads(json.dumps(outcomes), object_hook=lambda of: {k: v for k, v in of.items() if k not in left_out})


def test_a_run_with_repeats_is_kept_written_resumed_and_gated(cli, jsonl):
    rows = jsonl(*CASES)
    ended = cli("run", rows, HOW, "--repeats 3 --run r.db --out r.jsonl --json")
    assert ended.code == 0
    assert (ended.summary["cases"], ended.summary["evaluations"], ended.summary["scored"]) == (4, 4, 4)
    repeats = ended.summary["templates"]["groundedness"]["repeats"]
    assert (repeats["samples"], repeats["flips"], repeats["variance"]["judge"]) == (12, 0, 0.0)
    assert comparable(told("r.jsonl")) == comparable(told("r.db"))
    assert {len(each["samples"]) for each in told("r.db")} == {3}

    again = cli("resume r.db")
    assert again.out == "r.db: nothing to do: all 4 evaluations have ended\n"
    for run in ("r.db", "r.jsonl"):
        assert "groundedness:pass^3>=0.1" in cli("gate", run, "--min groundedness:pass^3>=0.1").out
        found = json.loads(cli("gate", run, "--json --min groundedness:pass^4>=0.1").out)
        assert found["verdict"] == "inconclusive"
        assert cli("gate", run, "--min groundedness:pass^4>=0.1").code == 5
    status = json.loads(cli("status r.db --json").out)
    assert (status["evaluations"], status["done"], status["state"]) == (4, 4, "complete")


def test_the_summary_and_the_page_tell_what_the_judge_did(cli, jsonl):
    out = cli("run", jsonl(*CASES), HOW, "--repeats 2 --run r.db").out
    assert "repeats: 8 samples of 4 cases" in out
    assert "0% of the variance is the judge's" in out
    cli("report r.db")
    assert '"repeats":{"cases":4,"samples":8' in Path("r.html").read_text().replace(" ", "")


def test_repeats_are_settings_of_a_project(cli, jsonl):
    Path("fi-async.toml").write_text('repeats = "auto"\nmax_repeats = 4\n')
    ended = cli("run", jsonl(*CASES), HOW, "--json")
    assert ended.summary["templates"]["groundedness"]["repeats"]["samples"] == 12


def test_a_plan_counts_every_sample(cli, jsonl):
    plan = cli("run", jsonl(*CASES), HOW, "--repeats 3 --dry-run --json").summary
    assert (plan["cases"], plan["evaluations"]) == (4, 12)
    assert plan["templates"][0]["why"].endswith(", 3 samples of each case")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--repeats 0", "Must be >= 1"),
        ("--repeats autox", "autox"),
        ("--reduce mode", "mode"),
        ("--repeats auto --max-repeats 2", "takes 3 repeats that say the same"),
        ("--repeats 2 --min groundedness:pass^3>=0.5", "takes 3 samples of each row: give --repeats 3"),
        ("--repeats auto --min groundedness:pass^5>=0.5", "takes 5 samples of each row: give --repeats 5"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(flags, said, cli, jsonl):
    ended = cli("run", jsonl(*CASES), HOW, flags)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_a_programs_run_with_a_jury_says_what_it_needs(cli):
    voter = Voter()
    with Evaluator(backends=[Jury(voter.judge("mini"), voter.judge("qwen", max_cost=1e-9))]) as ev:
        ev.gather(answers(3), CALM, run="r.db")
    told = cli("resume r.db").err
    assert told == (
        "fi-async: r.db: a program began it, and no file holds what evaluates calm (a Criteria): give --eval"
        " FILE.py:calm; calm (a jury of mini, qwen): give --jury mini qwen, each by a table [judges.NAME] of"
        " fi-async.toml (mini: mini at https://api.openai.com/v1; qwen: qwen at https://api.openai.com/v1). Or run the"
        " program again\n"
    )
