"""Functions, Criteria and a judge on the command line; the judge is the embedded backend's, on the loopback."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from fi_async import Evaluator, Judge, template
from fi_async.local import LocalBackend
from fi_async.local.server import running

QUIET = "--no-progress"
ASIDE = "--dry-run --json"
KEY = "sk-the-key-itself"
CHECKS = '''
from fi_async import Criteria, template

@template
async def cites_all(output: str, sources: list[str]) -> bool:
    return all(each in output for each in sources)

@template
def brief(output: str) -> float:
    """Tell how brief it is."""
    return 1.0 if len(output) < 20 else 0.5

calm = Criteria("calm", "Does {{output}} stay calm?", choices={"calm": 1.0, "rude": 0.0})

def plain(output: str) -> bool:
    return True

number = 3
'''
ROWS = [
    {"id": f"r{n}", "output": f"answer {n} [1]", "context": "answer [1]", "text": "[1]", "sources": ["[1]"]}
    for n in range(4)
]


@pytest.fixture(scope="module")
def endpoint():
    """The URL of a judge, and what answers there."""
    backend = LocalBackend()
    with running(backend) as url:
        yield f"{url}/v1", backend


@pytest.fixture
def checks(tmp_path, monkeypatch):
    """Write a file of templates here, of a name of its own, so that Python imports it anew."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    number = len([each for each in before if each.startswith("checks_")])
    file = tmp_path / f"checks_{number}_{tmp_path.name}.py"
    file.write_text(CHECKS)
    yield file.name
    for name in set(sys.modules) - before:
        if name.startswith(("checks_", "broken_")):
            del sys.modules[name]


