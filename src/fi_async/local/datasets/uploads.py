"""Files that datasets are made from: the parts of a form, and the rows of its file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from fi_async.local.asgi import Request
from fi_async.local.datasets.stored import StoredColumn, StoredRow
from fi_async.local.envelopes import Refused, bad_request

MOST_BYTES: Final = 25 * 2**20
"""The longest file that the platform takes: 25 MiB."""

_LONGEST_CELL: Final = 131_072  # characters: the limit of the platform's reader
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_NAME: Final = re.compile(rb'[; ]name="([^"]*)"')
_FILENAME: Final = re.compile(rb'filename="([^"]*)"')


class Form(NamedTuple):
    """A form: its fields as text, and its file."""

    fields: Mapping[str, str]
    filename: str
    content: bytes


def read_form(request: Request) -> Form:
    """Return the form of a request.

    Raises:
        Refused: It has no file, or one that is too long.
    """
    boundary = _BOUNDARY.search(request.headers.get("content-type", ""))
    fields: dict[str, str] = {}
    filename, content = "", None
    for part in [] if boundary is None else request.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        value = value.removesuffix(b"\r\n")
        name, file = _NAME.search(head), _FILENAME.search(head)
        if file is not None:
            filename, content = file[1].decode(), value
        elif name is not None:
            fields[name[1].decode()] = value.decode()
    if content is None:
        raise Refused(bad_request("No file uploaded"))
    if len(content) > MOST_BYTES:
        raise Refused(bad_request("File size exceeds the maximum limit of 25 MB."))
    return Form(fields, filename, content)


def read_file(form: Form) -> tuple[list[StoredColumn], list[StoredRow]]:
    """Return the columns and rows of a form's file. Cells lose white space at their ends; blank ones become None.

    Raises:
        Refused: It cannot be read, or holds no rows.
    """
    kind = form.filename.lower().rpartition(".")[2]
    try:
        match kind:
            case "csv":
                names, rows = _of_csv(form.content)
            case "json" | "jsonl":
                names, rows = _of_json(form.content, lines=kind == "jsonl")
            case "xlsx" | "xls":
                names, rows = _of_workbook(form.content)
            case _:
                raise Refused(bad_request("Unsupported file format"))
    except (ValueError, csv.Error) as error:
        raise Refused(bad_request(f"Invalid {kind.upper()} format: {error}")) from error
    if not names or not rows:
        raise Refused(bad_request("The file contains no data"))
    columns = [StoredColumn(name.strip()) for name in names]
    stored = [
        StoredRow({column.id: _cell(row.get(name)) for column, name in zip(columns, names, strict=True)})
        for row in rows
    ]
    return columns, stored


def _of_csv(content: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    csv.field_size_limit(MOST_BYTES)
    lines = list(csv.reader(io.StringIO(content.decode(), newline="")))
    names, *rows = lines or [[]]
    if any(len(row) != len(names) or max(map(len, row)) > _LONGEST_CELL for row in rows):
        raise ValueError("rows have inconsistent column counts")
    return names, [dict(zip(names, row, strict=True)) for row in rows]


def _of_json(content: bytes, *, lines: bool) -> tuple[list[str], list[dict[str, Any]]]:
    text = content.decode()
    rows = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of objects")
    return list(dict.fromkeys(name for row in rows for name in row)), rows


def _of_workbook(content: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns and rows of the first sheet."""
    try:
        calamine = import_module("python_calamine")
    except ImportError:
        raise ValueError("reading a workbook needs python_calamine: pip install 'fi-async[excel]'") from None
    try:
        sheet = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        names, *rows = [list(map(_shown, row)) for row in sheet.to_python()] or [[]]
    except calamine.CalamineError as error:
        raise ValueError(str(error)) from error
    return names, [dict(zip(names, row, strict=True)) for row in rows if any(row)]


def _shown(cell: Any) -> str:
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value)).strip() or None
