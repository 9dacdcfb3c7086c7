"""What the API says of datasets: how far they are made, what evaluates them, and pages of their rows.

Nothing is taken for granted: a reply without what it should have is a ProtocolError, and a status that nobody knows is
one that has not ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fi_async._errors import NotFoundError, QuotaExhaustedError, RateLimitError, ValidationError
from fi_async.wire import responses
from fi_async.wire.responses import Reply, objects_of, unreadable

T = TypeVar("T")

_UNKNOWN: Final = re.compile(r"\bdatasets?\b.*\bnot found\b|\bno dataset matches\b", re.IGNORECASE)
_TAKEN: Final = re.compile(r"\b(unique|already exists?)\b", re.IGNORECASE)
_PLAN_IS_FULL: Final = re.compile(r"\blimit (is )?reached\b|\b(row|dataset)s? limit\b", re.IGNORECASE)
_ENDED: Final = frozenset({"completed", "error", "failed", "cancelled"})
_UNSTARTED: Final = frozenset({"inactive"})
_GREATEST: Final = 10**9


@dataclass(frozen=True, slots=True)
class Making:
    """How far the rows of a dataset's file are made.

    Attributes:
        filename: As the file was called that they are made of.
        error: Why they are not made; None if nothing is wrong.
    """

    word: str
    is_done: bool
    filename: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ListedDataset:
    """A dataset, as the list of names has it; `rows` is None where it does not say."""

    id: str
    name: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class ListedEvaluation:
    """An evaluation of a dataset.

    Attributes:
        template: The template's name.
        status: In the platform's words: Inactive, NotStarted, Running, Completed or Error.
        updated_at: When it last changed, as the server writes it.
        mapping: The id of the column that each key of the template is taken from.
    """

    id: str
    name: str
    template: str
    status: str
    updated_at: str = ""
    model: str | None = None
    mapping: Mapping[str, str] | None = None

    @property
    def is_started(self) -> bool:
        """False until it is started for the first time."""
        return self.status.lower() not in _UNSTARTED

    @property
    def is_done(self) -> bool:
        """True once nothing will change any more, unless it is started again. A status nobody knows has not ended."""
        return self.status.lower() in _ENDED


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column; `source_id` is the evaluation that fills it, if one does."""

    id: str
    name: str
    origin: str = ""
    source_id: str | None = None

    @property
    def is_given(self) -> bool:
        """True for a column of the rows that were uploaded."""
        return self.source_id is None and "evaluation" not in self.origin


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A row; its cells by the id of the column, as the server has them."""

    id: str
    order: int
    cells: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TablePage:
    """A page of a dataset's rows, and how many rows and pages there are."""

    name: str
    total_rows: int
    total_pages: int
    columns: tuple[DatasetColumn, ...]
    rows: tuple[DatasetRow, ...]
    reply: Reply


def of_dataset(read: Callable[[Reply], T], dataset_id: str) -> Callable[[Reply], T]:
    """Return a reader that raises NotFoundError where the server knows no such dataset: it says so in several ways."""

    def reading(reply: Reply) -> T:
        try:
            return read(reply)
        except (NotFoundError, ValidationError) as error:
            words = error.server_message or ""
            if not _UNKNOWN.search(words):
                raise
            raise NotFoundError(
                f"there is no dataset with the id {dataset_id}, or it is another organisation's",
                status=error.status,
                request_id=error.request_id,
                server_message=words,
                code=error.code,
                dataset_id=dataset_id,
            ) from None

    return reading


def within_plan(read: Callable[[Reply], T]) -> Callable[[Reply], T]:
    """Return a reader that raises QuotaExhaustedError where the plan takes no more datasets or rows.

    The server says so with the status of a rate limit, which would be waited out, and no wait mends it.
    """

    def reading(reply: Reply) -> T:
        try:
            return read(reply)
        except RateLimitError as error:
            words = error.server_message or ""
            if not _PLAN_IS_FULL.search(words):
                raise
            facts = {"status": error.status, "request_id": error.request_id, "server_message": words}
            raise QuotaExhaustedError(f"the plan takes no more: {words}", code=error.code, **facts) from None

    return reading


def is_taken(error: ValidationError) -> bool:
    """Tell whether a refusal says that there is something of this name already."""
    return bool(_TAKEN.search(error.server_message or ""))


def created(reply: Reply) -> str:
    """Return the id of the dataset that is made.

    Raises:
        ProtocolError: The reply names none; what was asked may have been done.
        APIStatusError: The server refused it.
    """
    result = _object(reply)
    found = _text(result.get("dataset_id", result.get("datasetId")))
    if found is None:
        raise unreadable(reply, "makes a dataset without naming its dataset_id", lost=True)
    return found