@pytest.fixture
def judged(endpoint, monkeypatch):
    """The flags of a judge that needs a key."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    return f"--judge m --judge-url {endpoint[0]} --judge-key-env JUDGE_KEY --judge-price 0.25/2"


def lines(name):
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def questions(run):
    (info,) = sqlite3.connect(run).execute("SELECT info FROM passes ORDER BY pass LIMIT 1").fetchone()
    return {each["template"]: each for each in json.loads(info)["questions"]}


def test_each_template_is_answered_by_the_first_that_can(cli, jsonl, checks, judged):
    evals = f"--eval is_json groundedness {checks}:cites_all {checks}:brief {checks}:calm"
    ended = cli("run", jsonl(*ROWS), evals, judged, "--out o.jsonl --no-progress --json --run r.db")
    assert (ended.code, ended.err) == (0, "")
    assert ended.summary["scored"] == 20
    by = Counter((each["template"], each["backend"], each["model"]) for each in lines("o.jsonl"))
    assert by == {
        ("is_json", "local", None): 4,
        ("groundedness", "judge", "m"): 4,
        ("cites_all", "code", None): 4,
        ("brief", "code", None): 4,
        ("calm", "judge", "m"): 4,
    }
    assert not any(each["estimate"] for each in lines("o.jsonl"))
    assert KEY.encode() not in Path("r.db").read_bytes()
    assert {name: each["by"] for name, each in questions("r.db").items()} == {
        "is_json": "local",
        "groundedness": "judge",
        "cites_all": "code",
        "brief": "code",
        "calm": "judge",
    }
    assert questions("r.db")["calm"]["judge_url"].endswith("/v1")


def test_functions_alone_need_nobody_and_are_a_verdict(cli, jsonl, checks):
    ended = cli("run", jsonl(*ROWS), f"--eval {checks}:brief --min brief>=1 --no-progress --out o.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert lines("o.jsonl")[0]["run"] == {"evaluations": 4, "backend_named": True}
    assert cli("gate o.jsonl --min brief>=1").code == 0


def test_what_a_judge_says_is_a_verdict_without_keys_of_the_platform(cli, jsonl, judged):
    ended = cli("run", jsonl(*ROWS), "--eval groundedness", judged, "--min groundedness>=0 --no-progress --run r.db")
    assert (ended.code, ended.err) == (0, "")
    assert "gate: passed" in ended.out
    assert cli("gate r.db --min groundedness>=0").code == 0


def test_with_keys_the_platform_comes_last(cli, jsonl, judged, monkeypatch, endpoint):
    monkeypatch.setenv("FI_API_KEY", "a")
    monkeypatch.setenv("FI_SECRET_KEY", "b")
    monkeypatch.setenv("FI_BASE_URL", endpoint[0].removesuffix("/v1"))
    asked = cli(
        "run", jsonl(*ROWS), "--eval is_json groundedness audio_quality", judged, "--dry-run --json --set audio=x"
    )
    assert [each["backend"] for each in asked.summary["templates"]] == ["local", "judge", "server"]
    asked = cli("run in.jsonl --eval is_json groundedness", judged, "--backends judge cloud", ASIDE)
    assert [each["backend"] for each in asked.summary["templates"]] == ["server", "judge"]


def test_a_dry_run_shows_who_answers_what_and_the_money(cli, jsonl, checks, judged):
    ended = cli("run", jsonl(*ROWS), f"--eval groundedness {checks}:brief", judged, "--dry-run")
    assert ended.code == 0
    assert " tokens, about $0." in ended.out
    assert [line.split()[:3] for line in ended.out.splitlines()[3:5]] == [
        ["groundedness", "m", "4"],
        ["brief", "code", "4"],
    ]


def test_a_run_at_its_max_cost_goes_on_from_elsewhere(cli, jsonl, checks, judged, endpoint):
    evals = f"--eval {checks}:calm {checks}:brief"
    ended = cli("run", jsonl(*ROWS), evals, judged, "--max-cost 0.000001 --run r.db --no-progress")
    assert ended.code == 1
    assert "go on: fi-async resume r.db --max-cost MORE" in ended.out
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")  # the desk of each test is its own
    before = endpoint[1].judged("m").total()
    ended = cli("resume ../r.db --max-cost 1 --no-progress --json")
    assert (ended.code, ended.err) == (0, "")
    assert (ended.summary["scored"], ended.summary["replayed"]) == (8, 4)
    assert endpoint[1].judged("m").total() == before + 4
    assert cli("resume ../r.db").out.startswith("../r.db: nothing to do")


def test_a_module_is_found_again_from_elsewhere(cli, jsonl, checks, tmp_path, monkeypatch):
    module = checks.removesuffix(".py")
    assert cli("run", jsonl(*ROWS), f"--eval {module}:brief --run r.db --no-progress --limit 2").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("resume ../r.db --json --no-progress").summary["replayed"] == 2


def test_what_began_the_run_is_not_changed_by_resume(cli, jsonl, judged):
    cli("run", jsonl(*ROWS), "--eval groundedness", judged, "--run r.db --no-progress")
    for flag in ("--judge other", "--judge-url http://127.0.0.1:1/v1", "--eval x.py:y"):
        ended = cli("resume r.db", flag)
        assert ended.code == 2
        assert f"{flag.split()[0]} is as when the run began" in ended.err


def test_rows_that_only_the_file_holds_want_the_same_function(cli, jsonl, checks):
    cli("run", jsonl(*ROWS), f"--eval {checks}:brief --run r.db --no-progress")
    Path("in.jsonl").unlink()
    Path(checks).write_text(CHECKS.replace("< 20", "< 10"))
    del sys.modules[checks.removesuffix(".py")]
    ended = cli("resume r.db --json --no-progress")
    assert ended.code == 2
    assert "brief is not what the run was begun with: its source, or its version, is another" in ended.err


def begun(checks, judge, monkeypatch, backends, evals):
    """Begin a run as a program does, with the templates of a file."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    module = __import__(checks.removesuffix(".py"))
    asked = [getattr(module, name, name) for name in evals]
    with Evaluator(backends=backends(judge), extra_keys="ignore") as ev:
        ev.gather(ROWS, asked, run="p.db")


PROGRAM = "a program began it, and no file holds what evaluates "


def test_a_programs_run_says_what_it_needs_and_takes_it(cli, checks, judged, endpoint, monkeypatch):
    judge = Judge("m", base_url=endpoint[0], api_key=KEY, price=(0.25, 2), max_cost=1e-6)
    begun(checks, judge, monkeypatch, lambda j: ["local", j], ["is_json", "groundedness", "calm", "brief"])
    again = "resume p.db --json --no-progress"
    ended = cli(again)
    assert ended.code == 2
    assert ended.err == (
        f"fi-async: p.db: {PROGRAM}calm (a Criteria): give --eval FILE.py:calm; brief (a function): give --eval"
        f" FILE.py:brief; groundedness, calm (a judge): give --judge m --judge-url {endpoint[0]}. Or run the program"
        " again\n"
    )
    given = f"--eval {checks}:calm {checks}:brief"
    ended = cli(again, given, judged)
    assert ended.code == 0
    assert (ended.summary["scored"], ended.summary["requests"]) == (16, 8)
    other = cli(again, given, judged.replace("--judge m", "--judge n"))
    assert "groundedness is not what the run was begun with: the criteria, or the judge's model, URL" in other.err
    assert "no function or Criteria 'cites_all'" in cli(again, f"--eval {checks}:cites_all", judged).err


