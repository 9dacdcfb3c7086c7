"""Workbooks as Excel and LibreOffice write them; openpyxl writes those of these tests."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from fi_async import ConfigurationError, Evaluator, cases_from
from fi_async.local.datasets.uploads import Form, read_file
from fi_async.local.envelopes import Refused

OLD = Path(__file__).parent / "files" / "answers.xls"


@pytest.fixture
def workbook(tmp_path):
    def written(*rows, begin=(1, 1), also=(), name="in.xlsx"):
        book = openpyxl.Workbook()
        book.active.title = "Answers"
        for down, row in enumerate(rows):
            for right, cell in enumerate(row):
                book.active.cell(begin[0] + down, begin[1] + right, cell)
        for title, state in also:
            book.create_sheet(title)["A1"] = "x"
            book[title].sheet_state = state
        book.save(tmp_path / name)
        return tmp_path / name

    return written


def read(source):
    return [(case.id, dict(case.inputs)) for case in source]


def test_cells_are_as_they_are_shown(workbook):
    path = workbook(
        ["id", "text", "n", "ok", "day", "share"],
        [1, " a\nb ", 42, True, dt.date(2026, 1, 2), 0.25],
        ["007", "ü", 1e20, False, dt.datetime(2026, 1, 2, 3, 4), -3],  # noqa: DTZ001  # a workbook's have no zone
    )
    assert read(cases_from(path)) == [
        ("1", {"text": " a\nb ", "n": 42, "ok": True, "day": "2026-01-02", "share": 0.25}),
        ("007", {"text": "ü", "n": 1e20, "ok": False, "day": "2026-01-02T03:04:00", "share": -3}),
    ]
    assert [type(each) for each in next(iter(cases_from(path))).inputs.values()] == [str, int, bool, str, float]


def test_empty_cells_leave_their_key_out_and_empty_rows_are_none(workbook):
    path = workbook(["id", "text"], ["a", None], [None, None], ["b", "=NA()"], ["c", "  "], ["d", "[1]"])
    source: Any = cases_from(path)
    assert read(source) == [("a", {}), ("b", {}), ("c", {}), ("d", {"text": "[1]"})]
    assert source.count() == 4
    assert [case.place for case in source] == [f"{path}, row {row}" for row in (2, 4, 5, 6)]


def test_a_table_may_begin_anywhere(workbook):
    path = workbook(["id", None, "text"], ["a", None, "[1]"], ["b", "a remark", "[2]"], begin=(3, 2))
    source: Any = cases_from(path, mapping={"output": "text"})
    assert read(source) == [("a", {"output": "[1]"}), ("b", {"output": "[2]"})]
    assert [case.place for case in source][1] == f"{path}, row 5"


def test_the_first_sheet_that_is_seen_is_read_and_others_are_told(workbook, caplog):
    with caplog.at_level(logging.WARNING, "fi_async"):
        path = workbook(["text"], ["[1]"], also=[("Notes", "visible"), ("Secret", "hidden")])
        assert read(cases_from(path)) == [(None, {"text": "[1]"})]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: the sheet 'Answers' is read, and 'Notes' not"
    ]


def test_workbooks_of_old_are_read():
    assert read(cases_from(OLD)) == [("7", {"text": "[1]"}), ("b", {"text": 42})]
    report = Evaluator.local().gather(cases_from(OLD), "is_json")
    assert [outcome.passed for outcome in report.outcomes] == [True, True]


def blank(path):
    book = openpyxl.Workbook()
    book.active.append([" "])
    book.save(path)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: path.write_text("a,b\n1,2\n"), "not a workbook that can be read ("),
        (lambda path: path.write_bytes(OLD.read_bytes()[:3000]), "not a workbook that can be read ("),
        (blank, "no sheet has a cell: the first row must be the names"),
        (lambda path: openpyxl.Workbook().save(path), "no sheet has a cell: the first row must be the names"),
    ],
)
def test_what_is_no_workbook_says_so(made, said, tmp_path):
    path = tmp_path / "in.xlsx"
    made(path)
    with pytest.raises(ConfigurationError) as caught:
        list(cases_from(path))
    assert caught.value.message.startswith(f"{path}: {said}")


def test_two_columns_of_one_name_are_refused(workbook):
    with pytest.raises(ConfigurationError, match="two columns are named 'text': rename one"):
        list(cases_from(workbook(["text", "text"], ["a", "b"])))
    with pytest.raises(ConfigurationError, match=r"has no column 'answer'; there are 'text'"):
        cases_from(workbook(["text"], ["a"]), mapping={"output": "answer"})


def test_without_the_extra_the_message_names_it(workbook, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(
        ConfigurationError, match=r"reading a workbook needs python_calamine: pip install 'fi-async\[excel\]'"
    ):
        list(cases_from(workbook(["text"], ["a"])))


def test_labels_may_come_from_a_workbook(workbook):
    report = Evaluator.local().gather([{"text": each} for each in ("1", "{", "2")], "is_json")
    path = workbook(["index", "weight", "label"], [0, 1, True], [1, 1, "pass"], [2, 1, None], name="labels.xlsx")
    found = report.agreement(path, "is_json")
    assert found.matrix == {"Passed": {"Passed": 1, "Failed": 1}, "Failed": {"Passed": 0, "Failed": 0}}


@pytest.mark.parametrize("form", ["new", "old"])
def test_the_embedded_backend_takes_workbooks(form, workbook):
    path = OLD if form == "old" else workbook(["id", "text"], [7, "[1]"], [None, None], ["b", 42])
    columns, rows = read_file(Form({}, path.name, path.read_bytes()))
    assert [column.name for column in columns] == ["id", "text"]
    assert [list(row.cells.values()) for row in rows] == [["7", "[1]"], ["b", "42"]]
    with pytest.raises(Refused):
        read_file(Form({}, path.name, b"no workbook"))
