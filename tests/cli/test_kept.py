"""Runs that a file keeps, from the command line: run, resume, retry, runs, status, export."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import fi_async.client
from fi_async.cli import resume
from fi_async.journal.events import EventKind
from fi_async.journal.view import open_view
from fi_async.local import Faults

ASKED = "--eval contains --param keyword=7 --backend local"
ROWS = [*({"id": n, "text": f"Paris {n}"} for n in range(20)), b"{", {"txt": 1}, {"id": "again", "text": "Paris 7"}]

ENDED = "nightly.db: nothing to do: all {} evaluations have ended, 2 without a score\n"
EXPORT = "fi-async export reads what is whole; a new run needs a new name"
WRITABLE = "a run needs a directory of its own that you may write to"


@pytest.fixture
def kept(cli, jsonl):
    """Run 23 rows, of which two are bad and one equals another, into nightly.db."""
    ended = cli("run", jsonl(*ROWS), ASKED, "--run nightly.db --out out.jsonl --no-progress")
    assert ended.code == 1
    return "nightly.db"


def read(name):
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def test_the_same_command_again_asks_nothing_and_writes_all(cli, jsonl, lines, embedded):
    app = embedded()
    command = ("run", jsonl(*ROWS), ASKED, "--run nightly.db --out out.jsonl --no-progress")
    first = cli(*command, "--json").summary
    before, asked = lines(), app.statistics()["requests"]
    Path("out.jsonl").unlink()
    again = cli(*command, "--json").summary
    assert app.statistics()["requests"] == asked == 20
    replayed = {"evaluated": "replayed"}
    assert lines() == [each | {"origin": replayed.get(each["origin"], each["origin"])} for each in before]
    assert (first["replayed"], first["duplicate"]) == (0, 1)
    assert (again["replayed"], again["duplicate"], again["removed"]) == (22, 1, 0)
    shown = cli(*command).out
    assert re.search(r" replayed +22 $", shown, re.MULTILINE)
    assert "reused" not in shown


def test_a_run_that_has_ended_is_not_read_again(cli, kept, monkeypatch):
    monkeypatch.setattr(resume, "carry_out", None)
    assert cli("resume", kept) == (
        1,
        "nightly.db: nothing to do: all 23 evaluations have ended, 2 without a score\n",
        "",
    )
    assert cli("retry", kept, "--failed") == (1, ENDED.format(23), "")


def test_a_run_without_fault_ends_with_0(cli, jsonl):
    cli("run", jsonl({"text": "7"}), ASKED, "--run nightly.db --no-progress")
    ended = cli("resume nightly.db")
    assert ended == (0, "nightly.db: nothing to do: all 1 evaluations have ended\n", "")


def test_rows_that_were_added_are_gone_on_with(cli, kept, embedded):
    app = embedded()
    with Path("in.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "17"}\n')
    ended = cli("resume", kept, "--json --no-progress")
    assert app.statistics()["requests"] == 1
    assert (ended.code, ended.summary["replayed"], ended.summary["cases"]) == (1, 22, 24)


@pytest.mark.parametrize("source", ["in.jsonl", "-"])
def test_cases_come_from_the_file_where_the_input_is_gone(source, cli, stdin, lines, embedded):
    app, content = embedded(), b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in ROWS)
    Path("in.jsonl").write_bytes(content)
    stdin(content)
    cli("run", source, ASKED, "--run nightly.db --out out.jsonl --no-progress")
    Path("in.jsonl").unlink()
    ended = cli("resume nightly.db --out again.jsonl --json --no-progress")
    assert app.statistics()["requests"] == 20
    why = "its rows came from stdin" if source == "-" else f"{Path('in.jsonl').absolute()} is gone"
    assert ended.err == f"nightly.db: {why}: going on with the 23 cases that it holds\n"
    assert (ended.summary["replayed"], ended.summary["removed"]) == (22, 0)
    given = {line["index"]: line for line in lines()}
    for line in lines("again.jsonl"):
        before = given[line["index"]]
        inputs = before["inputs"]
        if isinstance(inputs, dict):
            inputs = {key: value for key, value in inputs.items() if key != "id"}  # it is no input
        told = line.pop("run")  # of stdin, nobody knew how many rows there were to be
        assert (told["evaluations"], before.pop("run")["evaluations"]) == (23, None if source == "-" else 23)
        origin = "duplicate" if before["origin"] == "duplicate" else "replayed"
        assert line == before | {"inputs": inputs, "origin": origin}


def test_several_templates_and_unlike_rows_come_from_the_file_too(cli, jsonl, embedded):
    app = embedded()
    rows = [{"text": "[1]"}, {"output": "a"}, {"nothing": "b"}, b"[", {}]
    cli("run", jsonl(*rows), "--eval is_json contains --param contains.keyword=1 --run r.db --no-progress")
    asked = app.statistics()["requests"]
    Path("in.jsonl").unlink()
    ended = cli("resume r.db --json --no-progress")
    assert app.statistics()["requests"] == asked
    assert (ended.summary["replayed"], ended.summary["removed"], ended.summary["evaluations"]) == (10, 0, 10)


def test_failures_are_tried_again_when_asked(cli, jsonl, embedded):
    embedded(faults=Faults(status={503: 1.0}))
    cli("run", jsonl({"text": "7"}, {"text": "8"}), ASKED, "--max-retries 0 --run nightly.db --no-progress")
    app = embedded()
    again = cli("resume nightly.db")
    assert (again.code, again.out) == (
        1,
        "nightly.db: nothing to do: all 2 evaluations have ended, 2 without a score\n",
    )
    ended = cli("retry nightly.db --failed --json --no-progress --out out.jsonl")
    assert (ended.code, ended.summary["scored"], ended.summary["replayed"]) == (0, 2, 0)
    assert app.statistics()["requests"] == len(read("out.jsonl")) == 2


def test_retry_alone_leaves_what_may_have_been_evaluated(cli, jsonl, embedded):
    embedded(faults=Faults(reset_after=1.0))
    cli("run", jsonl({"text": "7"}), ASKED, "--on-ambiguous fail --strategy sync --run r.db --no-progress")
    app = embedded()
    ended = cli("retry r.db --json --no-progress")
    assert (ended.code, app.statistics()["requests"]) == (1, 0)
    assert ended.err == (
        "r.db: trying again what failed or stalled; what may have been evaluated is left: --ambiguous sends it again\n"
    )
    assert cli("retry r.db --ambiguous --json --no-progress").summary["scored"] == 1


@pytest.mark.parametrize("word", ["resume", "retry"])
def test_how_a_run_goes_on_can_be_told_anew(word, cli, jsonl, embedded):
    embedded(faults=Faults(status={503: 1.0}))
    cli("run", jsonl({"text": "7"}, {"text": "8"}), ASKED, "--max-retries 0 --run r.db --no-progress")
    jsonl({"text": "7"}, {"text": "8"}, {"text": "9"})  # so that there is something left, for resume too
    app = embedded(faults=Faults(status={503: 1.0}))
    asked = "--max-retries 1 --concurrency 3 --on-ambiguous resubmit --timeout 9"
    assert cli(word, "r.db --json --no-progress", asked).code == 1
    assert app.statistics()["requests"] == {"resume": 2, "retry": 6}[word]
    with closing(sqlite3.connect("r.db")) as connection:
        (info,) = connection.execute("SELECT info FROM passes ORDER BY pass DESC LIMIT 1").fetchone()
    told = json.loads(info)["settings"]
    assert (told["max_retries"], told["concurrency"], told["on_ambiguous"]) == (1, 3, "resubmit")
    assert told["timeout"]["case"] == 9.0


def test_a_server_that_could_not_be_reached_is_tried_again_later(cli, jsonl, monkeypatch, embedded):
    async def unreachable(*_):
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setattr(fi_async.client, "embedded_backend", lambda: unreachable)
    rows = jsonl(*({"text": f"{n}"} for n in range(50)))
    for word in ("run", "resume"):  # those that were told before do not end a run that goes on
        command = (word, rows, ASKED, "--max-retries 0 --run nightly.db") if word == "run" else (word, "nightly.db")
        ended = cli(*command, "--no-progress")
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.endswith(
            "could not connect: All connection attempts failed (ConnectError); when it can be reached:"
            " fi-async retry nightly.db --failed\n"
        )
    app = embedded()
    assert cli("retry nightly.db --failed --json --no-progress").summary["scored"] == 50
    assert app.statistics()["requests"] == 50


def test_results_of_other_runs_are_reused(cli, kept, embedded):
    app = embedded()
    ended = cli("run in.jsonl", ASKED, "--run other.db --reuse night*.db --json --no-progress")
    assert (ended.summary["reused"], app.statistics()["requests"]) == (20, 0)


def test_equal_rows_can_be_refused(cli, jsonl):
    ended = cli("run", jsonl(*ROWS), ASKED, "--run refused.db --duplicates refuse --json --no-progress")
    assert (ended.summary["scored"], ended.summary["invalid"]) == (20, 3)
    again = cli("resume refused.db --json --no-progress")  # the input says what the file does not
    assert (again.summary["replayed"], again.summary["invalid"]) == (22, 3)


def test_the_verdict_is_that_of_the_whole_run(cli, jsonl):
    asked = "--min contains>=0.5 --run nightly.db --no-progress"
    assert cli("run", jsonl({"text": "7"}, {"text": "8"}, {"text": "9"}), ASKED, asked).code == 4
    assert cli("resume nightly.db --no-progress").code == 4


# What the file keeps


def test_what_is_kept_of_the_command_line(cli, kept):
    with open_view(kept) as view:
        source = view.info.source
    flags = source["flags"]
    size = Path("in.jsonl").stat()
    with open_view(kept) as view:
        assert view.info.evaluations == view.count().evaluations == 23
    assert source | {"flags": None} == {
        "file": str(Path("in.jsonl").absolute()),
        "name": "in.jsonl",
        "stamp": [size.st_size, size.st_mtime_ns],
        "backend_named": True,
        "flags": None,
        "directory": str(Path.cwd()),
    }
    assert (flags["evals"], flags["param"], flags["backend"]) == (["contains"], ["keyword=7"], "local")
    assert not {"out", "run", "json", "no_progress"} & flags.keys()


def test_no_key_is_in_the_file(cli, jsonl, monkeypatch):
    monkeypatch.setenv("FI_API_KEY", "the-api-key")
    monkeypatch.setenv("FI_SECRET_KEY", "the-secret-key")
    cli("run", jsonl({"text": "7"}), ASKED, "--run nightly.db --no-progress")
    content = Path("nightly.db").read_bytes()
    assert b"the-api-key" not in content
    assert b"the-secret-key" not in content


def test_another_server_is_not_asked(cli, kept, monkeypatch):
    with closing(sqlite3.connect(kept)) as connection:
        connection.execute("UPDATE passes SET info = json_set(info, '$.base_url', 'https://eval.test')")
        connection.commit()
    monkeypatch.setenv("FI_BASE_URL", "https://other.test")
    said = (
        "fi-async: nightly.db: this run was made on https://eval.test, and FI_BASE_URL says https://other.test: set"
        " FI_BASE_URL=https://eval.test to go on\n"
    )
    assert cli("resume", kept) == (2, "", said)


# How runs stand


def test_runs_are_listed(cli, kept, monkeypatch):
    Path("notes.txt").write_text("no run", encoding="utf-8")
    Path("broken.db").write_bytes(Path(kept).read_bytes()[:8192])
    listed = json.loads(cli("runs --json").out)
    assert [(each["run"], each["state"], each["evaluations"], each["done"], each["pending"]) for each in listed] == [
        ("broken.db", "damaged", 0, 0, 0),
        ("nightly.db", "complete", 23, 23, 0),
    ]
    shown = cli("runs").out.splitlines()
    assert shown[0].split() == ["run", "started", "cases", "done", "pending", "scored", "state"]
    assert shown[3].split()[0] == "nightly.db"
    assert shown[3].split()[-5:] == ["23", "23", "0", "21", "complete"]
    monkeypatch.setenv("COLUMNS", "40")
    assert [line.split() for line in cli("runs").out.splitlines()[2:]] == [
        ["broken.db", "0", "0", "damaged"],
        ["nightly.db", "23", "23", "complete"],
    ]
    Path("empty").mkdir()
    assert cli("runs empty") == (0, "empty: no runs\n", "")
    assert cli("runs nowhere") == (2, "", "fi-async: nowhere: no such directory\n")


def test_the_status_of_a_run(cli, kept):
    told = json.loads(cli("status", kept, "--json").out)
    started, rate = told.pop("started_at"), told.pop("rate")
    assert started.endswith("+00:00")
    assert rate > 0
    assert told == {
        "run": "nightly.db",
        "state": "complete",
        "evaluations": 23,
        "done": 23,
        "pending": 0,
        "statuses": {"scored": 21, "invalid": 2},
        "accepted": 0,
        "under_way": 0,
        "ambiguous": 0,
        "possible_duplicates": 0,
        "is_all": True,
        "eta_s": None,
        "templates": ["contains"],
        "cost": None,
        "unknown_cost": 0,
        "tokens": None,
        "shard": None,
        "workers": [],
        "control": None,
    }
    assert json.loads(cli("status", kept, "--json --watch").out)["done"] == 23
    shown = cli("status", kept).out
    assert " done                  23 of 23 (100.0%)" in shown
    assert not any(line.split()[0] in ("rate", "eta") for line in shown.splitlines())
    assert cli("status", kept, "--watch").out.split() == shown.split()


def test_what_another_process_has_sent_is_under_way_and_not_possibly_evaluated(cli, kept):
    with closing(sqlite3.connect(kept)) as file, file:
        ((began,),) = file.execute("SELECT max(at) FROM passes")
        sent = [(1, began - 5.0), (2, began + 5.0), (3, began + 5.0), (4, began + 5.0)]
        file.executemany("DELETE FROM events WHERE n = ? AND at <> ?", sent)
        file.executemany(f"INSERT INTO events (n, kind, at) VALUES (?, {EventKind.INTENT:d}, ?)", sent)
        file.execute(f"INSERT INTO events (n, kind, at) VALUES (4, {EventKind.LOST:d}, ?)", [began + 6.0])
    assert standing(cli, kept) == ("stopped", 4, 0, 4)
    with closing(sqlite3.connect("nightly.db-lock", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        assert standing(cli, kept) == ("running", 4, 2, 2)
        assert re.search(r" under way +2 +\n +possibly evaluated +2 ", cli("status", kept).out)


def standing(cli, run):
    told = json.loads(cli("status", run, "--json").out)
    return told["state"], told["pending"], told["under_way"], told["ambiguous"]


# Export


def test_outcomes_are_exported_as_they_are_written(cli, kept, lines):
    ended = cli("export", kept, "-o again.jsonl")
    assert ended == (0, "23 outcomes are in again.jsonl\n", "")
    assert [line | {"inputs": None} for line in lines("again.jsonl")] == [line | {"inputs": None} for line in lines()]
    cli("export", kept, "-o table.csv")
    with Path("table.csv").open(newline="", encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)].count("scored") == 21
    pytest.importorskip("pyarrow")
    for name in ("table.parquet", "table.sqlite"):
        assert cli("export", kept, "-o", name).code == 0
    with closing(sqlite3.connect("table.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (23,)


def many(cli, jsonl, count=400):
    cli("run", jsonl(*({"text": f"Paris {n}"} for n in range(count))), ASKED, "--run nightly.db --no-progress")
    return Path("nightly.db")


def test_what_is_whole_of_a_damaged_run_is_exported(cli, jsonl, lines):
    run = many(cli, jsonl)
    content = bytearray(run.read_bytes())
    pages = len(content) // 4096
    assert pages > 30
    for page in (pages // 2, pages // 2 + 1, pages - 3):
        content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    run.write_bytes(content)
    ended = cli("export nightly.db -o whole.jsonl")
    found = lines("whole.jsonl")
    assert (ended.code, ended.out) == (3, "")
    start, _, cases = ended.err.removesuffix(" cases\n").rpartition(" of ")
    assert start == (
        "fi-async: nightly.db: it is damaged (database disk image is malformed): "
        f"{len(found)} outcomes are whole and in whole.jsonl,"
    )
    assert 300 < len(found) < 400
    assert len(found) <= int(cases) <= 400  # a page of cases may be among the damaged: it is filled as time has it
    assert all(line["passed"] == ("7" in line["inputs"]["text"]) for line in found)


def test_what_is_whole_of_a_run_that_was_cut_off_is_exported(cli, jsonl, lines):
    run = many(cli, jsonl)
    os.truncate(run, run.stat().st_size * 3 // 4)
    ended = cli("export nightly.db -o whole.jsonl")
    found = lines("whole.jsonl")
    assert ended.code == 3
    assert f": {len(found)} outcomes are whole" in ended.err
    assert 100 < len(found) < 400


def test_an_outcome_that_cannot_be_read_costs_no_other(cli, kept, lines):
    with closing(sqlite3.connect(kept)) as connection:
        connection.execute("UPDATE events SET body = '{' WHERE seq = (SELECT max(seq) FROM events WHERE n = 3)")
        connection.commit()
    ended = cli("export", kept, "-o whole.jsonl")
    assert ended.code == 3
    assert ended.err.endswith("22 outcomes are whole and in whole.jsonl, of 23 cases\n")
    assert [line["index"] for line in lines("whole.jsonl")] == [n for n in range(23) if n != 2]


# What cannot be done


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("resume nowhere.db", 2, "nowhere.db: no such file"),
        ("status nowhere.db", 2, "nowhere.db: no such file"),
        ("export nowhere.db -o x.csv", 2, "nowhere.db: no such file"),
        (f"run in.jsonl {ASKED} --reuse x.db", 2, "--reuse is of runs that are kept: give --run PATH too"),
        (
            f"run in.jsonl {ASKED} --duplicates refuse",
            2,
            "--duplicates is of runs that are kept: give --run PATH too",
        ),
        (
            f"run in.jsonl {ASKED} --run x.db --min contains>=0.5 --fail-fast --error-rate 0.1",
            2,
            "--error-rate takes the rows in random order, and --run keeps them in theirs: leave one out",
        ),
        (
            f"run in.jsonl {ASKED} --run x.db --out x.db",
            2,
            "--out x.db: that is the file of a run, which keeps more than its outcomes",
        ),
        (
            "export nightly.db -o nightly.db",
            2,
            "--out nightly.db: that is the file of a run, which keeps more than its outcomes",
        ),
        (
            f"run in.jsonl {ASKED} --run in.jsonl",
            2,
            "--run in.jsonl: that is no run's file: name a new one, such as in.db",
        ),
        (
            f"run in.jsonl {ASKED} --run rows.db",
            3,
            f"rows.db: it is damaged, or no run's file (cut off): {EXPORT}",
        ),
        (
            f"run in.jsonl {ASKED} --run nowhere/x.db",
            3,
            f"nowhere/x.db: it cannot be written (unable to open database file): {WRITABLE}",
        ),
        ("export in.jsonl -o x.csv", 2, "in.jsonl: no run's file: give that of fi-async run --run PATH"),
        ("status out.jsonl", 2, "out.jsonl: no run's file: give that of fi-async run --run PATH"),
        ("resume .", 2, ".: a directory, not a file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_the_output_alone(words, code, said, cli, kept):
    Path("rows.db").write_bytes(Path("in.jsonl").read_bytes())
    before = Path("out.jsonl").read_bytes()
    ended = cli(words, *(["--out out.jsonl"] if words.startswith("run") and "--out" not in words else []))
    assert ended == (code, "", f"fi-async: {said}\n")
    assert Path("out.jsonl").read_bytes() == before
    assert Path("in.jsonl").read_bytes().startswith(b'{"id": 0')


def test_an_old_run_of_a_program_is_the_program_s_to_go_on_with(cli, kept):
    with closing(sqlite3.connect(kept)) as connection:
        connection.execute("UPDATE passes SET info = json_set(info, '$.source', json('{}'), '$.questions', json('[]'))")
        connection.execute("INSERT INTO events (n, kind, at) VALUES (1, 6, 1.0)")
        connection.commit()
    said = "fi-async: nightly.db: an older version began it in a program: run the program again to go on\n"
    assert cli("resume", kept) == (2, "", said)


def test_a_run_of_a_newer_version_is_refused(cli, kept):
    with closing(sqlite3.connect(kept)) as connection:
        connection.execute("PRAGMA user_version = 99")
    said = "fi-async: nightly.db: a newer version of fi-async wrote it (schema 99, this one knows 3)\n"
    for words in (
        "resume nightly.db",
        "status nightly.db",
        "export nightly.db -o x.csv",
        f"run in.jsonl {ASKED} --run nightly.db",
    ):
        assert cli(words) == (3, "", said)
    assert not Path("x.csv").exists()


def test_a_directory_that_may_not_be_written_is_told(cli, jsonl):
    ended = cli("run", jsonl({"text": "7"}), ASKED, "--run /sys/nightly.db")  # not even by root
    assert ended.code == 3
    assert ended.err.startswith("fi-async: /sys/nightly.db: it cannot be written (")
    assert ended.err.endswith("): a run needs a directory of its own that you may write to\n")


def test_a_second_writer_is_told(cli, kept):
    with closing(sqlite3.connect("nightly.db-lock", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        assert json.loads(cli("status", kept, "--json").out)["state"] == "running"
        ended = cli("run in.jsonl", ASKED, "--run nightly.db --out out.jsonl --no-progress")
    assert ended == (
        3,
        "",
        "fi-async: nightly.db: another process is writing this run: wait for it to end, or use another file\n",
    )
    assert len(read("out.jsonl")) == 23
