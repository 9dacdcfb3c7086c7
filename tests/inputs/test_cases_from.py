from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from embedded import NEEDLE, backend, client
from fi_async import Case, ConfigurationError, Timeout, cases_from
from fi_async.sources.rows import reservoir

ROWS = [{"id": 7, "answer": "Paris", "n": 1.5}, {"id": 8, "answer": None, "n": None}]


def pairs(cases):
    return [(case.id, dict(case.inputs)) for case in cases]


EXPECTED = [("7", {"text": "Paris", "n": 1.5}), ("8", {})]
MAPPING = {"text": "answer"}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(ROWS, index=[5, 4]),
        pd.DataFrame(ROWS).astype({"answer": "string", "n": "Float64"}),
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS).lazy(),
        pa.Table.from_pylist(ROWS),
    ],
    ids=["pandas", "pandas-nullable", "polars", "polars-lazy", "arrow"],
)
def test_a_missing_cell_of_a_frame_leaves_its_key_out(frame):
    assert pairs(cases_from(frame, mapping=MAPPING)) == EXPECTED


def test_cells_of_a_frame_are_plain_values():
    import numpy as np

    cells = [np.array([1, 2]), float("nan"), np.float32("nan"), pd.NaT, np.datetime64("NaT", "ns"), np.float32(1)]
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), 3: range(6)})
    found = [case.inputs for case in cases_from(frame)]
    assert found == [{"a": [1, 2], "3": 0}, {"3": 1}, {"3": 2}, {"3": 3}, {"3": 4}, {"a": 1.0, "3": 5}]


def test_a_file_of_parquet(tmp_path):
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "in.parquet", row_group_size=1)
    cases: list[Any] = list(cases_from(tmp_path / "in.parquet", mapping=MAPPING))
    assert pairs(cases) == EXPECTED
    assert [case.place for case in cases] == [f"{tmp_path}/in.parquet, row 0", f"{tmp_path}/in.parquet, row 1"]


def test_parquet_that_is_damaged_further_down_says_from_where_on(tmp_path):
    path = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"text": [f"text {n}" for n in range(2000)]}), path, row_group_size=512)
    content = bytearray(path.read_bytes())
    second = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content[second.data_page_offset : second.data_page_offset + 64] = b"\xff" * 64
    path.write_bytes(content)
    read = iter(cases_from(path))
    assert [next(read).inputs["text"] for _ in range(512)][-1] == "text 511"
    with pytest.raises(ConfigurationError) as caught:
        next(read)
    assert caught.value.message.startswith(f"{path}: damaged from row 512 on (")


def test_a_directory_of_json_is_read_by_name(tmp_path):
    (tmp_path / "b.json").write_text('[{"text": "2"}, 3, {"text": "4"}]')
    (tmp_path / "a.json").write_text('\ufeff{"id": "one",\n "text": "1"}', encoding="utf-8")
    (tmp_path / "c.json").write_text('{"text":\n 1,,}')
    (tmp_path / "d.txt").write_text("not read")
    (tmp_path / "e.json").mkdir()
    cases: list[Any] = list(cases_from(tmp_path))
    assert [(Path(case.place).name, case.problem, case.id, case.inputs) for case in cases] == [
        ("a.json", None, "one", {"text": "1"}),
        ("b.json[0]", None, None, {"text": "2"}),
        ("b.json[1]", "not a JSON object but a number", None, {}),
        ("b.json[2]", None, None, {"text": "4"}),
        (
            "c.json",
            "not valid JSON (Expecting property name enclosed in double quotes, line 2, column 4)",
            None,
            {},
        ),
    ]


