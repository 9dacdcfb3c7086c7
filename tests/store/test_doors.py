"""Whatever takes a run takes one in a database: as a file, and beside files."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

import fi_async.cli.run
import fi_async.client
from embedded import NEEDLE, texts
from fi_async import ConfigurationError, OutcomeStatus, Report, compare_runs
from fi_async._run_url import RunUrl
from fi_async.cli import main
from fi_async.local import LocalBackend, Switches
from fi_async.store.store_reader import open_run
from postgres_server import PASSWORD

EVALUATED = ("--eval", "contains", "--param", "keyword=needle", "--backend", "local", "--no-progress")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(capsys):
    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        assert "the-pass" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def rows(tmp_path):
    def write(*cases, name="answers.jsonl"):
        path = tmp_path / name
        path.write_text("".join(f"{json.dumps(each) if isinstance(each, dict) else each}\n" for each in cases))
        return path

    return write


def statuses(out):
    told = json.loads(out)
    return {each.value: told[each.value] for each in OutcomeStatus if told[each.value]}


def numbered(count, start=0):
    return [{"id": f"q{n}", **each} for n, each in enumerate(texts(count))][start:]


def asked(sql):
    return sql("SELECT count(*) FROM fi_async.events WHERE kind = 1")[0][0]


# Runs


def test_a_run_is_loaded_worked_on_and_told_as_that_of_a_file_is(cli, rows, run_url, tmp_path, sql):
    path = rows(*numbered(50), {"id": "odd", "other": 1}, "{no row", *numbered(3))
    args = (path, *EVALUATED, "--json", "--min", "contains>=0.3", "--coverage", "0.9")
    of_file = cli("run", *args, "--run", "a.db", "--out", "a.jsonl")
    of_store = cli("run", *args, "--run", run_url, "--out", "b.jsonl")
    assert of_store[0] == of_file[0] == 0
    alike = [json.loads(out) for _, out, _ in (of_store, of_file)]
    for each in alike:
        del each["wall_s"]
    assert alike[0] == alike[1]
    assert statuses(of_store[1]) == {"scored": 53, "invalid": 2}
    told = [
        sorted(
            (json.loads(line) for line in (tmp_path / name).read_text().splitlines()), key=lambda each: each["index"]
        )
        for name in ("a.jsonl", "b.jsonl")
    ]
    kept = ("index", "id", "status", "passed", "output", "error")
    assert [[each.get(name) for name in kept] for each in told[0]] == [
        [each.get(name) for name in kept] for each in told[1]
    ]
    assert told[1][0]["inputs"] == {"text": "case 0 needle"}  # what the run keeps: not the columns that nobody takes
    assert told[0][0]["run"] == told[1][0]["run"]
    before = asked(sql)
    code, out, _ = cli("run", *args, "--run", run_url)
    assert (code, statuses(out), asked(sql)) == (0, {"scored": 53, "invalid": 2}, before)


@pytest.mark.parametrize(("least", "code"), [("0.3", 0), ("0.9", 4)])
def test_a_run_ends_with_the_code_of_its_gate(cli, rows, run_url, least, code):
    assert cli("run", rows(*numbered(12)), *EVALUATED, "--run", run_url, "--min", f"contains>={least}")[0] == code


def test_a_gate_that_is_certain_stops_the_run_and_what_is_left_can_be_gone_on_with(cli, rows, run_url, monkeypatch):
    app = LocalBackend(Switches(latency=0.02))
    monkeypatch.setattr(fi_async.client, "embedded_backend", lambda: app)
    args = (rows(*numbered(400)), *EVALUATED, "--run", run_url, "--concurrency", "2")
    code, _, err = cli("run", *args, "--min", "contains>=0.99", "--fail-fast")
    assert (code, "the verdict is certain" in err) == (4, True)
    with open_run(RunUrl.parse(run_url)) as view:
        assert 0 < view.count().done < 100


def test_a_run_that_a_signal_stops_is_resumed_by_its_url_alone(cli, rows, run_url, sql):
    path = rows(*numbered(120))
    told = [sys.executable, "-c", _SLOW, "run", str(path), *EVALUATED, "--run", run_url, "--concurrency", "4"]
    with subprocess.Popen(told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        until = time.monotonic() + 30
        while _ended(sql) < 8 and time.monotonic() < until:
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert program.returncode == 130, err
    assert PASSWORD not in out + err
    assert "To go on: fi-async resume postgresql://postgres@127" in err
    stopped = _ended(sql)
    assert 8 <= stopped < 120
    assert sql("SELECT count(*) FROM fi_async.workers WHERE role = 'work' AND left_at IS NULL") == [(0,)]
    code, out, _ = cli("resume", run_url, "--no-progress", "--json", "--out", "all.csv")
    summary = json.loads(out)
    assert (code, statuses(out), summary["possible_duplicates"]) == (0, {"scored": 120}, 0)
    assert sql("SELECT count(*) FROM fi_async.passes") == [(1,)]  # its rows were there, and nothing was loaded again
    assert len(Path("all.csv").read_text().splitlines()) == 121
    assert cli("resume", run_url)[1].endswith("nothing to do: all 120 evaluations have ended\n")


_SLOW = """
import sys, fi_async.client
from fi_async.cli import main
from fi_async.local import LocalBackend, Switches
app = LocalBackend(Switches(latency=0.05))
fi_async.client.embedded_backend = lambda: app
sys.exit(main(sys.argv[1:]))
"""


def _ended(sql):
    try:
        return sql("SELECT count(*) FROM fi_async.events WHERE kind = 5")[0][0]
    except psycopg.Error:  # there are no tables yet
        return 0


def test_a_run_whose_rows_are_gone_or_others_is_gone_on_with(cli, rows, run_url, sql):
    path = rows(*numbered(20))
    assert cli("load", path, *EVALUATED[:-1], "--run", run_url)[0] == 0
    path.write_text("".join(f"{json.dumps(each)}\n" for each in numbered(30, 5)))
    code, out, _ = cli("resume", run_url, "--no-progress", "--json")
    assert (code, statuses(out)) == (0, {"scored": 25})
    path.write_text("".join(f"{json.dumps(each)}\n" for each in numbered(40)))
    assert cli("load", path, *EVALUATED[:-1], "--run", run_url)[0] == 0
    path.unlink()
    code, out, err = cli("resume", run_url, "--no-progress", "--json")
    assert (code, statuses(out)) == (0, {"scored": 40})
    assert "is gone: going on with the 40 cases that it holds" in err


def test_who_waits_for_rows_to_be_loaded_is_told_how_many_are(cli, rows, run_url, monkeypatch):
    monkeypatch.setattr(fi_async.cli.run, "_EVERY", 0.001)
    path = rows(*numbered(2_000))
    code, _, err = cli("run", path, *EVALUATED[:-1], "--run", run_url)
    told = [line.split(": ")[1] for line in err.splitlines() if line.startswith(str(path))]
    assert (code, told[-1]) == (0, "2,000 rows")
    assert len(told) > 1
    assert err.startswith(f"{RunUrl.parse(run_url)}: loading the rows of {path}\n")


def test_what_failed_is_tried_again_and_all_is_told(cli, rows, run_url, sql):
    path = rows(*numbered(20))
    assert cli("run", path, *EVALUATED, "--run", run_url)[0] == 0
    sql("UPDATE fi_async.events SET body = replace(body, '\"scored\"', '\"failed\"') WHERE n <= 3 AND kind = 5")
    before = asked(sql)
    code, out, _ = cli("retry", run_url, "--failed", "--no-progress", "--json")
    assert (code, statuses(out), asked(sql) - before) == (0, {"scored": 20}, 3)


@pytest.mark.anyio
async def test_a_programs_run_is_gone_on_with_by_a_command(evaluator, run_url, cli):
    async with evaluator(LocalBackend(Switches())) as ev:
        await ev.load(texts(15), "contains", eval_config=NEEDLE, run=run_url, rows=1)
    code, out, err = await asyncio.to_thread(cli, "resume", run_url, "--no-progress", "--json", "--timeout", "30")
    assert (code, statuses(out)) == (0, {"scored": 15}), err
    assert "a program began it: going on with the 15 cases that it holds" in err


# What reads runs


@pytest.fixture
def both(cli, rows, run_url, postgres_url):
    """A run in a database and the same in a file; and in either a worse one."""
    good, worse = rows(*numbered(30)), rows(*({**each, "text": "straw"} for each in numbered(30)), name="worse.jsonl")
    for path, file, url in ((good, "good.db", run_url), (worse, "worse.db", f"{postgres_url}/worse")):
        for kept in (file, url):
            assert cli("run", path, *EVALUATED, "--run", kept)[0] == 0
    return run_url, f"{postgres_url}/worse"


def test_runs_in_databases_and_in_files_are_compared(cli, both, tmp_path):
    url, worse = both
    found = {}
    for before, after in ((url, worse), (url, "worse.db"), ("good.db", worse), ("good.db", "worse.db")):
        code, out, _ = cli("compare", before, after, "--json", "--fail-if-worse", "--html", "page.html")
        told = json.loads(out)
        found[before, after] = (code, told["templates"]["contains"]["losses"], told["templates"]["contains"]["pairs"])
    assert set(found.values()) == {(4, 10, 30)}
    code, out, _ = cli("compare", url, "good.db", worse, "--baseline", url, "--json")
    told = json.loads(out)
    assert (code, told["runs"], told["baseline"]) == (0, ["nightly", "good", "worse"], "nightly")
    assert told["files"]["nightly"] == str(RunUrl.parse(url))
    assert [(each["run"], each["losses"]) for each in told["differences"]] == [("good", 0), ("worse", 10)]
    assert json.loads(cli("compare", url, "good.db", worse, "--baseline", "worse", "--json")[1])["baseline"] == "worse"
    matrix = compare_runs([url, "good.db", RunUrl.parse(worse), Report([], 0.0)])
    assert matrix.names == ("nightly", "good", "worse", "run 4")
    assert [each.losses for each in matrix.differences] == [0, 10, 0]
    matrix.to_html("matrix.html")
    assert "the-pass" not in (tmp_path / "matrix.html").read_text()
    with pytest.raises(ConfigurationError, match="it names no run"):
        compare_runs([url, url.rpartition("/")[0]])


def test_what_else_takes_a_run_takes_one_in_a_database_beside_files(cli, both, rows, postgres_url):
    url, worse = both
    assert cli("gate", url, "--baseline", "good.db")[0] == 0
    assert cli("gate", "worse.db", "--baseline", url)[0] == 4
    assert cli("gate", worse, "--baseline", url, "--max-regressions", "10")[0] == 0
    labels = rows(*({"id": f"q{n}", "label": n % 3 == 0} for n in range(30)), name="labels.jsonl")
    assert cli("label", url, "--from", labels, "--by", "ann")[0] == 0
    of_store = json.loads(cli("agree", url, "--json")[1])
    of_file = json.loads(cli("agree", "good.db", url, "--json")[1])
    assert of_file["labels"] == str(RunUrl.parse(url))
    assert of_store["kappa"] == of_file["kappa"]
    assert json.loads(cli("agree", "worse.db", "--labelled", url, "--json")[1])["template"] == "contains"
    code, out, _ = cli("runs", postgres_url, "--json")
    told = [(each["run"].rpartition("/")[2], each["state"], each["done"]) for each in json.loads(out)]
    assert (code, told) == (0, [("nightly", "complete", 30), ("worse", "complete", 30)])
