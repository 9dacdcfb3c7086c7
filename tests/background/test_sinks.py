"""JSONL, and SQL on SQLite; PostgreSQL is in tests/wire/."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import sys

import pytest

from fi_async import ConfigurationError, EvalResult, EvaluationError, Outcome, OutcomeStatus
from fi_async.background import JsonlSink, Offer, SqlSink


def outcome(number, template="groundedness", **result):
    offer = Offer({"output": f"answer {number}"}, f"case {number}", f"id-{number}", 1.5)
    made = EvalResult(name=template, output=0.5, reason="why", output_type="score", eval_id=f"e{number}", **result)
    return Outcome(number, offer, template, OutcomeStatus.SCORED, made, attempts=1, latency_s=0.25)


def failed(number):
    offer = Offer({"output": "x"}, None, f"id-{number}", 1.5)
    return Outcome(number, offer, "groundedness", OutcomeStatus.FAILED, error=EvaluationError("judge \ud800\0 failed"))


ROW = {
    "offer_id": "id-0",
    "template": "groundedness",
    "case_id": "case 0",
    "offered_at": 1.5,
    "status": "scored",
    "score": 0.5,
    "passed": None,
    "output": 0.5,
    "reason": "why",
    "error": None,
    "eval_id": "e0",
    "backend": "cloud",
    "attempts": 1,
    "latency_s": 0.25,
}


def written(sink, *batches):
    sink.open()
    for batch in batches:
        sink.write(batch)
    sink.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_for_each_outcome(tmp_path):
    path = tmp_path / "scores.jsonl"
    written(JsonlSink(path), [outcome(0), failed(1)])
    written(JsonlSink(path, inputs=True), [outcome(2)])
    assert lines(path)[0] == ROW
    assert lines(path)[1]["error"] == "EvaluationError: judge \ud800\0 failed"
    assert lines(path)[2]["inputs"] == {"output": "answer 2"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pread", raising=False)  # Windows has none
    path = tmp_path / "scores.jsonl"
    path.write_text('{"offer_id": "id-')
    written(JsonlSink(path), [outcome(0)])
    assert path.read_text().splitlines()[0] == '{"offer_id": "id-'
    assert json.loads(path.read_text().splitlines()[1]) == ROW


def test_a_disk_that_is_full_for_a_while_spoils_no_later_line(tmp_path, monkeypatch):
    path, write = tmp_path / "scores.jsonl", os.write
    sink = JsonlSink(path)
    sink.open()

    def full(file, left):
        if os.fstat(file).st_size > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, left[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        sink.write([outcome(0)])
    monkeypatch.setattr(os, "write", write)
    sink.write([outcome(0)])
    sink.close()
    assert path.read_text().splitlines()[0] == '{"offer_id'
    assert json.loads(path.read_text().splitlines()[1]) == ROW


def stored(path, table="evaluations"):
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    rows = [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY offer_id, template")]
    database.close()
    return rows


def test_a_row_for_each_outcome(tmp_path):
    path = tmp_path / "scores.db"
    written(SqlSink(f"sqlite:///{path}"), [outcome(0), outcome(0, "tone"), failed(1)])
    rows = stored(path)
    assert rows[0] == ROW
    assert [(row["offer_id"], row["template"], row["status"]) for row in rows[1:]] == [
        ("id-0", "tone", "scored"),
        ("id-1", "groundedness", "failed"),
    ]
    assert rows[2]["error"] == "EvaluationError: judge ?\ufffd failed"
    assert rows[2]["output"] is None


def test_an_outcome_that_comes_again_changes_nothing(tmp_path):
    path = tmp_path / "scores.db"
    written(SqlSink(f"sqlite:///{path}"), [outcome(0), outcome(1)])
    written(SqlSink(f"sqlite:///{path}"), [outcome(1, model="other"), outcome(2)], [outcome(2), outcome(0)])
    assert [row["offer_id"] for row in stored(path)] == ["id-0", "id-1", "id-2"]


def test_the_table_has_the_name_and_the_inputs_that_are_asked_for(tmp_path):
    path = tmp_path / "scores.db"
    written(SqlSink(f"sqlite:///{path}", "mine", inputs=True), [outcome(0)])
    assert json.loads(stored(path, "mine")[0]["inputs"]) == {"output": "answer 0"}


def test_an_engine_of_ones_own_stays_open(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'scores.db'}")
    written(SqlSink(engine), [outcome(0)])
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM evaluations")).scalar() == 1
    engine.dispose()


def test_what_the_driver_raises_shows_no_values(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    path = tmp_path / "scores.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE evaluations (offer_id, template)")
    database.close()
    sink = SqlSink(f"sqlite:///{path}")
    sink.open()
    with pytest.raises(sqlalchemy.exc.OperationalError) as raised:
        sink.write([outcome(0)])
    sink.close()
    assert "no column named" in str(raised.value)
    assert "why" not in str(raised.value).replace("[SQL parameters hidden due to hide_parameters=True]", "")


def test_a_password_shows_nowhere():
    pytest.importorskip("psycopg")
    sink = SqlSink("postgresql+psycopg://user:secret@host/scores")
    assert repr(sink) == "<SqlSink postgresql+psycopg://user:***@host/scores evaluations>"


def test_what_is_missing_or_wrong_is_named(monkeypatch):
    with pytest.raises(ConfigurationError) as raised:
        SqlSink("scores.db")
    assert str(raised.value) == 'SqlSink needs a database URL such as "sqlite:///scores.db"'
    with pytest.raises(ConfigurationError, match="SqlSink needs a database URL"):
        SqlSink("postgresql+psycopg://user:secret@host:port/scores")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ConfigurationError) as raised:
        SqlSink("sqlite:///scores.db")
    assert str(raised.value) == "SqlSink needs SQLAlchemy: pip install 'fi-async[sql]'"
