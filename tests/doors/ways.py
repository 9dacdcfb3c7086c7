"""The ways in and out: each makes a source of one value, or reads back what it wrote of the outcomes."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import sqlite3
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from fi_async import Case, Report, cases_from
from fi_async._values import as_text, shown
from fi_async.background import JsonlSink, Offer
from fi_async.background.spool import Spool
from fi_async.cli import input_rows, outputs
from fi_async.cli.options import RunFlags
from fi_async.journal.stored import StoredCases
from fi_async.journal.view import open_view
from fi_async.reports.outcome_tables import inert
from fi_async.sources.rows import Source

# In. Each returns the cases of a value, and the value as it stands there; a value that the way has no form for, as what
# is shown of it.

Made = tuple[Any, Any]


def a_dict(value: Any, name: str, directory: Path) -> Made:
    return [{"text": value}], value


def a_case(value: Any, name: str, directory: Path) -> Made:
    return [Case({"text": value}, id=name)], value


def items(value: Any, name: str, directory: Path) -> Made:
    return cases_from([{"id": name, "text": value}]), value


def jsonl(value: Any, name: str, directory: Path) -> Made:
    path = directory / "in.jsonl"
    path.write_text(json.dumps({"id": name, "text": shown(value)}) + "\n")
    return cases_from(path), shown(value)


def array(value: Any, name: str, directory: Path) -> Made:
    path = directory / "in.json"
    path.write_text(json.dumps([{"id": name, "text": shown(value)}], indent=1, ensure_ascii=False), encoding="utf-8")
    return cases_from(path), shown(value)


def folder(value: Any, name: str, directory: Path) -> Made:
    inside = directory / "in"
    inside.mkdir(exist_ok=True)
    (inside / "a.json").write_text(json.dumps({"id": name, "text": shown(value)}))
    return cases_from(inside), shown(value)


def comma_separated(value: Any, name: str, directory: Path) -> Made:
    path, text = directory / "in.csv", as_text(shown(value)) or ""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text", ""], [name, text, ""]])
    return cases_from(path), text


def stdin(value: Any, name: str, directory: Path) -> Made:
    raw = json.dumps({"id": name, "text": shown(value)}).encode()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(raw))
    try:
        return list(input_rows.source_of(input_rows.STDIN, RunFlags(evals=["contains"]), {}, {})), shown(value)
    finally:
        sys.stdin = before


def table_of(value: Any, name: str) -> tuple[pa.Table, Any]:
    if isinstance(value, set):
        value = list(value)  # as Arrow has it
    # A list within itself ends the interpreter in Arrow, by endless recursion.
    for each in (value, shown(value)) if name != "list within itself" else (shown(value),):
        try:
            return pa.table({"id": [name], "text": pa.array([each])}), each
        except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError, RuntimeError):
            continue
    raise AssertionError(name)


def arrow(value: Any, name: str, directory: Path) -> Made:
    return table_of(value, name)


def parquet_file(value: Any, name: str, directory: Path) -> Made:
    table, held = table_of(value, name)
    path = directory / "in.parquet"
    try:
        parquet.write_table(table, path)
    except (pa.ArrowException, ValueError):  # spans, and structs without members
        table, held = table_of(shown(value), name)
        parquet.write_table(table, path)
    return cases_from(path), held


def pandas_read(value: Any, name: str, directory: Path) -> Made:
    _, held = parquet_file(value, name, directory)
    if name == "pandas array":
        held = [1.0, None]  # whole numbers with one missing are floats in pandas
    return pd.read_parquet(directory / "in.parquet"), held


def pandas(value: Any, name: str, directory: Path) -> Made:
    return pd.DataFrame({"id": [name], "text": pd.Series([value], dtype=object)}), value


_NOT_FOR_POLARS = ("list within itself", "number of many digits")  # it shows them, and raises where nobody listens


def polars(value: Any, name: str, directory: Path) -> Made:
    try:
        if isinstance(value, str | int | float | list | dict | bytes) and name not in _NOT_FOR_POLARS:
            return pl.DataFrame({"id": [name], "text": [value]}), value
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError, RecursionError, RuntimeError):
        pass
    return pl.DataFrame({"id": [name], "text": pl.Series([value], dtype=pl.Object)}), value


def hugging_face(value: Any, name: str, directory: Path) -> Made:
    import datasets

    for each in (value, shown(value)):
        table, held = table_of(each, name)
        try:
            # Named by us: to hash a table means to pickle it, which not every version of Arrow's tables can be.
            return datasets.Dataset(table, fingerprint=f"of {name}"), held
        except (pa.ArrowException, ValueError):  # of Arrow's types it has not all
            continue
    raise AssertionError(name)


@dataclass(frozen=True)
class Way:
    """A way in.

    Attributes:
        make: Returns the cases of a value.
        names: True if the case has the value's name as its id.
        keeps: True if the id's column is among what is shown of the row.
        drops: True if what is missing leaves its key out.
    """

    make: Callable[[Any, str, Path], Made]
    names: bool = True
    keeps: bool = True
    drops: bool = False


WAYS_IN = {
    "dict": Way(a_dict, names=False, keeps=False),
    "Case": Way(a_case, keeps=False),
    "iterable": Way(items),
    "JSONL": Way(jsonl),
    "JSON": Way(array),
    "directory": Way(folder),
    "CSV": Way(comma_separated),
    "stdin": Way(stdin),
    "Parquet": Way(parquet_file, drops=True),
    "pandas": Way(pandas, drops=True),
    "pandas of Parquet": Way(pandas_read, drops=True),
    "polars": Way(polars, drops=True),
    "Arrow": Way(arrow, drops=True),
    "Hugging Face": Way(hugging_face, drops=True),
}


# Out. Each writes the outcomes of a run, and returns what a reader finds: the inputs and the id of each.

Found = list[tuple[Any, str | None]]


def outcome(report: Report, directory: Path) -> Found:
    return [(each["inputs"], each["id"]) for each in report.to_dicts()]


def _loaded(cell: str | None) -> Any:
    return json.loads(cell) if cell else None  # none of a row that cannot be read


def _written(report: Report, path: Path) -> Path:
    with outputs.OutputFile(path) as sink:
        for each in report.outcomes:
            sink.write(each)
    return path


def jsonl_out(report: Report, directory: Path) -> Found:
    lines = _written(report, directory / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [(each["inputs"], each["id"]) for each in map(json.loads, lines)]


def csv_out(report: Report, directory: Path) -> Found:
    with _written(report, directory / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [outcome.case.id for outcome in report.outcomes]
    assert [row["id"] for row in rows] == ["" if each is None else inert(each) for each in ids]
    return [(_loaded(row["inputs"]), each) for row, each in zip(rows, ids, strict=True)]


def parquet_out(report: Report, directory: Path) -> Found:
    rows = parquet.read_table(_written(report, directory / "out.parquet")).to_pylist()
    return [(_loaded(row["inputs"]), row["id"]) for row in rows]


def sqlite_out(report: Report, directory: Path) -> Found:
    with closing(sqlite3.connect(_written(report, directory / "out.db"))) as database:
        rows = database.execute("SELECT inputs, id FROM outcomes ORDER BY rowid").fetchall()
    return [(_loaded(inputs), case_id) for inputs, case_id in rows]


def html_out(report: Report, directory: Path) -> Found:
    report.to_html(directory / "out.html")
    page = (directory / "out.html").read_text(encoding="utf-8")

    def lines(part: str) -> Mapping[int, Any]:
        packed = re.search(rf'id="{part}"[^>]*>([^<]*)<', page)
        assert packed is not None
        raw = zlib.decompress(base64.b64decode(packed[1])).decode()
        return dict(map(json.loads, raw.splitlines()))

    inputs, ids = lines("inputs"), lines("ids")
    return [(inputs[each.index], ids.get(each.index)) for each in report.outcomes]


def offers_of(report: Report) -> list[Offer]:
    return [Offer(each.case.inputs, each.case.id, f"{n:04}") for n, each in enumerate(report.outcomes)]


def spool_out(report: Report, directory: Path) -> Found:
    """What a restart finds of offered cases. What has no form is left out, so that it stays invalid."""
    with closing(Spool(directory / "spool.db")) as spool:
        spool.write(offers_of(report), [])
    with closing(Spool(directory / "spool.db")) as spool:
        return [(offer.inputs, offer.id) for offer in spool.page("", 1000)]


def sink_out(report: Report, directory: Path) -> Found:
    sink = JsonlSink(directory / "sink.jsonl", inputs=True)
    sink.open()
    sink.write([replace(one, case=offer) for one, offer in zip(report.outcomes, offers_of(report), strict=True)])
    sink.close()
    lines = (directory / "sink.jsonl").read_text().splitlines()
    return [(each["inputs"], each["case_id"]) for each in map(json.loads, lines)]


def journal(report: Report, directory: Path) -> Found:
    """What the file of a run tells, and what its cases are when the run is gone on with without its input."""
    with open_view(directory / "run.db") as view:
        told = [record.outcome.case for record in view.records()]
    again = list(Source(StoredCases(directory / "run.db")))
    for case, stored in zip(told, again, strict=True):
        assert stored.problem is not None or (stored.inputs, stored.id) == (case.inputs, case.id)
    return [(case.inputs, case.id) for case in told]


OF_ROWS: Mapping[str, Callable[[Report, Path], Found]] = {
    "outcome": outcome,
    "JSONL": jsonl_out,
    "CSV": csv_out,
    "Parquet": parquet_out,
    "SQLite": sqlite_out,
}
"""What they show are the rows as their table has them."""

OF_CASES: Mapping[str, Callable[[Report, Path], Found]] = {
    "HTML": html_out,
    "journal": journal,
    "spool": spool_out,
    "background sink": sink_out,
}
"""What they show are the inputs of cases."""
