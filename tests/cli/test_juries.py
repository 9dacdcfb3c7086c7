"""Juries on the command line: named in a file of settings, or models at one endpoint; kept, and shared by workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fi_async import Evaluator, Judge, Jury
from fi_async.local import LocalBackend
from fi_async.local.server import running
from fi_async.reports.run_files import load_run

ROWS = [{"id": f"r{n}", "output": f"answer {n}", "context": f"answer {n % 2}", "input": "Where?"} for n in range(4)]
ASKED = "--eval groundedness --no-progress"
NAMES = ("mini", "qwen", "third")


@pytest.fixture
def endpoint():
    """The URL of judges that need a key, and what answers there."""
    backend = LocalBackend()
    with running(backend) as url:
        yield f"{url}/v1", backend


@pytest.fixture
def settings(endpoint, monkeypatch):
    """Write a file of settings with three judges, and what is given, and return which models were asked how often."""
    monkeypatch.setenv("JUDGE_KEY", "sk-the-key-itself")
    url, backend = endpoint

    def write(more="", judges=NAMES):
        tables = "".join(
            f"[judges.{name}]\nmodel = 'm-{name}'\nurl = '{url}'\nkey-env = 'JUDGE_KEY'\nprice = '0.25/2'\n"
            "limits = ['900/min', '1000000/min:tokens']\nconcurrency = 4\ntemperature = 0.5\n"
            for name in judges
        )
        Path("fi-async.toml").write_text(f"{more}\n{tables}")
        return lambda: {name: told["answered"] for name, told in backend.chat_statistics()["models"].items()}

    return write


def each(count, names=NAMES):
    return {f"m-{name}": count for name in names}


def votes(run):
    with load_run(Path(run)) as found:
        return [[vote.juror for vote in record.outcome.votes] for record in found.records()]


def test_a_jury_that_settings_name_votes_is_kept_and_gone_on_with_from_elsewhere(cli, jsonl, settings):
    counted = settings()
    ended = cli("run", jsonl(*ROWS), ASKED, "--jury mini qwen third --run r.db --json --max-cost 0.000001")
    assert (ended.code, counted()) == (1, {})
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")  # where no file names a judge; the desk of each test is its own
    ended = cli("resume ../r.db --max-cost 1 --no-progress --json")
    assert (ended.code, ended.err) == (0, "")
    assert counted() == each(4)
    told = ended.summary["templates"]["groundedness"]["jury"]
    assert sorted(told["jurors"]) == list(NAMES)
    assert votes("../r.db") == [list(NAMES)] * 4
    for flag in ("--jury mini qwen", "--rule mean"):
        assert f"{flag.split()[0]} is as when the run began" in cli("resume ../r.db", flag).err
    assert "sk-the-key" not in Path("../r.db").read_bytes().decode(errors="replace")


def test_a_juror_more_sends_its_own_requests(cli, jsonl, settings):
    counted = settings(judges=(*NAMES, "fourth"))
    rows = jsonl(*ROWS)
    assert cli("run", rows, ASKED, "--jury mini qwen third --repeats 2 --run r.db --json").code == 0
    ended = cli("run", rows, ASKED, "--jury mini qwen third fourth --repeats 2 --run r.db --json")
    assert ended.summary["requests"] == 8
    assert counted() == each(8, (*NAMES, "fourth"))


def test_a_jury_and_its_rule_are_settings_and_flags_go_above(cli, jsonl, settings):
    counted = settings("jury = ['mini', 'qwen', 'third']\nrule = 'mean'\nrepeats = 2")
    ended = cli("run", jsonl(*ROWS), ASKED, "--json --out o.jsonl")
    assert (ended.code, counted()) == (0, each(8))
    (told, *_) = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [vote["juror"] for vote in told["samples"][0]["votes"]] == list(NAMES)
    assert told["model"].startswith("mean of mini, qwen, third") or told["reason"].startswith("the mean of")
    assert cli("run in.jsonl", ASKED, "--backend local").code == 0
    assert cli("run in.jsonl", ASKED, "--judge mini --repeats 1").code == 0
    assert counted() == each(8) | {"m-mini": 12}
    shown = {found["name"]: found for found in json.loads(cli("config --json").out)}
    assert shown["jury"]["value"] == list(NAMES)
    assert shown["judges.qwen"]["value"]["model"] == "m-qwen"
    assert shown["judges.qwen"]["origin"].endswith("fi-async.toml")


def test_no_key_in_a_table_is_shown(cli):
    Path("fi-async.toml").write_text("[judges.x]\nmodel = 'm'\nurl = 'https://me:s3cret@a.example/v1'\n")
    shown = cli("config --json")
    assert json.loads(shown.out)[-1]["value"]["model"] == "m"
    assert "s3cret" not in shown.out
    Path("fi-async.toml").write_text("[judges.x]\nmodel = 'm'\napi-key = 's3cret'\n")
    for ended in (cli("config"), cli("config --json")):
        assert ended.code == 2
        assert "[judges.x]: unknown key 'api-key': a key belongs into the environment" in ended.err
        assert "s3cret" not in ended.out + ended.err


def test_a_judge_that_settings_name_judges_alone_whatever_others_are_described_by(cli, jsonl, settings):
    counted = settings("judge = 'other'\njudge-url = 'http://127.0.0.1:1/v1'\njudge-concurrency = 1")
    ended = cli("run", jsonl(*ROWS), ASKED, "--judge qwen --run r.db --json")
    assert (ended.code, counted()) == (0, each(4, ["qwen"]))
    assert cli("resume r.db").out.startswith("r.db: nothing to do")


def test_models_at_one_endpoint_are_a_jury_where_nothing_is_named(cli, jsonl, endpoint, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-1")
    at = f"--judge-url {endpoint[0]} --judge-key-env JUDGE_KEY"
    ended = cli("run", jsonl(*ROWS), ASKED, f"--jury a b {at} --rule unanimous --json")
    assert ended.code == 0
    assert {name: told["answered"] for name, told in endpoint[1].chat_statistics()["models"].items()} == {
        "a": 4,
        "b": 4,
    }


def test_a_dry_run_shows_what_each_juror_would_take(cli, jsonl, settings):
    counted = settings()
    plan = cli("run", jsonl(*ROWS), ASKED, "--jury mini qwen third --repeats 2 --dry-run --json").summary
    assert (plan["evaluations"], plan["requests"], counted()) == (24, 24, {})
    assert [told["model"] for told in plan["templates"]] == list(NAMES)
    assert plan["cost"] > 0


def test_a_programs_run_takes_its_jury_from_settings(cli, endpoint, settings):
    at = {"base_url": endpoint[0], "api_key": "sk-1", "temperature": 0.5}
    judges = [Judge(f"m-{name}", name=name, **at) for name in NAMES]
    judges[1] = Judge("m-qwen", name="qwen", max_cost=1e-9, price=(1, 1), **at)
    with Evaluator(backends=[Jury(*judges)], extra_keys="ignore") as ev:
        ev.gather(ROWS, "groundedness", run="p.db")
    counted = settings()
    told = cli("resume p.db").err
    assert "groundedness (a jury of mini, qwen, third): give --jury mini qwen third" in told
    assert f"qwen: m-qwen at {endpoint[0]}" in told
    told = cli("resume p.db --jury mini qwen").err
    assert "is for a jury of mini, qwen, third, and would have a jury of mini, qwen: give --jury" in told
    assert "is not what the run was begun with" in cli("resume p.db --jury mini qwen third --rule mean").err
    ended = cli("resume p.db --jury mini qwen third --json --no-progress")
    assert (ended.code, ended.summary["scored"]) == (0, 4)
    assert counted() == each(4)


@pytest.mark.parametrize(
    ("more", "flags", "said"),
    [
        ("", "--jury mini", "--jury mini: a jury has two judges at least, and there is 'mini' alone: add others"),
        ("", "--jury mini mini", "to ask one judge several times, give --repeats"),
        ("", "--jury mini qwn", "there is no [judges.qwn] among your settings; did you mean qwen?; it has mini, qwen"),
        ("", "--jury mini qwen --judge third", "--judge third stands beside --jury: give all judges to --jury"),
        ("", "--rule mean", "--rule says what makes a verdict of the votes of a jury: name its judges by --jury"),
        ("", "--judge mini --rule mean", "--rule says what makes a verdict of the votes of a jury"),
        ("", "--judge mini --judge-url http://127.0.0.1:1", "--judge-url is about a judge that only flags describe"),
        ("", "--jury mini qwen --judge-price 1/1", "and [judges.mini] says all of that one"),
        ("", "--jury mini qwen --backend local", "--backend local stands beside --jury"),
        ("", "--jury mini qwen --backends local", "--jury majority of mini, qwen is not among them: add judge"),
        ("", "--jury mini qwen --rule mode", "mode"),
        ("judges = 3", "--jury a b", "judges must be tables, such as [judges.mini] with the key model"),
        ("[judges.x]\nurl = 'http://127.0.0.1:1'", "--judge x", "[judges.x]: model is missing"),
        ("[judges.x]\nmodle = 'm'", "--judge x", "[judges.x]: unknown key 'modle'; did you mean model?"),
        ("[judges.x]\nmodel = 3", "--judge x", "[judges.x]: model cannot be int"),
        ("[judges.x]\nmodel = 'm'\napi-key = 's3cret'", "--judge x", "unknown key 'api-key': a key belongs into the"),
        ("[judges.x]\nmodel = 'm'\nkey-env = 'NO_SUCH'", "--judge x", "[judges.x]: key-env: the environment has no"),
        ("[judges.x]\nmodel = 'm'", "--judge x", "[judges.x]: OPENAI_API_KEY missing: set it for model m, or name"),
        ("[judges.x]\nmodel = 'm'\nprice = '1'", "--judge x", "[judges.x]: price 1: write dollars a million tokens"),
        ("[judges.x]\nmodel = 'm'\nlimits = 'many'", "--judge x", "[judges.x]: judge limits many: write it as COUNT"),
        ("[judges.x]\nmodel = 'm'\ntemperature = 9", "--judge x", "[judges.x]: temperature must be a number from 0"),
        ("[judges.x]\nmodel = 'm'\nurl = 'http://a.example/v1'", "--judge x", "allow-http"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_sent(  # noqa: PLR0917  # fixtures
    more, flags, said, cli, jsonl, settings, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    counted = settings(more, NAMES if not more else ())
    ended = cli("run", jsonl(*ROWS), ASKED, flags)
    assert (ended.code, ended.out, counted()) == (2, "", {})
    assert said in " ".join(ended.err.replace("│", " ").split())
    assert "s3cret" not in ended.err


def test_a_jury_is_loaded_into_a_database_and_worked_on_from_elsewhere(cli, jsonl, settings, postgres_url):
    counted = settings(judges=(*NAMES, "fourth"))
    run, rows = f"{postgres_url}/nightly", jsonl(*ROWS)
    how = f"--eval groundedness --run {run} --repeats 2"
    ended = cli("load", rows, how, "--jury mini qwen third")
    assert ended.code == 0
    assert "4 evaluations of 24 samples and votes (24 new)" in ended.out
    assert json.loads(cli("load", rows, how, "--jury mini qwen third --json").out)["votes"] == 24
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    ended = cli(f"work {run} --no-progress --json")
    assert (ended.code, ended.summary["statuses"], ended.summary["evaluations"]) == (0, {"scored": 4}, 4)
    assert counted() == each(8)
    told = json.loads(cli(f"status {run} --json").out)
    assert (told["evaluations"], told["done"], told["state"]) == (4, 4, "complete")
    assert cli(f"gate {run} --min groundedness:pass^2>=0").code == 0
    assert cli(f"export {run} -o o.jsonl").code == 0
    (first, *_) = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [[vote["juror"] for vote in sample["votes"]] for sample in first["samples"]] == [list(NAMES)] * 2
    os.chdir("..")
    assert cli("load", rows, how, "--jury mini qwen third fourth").code == 0
    told = cli(f"work {run} --jury mini qwen third --no-progress").err
    assert "is for a jury of fourth, mini, qwen, third, and would have a jury of mini, qwen, third: give --jury" in told
    assert "fourth: m-fourth at " in told
    assert cli(f"resume {run} --no-progress").code == 0
    assert counted() == each(8, (*NAMES, "fourth"))
