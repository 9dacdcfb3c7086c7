from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fi_async import __version__
from fi_async.cli import app, errors, main, settings

WRONG = [
    ("nonsense", "Unknown command"),
    ("rum", 'Did you mean "run"?'),
    ("run in.jsonl", "--eval is missing. See fi-async run --help"),
    ("run --eval is_json", "FILE is missing: it comes before --eval."),
    ("run in.jsonl --eval", "--eval requires at least 1 element"),
    ("run in.jsonl --eval is_json --bakend local", "Unknown option: --bakend. Did you mean --backend?"),
    ("run in.jsonl in.csv --eval is_json", "Unexpected: in.csv."),
    ("run in.jsonl --eval is_json --backend clod", 'Choose from: "cloud", "local"'),
    ("run in.jsonl --eval is_json --concurrency 0", 'Invalid value "0" for --concurrency'),
    ("run in.jsonl --eval is_json --concurrency 1.5", '--concurrency: "1.5" is no whole number, nor auto. See'),
    ("run in.jsonl --eval is_json --seed x", 'Invalid value for --seed: "x" is no whole number. See'),
    ("run in.jsonl --eval is_json --limit 1.5", 'Invalid value for --limit: "1.5" is no whole number. See'),
    ("run in.jsonl --eval is_json --json=so", 'Invalid value for --json: "so" is neither true nor false. See'),
    ("run in.jsonl --eval is_json --timeout 0", "--timeout"),
    ("run in.jsonl --eval is_json --timeout soon", 'Invalid value for --timeout: "soon" is no number. See'),
    ("run in.jsonl --eval is_json --max-retries -1", "--max-retries"),
    ("run in.jsonl --eval is_json --limit 0", "--limit"),
    ("run lost.jsonl --eval is_json", "lost.jsonl: no such file"),
    ("run empty --eval is_json", "empty: a directory without .json files"),
    (
        "run in.txt --eval is_json",
        "in.txt: give a .csv, .xlsx or .parquet file, a .jsonl file with one JSON object a line, a .json",
    ),
    ("run in.jsonl --eval is_jason", "did you mean is_json"),
    (
        "run in.jsonl --eval is_json --run in.jsonl",
        "--run in.jsonl: that is no run's file: name a new one, such as in.db",
    ),
    ("run in.jsonl --eval is_json --out o.xlsx", "--out o.xlsx: .xlsx is not written: name a .csv, .jsonl, .parquet"),
    (
        "run in.jsonl --eval is_json,contains",
        "give each by itself, ['is_json', 'contains'] in a program and --eval is_json contains in a command",
    ),
    ("run in.jsonl --evals is_json", "--eval is missing: --evals is no flag. See fi-async run --help"),
    ("run in.jsonl -eval is_json", "--eval is missing: -eval is no flag."),
    ("run in.jsonl --eval tone", "the local backend has no evaluator for tone"),
    ("run in.jsonl --eval contains --param keyword", "write it as KEY=VALUE"),
    ("run in.jsonl --eval contains --param =x", "write it as KEY=VALUE"),
    ("run in.jsonl --eval contains --param kyword=x", "contains has no parameter 'kyword'; did you mean keyword?"),
    ("run in.jsonl --eval contains --param zzz=x", "there are keyword, case_sensitive"),
    (
        "run in.jsonl --eval contains is_json --param keyword=x",
        "say whose it is, such as --param contains.keyword=VALUE",
    ),
    ("run in.jsonl --eval contains --map text", "write it as KEY=COLUMN"),
    ("run in.jsonl --eval contains --map text=a text=b", "--map text=b: text is 'a' already: leave one out"),
    ("run in.jsonl --eval contains --map txt=answer", "no template of this run takes 'txt'; did you mean text?"),
    ("run in.jsonl --eval contains --map text=anwser", "in.jsonl has no column 'anwser'; did you mean 'answer'?"),
    (
        "run in.jsonl --eval groundedness --map answer=output",
        "in.jsonl has no column 'output'; did you mean --map output=answer?",
    ),
    ("run in.jsonl --eval contains --id qid", "--id qid: in.jsonl has no column 'qid'; there are 'answer'"),
    ("run in.jsonl --eval contains --set text", "write it as KEY=VALUE"),
    ("run in.jsonl --eval contains --sample 0", "--sample"),
    ("run in.jsonl --eval is_json --out of.db", "--out of.db: file is not a database"),
    ("run in.jsonl --eval is_json --out in.jsonl", "--out in.jsonl: that is the input"),
    (
        "run full --eval is_json --out full/b.json",
        "--out full/b.json: the .json files there are the input: name another",
    ),
    ("run in.jsonl --eval is_json --out .", "it is a directory"),
    ("run in.jsonl --eval is_json --out lost/out.jsonl", "there is no directory lost"),
    ("run in.jsonl --eval is_json --out -", "--out -: name a file; stdout is /dev/stdout"),
    ("run in.jsonl --eval is_json --shared-budget -", "--shared-budget -: name a file; stdout is /dev/stdout"),
    ("gate - --min is_json>=1", "Unknown option: -."),
    ("run in.jsonl --eval is_json --drain 3", "--drain is of runs that are kept: give --run PATH too"),
    ("run in.jsonl --eval is_json --min is_json>=90", "--min is_json>=90: a pass rate is from 0 to 1: write 0.9"),
    ("run in.jsonl --eval is_json --min is_json.mean<2", "a mean of verdicts is from 0 to 1: write 0.02"),
    ("run none.jsonl --eval is_json --dry-run", "none.jsonl holds no rows: there is nothing to evaluate"),
    ("run in.jsonl --eval is_json --backend cloud", "FI_API_KEY and FI_SECRET_KEY missing"),
    ("run in.jsonl --eval is_json --backend cloud", "--backend local"),
    ("templates groundednes", "did you mean groundedness? (fi-async templates lists all)"),
    ("templates --locl", "Did you mean --local?"),
    ("serve --port 65536", "--port"),
    ("serve --latency soon", "'soon' is not a latency"),
    ("serve --overhead -1", "--overhead"),
    ("serve --capacity 0", "--capacity"),
    ("serve --requests many", "'many' is not a quota"),
    ("serve --evaluations 5/min many", "'many' is not a quota"),
    ("serve --fault 503", "is not a fault"),
    ("serve --spelling pascal", '"snake", "camel"'),
    ("serve --store lost/made.sqlite", "--store lost/made.sqlite: unable to open database file"),
    ("serve --key lonely", "write it as KEY:SECRET"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_usage_exits_2_and_says_what_to_write(words, said, cli, jsonl):
    jsonl({"answer": "Paris"})
    for name in ("in.csv", "in.txt", "in.json", "none.jsonl"):
        Path(name).touch()
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/a.json").touch()
    Path("of.db").write_text("a file of another kind")
    ended = cli(words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.startswith("fi-async: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FI_API_KEY": "key"}, "FI_SECRET_KEY missing"),
        ({"FI_BASE_URL": "https://eval.example"}, "FI_API_KEY and FI_SECRET_KEY missing"),
        (
            {"FI_API_KEY": "k", "FI_SECRET_KEY": "s", "FI_BASE_URL": "eval.example"},
            "FI_BASE_URL must look like https://",
        ),
        (
            {"FI_API_KEY": "k", "FI_SECRET_KEY": "s", "FI_BASE_URL": "http://eval.example"},
            "FI_BASE_URL 'http://eval.example' would send your keys unencrypted: use https, or in a program",
        ),
    ],
)
def test_half_an_account_is_not_taken_for_none(variables, said, cli, jsonl, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = cli("run", jsonl({"text": "1"}), "--eval is_json")
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize("words", ["--help", "", "run --help", "serve --help", "templates --help"])
def test_help_has_examples_and_is_no_error(words, cli):
    ended = cli(words)
    assert (ended.code, ended.err) == (0, "")
    assert "Examples:\n  fi-async " in ended.out


@pytest.mark.parametrize("command", ["run", "resume", "retry", "compare", "gate", "serve"])
def test_help_explains_every_flag(command, cli):
    assert "Flags." not in cli(command, "--help").out  # where the parser would send to another docstring


def test_help_names_the_exit_codes(cli):
    assert errors.EXIT_CODES in cli("run --help").out


def test_the_version(cli):
    assert cli("--version").out == f"{__version__}\n"


def test_a_closed_stdin_is_told(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    ended = cli("run - --eval is_json --backend local")
    assert (ended.code, ended.err) == (2, "fi-async: stdin is closed: name a file instead of -\n")


def test_a_closed_stdout_is_no_error(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert cli("templates is_json --json").code == 0


def test_what_a_terminal_would_obey_is_escaped(cli, jsonl):
    Path("in.csv").write_text("te\x1b[31mxt\nParis\n")
    ended = cli("run in.csv --eval is_json --backend local")
    assert ended.err.endswith("--map text=COLUMN. It has 'te\\x1b[31mxt'\n")
    ended = cli("run", jsonl({"te\x1b[31mxt": "1"}), "--eval is_json --backend local")
    assert "The case has: 'te\\x1b[31mxt'" in " ".join(ended.out.split())


def test_an_interrupt_is_one_line(cli, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "show", lambda **_: interrupt())
    assert cli("config") == (130, "", "fi-async: interrupted\n")


def test_an_interrupt_while_it_is_imported(monkeypatch, capsys):
    monkeypatch.setattr("fi_async.cli.import_module", lambda _: signal.raise_signal(signal.SIGINT))
    assert main(["config"]) == 130
    assert capsys.readouterr().err == "fi-async: interrupted\n"


def test_python_m():
    ended = subprocess.run([sys.executable, "-m", "fi_async", "--version"], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == (f"{__version__}\n", "")


@pytest.mark.parametrize("library", ["cyclopts", "rich"])
def test_without_the_extra_one_line_says_so(library, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, library, None)
    assert main(["templates"]) == 2
    assert capsys.readouterr().err == f"the command line needs {library}: pip install 'fi-async[cli]'\n"


def test_serve_without_its_extra(cli, monkeypatch):
    monkeypatch.delitem(sys.modules, "fi_async.local.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ended = cli("serve")
    assert (ended.code, ended.err) == (2, "fi-async: serve needs uvicorn: pip install 'fi-async[local]'\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyError("x"), 3, "unexpected KeyError: 'x' (--debug shows where)"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "in.csv"), 3, "in.csv: Permission denied"),
        (OSError("odd"), 3, "unexpected OSError: odd (--debug shows where)"),
    ],
)
def test_never_a_traceback_unless_asked_for(error, code, said, cli, monkeypatch):
    def fail(words):
        assert words == ["templates"]
        raise error

    monkeypatch.setattr(app, "execute", fail)
    ended = cli("templates")
    assert (ended.code, ended.err) == (code, f"fi-async: {said}\n")
    ended = cli("--debug templates")
    assert ended.code == code
    assert ended.err.startswith("Traceback")
    assert ended.err.endswith(f"fi-async: {said}\n")


def test_the_flags_of_run_are_grouped(cli):
    heads = [line.strip("╭╮─ ") for line in cli("run --help").out.splitlines() if line.startswith("╭")]
    assert heads == ["Arguments", "Input", "Evaluation", "Judge", "Pace", "Keeping", "Verdict", "Output"]