def test_any_iterable():
    given = [
        {"id": 1, "text": "a"},
        Case({"text": "b"}, id="mine"),
        ["c"],
        Case({"id": 4, "text": None}),
        Case("d", id="5"),
    ]
    cases: list[Any] = list(cases_from(each for each in given))
    assert pairs(cases) == [
        ("1", {"text": "a"}),
        ("mine", {"text": "b"}),
        (None, {}),
        ("4", {"text": None}),
        ("5", {}),
    ]
    assert cases[2].problem == "not a dict of inputs by key, nor a Case of one, but list"
    assert cases[4].problem == "not a dict of inputs by key, nor a Case of one, but str"


def test_cases_of_cases_keep_why_they_cannot_be_read(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"answer": "a"}\n[]\n')
    cases: list[Any] = list(
        cases_from(cases_from(tmp_path / "in.jsonl", mapping={"text": "answer"}), constants={"n": 1})
    )
    assert [(case.inputs, case.problem) for case in cases] == [
        ({"text": "a", "n": 1}, None),
        ({}, "not a JSON object but a list"),
    ]
    assert cases[1].place == f"{tmp_path}/in.jsonl, line 2"


def test_a_column_may_first_come_after_many_rows(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n' * 60 + '[]\n{"passage": "b"}\n')
    cases = list(cases_from(tmp_path / "in.jsonl", mapping={"context": "passage"}))
    assert cases[-1].inputs == {"context": "b"}


def test_an_empty_cell_is_no_id(tmp_path):
    (tmp_path / "in.csv").write_text("id,text\n,a\n0,b\n")
    assert pairs(cases_from(tmp_path / "in.csv")) == [(None, {"text": "a"}), ("0", {"text": "b"})]


def test_a_mapping_renames_and_constants_come_first():
    rows = [{"answer": "a", "text": "old", "question": "q", "context": "row"}]
    cases = cases_from(
        rows,
        mapping={"text": "answer", "question": "question", "input": "question"},
        constants={"context": "all", "policy": [1]},
    )
    assert [case.inputs for case in cases] == [
        {"text": "a", "question": "q", "input": "q", "context": "all", "policy": [1]},
    ]


def test_the_id_may_be_another_column_or_none():
    rows = [{"id": 1, "qid": 2}]
    assert pairs(cases_from(rows, id_column="qid")) == [("2", {"id": 1})]
    assert pairs(cases_from(rows, id_column=None)) == [(None, {"id": 1, "qid": 2})]


class Once:
    """Rows that may be read only so far."""

    def __init__(self, allowed):
        self.allowed, self.read = allowed, 0

    def __iter__(self):
        while True:
            assert self.read < self.allowed
            self.read += 1
            yield {"n": self.read}


def test_no_more_is_read_than_the_limit():
    assert [case.inputs["n"] for case in cases_from(Once(3), limit=3)] == [1, 2, 3]
    assert len(list(cases_from(Once(9), limit=9, sample=4))) == 4


@given(st.integers(0, 60), st.integers(1, 20), st.integers())
def test_a_sample_is_in_order_without_repeats_and_the_same_for_a_seed(rows, size, seed):
    drawn = reservoir(range(rows), size, seed)
    assert drawn == sorted(set(drawn)) == reservoir(iter(range(rows)), size, seed)
    assert len(drawn) == min(rows, size)


def test_each_row_is_as_likely_as_any_other():
    counts = Counter(row for seed in range(4000) for row in reservoir(range(10), 3, seed))
    assert all(abs(counts[row] - 1200) < 120 for row in range(10))  # four standard deviations


def test_a_sample_is_the_same_in_every_version_of_python():
    assert reservoir(range(1000), 5, 7) == reservoir(range(1000), 5, 7) == [232, 258, 545, 650, 787]
    random.seed(1)
    assert reservoir(range(1000), 5, 8) != reservoir(range(1000), 5, 7)


TWICE = pa.table([["a"], ["b"]], names=["text", "text"])
WRONG = [
    ("lost.csv", {}, "lost.csv: no such file"),
    ("", {}, "'': no such file"),
    (".", {}, ".: a directory without .json files: name a .jsonl, .csv or .parquet file"),
    (
        "in.txt",
        {},
        (
            "in.txt: give a .csv, .xlsx or .parquet file, a .jsonl file with one JSON object a line, a .json file with"
            " an array of them, or a directory of .json files"
        ),
    ),
    ("in.parquet", {}, "in.parquet: not a Parquet file (Parquet file size is 0 bytes)"),
    ("twice.parquet", {}, "twice.parquet: two columns are named 'text': rename one"),
    ("twice.csv", {}, "twice.csv: two columns are named 'a': rename one"),
    (
        TWICE,
        {},
        "the frame: two columns have one name: rename one (Expected unique column names, got: - 'text' 2 times)",
    ),
    (pd.DataFrame(), {"id_column": "key"}, "id_column='key': the frame has no column 'key'; there are none"),
    ({"text": "x"}, {}, "cases come from a path, a frame, a dataset or an iterable of dicts, not from one dict"),
    (3, {}, "cases come from a path, a frame, a dataset or an iterable of dicts, not from int"),
    ([], {"limit": 0}, "limit must be a whole number from 1, not 0"),
    ([], {"sample": True}, "sample must be a whole number from 1, not True"),
    (
        pd.DataFrame(ROWS),
        {"mapping": {"text": "anser"}},
        "mapping={'text': 'anser'}: the frame has no column 'anser'; did you mean 'answer'?",
    ),
    (
        pl.DataFrame(ROWS).lazy(),
        {"id_column": "key"},
        "id_column='key': the frame has no column 'key'; there are 'id', 'answer', 'n'",
    ),
]


@pytest.mark.parametrize(("source", "how", "said"), WRONG)
def test_what_cannot_be_read_is_said_at_once(source, how, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(source, str) and source.startswith("in."):
        Path(source).touch()
    parquet.write_table(TWICE, "twice.parquet")
    Path("twice.csv").write_text("text,a,a\na,b,c\n")
    with pytest.raises(ConfigurationError) as caught:
        list(cases_from(source, **how))
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("library", "source", "said"),
    [
        ("narwhals", pd.DataFrame(ROWS), "reading a frame needs narwhals: pip install 'fi-async[frames]'"),
        ("pyarrow.parquet", "in.parquet", "reading Parquet needs pyarrow: pip install 'fi-async[parquet]'"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(library, source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.parquet").touch()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError) as caught:
        list(cases_from(source))
    assert caught.value.message == said


class Dataset:
    """A stand-in for the class of the same name of `datasets`, which is heavy: what we use of it."""

    __module__ = "datasets.arrow_dataset"

    def __init__(self, rows):
        self.rows, self.column_names = rows, ["id", "answer", "n"]

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)


class DatasetDict(dict):
    __module__ = "datasets.dataset_dict"


def test_a_dataset():
    assert pairs(cases_from(Dataset(ROWS), mapping=MAPPING)) == EXPECTED
    with pytest.raises(ConfigurationError, match="no column 'anser'; did you mean 'answer'"):
        cases_from(Dataset(ROWS), mapping={"text": "anser"})


class Formatted(Dataset):
    """As a dataset of `datasets` is that was told to give its rows in the format of a library."""

    def __init__(self, rows, kind, columns):
        super().__init__(rows)
        self.format = {"type": kind, "columns": columns, "output_all_columns": False}

    def __iter__(self):
        if self.format["type"] == "custom":
            return iter([5, *self.rows])
        rows = [{name: row[name] for name in self.format["columns"]} for row in self.rows]
        return iter(map(pa.Table.from_pylist, [[row] for row in rows]) if self.format["type"] else rows)

    def with_format(self, kind, columns, output_all_columns):
        assert output_all_columns is False
        return Formatted(self.rows, kind, columns)


ROW = {"id": "a", "answer": "needle", "n": 1}


def test_a_dataset_in_another_format_is_read_by_values_of_its_chosen_columns():
    (case,) = cases_from(Formatted([ROW], "arrow", ["id", "answer"]))
    assert (case.inputs, case.id) == ({"answer": "needle"}, "a")


def test_a_transform_is_the_caller_s_and_what_is_no_row_is_told():
    found: Any = cases_from(Formatted([ROW], "custom", ["id"]))
    refused, case = found
    assert (case.inputs, case.id, case.place) == ({"answer": "needle", "n": 1}, "a", "row 1")
    assert refused.problem == "the dataset's transform makes a int of it, not a dict of cells by column"


def test_real_datasets():
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset(pa.Table.from_pylist([ROW, ROW | {"answer": None}]), fingerprint="of two rows")
    lazy = whole.to_iterable_dataset()
    for made in (whole, lazy, lazy.with_format("numpy"), *map(whole.with_format, ("numpy", "pandas", "arrow"))):
        assert [(case.inputs, case.id) for case in cases_from(made)] == [
            ({"answer": "needle", "n": 1}, "a"),
            ({"n": 1}, "a"),
        ]
    with pytest.raises(ConfigurationError, match=r"choose one split of the dataset, such as dataset\['train'\]"):
        cases_from(datasets.DatasetDict(train=whole))


def test_a_dict_of_datasets_asks_for_a_split():
    with pytest.raises(ConfigurationError) as caught:
        cases_from(DatasetDict(train=Dataset(ROWS), test=Dataset(ROWS)))
    assert caught.value.message == "choose one split of the dataset, such as dataset['train']; it has 'train', 'test'"


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.Table.from_pylist, Dataset])
async def test_gather_and_stream_take_frames_and_datasets(make):
    frame = make([{"id": "a", "text": "needle"}, {"id": "b", "text": None}, {"id": "c", "text": "straw"}])
    async with client(backend()) as ev:
        report = await ev.gather(frame, "contains", eval_config=NEEDLE)
        streamed = [each async for each in ev.stream(frame, "contains", eval_config=NEEDLE)]
    assert [(each.case.id, each.passed) for each in report.outcomes] == [("a", True), ("b", None), ("c", False)]
    assert report.outcomes[1].error.message.startswith("row 1: contains needs the key 'text'")
    assert sorted(each.index for each in streamed) == [0, 1, 2]


async def test_a_bad_row_is_an_outcome_with_its_file_and_line(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "needle"}\n{"text"\n{"text": " "}\n')
    async with client(backend()) as ev:
        report = await ev.gather(cases_from(tmp_path / "in.jsonl"), "contains", eval_config=NEEDLE)
    assert [str(each.status) for each in report.outcomes] == ["scored", "invalid", "invalid"]
    assert [each.error.message for each in report.failures] == [
        f"{tmp_path}/in.jsonl, line 2: not valid JSON (Expecting ':' delimiter, column 8)",
        (
            f"{tmp_path}/in.jsonl, line 3: the input 'text' is blank, and the server refuses blank inputs: give it"
            " text, or leave this case out"
        ),
    ]
    assert json.loads(json.dumps(report.to_dicts()))[1]["inputs"] is None


@pytest.mark.parametrize("make", [list, pl.DataFrame, cases_from])
async def test_what_a_timeout_left_unread_is_cancelled(make):
    rows = [{"text": "needle"}] * 100
    async with client(backend(latency=1.0), concurrency=2) as ev:
        report = await ev.gather(make(rows), "contains", eval_config=NEEDLE, timeout=Timeout(call=1.5))
        again = await ev.gather(cases_from(iter(rows)), "contains", eval_config=NEEDLE, timeout=Timeout(call=1.5))
    assert report.summary()["scored"] == again.summary()["scored"] == 2
    assert [each.index for each in report.outcomes] == list(range(100))
    assert len(again.outcomes) < 10


async def test_what_is_no_iterable_is_refused():
    async with client(backend()) as ev:
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather(3, "contains")
    assert caught.value.message == "cases must be an iterable of dicts or Cases, or a frame, not int"
