from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fi_async import Case, Evaluator, JournalError
from fi_async.cli import main
from fi_async.journal.kept_labels import LabelBook
from fi_async.journal.label_records import DrawnCase, KeptLabel, KeptLabels, LabelAct, LabelDraw, merged_labels
from fi_async.journal.schema import VERSION
from fi_async.journal.view import open_view
from labelled_runs import TEMPLATE, drawn, kept_run, label

FILES = Path(__file__).parent / "files"
DRAW = LabelDraw("is_json", (DrawnCase("k1", 0, 2.0), DrawnCase("k0", 7, 1.5)), {"draw": "random", "of": 3}, 9.0)
GIVEN = KeptLabel("is_json", "k1", "ana", LabelAct.GIVEN, True, "sure", at=10.0)


@pytest.fixture
def run(tmp_path):
    return kept_run(tmp_path / "run.db", ["[1]", "no", "{}", "["])


def read(path):
    with open_view(path) as view:
        return view.labels()


def test_what_is_kept_is_read_again(run):
    acts = [
        GIVEN,
        replace(GIVEN, key="k0", value=0.25, note=""),
        replace(GIVEN, by="ben", value="a choice", saw_verdict=True),
        replace(GIVEN, act=LabelAct.SKIPPED, value=None),
        replace(GIVEN, act=LabelAct.TAKEN_BACK, value=None, note=""),
        replace(GIVEN, value=False, note="\ud800 half".encode("utf-8", "backslashreplace").decode()),
    ]
    with LabelBook(run) as book:
        book.draw(DRAW)
        for each in acts:
            book.add(each)
        assert book.read() == KeptLabels((DRAW,), tuple(acts))
        assert repr(book) == f"<LabelBook {run}>"
    assert read(run) == KeptLabels((DRAW,), tuple(acts))


def test_the_last_word_of_a_person_counts():
    later = [replace(GIVEN, value=False), replace(GIVEN, by="ben"), replace(GIVEN, template="other", value="x")]
    kept = KeptLabels(labels=(GIVEN, *later))
    assert kept.standing("is_json") == {("ana", "k1"): later[0], ("ben", "k1"): later[1]}
    assert kept.standing("is_json", "ben") == {("ben", "k1"): later[1]}
    back = replace(GIVEN, act=LabelAct.TAKEN_BACK, value=None)
    assert KeptLabels(labels=(*kept.labels, back)).standing("is_json") == {("ben", "k1"): later[1]}


def test_a_file_of_version_2_has_no_labels_and_takes_some(tmp_path):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FILES / "version-2-program.sql").read_text(encoding="utf-8"))
    with open_view(path) as view:
        assert (view.count().done, view.labels()) == (5, KeptLabels())
    with closing(sqlite3.connect(path)) as connection:  # only read so far
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    drawn(path)
    label(path, "ana", {"q0": True})
    with open_view(path) as view:
        assert view.count().done == 5
        assert [each.value for each in view.labels().labels] == [True]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_labels_outlive_all_that_happens_to_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = kept_run(tmp_path / "run.db", ["[1]", "no", "{}"])
    drawn(path)
    label(path, "ana", {"q0": True, "q1": False}, at=3.0)
    before = read(path)
    with Evaluator.local() as ev:  # moved, one gone, one more
        ev.gather(
            [Case({"text": "no"}, "q1"), Case({"text": "[7]"}, "new"), Case({"text": "[1]"}, "q0")], TEMPLATE, run=path
        )
    assert read(path) == before
    main(["retry", str(path), "--no-progress"])
    main(["resume", str(path), "--no-progress"])
    main(["export", str(path), "--out", "out.csv"])
    capsys.readouterr()
    assert read(path) == before


def test_people_label_while_a_run_is_written(run):
    with LabelBook(run) as one, LabelBook(run) as other, closing(sqlite3.connect(f"{run}-lock")) as lock:
        lock.execute("BEGIN EXCLUSIVE")  # as a process that goes on with the run holds it
        one.add(GIVEN)
        other.add(replace(GIVEN, by="ben"))
        assert one.read() == other.read() == KeptLabels(labels=(GIVEN, replace(GIVEN, by="ben")))


def test_what_cannot_be_written_is_said(run, tmp_path):
    with LabelBook(run) as book, closing(sqlite3.connect(run, isolation_level=None)) as other:
        book._connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another process has it locked"):
            book.add(GIVEN)
        other.execute("ROLLBACK")
        book.add(GIVEN)
        assert book.read().labels == (GIVEN,)
    with pytest.raises(JournalError, match=r"none\.db: there is no such run"):
        LabelBook(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_several_runs_that_become_one_have_one_draw_of_all():
    other = LabelDraw("is_json", (DrawnCase("k5", 3, 4.0),), {"draw": "random", "of": 4}, 11.0)
    earlier = replace(DRAW, cases=DRAW.cases[:1])
    late, early = replace(GIVEN, key="k5", at=12.0), replace(GIVEN, at=1.0)
    merged = merged_labels([KeptLabels((earlier, DRAW), (GIVEN,)), KeptLabels((other,), (late, early)), KeptLabels()])
    assert merged.draws == (LabelDraw("is_json", (*DRAW.cases, *other.cases), {"draw": "random", "of": 7}, 11.0),)
    assert merged.labels == (early, GIVEN, late)


@contextmanager
def nobody():
    """Be somebody who may do no more than anybody, if this is root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="the modes of files are those of POSIX")
def test_a_run_is_read_where_nothing_can_be_written(run):
    label(run, "ana", {"q0": True})
    before = read(run)
    with TemporaryDirectory() as place:
        there = Path(place)
        shutil.copy(run, there / "whole.db")
        with LabelBook(run) as book:
            book.add(GIVEN)
            for ending in ("", "-wal"):
                shutil.copy(f"{run}{ending}", there / f"logged.db{ending}")
        for each in there.iterdir():
            each.chmod(0o444)
        there.chmod(0o555)
        with nobody():
            assert read(there / "whole.db") == before
            # What is in the log alone would be missed.
            with pytest.raises(JournalError, match="a run needs a directory of its own that you may write to"):
                read(there / "logged.db")
            assert len(list(there.iterdir())) == 3
        there.chmod(0o755)
