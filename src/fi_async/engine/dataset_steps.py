"""What is done about datasets and must not be done twice: made, given rows, given evaluations, started, deleted.

Generators, as those of `attempts`. Where the answer to such a request is lost, the server is asked what became of it
before it is sent again: a dataset is known by the name of its file, rows by their ids, evaluations by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fi_async._errors import (
    AmbiguousError,
    DatasetError,
    FiAsyncError,
    NotFoundError,
    ProtocolError,
    ValidationError,
)
from fi_async.engine.attempts import Context, Rest, Steps, ask
from fi_async.pacing import backoff
from fi_async.wire import dataset_replies as replies
from fi_async.wire import dataset_requests as calls
from fi_async.wire.dataset_replies import ListedDataset, ListedEvaluation, TablePage
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

T = TypeVar("T")


def created(name: str, model_type: str, filename: str, content: bytes, context: Context) -> Steps[str]:
    """Return the id of a dataset that is made of a CSV file.

    Args:
        name: Nobody else's.
        model_type: What the platform files it under.
        filename: Nobody else's, so that the dataset is known by it.
        content: The file.
        context: What the jobs of the call share.

    Raises:
        DatasetError: There is one of this name.
        APIError, AmbiguousError: It could not be made, or nobody knows.
    """
    there = yield from _with_name(name, context)
    if there:
        raise _exists(there[0])
    call = calls.create(name, model_type, filename, content)

    def look() -> Steps[str | None]:
        for each in (yield from _with_name(name, context)):
            made = yield from ask(calls.progress(each.id), replies.making, context)
            if made.filename == filename:
                return each.id
        return None

    try:
        return (yield from once(call, replies.within_plan(replies.created), look, context))
    except ValidationError as error:
        if not replies.is_taken(error):
            raise
        # Perhaps by ourselves, with a request whose answer came late or never.
        ours = yield from look()
        if ours is not None:
            return ours
        there = yield from _with_name(name, context)
        raise (_exists(there[0]) if there else _taken(name)) from error


def rows_added(
    dataset_id: str, rows: Sequence[tuple[str, Mapping[str, str]]], place: int, context: Context
) -> Steps[None]:
    """Add rows, each once: those of a part that are there already are not sent again.

    Args:
        dataset_id: The dataset.
        rows: Their ids, which decide what is the same row, and their cells.
        place: How many rows there were before.
        context: What the jobs of the call share.

    Raises:
        APIError, AmbiguousError: They could not be added, or nobody knows.
    """
    missing, looks = list(rows), 0

    def look() -> Steps[bool | None]:
        nonlocal missing, looks
        # The first look is at the pages where they should be; a later one at all: other rows may have come between.
        first = yield from page_read(dataset_id, 0, context)
        size = max(1, len(first.rows))
        begin = max(0, place // size - 1) if looks == 0 else 0
        looks += 1
        there = {row.id for row in first.rows}
        for number in range(max(1, begin), first.total_pages):
            there |= {row.id for row in (yield from page_read(dataset_id, number, context)).rows}
        missing = [row for row in missing if row[0] not in there]
        return None if missing else True

    yield from once(
        lambda: calls.add_rows(dataset_id, missing),
        replies.within_plan(replies.of_dataset(lambda reply: replies.done(reply) is not None, dataset_id)),
        look,
        context,
    )


def evaluation_added(
    call: HttpCall, dataset_id: str, name: str, mapping: Mapping[str, str], context: Context
) -> Steps[ListedEvaluation]:
    """Return the evaluation that a call adds to a dataset; it is not started.

    Args:
        call: Adds it.
        dataset_id: The dataset.
        name: The evaluation's, new in the dataset.
        mapping: The id of the column that each key of the template is taken from.
        context: What the jobs of the call share.

    Raises:
        DatasetError: There is one of this name.
        APIError, AmbiguousError: It could not be added, or nobody knows.
    """

    def look() -> Steps[ListedEvaluation | None]:
        listed = yield from evaluations_listed(dataset_id, context)
        found = next((each for each in listed if each.name == name), None)
        if found is not None and (not is_sent or found.mapping not in (None, mapping)):
            raise evaluation_exists(dataset_id, name)
        return found

    def read(reply: Reply) -> None:
        replies.done(reply)

    is_sent = False
    yield from look()
    is_sent = True
    try:
        yield from once(call, replies.of_dataset(read, dataset_id), look, context)
    except ValidationError as error:
        if not replies.is_taken(error):
            raise
        # Perhaps by ourselves, with a request whose answer came late or never.
    found = yield from look()
    if found is None:
        raise DatasetError(
            f"the server says that it has the evaluation {name!r}, and does not list it", dataset_id=dataset_id
        )
    return found


def started(dataset_id: str, before: Sequence[ListedEvaluation], context: Context, *, failed_only: bool) -> Steps[None]:
    """Start evaluations; what has changed since `before` was started, whatever became of the answer.

    Raises:
        NotFoundError: One of them is unknown.
        APIError, AmbiguousError: They could not be started, or nobody knows.
    """
    waiting = {each.id: each for each in before}

    def look() -> Steps[bool | None]:
        for each in (yield from evaluations_listed(dataset_id, context)):
            if each.id in waiting and _has_changed(each, waiting[each.id]):
                del waiting[each.id]
        return None if waiting else True

    yield from once(
        lambda: calls.start(dataset_id, list(waiting), failed_only=failed_only),
        replies.of_dataset(lambda reply: replies.done(reply) is not None, dataset_id),
        look,
        context,
    )


def _has_changed(now: ListedEvaluation, before: ListedEvaluation) -> bool:
    return (now.status, now.updated_at) != (before.status, before.updated_at)


def deleted(dataset_id: str, context: Context) -> Steps[None]:
    """Delete a dataset. One that is gone when the answer was lost is deleted.

    Raises:
        NotFoundError: There is none of this id.
        APIError, AmbiguousError: It could not be deleted, or nobody knows.
    """

    def look() -> Steps[bool | None]:
        try:
            yield from page_read(dataset_id, 0, context, rows=1)
        except NotFoundError:
            return True
        return None

    yield from once(
        calls.delete(dataset_id),
        replies.of_dataset(lambda reply: replies.done(reply) is not None, dataset_id),
        look,
        context,
    )


def once(
    call: HttpCall | Callable[[], HttpCall],
    read: Callable[[Reply], T],
    look: Callable[[], Steps[T | None]],
    context: Context,
) -> Steps[T]:
    """Return what comes of a request that must not be carried out twice.

    Args:
        call: The request; if a function, made anew each time.
        read: Makes an answer of its reply, or raises.
        look: Finds out what became of it, where its answer was lost: the answer, or None if nothing did.
        context: What the jobs of the call share.

    Raises:
        AmbiguousError: It was lost time and again.
        FiAsyncError: Whatever `read` or `look` raised.
    """
    # What is not known is not simply sent again: `ask` hands it back, and it is looked for first.
    careful = replace(context, policy=replace(context.policy, on_ambiguous="fail"))
    tries = 0
    while True:
        try:
            return (yield from ask(call if isinstance(call, HttpCall) else call(), read, careful))
        except (AmbiguousError, ProtocolError) as error:
            if isinstance(error, ProtocolError) and not error.lost:
                raise
            problem: FiAsyncError = error
        tries += 1
        found = yield from look()
        if found is not None:
            return found
        if tries > context.policy.max_retries:
            raise problem.with_facts(attempts=tries)
        context.counts.retries += 1
        now = (yield Rest(0.0)).now
        yield Rest(now + backoff.delay(tries, context.rng))


def page_read(dataset_id: str, number: int, context: Context, rows: int = calls.ROWS_OF_A_PAGE) -> Steps[TablePage]:
    """Return one page of a dataset's rows, of so many at most."""
    call = calls.table(dataset_id, number, rows)
    return (yield from ask(call, replies.of_dataset(replies.table, dataset_id), context))


def evaluations_listed(dataset_id: str, context: Context) -> Steps[list[ListedEvaluation]]:
    """Return the evaluations of a dataset."""
    read = replies.of_dataset(replies.evaluations, dataset_id)
    return (yield from ask(calls.evaluations(dataset_id), read, context))


def _with_name(name: str, context: Context) -> Steps[list[ListedDataset]]:
    listed = yield from ask(calls.names(name), replies.named, context)
    return [each for each in listed if each.name == name]


def _exists(there: ListedDataset) -> DatasetError:
    return DatasetError(
        f"there is a dataset named {there.name!r} already: give another name, delete it, or, if its upload was cut off,"
        " go on with it by resume=True",
        dataset_id=there.id,
    )


def _taken(name: str) -> DatasetError:
    return DatasetError(
        f"the server says that a dataset is named {name!r} already, and does not list it: give another name"
    )


def evaluation_exists(dataset_id: str, name: str) -> DatasetError:
    """Return the error of an evaluation whose name is taken."""
    return DatasetError(
        f"the dataset has an evaluation named {name!r} already: come back to it by attach({name!r}), or call this one"
        " otherwise by names={template: name}",
        dataset_id=dataset_id,
    )