def making(reply: Reply) -> Making:
    """Return how far the rows of a dataset's file are made."""
    result = _object(reply)
    word = _text(result.get("processing_status", result.get("processingStatus"))) or ""
    filename = _text(result.get("original_filename", result.get("originalFilename")))
    error = result.get("error_message", result.get("errorMessage"))
    if word.lower() == "failed" or result.get("is_failed") is True:
        return Making("failed", is_done=False, filename=filename, error=str(error or "no reason given"))
    if not word:
        raise unreadable(reply, "does not say how far the dataset is made")
    return Making(word, is_done=word.lower() == "completed", filename=filename)


def named(reply: Reply) -> list[ListedDataset]:
    """Return the datasets that the reply lists."""
    result = _object(reply)
    listed = result.get("datasets")
    if not isinstance(listed, list):
        raise unreadable(reply, "does not list datasets")
    found = []
    for each in objects_of(listed):
        identity, name = _text(each.get("dataset_id", each.get("datasetId"))), each.get("name")
        if identity is None or not isinstance(name, str):
            raise unreadable(reply, "lists a dataset without its id or its name")
        found.append(ListedDataset(identity, name, _whole(each.get("row_count", each.get("rowCount")))))
    return found


def evaluations(reply: Reply) -> list[ListedEvaluation]:
    """Return the evaluations that the reply lists."""
    listed = _object(reply).get("evals")
    if not isinstance(listed, list):
        raise unreadable(reply, "does not list evaluations")
    found = []
    for each in objects_of(listed):
        identity, name, status = _text(each.get("id")), each.get("name"), each.get("status")
        if identity is None or not isinstance(name, str) or not isinstance(status, str):
            raise unreadable(reply, "lists an evaluation without its id, its name or its status")
        mapping = each.get("mapping")
        found.append(
            ListedEvaluation(
                identity,
                name,
                _text(each.get("template_name")) or _text(each.get("eval_template_name")) or "",
                status,
                _text(each.get("updated_at")) or "",
                _text(each.get("model")),
                {str(key): str(value) for key, value in mapping.items()} if isinstance(mapping, dict) else None,
            )
        )
    return found


def done(reply: Reply) -> str:
    """Return the words of a reply that says nothing else than that it is done."""
    said = responses.read(reply)
    return said if isinstance(said, str) else ""


def table(reply: Reply) -> TablePage:
    """Return a page of rows.

    Raises:
        ProtocolError: It is none, or a part of it is missing or of another type.
        APIStatusError: The server refused it.
    """
    result = _object(reply)
    metadata, columns, rows = result.get("metadata"), result.get("column_config"), result.get("table")
    if not isinstance(metadata, dict) or not isinstance(columns, list) or not isinstance(rows, list):
        raise unreadable(reply, "is no page of a dataset: it lacks metadata, column_config or table")
    total_rows, total_pages = _whole(metadata.get("total_rows")), _whole(metadata.get("total_pages"))
    if total_rows is None or total_pages is None:
        raise unreadable(reply, "does not say how many rows and pages there are")
    return TablePage(
        _text(metadata.get("dataset_name")) or "",
        total_rows,
        total_pages,
        tuple(_column(reply, each) for each in columns if isinstance(each, dict)),
        tuple(_row(reply, each) for each in rows),
        reply,
    )


def csv_text(reply: Reply) -> str:
    """Return the text of a CSV file.

    Raises:
        ProtocolError: Something else came in its place.
        APIStatusError: The server refused it.
    """
    if reply.status != 200 or "csv" not in reply.headers.get("content-type", ""):
        responses.read(reply)
        raise unreadable(reply, "is no CSV file")
    try:
        return reply.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(reply, "is no CSV file in UTF-8", lost=True) from None


def cells_scored(reply: Reply) -> Mapping[str, int]:
    """Return how many cells of each evaluation have a verdict, by its id; what cannot be read is left out."""
    result = responses.read(reply)
    found = {}
    for group in objects_of(result):
        for each in objects_of(group.get("result")):
            identity, count = _text(each.get("id")), _whole(each.get("total_cells", each.get("totalCells")))
            if identity is not None and count is not None:
                found[identity] = count
    return found


def _column(reply: Reply, record: Mapping[str, Any]) -> DatasetColumn:
    identity, name = _text(record.get("id")), record.get("name")
    if identity is None or not isinstance(name, str):
        raise unreadable(reply, "has a column without its id or its name")
    return DatasetColumn(identity, name, _text(record.get("origin_type")) or "", _text(record.get("source_id")))


def _row(reply: Reply, record: Any) -> DatasetRow:
    fields = record if isinstance(record, dict) else {}
    identity, order = _text(fields.get("row_id")), _whole(fields.get("order"))
    if identity is None or order is None:
        raise unreadable(reply, "has a row without its row_id or its order")
    return DatasetRow(identity, order, {key: value for key, value in fields.items() if key not in ("row_id", "order")})


def _object(reply: Reply) -> Mapping[str, Any]:
    result = responses.read(reply)
    if not isinstance(result, dict):
        raise unreadable(reply, "has a result that is no object")
    return result


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _GREATEST else None
