"""Files as people have them: arrays called lines, UTF-16, commas at the end, quotes that never close."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from embedded import NEEDLE, backend, client
from fi_async import Case, ConfigurationError, cases_from
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Source

OBJECTS = [{"id": 1, "text": "a\nb"}, {"id": 2, "text": "ü"}]
READ = [("1", {"text": "a\nb"}), ("2", {"text": "ü"})]


def pairs(cases):
    return [(case.id, dict(case.inputs)) for case in cases]


def problems(cases):
    return [case.problem for case in cases]


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson", ".json"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "marked"])
@pytest.mark.parametrize(
    "written",
    [
        "\n".join(json.dumps(each) for each in OBJECTS),
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "[\n" + ",\n".join(json.dumps(each) for each in OBJECTS) + "\n]\n",
        "[" + ",\n".join(json.dumps(each) for each in OBJECTS) + "]",
        "\n\n" + "\n".join(json.dumps(each, indent=2) for each in OBJECTS) + "\n",
    ],
    ids=["lines", "array", "array-indented", "array-of-lines", "array-open", "objects-indented"],
)
def test_json_is_read_however_it_is_laid_out(written, mark, ending, tmp_path):
    path = tmp_path / f"in{ending}"
    path.write_text(mark + written, encoding="utf-8")
    source: Any = cases_from(path)
    assert pairs(source) == READ
    assert source.count() == 2
    assert [case.place for case in source][1].startswith(f"{path}")


def test_members_of_an_array_that_are_no_objects_are_invalid(tmp_path):
    (tmp_path / "in.jsonl").write_text('[{"text": "a"}, 3, null]')
    assert problems(cases_from(tmp_path / "in.jsonl")) == [
        None,
        "not a JSON object but a number",
        "not a JSON object but a null",
    ]


def test_an_array_that_is_not_valid_is_told_once(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('[\n{"text": "a"},\n{"text" "b"},\n{"text": "c"}\n]\n')
    with pytest.raises(ConfigurationError) as caught:
        list(cases_from(path))
    assert caught.value.message == (
        f"{path}: begins as a JSON array and is not valid JSON (Expecting ':' delimiter, line 3): mend it, or write one"
        " JSON object a line"
    )


@pytest.mark.parametrize("written", ['{"text"\n{"text":\n{"text": "c"}\n', '[1]\n{"text":\n{"text": "c"}\n'])
def test_lines_that_are_not_valid_stay_lines(written, tmp_path):
    (tmp_path / "in.jsonl").write_text(written)
    cases: list[Any] = list(cases_from(tmp_path / "in.jsonl"))
    assert [case.problem is None for case in cases] == [False, False, True]
    assert [case.place.rpartition(", ")[2] for case in cases] == ["line 1", "line 2", "line 3"]


class Trickle(io.BytesIO):
    """A stream whose second line nobody writes before the first was answered."""

    def __init__(self, lines):
        super().__init__(b"".join(lines))
        self.may_read = 1

    def __next__(self):
        assert self.may_read > 0, "waits for a line that is not written"
        self.may_read -= 1
        return super().__next__()


def test_the_first_line_of_a_stream_is_not_held_back_for_the_second():
    stream = Trickle([b'{"text": "a"}\n', b'{"text": "b"}\n'])
    rows = Source(JsonTable("stdin", lambda: stream)).rows()
    assert next(rows).inputs == {"text": "a"}
    stream.may_read = 1
    assert next(rows).inputs == {"text": "b"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "written"), [("in.jsonl", '{"text": "a"}\n' * 3), ("in.json", '[{"text": "a"}]'), ("in.csv", "text\na\n")]
)
def test_utf_16_is_told_once_with_what_makes_utf_8_of_it(name, written, encoding, tmp_path):
    (tmp_path / name).write_text(written, encoding=encoding)
    with pytest.raises(ConfigurationError) as caught:
        list(cases_from(tmp_path / name))
    path = tmp_path / name
    assert caught.value.message == (
        f"{path}: UTF-16, as some Windows programs write: save it as UTF-8, such as with"
        f" iconv -f UTF-16 -t UTF-8 {path} > utf8{path.suffix}"
    )


@pytest.mark.parametrize(
    "written",
    ["text,\na,x\nb,\nc\n", ",text, \n1,a,\n2,b,\n3,c,\n", "text\na,\nb,,\nc,  \n", "text,,\na,x,y\nb\nc\n"],
)
def test_columns_without_a_name_and_commas_at_the_end_are_nobodys(written, tmp_path):
    (tmp_path / "in.csv").write_text(written)
    source: Any = cases_from(tmp_path / "in.csv")
    assert pairs(source) == [(None, {"text": "a"}), (None, {"text": "b"}), (None, {"text": "c"})]
    assert source.table.columns() == ["text"]


def test_a_cell_beyond_the_header_is_not_dropped_in_silence(tmp_path):
    (tmp_path / "in.csv").write_text("text\na,b\n")
    assert problems(cases_from(tmp_path / "in.csv")) == ["more cells than the header has columns (2 instead of 1)"]


def test_a_quote_that_never_closes_counts_what_it_swallows(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("n,text\n" + "".join(f'{n},"a"\n' for n in range(3)) + '3,"b\n4,c\n5,d\n')
    source: Any = cases_from(path)
    cases = list(source)
    assert [case.problem for case in cases] == [
        None,
        None,
        None,
        "not valid CSV (a quote is opened in line 5 and never closed)",
        "not valid CSV (swallowed by the quote that is opened in line 5)",
        "not valid CSV (swallowed by the quote that is opened in line 5)",
    ]
    assert [case.place for case in cases[3:]] == [f"{path}, line {line}" for line in (5, 6, 7)]
    assert source.count() == 6


def test_a_row_of_very_many_lines_is_remarked_on(tmp_path, caplog):
    rows = "".join(f"{n},a\n" for n in range(3, 250))
    (tmp_path / "in.csv").write_text(f'n,text\n1,a\n2,"a\n{rows}250,"\n251,b\n')
    assert len(list(cases_from(tmp_path / "in.csv"))) == 3
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/in.csv, line 3: a cell of 249 lines: is a quote before it left out?"
    ]


def test_a_wanted_column_with_a_blank_is_seen_to_be_another(tmp_path):
    (tmp_path / "in.csv").write_text("text ,te\u00a0xt,other\na,b,c\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        cases_from(tmp_path / "in.csv", mapping={"output": "zzz"})
    assert caught.value.message.endswith("there are 'text ', 'te\\xa0xt', 'other'")
    with pytest.raises(ConfigurationError, match=r"did you mean 'te\\xa0xt'"):
        cases_from(tmp_path / "in.csv", mapping={"output": "text"})


def test_of_many_columns_the_first_are_named(tmp_path):
    (tmp_path / "in.csv").write_text(",".join(f"c{n}" for n in range(1200)) + "\n")
    with pytest.raises(ConfigurationError) as caught:
        cases_from(tmp_path / "in.csv", mapping={"output": "zzz"})
    assert caught.value.message.endswith("'c18', 'c19' and 1,180 more")


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    assert pairs(cases_from("~/in.jsonl")) == [(None, {"text": "a"})]


@pytest.mark.parametrize("name", ["a\0b.csv", "x" * 5000 + ".csv", "~nobody-of-this-name/in.csv"], ids=ascii)
def test_a_path_that_is_none_is_refused(name):
    with pytest.raises(ConfigurationError):
        cases_from(name)


class Broken(io.BytesIO):
    def __next__(self):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_the_system_says_names_the_file():
    with pytest.raises(OSError, match="Input/output error") as caught:
        list(Source(JsonTable("in.jsonl", Broken, Path("in.jsonl"))))
    assert caught.value.filename == "in.jsonl"


def test_of_a_directory_one_file_that_cannot_be_read_is_one_invalid_case(tmp_path):
    (tmp_path / "a.json").write_text('{"text": "a"}')
    (tmp_path / "b.json").symlink_to(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"text": "c"}')
    source: Any = cases_from(tmp_path)
    assert problems(source) == [None, None]  # a link to itself is no file
    table = source.table
    (tmp_path / "c.json").unlink()
    assert [record.fault for record in table.records()] == [None]


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "written", [("in.csv", "text,note\nneedle,x\n"), ("in.jsonl", '{"text": "needle", "note": "x"}\n')]
)
async def test_columns_that_no_template_takes_are_left_out_and_keys_of_dicts_are_not(written, tmp_path):
    (tmp_path / written[0]).write_text(written[1])
    source = cases_from(tmp_path / written[0])
    async with client(backend()) as ev:
        report = await ev.gather(source, "contains", eval_config=NEEDLE)
        through = await ev.gather(cases_from(source, constants={"more": 1}), "contains", eval_config=NEEDLE)
        strict = await ev.gather(
            [{"text": "needle", "note": "x"}, Case({"text": "needle", "note": "x"})], "contains", eval_config=NEEDLE
        )
        also_strict = await ev.gather(cases_from([{"text": "needle", "note": "x"}]), "contains", eval_config=NEEDLE)
    assert [str(each.status) for each in (*report.outcomes, *through.outcomes)] == ["scored", "scored"]
    assert report.outcomes[0].to_dict()["inputs"] == {"text": "needle", "note": "x"}
    assert [str(each.status) for each in (*strict.outcomes, *also_strict.outcomes)] == ["invalid"] * 3


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "marked"])
@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("in.csv", 'id;text\n1;"a;b"\n2;1,5\n'),
        ("in.csv", "id\ttext\n1\ta;b\n2\t1,5\n"),
        ("in.csv", 'sep=;\nid;text\n1;"a;b"\n2;1,5\n'),
        ("in.csv", '"sep=;"\r\nid;text\r\n1;"a;b"\r\n2;1,5\r\n'),
        ("in.csv", 'id,"text"\n1,a;b\n2,"1,5"\n'),
        ("in.tsv", "id\ttext\n1\ta;b\n2\t1,5\n"),
    ],
)
def test_the_header_tells_what_separates_cells(name, written, mark, tmp_path):
    path = tmp_path / name
    path.write_text(mark + written, encoding="utf-8", newline="")
    source: Any = cases_from(path)
    assert pairs(source) == [("1", {"text": "a;b"}), ("2", {"text": "1,5"})]
    assert source.count() == 2
    lines = 3 if "sep=" in written else 2
    assert next(iter(source)).place == f"{path}, line {lines}"


def test_a_semicolon_within_quotes_or_beside_commas_separates_nothing(tmp_path):
    (tmp_path / "in.csv").write_text('"a;b"\nx;y\n')
    (tmp_path / "also.csv").write_text("a;b,c\nx;y,z\n")
    assert pairs(cases_from(tmp_path / "in.csv")) == [(None, {"a;b": "x;y"})]
    assert pairs(cases_from(tmp_path / "also.csv")) == [(None, {"a;b": "x;y", "c": "z"})]


def test_a_quote_that_never_closes_is_found_between_semicolons(tmp_path):
    (tmp_path / "in.csv").write_text('sep=;\nid;text\n1;a\n2;"b\n3;c\n')
    assert problems(cases_from(tmp_path / "in.csv"))[1:] == [
        "not valid CSV (a quote is opened in line 4 and never closed)",
        "not valid CSV (swallowed by the quote that is opened in line 4)",
    ]


def test_cases_are_told_by_their_source(tmp_path):
    (tmp_path / "in.csv").write_text("text\na\n")
    assert repr(cases_from(tmp_path / "in.csv")) == f"<cases of {tmp_path / 'in.csv'}>"


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("in.csv", "not str: a file's are cases_from('in.csv')"),
        (Path("in.csv"), "not PosixPath: a file's are cases_from('in.csv')"),
        ({"text": "a"}, "not dict: put it in a list, if it is one case"),
    ],
)
async def test_what_are_no_cases_says_what_would_be(cases, said):
    async with client(backend()) as ev:
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather(cases, "is_json")
    assert caught.value.message == f"cases must be an iterable of dicts or Cases, or a frame, {said}"


def test_a_stream_of_csv_is_told_once():
    stream = JsonTable("stdin", lambda: io.BytesIO(b"id,output text\n1,a\n2,b\n"))
    with pytest.raises(
        ConfigurationError, match=r"^stdin: begins as a CSV, and is read as JSON, an object a line: write"
    ):
        list(stream.records())
    noise = JsonTable("stdin", lambda: io.BytesIO(b"starting, please wait ...\n{}\n"))
    assert [record.fault for record in noise.records()] == ["not valid JSON", None]
