"""Datasets: where a client's datasets are made, found and listed."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Unpack
from uuid import UUID

from fi_async._errors import ConfigurationError, DatasetError, NotFoundError, instead
from fi_async._public import public
from fi_async._settings import RunKeywords, RunOptions, not_picklable
from fi_async.datasets.dataset import Dataset, add_parts
from fi_async.datasets.dataset_calls import DatasetCalls
from fi_async.datasets.row_outcomes import cells_of, in_places
from fi_async.datasets.upload_rows import UploadRows
from fi_async.engine.dataset_steps import created
from fi_async.engine.session import Session
from fi_async.wire import dataset_replies as replies
from fi_async.wire import dataset_requests as requests

_log: Final = logging.getLogger("fi_async")

_LONGEST_NAME: Final = 255  # characters
_LONGEST_SLUG: Final = 40
_PLAIN: Final = re.compile(r"[^A-Za-z0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@public
@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A dataset, as the list has it.

    Attributes:
        rows: How many it has; None where the platform does not say.
    """

    id: str
    name: str
    rows: int | None


@public
class Datasets:
    """The datasets of a key pair: what `ev.datasets` is."""

    def __init__(self, session: Session, options: RunOptions) -> None:
        if not session.backends.has_platform:
            raise ConfigurationError('datasets are on the platform: add "cloud" to backends')
        self._session = session
        self._options = options

    def __repr__(self) -> str:
        return f"<Datasets of {self._session.connection.base_url}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    async def create(
        self,
        cases: Any,
        *,
        name: str,
        model_type: str = "GenerativeLLM",
        resume: bool = False,
        **options: Unpack[RunKeywords],
    ) -> Dataset:
        """Make a dataset of rows, and return it once the platform has them all.

        Up to 24 MiB go up as one file, and further rows in parts. An answer that is lost makes no second dataset and no
        second row: the platform is asked what became of the request before it is sent again.

        Args:
            cases: The path of a .jsonl, .json, .csv, .xlsx, .xls or .parquet file; a frame or a dataset of a library;
                dicts or Cases: a list, a generator, an async iterator. All columns go up; values richer than text as
                JSON.
            name: The dataset's name, new on the platform.
            model_type: What the platform files it under.
            resume: Go on with the dataset of this name whose upload was cut off: rows that are there are compared with
                those of the source, and the others added. Without one of this name, it is made.
            **options: The keywords that shape a run: see RunOptions. `timeout=60` gives the platform 60 seconds to make
                the rows.

        Raises:
            DatasetError: There is one of this name, the platform could not make it, or it has other rows.
            InvalidCaseError: A row cannot be read, or a cell cannot be stored; the message says where.
            ConfigurationError: The name or a column is wrong, there are no rows, or no such file.
            StalledError: The platform does not make the rows in time; `dataset_id` names the dataset.
            QuotaExhaustedError: The plan takes no more datasets or rows.
            APIError, AmbiguousError: It could not be made, or nobody knows.
        """
        _check_name(name)
        calls = DatasetCalls(self._session, self._options.with_given(**options))
        rows = UploadRows(cases)
        if resume:
            there = await self._named(calls, name)
            if there is not None:
                await self._gone_on_with(calls, there, rows)
                return self._dataset(there, name, rows)
        content, first = await rows.first()
        filename = f"{_PLAIN.sub('-', name)[:_LONGEST_SLUG].strip('-') or 'rows'}-{secrets.token_hex(8)}.csv"
        identity = await calls.one(lambda context: created(name, model_type, filename, content, context))
        await calls.until_made(identity)
        page = await calls.head(identity)
        if page.total_rows != len(first):
            raise DatasetError(
                f"the platform made {page.total_rows:,} rows of the {len(first):,} that were sent", dataset_id=identity
            )
        if missing := set(rows.columns).difference(column.name for column in page.columns):
            raise DatasetError(
                f"the platform made no column {min(missing)!r}: it took the file apart otherwise", dataset_id=identity
            )
        await add_parts(calls, identity, rows, len(first))
        return self._dataset(identity, name, rows)

    async def get(self, name: str | None = None, *, id: str | None = None) -> Dataset:  # noqa: A002  # as of Execution
        """Return a dataset by its name, or by its id.

        Args:
            name: Its name, exactly.
            id: Its id, in place of the name.

        Raises:
            NotFoundError: There is none of this name or id.
            DatasetError: Several have the name; the message has their ids.
            APIError: The server could not be asked.
        """
        calls = DatasetCalls(self._session, self._options)
        if (name is None) is (id is None):
            raise ConfigurationError("get a dataset by its name, or by id=: one of the two")
        if id is not None:
            _check_id(id)
            return Dataset(self._session, self._options, id, (await calls.head(id)).name)
        assert name is not None  # noqa: S101  # one of the two is given
        found = await self._named(calls, name)
        if found is None:
            listed = await calls.fetch(requests.names(), replies.named)
            raise NotFoundError(f"there is no dataset named {name!r}{instead(name, [each.name for each in listed])}")
        return Dataset(self._session, self._options, found, name)

    async def list(self, search: str = "") -> list[DatasetInfo]:
        """Return the datasets, those whose names contain a text or all.

        Args:
            search: The text, without regard to case.

        Raises:
            APIError: The server could not be asked.
        """
        calls = DatasetCalls(self._session, self._options)
        listed = await calls.fetch(requests.names(search), replies.named)
        return [DatasetInfo(each.id, each.name, each.rows) for each in listed]

    async def delete(self, name: str | None = None, *, id: str | None = None) -> None:  # noqa: A002  # as of get
        """Delete a dataset, with its rows and evaluations.

        Args:
            name: Its name, exactly.
            id: Its id, in place of the name.

        Raises:
            NotFoundError: There is none.
            DatasetError: Several have the name.
            APIError, AmbiguousError: It could not be deleted, or nobody knows.
        """
        await (await self.get(name, id=id)).delete()

    def _dataset(self, identity: str, name: str, rows: UploadRows) -> Dataset:
        remarks = []
        if rows.stripped:
            remarks.append(
                f"{rows.stripped:,} cells begin or end in white space, which the platform cuts off: their verdicts are"
                " of the rest"
            )
            _log.warning("dataset %s: %s", identity, remarks[0])
        return Dataset(self._session, self._options, identity, name, remarks)

    async def _named(self, calls: DatasetCalls, name: str) -> str | None:
        """Return the id of the dataset of this name; None if there is none."""
        listed = await calls.fetch(requests.names(name), replies.named)
        found = [each.id for each in listed if each.name == name]
        if len(found) > 1:
            raise DatasetError(f"{len(found)} datasets are named {name!r}: get one by id=, of {', '.join(found)}")
        return found[0] if found else None

    async def _gone_on_with(self, calls: DatasetCalls, identity: str, rows: UploadRows) -> None:
        """Add the rows that a dataset lacks, whose upload was cut off.

        Raises:
            DatasetError: It has other rows than those of the source.
        """
        await calls.until_made(identity)
        columns, there, _ = await calls.table(identity)
        given = {column.name for column in columns if column.is_given}
        count = 0
        for row, (place, cells) in zip(
            in_places(identity, there), [each async for each in rows.skipping(len(there))], strict=False
        ):
            sent = {column: text.strip() for column, text in cells.items() if text.strip()}
            if {name: text.strip() for name, text in cells_of(row, columns).items() if text.strip()} != sent:
                raise DatasetError(
                    f"row {place} of the dataset is not row {place} of the source: it is another dataset of this name",
                    dataset_id=identity,
                )
            count += 1
        if count < len(there) or not set(rows.columns) <= given:
            what = f"{len(there):,} rows, and the source {count:,}" if count < len(there) else "not all columns"
            raise DatasetError(f"the dataset has {what}: it is another one of this name", dataset_id=identity)
        await add_parts(calls, identity, rows, len(there))


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or _CONTROL.search(name):
        raise ConfigurationError(
            f"a dataset's name must be a text of 1 to {_LONGEST_NAME} characters in one line, not {name!r:.60}"
        )
    if name != name.strip():
        raise ConfigurationError(f"the name {name!r} begins or ends in white space, which the platform cuts off")


def _check_id(identity: object) -> None:
    try:
        UUID(str(identity))
    except ValueError:
        raise ConfigurationError(f"a dataset's id is a UUID, not {identity!r:.60}") from None
