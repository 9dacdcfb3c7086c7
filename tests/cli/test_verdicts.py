"""When no verdict is given, whatever the scores: estimates that nobody asked for, and rows that were swallowed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fi_async.cli import main

GROUNDED = {"output": "Paris is in France.", "context": "Paris is in France."}
UNNAMED = (
    "nobody named the backend, and without keys it was the local one: set FI_API_KEY and FI_SECRET_KEY, or give"
    " --backend local to mean it"
)
ASKED = "--eval groundedness --min groundedness>=0.7 --no-progress"


def one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("value", [None, ""])
def test_without_keys_there_is_no_verdict(value, cli, jsonl, monkeypatch):
    monkeypatch.setenv("CI", "true")
    for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    ended = cli("run", jsonl(GROUNDED), ASKED, "--run r.db --out out.jsonl")
    assert ended.code == 5
    assert f"no verdict: {UNNAMED} gate: inconclusive" in one_line(ended.out)
    for run in ("r.db", "out.jsonl"):  # nor afterwards
        gated = cli("gate", run, "--min groundedness>=0.7 --junit gate.xml --json")
        told = json.loads(gated.out)
        assert (gated.code, told["verdict"], told["doubts"]) == (5, "inconclusive", [UNNAMED])
        [error] = ET.parse("gate.xml").getroot().iter("error")
        assert error.get("message") == UNNAMED
        assert cli("gate", run, "--min groundedness>=0.7 --backend local").code == 0
    assert cli("resume r.db --json", "--no-progress").code == 5  # it is still so
    assert cli("run in.jsonl", ASKED, "--backend local").code == 0
    assert cli("run in.jsonl --eval groundedness --no-progress").code == 0  # without a verdict it is as before


def test_who_names_the_local_backend_means_it(cli, jsonl, monkeypatch):
    for name, value in (("FI_BASE_URL", "local"), ("FI_ASYNC_BACKEND", "local")):
        monkeypatch.setenv(name, value)
        assert cli("run", jsonl(GROUNDED), ASKED, "--out out.jsonl").code == 0
        assert cli("gate out.jsonl --min groundedness>=0.7").code == 0
        monkeypatch.delenv(name)


def test_estimates_in_lines_that_do_not_say_who_named_their_backend(cli, jsonl):
    cli("run", jsonl(GROUNDED), ASKED, "--backend local --out out.jsonl")
    line = json.loads(Path("out.jsonl").read_text())
    del line["run"]  # as older versions wrote it
    Path("old.jsonl").write_text(json.dumps(line))
    told = json.loads(cli("gate old.jsonl --min groundedness>=0.7 --json").out)
    assert told["doubts"] == [
        "its results are lexical estimates of the local backend, not the platform's judge: --backend local takes them"
    ]
    assert cli("gate old.jsonl --min groundedness>=0.7 --backend local").code == 0
    Path("exact.jsonl").write_text(json.dumps(line | {"estimate": False}))
    assert cli("gate exact.jsonl --min groundedness>=0.7").code == 0


# What a CSV swallows


def csv_of(opened, column='"'):
    rows = [f"{n},text {n}" for n in range(1000)]
    rows[opened] = f"{opened},{column}text"
    Path("in.csv").write_text("id,text\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("run", ["", "--run r.db"])
def test_a_quote_that_never_closes_leaves_the_verdict_open(run, cli):
    csv_of(949)
    asked = "--eval contains --param keyword=text --backend local --no-progress"
    ended = cli("run in.csv", asked, "--min contains>=0.5 --coverage 0.99 --out out.jsonl", run)
    assert ended.code == 5
    fault = "not valid CSV (a quote is opened in line 951 and never closed)"
    said = f"in.csv, line 951: {fault}: how many rows it swallowed is not known"
    assert f"no verdict: {said} gate: inconclusive" in one_line(ended.out)
    for name in ("out.jsonl", "r.db") if run else ("out.jsonl",):
        assert json.loads(cli("gate", name, "--coverage 0.99 --json").out)["doubts"] == [said]


def test_the_line_is_that_where_the_quote_opens_not_that_where_its_row_begins(cli):
    Path("in.csv").write_text('id,a,text\n1,"two\nlines with ""quotes""",x\n2,"two\nlines","never\nclosed\n3,x,y\n')
    ended = cli("run in.csv --eval contains --param keyword=x --backend local --out out.jsonl --no-progress")
    lines = sorted(map(json.loads, Path("out.jsonl").read_text().splitlines()), key=lambda line: line["index"])
    assert [line["status"] for line in lines] == ["scored", *["invalid"] * 4]
    assert lines[1]["error"] == "in.csv, line 4: not valid CSV (a quote is opened in line 5 and never closed)"
    assert ended.code == 1


