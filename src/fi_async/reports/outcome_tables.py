"""Outcomes as rows of tables: cells that a column of a frame, a CSV file or a database can hold."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fi_async._extras import need

_BEGIN_FORMULAS: Final = frozenset("=+-@")
_UNSEEN: Final = frozenset("\ufeff\u200b\u200c\u200d\u200e\u200f\u2060")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)

COLUMNS: Final[Mapping[str, type]] = {
    "index": int,
    "id": str,
    "template": str,
    "status": str,
    "score": float,
    "passed": bool,
    "output": str,
    "reason": str,
    "error": str,
    "backend": str,
    "model": str,
    "estimate": bool,
    "eval_id": str,
    "attempts": int,
    "latency_s": float,
    "tokens": int,
    "input_tokens": int,
    "cached_tokens": int,
    "output_tokens": int,
    "reasoning_tokens": int,
    "cost": float,
    "origin": str,
    "inputs": str,
}
"""The columns of a table of outcomes, and what their cells are where they are not missing."""


def text(value: Any) -> str | None:
    """Return a value as text: a string as it is, a list or a dict as its JSON; None for None.

    Half of a surrogate pair, which JSON can name and UTF-8 cannot, becomes what names it.
    """
    if value is None:
        return None
    written = _ENCODER.encode(value) if isinstance(value, dict | list | tuple | bool | int | float) else str(value)
    return written if written.isascii() else written.encode("utf-8", "backslashreplace").decode("utf-8")


def flat(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outcome's dict with a cell for each of COLUMNS: outputs as text, inputs as the text of their JSON."""
    return {name: text(outcome[name]) if kind is str else outcome[name] for name, kind in COLUMNS.items()}


def arrow_schema(arrow: Any) -> Any:
    """Return the columns as a schema of Arrow.

    Args:
        arrow: The module `pyarrow`.
    """
    kinds = {int: "int64", float: "float64", bool: "bool_", str: "string"}
    return arrow.schema([(name, getattr(arrow, kinds[kind])()) for name, kind in COLUMNS.items()])


def inert(cell: Any) -> Any:
    """Return a cell as a CSV file may hold it: text that a spreadsheet would run as a formula, after an apostrophe.

    Such text has `=`, `+`, `-` or `@`, in any width, at its beginning or behind blanks; or begins with a tab or a line
    break, which some spreadsheets drop. Numbers stay numbers.
    """
    if not isinstance(cell, str) or not cell:
        return cell
    first = next((letter for letter in cell if not (letter.isspace() or letter in _UNSEEN)), "")
    runs = unicodedata.normalize("NFKC", first) in _BEGIN_FORMULAS if first else False
    return f"'{cell}" if runs or cell[0] in "\t\r\n" else cell


def inert_table(table: str) -> str:
    """Return a CSV file's text with every cell as `inert` has it, the names of its columns too."""
    csv.field_size_limit(2**31 - 1)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        map(inert, row) for row in csv.reader(io.StringIO(table, newline=""))
    )
    return text.getvalue()


def to_pandas(outcomes: Sequence[Mapping[str, Any]]) -> Any:
    """Return a pandas frame of outcomes' dicts."""
    pandas = need("pandas", "pandas", "to_pandas()")
    # The columns of numpy have no missing number or verdict; those of pandas' own types have.
    kinds = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}
    return pandas.DataFrame(
        {
            name: pandas.array(cells, dtype=kinds[COLUMNS[name]]) if name in COLUMNS else cells
            for name, cells in _columns(outcomes).items()
        }
    )


def to_polars(outcomes: Sequence[Mapping[str, Any]]) -> Any:
    """Return a polars frame of outcomes' dicts."""
    polars = need("polars", "polars", "to_polars()")
    kinds = {int: polars.Int64, float: polars.Float64, bool: polars.Boolean, str: polars.String}
    return polars.DataFrame(
        [
            polars.Series(name, cells, dtype=kinds[COLUMNS[name]] if name in COLUMNS else None, strict=False)
            for name, cells in _columns(outcomes).items()
        ]
    )


def _columns(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the cells by column, a column for each input: `inputs.KEY`."""
    rows = [flat(outcome) for outcome in outcomes]
    columns = {name: [row[name] for row in rows] for name in COLUMNS if name != "inputs"}
    inputs = [outcome["inputs"] if isinstance(outcome["inputs"], Mapping) else {} for outcome in outcomes]
    for key in dict.fromkeys(key for given in inputs for key in given):
        columns[f"inputs.{key}"] = [_cell(given.get(key)) for given in inputs]
    return columns


def _cell(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else text(value)
