from __future__ import annotations

import json

import pytest

from fi_async.local import Faults, LocalBackend, Switches
from fi_async.local.server import running

ANSWERS = "id,answer\n1,[1]\n2,[2\n3,\n"


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A server on this machine, which the environment names, and a file of answers."""
    (tmp_path / "answers.csv").write_text(ANSWERS, encoding="utf-8")
    app = LocalBackend()
    with running(app) as url:
        for name, value in {"FI_API_KEY": "key", "FI_SECRET_KEY": "secret", "FI_BASE_URL": url}.items():
            monkeypatch.setenv(name, value)
        yield app


MAY = "--eval is_json --map text=answer --as is_json=checked"


def test_rows_go_up_are_evaluated_and_come_back(cli, served, tmp_path):
    assert cli("dataset list")[:2] == (0, "no datasets\n")
    (tmp_path / "one.csv").write_text("id;answer\n1;[1]\n")
    assert cli("dataset push one.csv --name one").out.startswith("one: 1 row (")
    assert cli("dataset status one").out.startswith("one: 1 row (")
    assert cli("dataset rm one").code == 0
    code, out, err = cli("dataset push answers.csv --name may")
    assert (code, out.startswith("may: 3 rows ("), err) == (0, True, "")
    assert cli("dataset list").out.split()[-3:-1] == ["may", "3"]
    assert cli("dataset push answers.csv --name may --resume --json").summary["rows"] == 3
    code, out, err = cli(f"dataset evaluate may {MAY} --out scores.jsonl --json")
    assert (code, json.loads(out)["scored"], json.loads(out)["failed"], json.loads(out)["requests"] > 0) == (
        1,
        2,
        1,
        True,
    )
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [(each["id"], each["passed"], each["status"], each["inputs"]) for each in lines] == [
        ("1", True, "scored", {"id": "1", "answer": "[1]"}),
        ("2", False, "scored", {"id": "2", "answer": "[2"}),
        ("3", None, "failed", {"id": "3"}),
    ]
    status = cli("dataset status may --json").summary
    assert (status["rows"], [each["status"] for each in status["evaluations"]]) == (3, ["Completed"])
    assert "checked" in cli("dataset status may").out
    code, out, err = cli("dataset pull may --table may.csv --out again.csv")
    assert (code, "is_json" in out, err) == (1, True, "the dataset is in may.csv\n")
    assert (tmp_path / "may.csv").read_text().splitlines()[3].startswith("3,,error,")
    assert len((tmp_path / "again.csv").read_text().splitlines()) == 4
    assert cli("gate scores.jsonl --min is_json>=0.4 --coverage 0.6").code == 0
    assert cli(f"dataset rm {status['id']}")[:2] == (0, f"{status['id']}: deleted\n")
    assert cli("dataset list --json").summary == []


def test_what_goes_on_is_come_back_to(cli, served):
    served.switches = Switches(faults=Faults(fail=1.0))
    cli("dataset push answers.csv --name may")
    code, out, _ = cli(f"dataset evaluate may {MAY} --detach")
    assert (code, out) == (0, "started; to come back: fi-async dataset pull may --out scores.jsonl\n")
    assert cli("dataset pull may --no-wait --json").summary["failed"] == 3
    served.switches = Switches()
    code, out, _ = cli("dataset retry may checked")
    assert (code, "pull may --eval checked" in out) == (0, True)
    assert cli("dataset pull may --json").summary["scored"] == 2
    assert cli("dataset stop may checked").out == "may: checked is Completed\n"
    served.switches = Switches(latency=100.0)
    cli("dataset retry may checked")
    code, _, err = cli("dataset pull may --timeout 0.3")
    assert (code, "still" in err or "not done after" in err, "to come back" in err) == (3, True, True)
    assert cli("dataset stop may checked").out == "may: checked is Error\n"


def test_what_cannot_be_meant_is_said_in_flags(cli, served):
    cli("dataset push answers.csv --name may")
    cli(f"dataset evaluate may {MAY}")
    wrong = {
        "push answers.csv --name may": "by --resume",
        "push none.csv --name x": "no such file",
        "evaluate may --eval is_json": "with --map text=COLUMN",
        "evaluate may --eval is_json --map text=anser": "--map text=anser: the dataset has no column",
        f"evaluate may {MAY}": "with --as TEMPLATE=NAME",
        "evaluate may --eval is_json --as contains=x": "'contains' is no template of --eval",
        "evaluate may --eval is_jsn": "did you mean is_json",
        "status mai": "no dataset named 'mai'; did you mean may",
        "rm 00000000-0000-4000-8000-000000000000": "no dataset named '00000000-0000-4000-8000-000000000000'",
    }
    for words, said in wrong.items():
        code, _, err = cli(f"dataset {words}")
        assert (code, said in err) == (2, True), (words, code, err)
    code, _, err = cli("dataset pull may --eval chcked")
    assert (code, "did you mean checked" in err) == (3, True)


@pytest.mark.parametrize("keys", [{}, {"FI_BASE_URL": "local"}])
def test_a_backend_of_this_process_alone_keeps_no_datasets(cli, monkeypatch, keys):
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    code, _, err = cli("dataset list")
    assert (code, "start fi-async serve" in err) == (2, True)


def test_how_to_come_back_is_told_as_a_shell_takes_it(cli, served):
    cli("dataset push answers.csv --name may")
    cli("dataset evaluate may --eval is_json --map text=answer --as is_json=$(id)")
    ended = cli("dataset retry may $(id)")
    assert ended.out == "started; to come back: fi-async dataset pull may --eval '$(id)' --out scores.jsonl\n"


def test_a_table_and_outcomes_have_a_file_each(cli, served):
    cli("dataset push answers.csv --name may")
    ended = cli("dataset pull may --table may.csv --out ./may.csv")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: --table may.csv: --out is written there: name another file for one of them\n",
    )


def test_keys_that_are_missing_are_no_reason_to_name_a_flag_of_others(cli, served, monkeypatch):
    monkeypatch.delenv("FI_API_KEY")
    ended = cli("dataset list")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: FI_API_KEY missing: set FI_API_KEY and FI_SECRET_KEY to use your account\n",
    )


def test_a_table_for_a_spreadsheet_has_no_formulas(cli, served, tmp_path):
    (tmp_path / "formulas.csv").write_text('id,=1+1\na,"=HYPERLINK(""x"",""y"")"\nb,-5\n"c,d",plain\n')
    cli("dataset push formulas.csv --name may")
    assert cli("dataset pull may --table exact.csv --safe-cells").code == 0
    assert (tmp_path / "exact.csv").read_text() == ('id,\'=1+1\na,"\'=HYPERLINK(""x"",""y"")"\nb,\'-5\n"c,d",plain\n')
    assert cli("dataset pull may --table exact.csv").code == 0
    assert '\na,"=HYPERLINK(""x"",""y"")"\n' in (tmp_path / "exact.csv").read_text()
    ended = cli("dataset pull may --safe-cells")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: --safe-cells is of --table: name its file; --out writes CSV so always\n",
    )
