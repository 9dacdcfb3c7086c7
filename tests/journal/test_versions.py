"""Files that version 1 wrote, as its code made them: they are read, and gone on with."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fi_async.cli import main
from fi_async.journal.schema import VERSION
from fi_async.journal.view import open_view

FILES = Path(__file__).parent / "files"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return the path of a file of version 1, begun by the command line or by a program."""
    monkeypatch.chdir(tmp_path)

    def make(by: str) -> Path:
        path = tmp_path / "old.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript((FILES / f"version-1-{by}.sql").read_text(encoding="utf-8"))
        return path

    return make


@pytest.mark.parametrize(
    ("by", "statuses"), [("cli", {"scored": 7, "invalid": 1}), ("program", {"scored": 2})], ids=["cli", "program"]
)
def test_an_old_file_is_counted_and_read(by, statuses, made):
    with open_view(made(by)) as view:
        count = view.count()
        assert (count.statuses, count.pending, count.is_all, count.is_complete) == (statuses, 0, True, True)
        assert len(list(view.records())) == count.evaluations == sum(statuses.values())


def test_an_old_run_is_gone_on_with_and_migrated(made, capsys):
    path = made("cli")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO events (n, kind, at) VALUES (1, 6, 1.0)")  # reopened, with nothing known
        connection.execute("DELETE FROM events WHERE n = 2 AND kind = 5")
        connection.commit()
    with open_view(path) as view:
        assert (view.count().evaluations, view.count().pending) == (8, 2)
    assert main(["resume", str(path), "--json", "--no-progress"]) == 1
    told = json.loads(capsys.readouterr().out)
    # What could not be sent stays so, in the words that were said of it then.
    assert (told["scored"], told["invalid"], told["replayed"]) == (7, 1, 5)
    with open_view(path) as view:
        assert (view.count().evaluations, view.count().pending) == (8, 0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_an_old_run_that_was_stopped_before_all_was_read_has_what_its_command_line_counted(made):
    path = made("cli")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE passes SET info = json_set(info, '$.source.evaluations', 2000)")
        connection.commit()
    with open_view(path) as view:
        count = view.count()
    assert (count.evaluations, count.done, count.pending) == (2000, 8, 1992)


def test_an_eval_id_that_version_1_reopened_is_asked_for(made):
    path = made("program")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO events (n, kind, at, body) VALUES (1, 6, 1.0, 'an-id')")
        connection.commit()
    with open_view(path) as view:
        assert (view.past.story(1).eval_id, view.past.story(1).attempts) == ("an-id", 1)
        assert (view.count().pending, view.count().accepted) == (1, 1)