@pytest.mark.parametrize(("length", "is_odd"), [(99, False), (100, True), (400, True)])
def test_a_cell_of_hundreds_of_lines_is_remarked_on(length, is_odd, cli):
    rows = "\n".join(f"{n},text {n}" for n in range(length))
    Path("in.csv").write_text(f'id,text\na,"{rows}"\nb,text\n')
    ended = cli("run in.csv --eval contains --param keyword=text --backend local --no-progress")
    remark = f"in.csv, line 2: a cell of {length} lines: is a quote before it left out?"
    assert (remark in one_line(ended.out)) is is_odd
    assert ended.code == 0


# What is printed


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_without_the_letters_decides_nothing(encoding, jsonl, monkeypatch):
    rows = jsonl({"id": "巴黎", "text": "巴黎", "键": "值"}, {"id": "二", "text": "x"})
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    words = "--eval contains --param keyword=巴 --min contains>=0.5 --coverage 1 --backend local --no-progress"
    words = words.split()
    assert main(["run", rows, *words, "--run", "é巴.db", "--out", "out.jsonl"]) == 0
    assert main(["gate", "é巴.db", "--min", "contains>=0.6"]) == 4
    assert main(["status", "é巴.db"]) == 0
    assert main(["report", "é巴.db"]) == 0
    assert main(["run", "巴.jsonl", *words]) == 2
    said = b"".join(stream.buffer.getvalue() for stream in streams.values() if stream.flush() is None)
    assert b"gate: passed" in said
    assert b"\\u5df4" in said


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_file_name_that_is_no_utf_8(cli, jsonl):
    name = b"caf\xe9.jsonl".decode("utf-8", "surrogateescape")
    jsonl({"text": "7"}, name=name)
    run, page = name.replace("jsonl", "db"), name.replace("jsonl", "html")
    words = ["--eval", "contains", "--param", "keyword=7", "--backend", "local", "--min", "contains>=0.5"]
    assert cli("run", name, *words, "--run", run, "--out", f"out-{name}").code == 0
    for command in (
        "status",
        "export -o x.csv",
        "gate --min contains>=0.5 --junit gate.xml",
        "report",
        "resume",
        "runs .",
    ):
        word, *rest = command.split()
        assert cli(word, *([] if word == "runs" else [run]), *rest).code == 0, command
    assert Path(page).exists()
    assert cli("gate", f"out-{name}", "--coverage 1").code == 0


# Paths


def test_a_tilde_is_the_home_in_every_path(cli, jsonl, monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    jsonl({"text": "7"}, name=str(home / "in.jsonl"))
    words = "--eval contains --param keyword=7 --backend local --no-progress"
    assert cli("run ~/in.jsonl", words, "--run=~/r.db --out=~/out.jsonl").code == 0
    for command in (
        "resume ~/r.db",
        "retry ~/r.db",
        "status ~/r.db",
        "runs ~",
        "export ~/r.db -o=~/x.csv",
        "report ~/r.db -o ~/r.html",
        "gate ~/r.db --coverage 1 --junit=~/j.xml --write-baseline=~/b.json",
        "gate ~/out.jsonl --baseline=~/b.json",
        "compare ~/r.db ~/out.jsonl --html=~/c.html",
    ):
        assert cli(command).code == 0, command
    assert cli("run ~/in.jsonl", words, "--run other.db --reuse=~/r*.db --json").summary["reused"] == 1
    names = {"in.jsonl", "r.db", "r.db-lock", "out.jsonl", "x.csv", "r.html", "j.xml", "b.json", "c.html"}
    assert {path.name for path in home.iterdir()} == names
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("~")]


def test_a_directory_is_no_run(cli, jsonl, tmp_path):
    (tmp_path / "kept").mkdir()
    ended = cli("run", jsonl({"text": "7"}), "--eval is_json --backend local --run kept")
    assert ended == (2, "", "fi-async: run='kept' is a directory: name a file in it\n")
