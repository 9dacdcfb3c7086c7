from __future__ import annotations

import csv
import json
import sqlite3
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

RUN = "--eval contains --param keyword=Paris --backend local --concurrency 1"
ROWS = [{"id": 1, "text": "Paris é"}, b"{", {"text": "=SUM(A1)", "id": "-2"}, {"text": "Rome", "note": [1]}]


def read_csv(path="out.csv"):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_sqlite(path="out.db"):
    database = sqlite3.connect(path)
    try:
        cursor = database.execute('SELECT * FROM outcomes ORDER BY "index"')
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]
    finally:
        database.close()


def read_parquet(path="out.parquet"):
    return sorted(parquet.read_table(path).to_pylist(), key=lambda row: row["index"])


TABLES = [("out.csv", read_csv), ("out.db", read_sqlite), ("out.parquet", read_parquet)]


def flat(line):
    return line | {"inputs": line["inputs"] and json.dumps(line["inputs"], ensure_ascii=False)}


@pytest.mark.parametrize(
    ("name", "read"), [("out.db", read_sqlite), ("out.sqlite3", read_sqlite), ("out.PARQUET", read_parquet)]
)
def test_tables_hold_what_the_lines_hold(name, read, cli, jsonl, lines):
    file = jsonl(*ROWS)
    assert cli("run", file, RUN, "--out", name).code == cli("run", file, RUN, "--out out.jsonl").code == 1
    own = {"eval_id", "latency_s", "run"}
    found = [{key: value for key, value in row.items() if key not in own} for row in read(name)]
    assert found == [{key: value for key, value in flat(line).items() if key not in own} for line in lines()]
    assert all(row["eval_id"] and row["latency_s"] >= 0 for row in read(name) if row["status"] == "scored")


def test_a_csv_runs_no_formula_in_a_spreadsheet(cli, jsonl):
    assert cli("run", jsonl(*ROWS), RUN, "--out out.csv").code == 1
    first, bad, formula, last = sorted(read_csv(), key=lambda row: row["index"])
    assert (first["index"], first["id"], first["score"], first["passed"]) == ("0", "1", "1.0", "True")
    assert json.loads(first["inputs"]) == ROWS[0]
    assert (bad["score"], bad["inputs"], bad["status"]) == ("", "", "invalid")
    assert bad["error"].startswith("in.jsonl, line 2: not valid JSON")
    assert (formula["id"], formula["inputs"]) == ("'-2", '{"text": "=SUM(A1)", "id": "-2"}')
    assert last["id"] == ""


@pytest.mark.parametrize(
    "start",
    [
        "=",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        "\n",
        " =",
        "\u00a0@",
        "\ufeff+",
        "\n\t-",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "\ufe66",
        "\u3000\uff1d",
    ],
)
def test_every_beginning_of_a_formula_is_made_inert(start, cli, jsonl):
    assert cli("run", jsonl({"id": f"{start}1+1", "text": "Paris"}), RUN, "--out out.csv").code == 0
    assert read_csv()[0]["id"] == f"'{start}1+1"


@pytest.mark.parametrize(
    ("name", "read"), [("out.csv", read_csv), ("out.db", read_sqlite), ("out.parquet", read_parquet)]
)
def test_a_table_of_yesterday_is_replaced_by_the_first_outcome(name, read, cli, jsonl):
    assert cli("run", jsonl(*ROWS), RUN, "--out", name).code == 1
    assert cli("run", jsonl(name="none.jsonl"), RUN, "--out", name).code == 2
    assert len(read(name)) == 4
    assert cli("run", jsonl({"text": "Paris"}), RUN, "--out", name).code == 0
    assert len(read(name)) == 1


def test_other_tables_of_a_database_stay(cli, jsonl):
    with sqlite3.connect("out.db") as database:
        database.execute("CREATE TABLE mine (n INTEGER)")
    database.close()
    assert cli("run", jsonl({"text": "Paris"}), RUN, "--out out.db").code == 0
    with sqlite3.connect("out.db") as database:
        assert database.execute("SELECT count(*) FROM mine").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize(
    ("name", "read"), [("out.csv", read_csv), ("out.db", read_sqlite), ("out.parquet", read_parquet)]
)
def test_half_a_surrogate_pair_is_written_as_its_name(name, read, cli, jsonl):
    assert cli("run", jsonl({"text": "Paris", "id": "é\ud83d"}), RUN, "--out", name).code == 0
    assert read(name)[0]["id"] == "é\\ud83d"


def test_groups_of_rows(cli, jsonl, monkeypatch):
    monkeypatch.setattr("fi_async.cli.outputs._ROWS_OF_A_GROUP", 2)
    assert cli("run", jsonl(*[{"text": "Paris"}] * 5), RUN, "--out out.parquet").code == 0
    assert parquet.ParquetFile("out.parquet").metadata.num_row_groups == 3
    assert [row["index"] for row in read_parquet()] == [0, 1, 2, 3, 4]


def test_parquet_without_its_extra(cli, jsonl, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = cli("run", jsonl({"text": "Paris"}), RUN, "--out out.parquet")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: --out out.parquet needs pyarrow: pip install 'fi-async[parquet]'\n",
    )


def test_parquet_and_directories_are_inputs(cli, lines):
    parquet.write_table(pa.table({"id": ["a", "b"], "answer": ["Paris", None]}), "in.parquet")
    ended = cli("run in.parquet --map text=answer --out out.jsonl", RUN)
    assert ended.code == 1
    assert [line["id"] for line in lines()] == ["a", "b"]
    assert lines()[1]["error"].startswith("in.parquet, row 1: contains needs the key 'text'")
    wrong = cli("run in.parquet", RUN)
    said = (
        "fi-async: in.parquet has no column for 'text', which contains needs: --map text=COLUMN. It has 'id', 'answer'"
    )
    assert (wrong.code, wrong.err) == (2, f"{said}\n")
    Path("in").mkdir()
    Path("in/a.json").write_text('[{"text": "Paris"}, {"text": "Rome"}]')
    assert cli("run in/ --out out.jsonl", RUN).code == 0
    assert [line["passed"] for line in lines()] == [True, False]


def test_constants_and_an_id_column(cli, jsonl, lines):
    file = jsonl({"qid": 5, "id": "x"})
    ended = cli("run", file, "--id qid --set text=Paris n=[1] --out out.jsonl", RUN)
    assert ended.code == 0
    (line,) = lines()
    assert (line["id"], line["passed"], line["inputs"]) == ("5", True, {"qid": 5, "id": "x"})


def test_a_constant_serves_for_a_column_that_a_csv_lacks(cli):
    Path("in.csv").write_text("a\n1\n")
    assert cli("run in.csv --set text=Paris", RUN).code == 0


def test_a_sample_of_the_first_rows(cli, jsonl, lines):
    file = jsonl(*({"id": n, "text": "Paris"} for n in range(50)))
    drawn = []
    for seed in (1, 1, 2):
        ended = cli("run", file, f"--limit 20 --sample 5 --seed {seed} --out out.jsonl --json", RUN)
        assert (ended.code, ended.summary["cases"]) == (0, 5)
        drawn.append([int(line["id"]) for line in lines()])
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[0] != drawn[2]
    assert max(drawn[0] + drawn[2]) < 20
