"""Cases from files, frames, datasets and iterables: one mechanism for programs and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs
from fi_async.cases.files import Csv, JsonFiles, Jsonl
from fi_async.cases.rows import Shape, Source, Table
from fi_async.cases.tables import Items, Parquet, in_memory


def cases_from(
    source: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    constants: Inputs | None = None,
    id_column: str | None = "id",
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Iterable[Case]:
    """Return the cases of a file, a frame, a dataset or any iterable, read as they are iterated over.

    A row that cannot be read is a case too: in a run it ends as invalid, with its file and line.

    Args:
        source: The path of a .jsonl, .ndjson, .csv or .parquet file, or of a directory of .json files; a frame of
            pandas, polars or any library that narwhals knows; a Hugging Face dataset; an iterable of dicts or Cases.
        mapping: The column that each key is taken from, where its name is another: `{"output": "answer"}`.
        constants: Keys that every case has, with their values; they come before a column of that name.
        id_column: The column that holds the case's id; it is no input. None: there is none.
        limit: Read so many rows, and no more.
        sample: Take so many of these, drawn at random, in their order. All are read before the first comes, and no
            more than the sample is held.
        seed: Of that draw: the same seed draws the same rows.

    Raises:
        ConfigurationError: There is no such file or column, the format is not known, or a library is missing; the
            message names the extra to install.

    Example:
        >>> rows = [{"answer": "[1]", "n": 1}, {"answer": "[1", "n": 2}]
        >>> [case.inputs for case in cases_from(rows, mapping={"text": "answer"}, id_column="n")]
        [{'text': '[1]'}, {'text': '[1'}]
    """
    table = table_of(source)
    shape = Shape(mapping or {}, constants or {}, id_column, limit, sample, seed)
    _check(shape, table)
    return Source(table, shape)


def table_of(source: Any) -> Table:
    """Return the table that `cases_from` reads.

    Raises:
        ConfigurationError: As there.
    """
    if isinstance(source, str | PathLike):
        return file(fspath(source))
    if (table := in_memory(source)) is not None:
        return table
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        what = "one dict" if isinstance(source, Mapping) else type(source).__name__
        raise ConfigurationError(f"cases come from a path, a frame, a dataset or an iterable of dicts, not from {what}")
    return Items(source)


def file(name: str) -> Table:
    """Return the table in a file, by its extension, or in a directory of .json files.

    Raises:
        ConfigurationError: There is no such file, or its extension is not known.
    """
    path = Path(name)
    if path.is_dir():
        if next(path.glob("*.json"), None) is None:
            raise ConfigurationError(f"{name}: a directory without .json files")
        return JsonFiles(name, path)
    if not path.exists():
        raise ConfigurationError(f"{name}: no such file")
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return Jsonl(name, lambda: path.open("rb"), path)
        case ".csv":
            return Csv(name, path)
        case ".parquet":
            return Parquet(name, path)
        case suffix:
            hint = f" (jq -c '.[]' {name} makes one of a JSON array)" if suffix == ".json" else ""
            raise ConfigurationError(
                f"{name}: give a .csv or .parquet file, a .jsonl file with one JSON object a line{hint}, or a directory"
                " of .json files"
            )


def _check(shape: Shape, table: Table) -> None:
    wanted = shape.wanted()
    columns = (table.columns() if wanted else None) or []
    for key, column in wanted.items():
        if columns and column not in columns:
            keyword = f"id_column={column!r}" if key is None else f"mapping={{{key!r}: {column!r}}}"
            raise ConfigurationError(f"{keyword}: {table.name} has no column {column!r}{instead(column, columns)}")


def instead(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not among those known."""
    options = list(dict.fromkeys(known))
    similar = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {similar[0]}?" if similar else f"; there are {', '.join(options)}"
