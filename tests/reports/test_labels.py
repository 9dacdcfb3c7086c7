from __future__ import annotations

import json

import pytest

from fi_async import ConfigurationError
from fi_async.reports.labels import match_labels
from runs_of import outcome

CASES = [
    outcome(0, "P", own_id="a", inputs={"output": "one", "n": 1}),
    outcome(1, "F", own_id="b", inputs={"output": "two", "n": 2}),
    outcome(2, "P", own_id="c", inputs={"output": "two", "n": 3}),
]
NAMELESS = [outcome(each.index, "P", inputs=each.case.inputs) for each in CASES]


@pytest.fixture
def matched(tmp_path, monkeypatch):
    """Return the label and weight of each labelled case, by its index, of a file with this text."""
    monkeypatch.chdir(tmp_path)

    def match(text, cases=CASES, name="labels.csv", **how):
        (tmp_path / name).write_text(text, encoding="utf-8")
        matched = match_labels(name, cases, **how)
        found, is_weighted = matched.pairs, matched.is_weighted
        return {each.index: (label.value, label.weight) for each, label in found}, is_weighted

    return match


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("id,label\nb,yes\na,no\n", CASES),
        ("index,label\n1,yes\n0,no\n", NAMELESS),
        ("index,id,label\n9,b,yes\n9,a,no\n", CASES),
        ("n,label\n2,yes\n1,no\n3,\n", NAMELESS),
        ("inputs.output,inputs.n,label,remark\ntwo,2,yes,x\none,1,no,y\n", NAMELESS),
        ("label,output,n\nyes,two,2\nno,one,1\n", CASES),
    ],
)
def test_rows_find_their_cases(text, cases, matched):
    assert matched(text, cases) == ({0: ("no", 1.0), 1: ("yes", 1.0)}, False)


def test_lines_of_json(matched):
    lines = [{"id": "b", "label": True}, {"id": "a", "label": None}, {"n": 3, "label": 0.5, "weight": 2}]
    found = matched("\n".join(map(json.dumps, lines)), name="labels.jsonl")
    assert found == ({1: (True, 1.0), 2: (0.5, 2.0)}, True)


def test_weights_and_a_column_of_another_name(matched):
    assert matched("id,weight,said\na,2.5,no\nb,,\n", column="said") == ({0: ("no", 2.5)}, True)


def test_cases_that_share_an_id_are_told_apart_by_their_index(matched):
    twins = [outcome(0, "P", own_id="a"), outcome(1, "P", own_id="a")]
    assert matched("index,id,label\n1,a,yes\n", twins)[0] == {1: ("yes", 1.0)}
    with pytest.raises(
        ConfigurationError, match=r"labels.csv, line 2: 2 cases have the id 'a': name the case by its place"
    ):
        matched("id,label\na,yes\n", twins)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\nd,yes\n", "labels.csv, line 2: the run has no case with the id 'd': its ids are such as a, b, c"),
        (
            "id,label\na,yes\nb,no\na,no\n",
            "labels.csv, line 4: the case 'a' has a label already, in labels.csv, line 2",
        ),
        ("id,lable\na,yes\n", "labels.csv: no column 'label'; did you mean lable?"),
        ("id,label\na,\n", "column 'label' of labels.csv: no case has a label: fill in some"),
        ("index,label\n7,yes\n", "labels.csv, line 2: the run has no case of index '7': they count from 0"),
        ("index,label\nx,yes\n", "labels.csv, line 2: the run has no case of index 'x': they count from 0"),
        ("output,label\nthree,yes\n", r"labels.csv, line 2: no case has these inputs \(output\): add a column 'id'"),
        ("output,label\ntwo,yes\n", r"labels.csv, line 2: 2 cases have these inputs \(output\): add a column 'id'"),
        ("remark,label\nx,yes\n", r"labels.csv, line 2: nothing says which case it is of: .* the inputs \(n, output\)"),
        (
            "id,label,weight\na,yes,0\n",
            "labels.csv, line 2: weight must be a number above 0, not '0': leave it as it was",
        ),
        ("id,label,weight\na,yes,\n", "labels.csv, line 2: weight must be a number above 0, not ''"),
        ("id,label\na,yes,no\n", "labels.csv, line 2: more cells than the header has columns"),
    ],
)
def test_rows_that_cannot_be_used_are_named(text, said, matched):
    with pytest.raises(ConfigurationError, match=said):
        matched(text)


def test_what_is_no_table_and_what_has_no_ids(matched):
    with pytest.raises(ConfigurationError, match=r"labels.txt: labels come from a .csv, .xlsx or .jsonl file"):
        matched("x", name="labels.txt")
    with pytest.raises(
        ConfigurationError, match="the cases of the run have no ids: give labels in order, or by 'index'"
    ):
        match_labels({"a": True}, NAMELESS)
    assert match_labels({7: True}, [outcome(0, "P", own_id="7")]).pairs[0][1].value is True
    with pytest.raises(ConfigurationError, match="the run has no case with the id None"):
        match_labels({frozenset({1}): True}, CASES)


@pytest.mark.parametrize("cell", ["=1+1", "'=1+1"])
def test_inputs_are_found_as_they_are_and_as_a_spreadsheet_may_hold_them(cell, matched):
    cases = [outcome(0, "P", inputs={"output": "=1+1"}), outcome(1, "P", inputs={"output": "1+1"})]
    assert matched(f"output,label\n{cell},yes\n1+1,no\n", cases)[0] == {0: ("yes", 1.0), 1: ("no", 1.0)}