def test_a_programs_order_of_backends_is_found(cli, checks, judged, endpoint, monkeypatch):
    for name in ("FI_API_KEY", "FI_SECRET_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("FI_BASE_URL", endpoint[0].removesuffix("/v1"))
    judge = Judge("m", base_url=endpoint[0], api_key=KEY)
    begun(checks, judge, monkeypatch, lambda j: ["local", "cloud", j], ["is_json", "groundedness", "calm"])
    assert {name: each["by"] for name, each in questions("p.db").items()} == {
        "is_json": "local",
        "groundedness": "cloud",
        "calm": "judge",
    }
    ended = cli("resume p.db --json --no-progress", f"--eval {checks}:calm", judged)
    assert ended.code == 0
    assert (ended.summary["scored"], ended.summary["requests"]) == (12, 0)


def test_a_judge_where_nothing_was_judged_is_refused(cli, checks, judged, monkeypatch):
    begun(checks, None, monkeypatch, lambda _: ["local"], ["is_json", "brief"])
    assert "nothing in p.db was judged" in cli(f"resume p.db --eval {checks}:brief --json", judged).err


@pytest.fixture
def written(checks, judged, monkeypatch):
    """A file of templates and the flags of a judge; no key of OpenAI's is there."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return checks, judged


WRONG = [
    ("CHECKS:cites_al", "CHECKS has no 'cites_al'; did you mean cites_all?"),
    ("CHECKS:zzz", "CHECKS has no 'zzz'; there are cites_all, brief, calm"),
    ("CHECKS:plain", "plain is a function without @template: write `from fi_async import template`"),
    ("CHECKS:number", "number is neither a function with @template nor a Criteria, but of type int"),
    ("CHECKS", "say which function or Criteria in it, as in CHECKS:NAME"),
    ("CHECKS:a-b", "write it as FILE.py:NAME, or as module:NAME"),
    ("CHECKS:calm", "calm is a Criteria, which only a judge answers: name its model by --judge"),
    ("CHECKS:calm --backends local", "calm is a Criteria, which only a judge answers: name its model by --judge"),
    ("lost.py:f", "lost.py: no such file"),
    ("a.b.py:f", "a module's name has no dot: rename a.b.py"),
    ("json.py:f", "another module is called 'json'"),
    ("no_such_module:f", "no module is called 'no_such_module'; of a file, write its path, FILE.py:NAME"),
    ("broken_boom.py:f", "broken_boom.py cannot be imported: ValueError: boom, at "),
    ("broken_star.py:f", "broken_star.py cannot be imported: @template on f: *args names no input key"),
    ("broken_syntax.py:f", "broken_syntax.py cannot be imported: SyntaxError: "),
    ("groundedness --judge-url http://127.0.0.1:1/v1", "--judge-url is about a judge: name its model by --judge"),
    ("groundedness --max-cost 3", "--max-cost is about a judge: name its model by --judge"),
    ("groundedness --backends judge", "--backends judge: which judge? Name its model by --judge"),
    ("groundedness --backends local", "nobody of --backends local evaluates groundedness: name a judge by --judge"),
    ("groundedness --backends local local", "local is there twice"),
    ("groundedness --backends clod", 'Did you mean "cloud"?'),
    (
        "groundedness --judge m",
        "OPENAI_API_KEY missing: set it for --judge m, or name another variable by --judge-key-env",
    ),
    ("groundedness JUDGED --backend local", "--backend local stands beside --judge: say all of them in --backends"),
    ("groundedness JUDGED --backends local", "--judge m is not among them: add judge, or leave --judge out"),
    ("groundedness JUDGED --judge-limits 5/min:toks", "--judge-limits 5/min:toks: write it as COUNT/TIME"),
    ("groundedness JUDGED --judge-concurrency 0", "--judge-concurrency"),
    ("groundedness --limits 9/min:tokens", "tokens are a judge's: give --judge-limits 9/min:tokens"),
    ("audio_quality JUDGED", "add cloud to --backends (it judges sound, and a judge here reads text only)"),
    ("groundedness --judge m --judge-key-env none --judge-price 3", "--judge-price 3: write dollars a million tokens"),
    ("groundedness --judge m --judge-key-env sk-1-x", "takes the name of an environment variable, such as MY_KEY"),
    (
        "groundedness --judge m --judge-key-env NOPE",
        "the environment has no variable of this name: set it, or say none",
    ),
    (
        "groundedness --judge m --judge-key-env none --judge-url http://gpu.example/v1",
        "unencrypted: use https, or give --judge-allow-http",
    ),
    ("groundedness --judge m --judge-key-env none --judge-url foo", "--judge-url must look like https://"),
    (
        "groundedness --judge zzz --judge-key-env none --max-cost 1 --judge-url http://127.0.0.1:1/v1",
        "--max-cost needs a price to reckon with: give --judge-price IN/OUT",
    ),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_cannot_be_meant_so_is_told_with_the_fix(words, said, cli, jsonl, written):
    checks, judged = written
    Path("broken_boom.py").write_text("def f():\n    raise ValueError('boom')\nf()\n")
    Path("broken_star.py").write_text("from fi_async import template\n@template\ndef f(*args) -> bool: ...\n")
    Path("broken_syntax.py").write_text("def f(:\n")
    for name in ("a.b.py", "json.py"):
        Path(name).touch()
    asked = words.replace("CHECKS", checks).replace("JUDGED", judged.replace("--judge-price 0.25/2", ""))
    ended = cli("run", jsonl(*ROWS), f"--eval {asked} --no-progress")
    assert (ended.code, ended.out) == (2, "")
    assert said.replace("CHECKS", checks) in ended.err
    assert "sk-1" not in ended.err
    assert KEY not in ended.err


def test_a_judge_that_refuses_is_told_from_the_platform(cli, jsonl, endpoint):
    ended = cli("run", jsonl(*ROWS), f"--eval groundedness --judge m --judge-url {endpoint[0]} {QUIET}")
    assert ended.code == 3
    assert "does not accept requests without a key (pass --judge-key-env)" in ended.err
    assert "FI_API_KEY" not in ended.err
    ended = cli(
        "run in.jsonl --eval groundedness --judge m --judge-url http://127.0.0.1:1/v1 --no-progress --max-retries 0"
    )
    assert ended.code == 3
    assert ended.err.startswith("fi-async: no request reached the judge at http://127.0.0.1:1/v1: ")


def test_settings_name_a_judge_and_flags_go_above(cli, jsonl, endpoint, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    Path("fi-async.toml").write_text(
        f"judge = 'm'\njudge-url = '{endpoint[0]}'\njudge-key-env = 'JUDGE_KEY'\n"
        "judge-limits = ['900/min', '1000000/min:tokens']\n"
    )
    ended = cli("run", jsonl(*ROWS), "--eval groundedness --no-progress --out o.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert {each["backend"] for each in lines("o.jsonl")} == {"judge"}
    assert cli("run in.jsonl --eval groundedness --backend local --no-progress --out o.jsonl").code == 0
    assert {each["backend"] for each in lines("o.jsonl")} == {"local"}
    monkeypatch.setenv("FI_ASYNC_BACKENDS", "local")
    assert "--backends local: --judge m is not among them" in cli("run in.jsonl --eval is_json").err


def test_the_templates_say_who_answers_them(cli):
    found = {each["name"]: each["backends"] for each in json.loads(cli("templates --json").out)}
    assert found["is_json"] == ["local", "cloud"]
    assert found["groundedness"] == ["judge", "cloud"]
    assert found["audio_quality"] == ["cloud"]
    assert "cloud; no judge: it judges sound" in " ".join(cli("templates audio_quality").out.split())


def test_a_shell_completes_the_flags(cli):
    assert cli("--install-completion --shell bash --output c.sh").code == 0
    script = Path("c.sh").read_text()
    for flag in (
        "--backends",
        "--judge",
        "--judge-url",
        "--judge-key-env",
        "--judge-price",
        "--judge-limits",
        "--max-cost",
    ):
        assert flag in script


def test_a_blocking_client_takes_them_too():
    @template
    def brief(output: str) -> bool:
        return len(output) < 20

    with Evaluator(backends=["local"]) as ev:
        report = ev.gather([{"output": "x", "text": "[1]"}], ["is_json", brief])
    assert [outcome.passed for outcome in report.outcomes] == [True, True]
