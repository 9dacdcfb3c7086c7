"""Cases from files, frames, datasets and iterables: one mechanism for programs and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs
from fi_async._public import public
from fi_async.sources.csv_files import CsvTable
from fi_async.sources.files import JsonFiles, JsonTable, explained, json_files
from fi_async.sources.rows import Shape, Source, Table
from fi_async.sources.tables import Items, ParquetTable, in_memory
from fi_async.sources.workbooks import WORKBOOKS, WorkbookTable

_LISTED: Final = 20  # names that a message has room for


@public
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
        source: The path of a .jsonl, .ndjson, .json, .csv or .parquet file, of a workbook (.xlsx, .xls, .ods: its first
            sheet), or of a directory of .json files; a frame of pandas, polars, Arrow, Modin or cuDF; a Hugging Face
            dataset; an iterable of dicts or Cases. Columns of files, frames and datasets that no template takes are
            left out of what is sent; keys of dicts are not.
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
    found = Source(table_of(source), Shape(mapping or {}, constants or {}, id_column, limit, sample, seed))
    if found.shape.wanted():
        check_columns(found, _as_keyword)
    return found


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
    try:
        path = Path(name).expanduser()
        is_there = bool(name) and path.exists()  # Path("") is the directory we are in
    except (OSError, ValueError, RuntimeError) as error:  # too long; with a NUL; ~ of nobody
        said = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{name!r}: cannot be read ({said})") from error
    if not is_there:
        raise ConfigurationError(f"{name or repr(name)}: no such file")
    if path.is_dir():
        with explained(name):
            has_files = bool(json_files(path))
        if not has_files:
            raise ConfigurationError(f"{name}: a directory without .json files: name a .jsonl, .csv or .parquet file")
        return JsonFiles(name, path)
    match path.suffix.lower():
        case ".jsonl" | ".ndjson" | ".json":
            return JsonTable(name, lambda: path.open("rb"), path)
        case ".csv" | ".tsv":
            return CsvTable(name, path)
        case ".parquet":
            return ParquetTable(name, path)
        case suffix if suffix in WORKBOOKS:
            return WorkbookTable(name, path)
        case _:
            raise ConfigurationError(
                f"{name}: give a .csv, .xlsx or .parquet file, a .jsonl file with one JSON object a line, a .json file"
                " with an array of them, or a directory of .json files"
            )


def check_columns(source: Source, spelled: Callable[[str | None, str], str]) -> list[str] | None:
    """Return the columns of a table, as far as they are known; those that are asked for are there.

    Args:
        source: The table, and what is asked for.
        spelled: Returns how a key's column was asked for; that of the id has the key None.

    Raises:
        ConfigurationError: One is not there; the message names one like it, or all.
    """
    table, columns = source.table, source.table.columns()
    if columns is None:
        return None
    for key, column in source.shape.wanted().items():
        if column not in columns and (table.has_header or not _is_further_down(table, column)):
            hint = f"; did you mean {spelled(column, key)}?" if key in columns else _instead(column, columns)
            raise ConfigurationError(f"{spelled(key, column)}: {table.name} has no column {column!r}{hint}")
    return columns


def listed(names: Iterable[object]) -> str:
    """Return names as messages list them: quoted, so that blanks are seen; of many, the first."""
    quoted = [repr(str(name)) for name in names]
    more = f" and {len(quoted) - _LISTED:,} more" if len(quoted) > _LISTED else ""
    return ", ".join(quoted[:_LISTED]) + more


def _instead(name: str, known: Iterable[str]) -> str:
    options = list(known)
    similar = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {similar[0]!r}?" if similar else f"; there are {listed(options) or 'none'}"


def _is_further_down(table: Table, column: str) -> bool:
    """Read on for a column that the first rows do not have."""
    return any(column in record.values for record in table.records() if record.values is not None)


def _as_keyword(key: str | None, column: str) -> str:
    return f"id_column={column!r}" if key is None else f"mapping={{{key!r}: {column!r}}}"
