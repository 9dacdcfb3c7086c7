"""What one call of a dataset asks of the server: its options, its deadline, and what it has asked so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

import anyio

from fi_async._errors import (
    APIConnectionError,
    APITimeoutError,
    DatasetError,
    FiAsyncError,
    ProtocolError,
    ServerError,
    StalledError,
    ValidationError,
)
from fi_async._settings import RunOptions
from fi_async._statistics import Counts
from fi_async.engine.attempts import Context, Steps, ask
from fi_async.engine.conduct import conduct
from fi_async.engine.dataset_steps import page_read
from fi_async.engine.session import Session
from fi_async.pacing.polling import Completions
from fi_async.wire import dataset_replies as replies
from fi_async.wire import dataset_requests as requests
from fi_async.wire.dataset_replies import DatasetColumn, DatasetRow, TablePage
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply, unreadable

T = TypeVar("T")

_PAGES_AT_ONCE: Final = 16
_BYTES_OF_A_PAGE: Final = 8 * 2**20
_READINGS: Final = 3  # of a table whose pages do not fit together, before it is given up
_BETWEEN: Final = 1.0  # seconds between two of them
_LEAST: Final = 0.001


PASSING: Final = (APIConnectionError, ServerError, ProtocolError)
"""What may be in the way of knowing how something on the platform stands, and pass: see `is_passing`."""


def is_passing(error: FiAsyncError) -> bool:
    """Tell whether it is worth asking again: what goes on on the platform goes on without us."""
    return isinstance(error, APIConnectionError | ServerError) or (isinstance(error, ProtocolError) and error.lost)


class DatasetCalls:
    """Asks about datasets, in the time that a call has.

    Args:
        session: The client's.
        options: `timeout.call` bounds all that is asked.
        counts: Filled with what is asked.
    """

    def __init__(self, session: Session, options: RunOptions, counts: Counts | None = None) -> None:
        self.session = session
        self.options = options
        self.counts = counts or Counts()
        call = options.timeout.call
        self.deadline = math.inf if call is None else anyio.current_time() + call

    async def conduct(self, *begin: Callable[[Context], Steps[T]]) -> list[T]:
        """Return what some steps come to. Raises as `conduct` does."""
        options = self.options
        if self.deadline < math.inf:
            left = self.deadline - anyio.current_time()
            if left <= 0:
                raise APITimeoutError("not sent within the timeout of the call", sent=False)
            options = replace(options, timeout=replace(options.timeout, call=max(left, _LEAST)))
        return await conduct(self.session, options, *begin, counts=self.counts)

    async def one(self, begin: Callable[[Context], Steps[T]]) -> T:
        """Return what steps come to. Raises as `conduct` does."""
        (answer,) = await self.conduct(begin)
        return answer

    async def fetch(self, call: HttpCall, read: Callable[[Reply], T]) -> T:
        """Return what `read` makes of the reply to one call."""
        return await self.one(lambda context: ask(call, read, context))

    async def head(self, dataset_id: str) -> TablePage:
        """Return the columns of a dataset, and how many rows it has."""
        return await self.one(lambda context: page_read(dataset_id, 0, context, rows=1))

    async def until_made(self, dataset_id: str) -> None:
        """Return once the rows of a dataset's file are there.

        Raises:
            DatasetError: They could not be made; the message has the server's words.
            StalledError: They are not made in their time: that of `timeout.case`, or of the call.
            NotFoundError: There is no such dataset.
        """
        pace, word = Pace(self), "not known to be made"
        trouble: FiAsyncError | None = None
        while True:
            try:
                made = await self.fetch(requests.progress(dataset_id), replies.of_dataset(replies.making, dataset_id))
            except ValidationError:
                return  # it is of no file: its rows were never waited for
            except PASSING as error:
                if not is_passing(error):
                    raise
                trouble = error
            else:
                if made.error is not None:
                    raise DatasetError(f"the platform could not make the dataset: {made.error}", dataset_id=dataset_id)
                if made.is_done:
                    return
                word = f"still {made.word}"
            if not await pace.rest():
                raise _not_made(dataset_id, pace, word) from trouble

    async def table(self, dataset_id: str) -> tuple[tuple[DatasetColumn, ...], list[DatasetRow], TablePage]:
        """Return the columns of a dataset, all its rows in their order, and the first page.

        Raises:
            ProtocolError: Its pages do not fit together.
        """
        for reading in range(_READINGS):
            if reading:
                await anyio.sleep(_BETWEEN)
            size = _rows_of_a_page(await self.head(dataset_id))
            first = await self.one(lambda context, size=size: page_read(dataset_id, 0, context, rows=size))  # type: ignore[misc]  # mypy infers no lambda with defaults
            rows = await self._rows(dataset_id, first, size)
            if len(rows) == first.total_rows:
                return first.columns, sorted(rows.values(), key=lambda row: (row.order, row.id)), first
        raise unreadable(
            first.reply, f"says that the dataset has {first.total_rows} rows, and its pages have {len(rows)}"
        ).with_facts(dataset_id=dataset_id)

    async def _rows(self, dataset_id: str, first: TablePage, size: int) -> dict[str, DatasetRow]:
        """Return the rows of all pages, by their ids; pages are asked for so many rows."""
        rows = {row.id: row for row in first.rows}
        given = len(first.rows)
        pages = -(-first.total_rows // given) if given else 0
        if pages != first.total_pages or (given == 0 and first.total_rows):
            raise unreadable(
                first.reply,
                f"says that {first.total_rows} rows are on {first.total_pages} pages, and has {given} on the first",
            ).with_facts(dataset_id=dataset_id)
        for begin in range(1, pages, _PAGES_AT_ONCE):
            numbers = range(begin, min(begin + _PAGES_AT_ONCE, pages))
            read = await self.conduct(
                *(
                    lambda context, number=number: page_read(dataset_id, number, context, rows=size)
                    for number in numbers
                )
            )
            if not all(page.rows for page in read):
                break
            rows |= {row.id: row for page in read for row in page.rows}
        return rows


def _rows_of_a_page(head: TablePage) -> int:
    """Return how many rows to ask for at a time, so that a page has some megabytes at most."""
    longest = max(1, len(head.reply.content))
    return max(1, min(requests.ROWS_OF_A_PAGE, _BYTES_OF_A_PAGE // longest))


class Pace:
    """When to ask next how something stands: soon at first, then at growing intervals.

    Args:
        calls: Whose options say how long nothing may move, and whose deadline ends it.
    """

    def __init__(self, calls: DatasetCalls) -> None:
        self._calls = calls
        self._completions = Completions(calls.options.poll_interval)
        self.began = self.moved_at = anyio.current_time()
        self._row = self._completions.accepted("dataset", self.began)

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return anyio.current_time() - self.began

    def moved(self) -> None:
        """Take note that something happened: its time begins anew."""
        self.moved_at = anyio.current_time()

    async def rest(self) -> bool:
        """Return True once it is time to ask again; False if nothing moved for too long, or the call is over."""
        age = self.age
        self._completions.pending(self._row, age)
        longest = self._calls.options.timeout.longest_case
        end = min(self._calls.deadline, math.inf if longest is None else self.moved_at + longest)
        while (look := self._completions.next_look(self._row, age, urgent=True)) > age:
            until = min(self.began + look, end)
            if until <= anyio.current_time():
                return False
            await anyio.sleep(until - anyio.current_time())
            age = self.age
        return True


def _not_made(dataset_id: str, pace: Pace, word: str) -> StalledError:
    return StalledError(
        f"the dataset's rows are {word} after {pace.age:.3g} s: come back to it by its id, or delete it",
        dataset_id=dataset_id,
    )
