"""Dataset: rows on the platform, and what evaluates them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, Unpack

from fi_async._errors import ConfigurationError, DatasetError, NotFoundError, instead
from fi_async._models import Template
from fi_async._public import public
from fi_async._settings import RunKeywords, RunOptions, not_picklable
from fi_async._statistics import Counts
from fi_async.datasets.dataset_calls import DatasetCalls
from fi_async.datasets.dataset_run import DatasetEvaluation, DatasetRun
from fi_async.datasets.row_outcomes import row_id
from fi_async.datasets.upload_rows import UploadRows
from fi_async.engine.dataset_steps import (
    deleted,
    evaluation_added,
    evaluation_exists,
    evaluations_listed,
    rows_added,
    started,
)
from fi_async.engine.intake import configs_of
from fi_async.engine.session import Session
from fi_async.runs.calls import find_templates, list_templates
from fi_async.wire import dataset_replies as replies
from fi_async.wire import dataset_requests as requests
from fi_async.wire import responses
from fi_async.wire.dataset_replies import DatasetColumn, ListedEvaluation
from fi_async.wire.preflight import sources_of
from fi_async.wire.responses import Reply
from fi_async.wire.templates import by_name

if TYPE_CHECKING:
    from fi_async.runs.calls import TemplatesLike


@public
class Dataset:
    """Rows on the platform. `datasets.create` makes one, `datasets.get` comes back to it from anywhere.

    Attributes:
        id: The dataset's id on the platform.
        name: Its name.
        remarks: What is odd about the rows that were uploaded here, in words.

    Example:
        >>> async def main():
        ...     async with AsyncEvaluator.local() as ev:
        ...         dataset = await ev.datasets.create([{"text": "[1]"}, {"text": "[1"}], name="answers")
        ...         run = await dataset.evaluate("is_json")
        ...         return [outcome.passed for outcome in (await run).outcomes]
        >>> import asyncio
        >>> from fi_async import AsyncEvaluator
        >>> asyncio.run(main())
        [True, False]
    """

    def __init__(
        self,
        session: Session,
        options: RunOptions,
        id: str,  # noqa: A002  # as of Execution
        name: str,
        remarks: Sequence[str] = (),
    ) -> None:
        self.id = id
        self.name = name
        self.remarks = tuple(remarks)
        self._session = session
        self._options = options

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r} {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    async def evaluate(
        self,
        eval_templates: TemplatesLike,
        *,
        mapping: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        eval_config: Mapping[str, Any] | None = None,
        error_localizer: bool = False,
        **options: Unpack[RunKeywords],
    ) -> DatasetRun:
        """Have every row evaluated on the platform, and return the run to wait for.

        Args:
            eval_templates: One or several of the platform's; each becomes a column of the dataset.
            mapping: The column that each key is taken from, where its name is another: `{"output": "answer"}`.
            names: What the column of a template is called, where not as the template: `{"is_json": "is_json v2"}`. Up
                to 50 characters, and new in the dataset.
            eval_config: The template's parameters; with several templates, those of each by its name.
            error_localizer: Ask which part of the input is at fault.
            **options: The keywords that shape a run: see RunOptions. `timeout=60` calls the run stalled when nothing
                moves for 60 seconds; `Timeout(call=60)` bounds each call as a whole.

        Raises:
            ConfigurationError: A template, a column, a name or a parameter is wrong; nothing was started.
            DatasetError: The dataset has an evaluation of this name, or could not be made.
            StalledError: The rows of its file are not there in time.
            NotFoundError: There is no such template, or the dataset is gone.
            APIError, AmbiguousError: It could not be started, or nobody knows.
        """
        own = self._options.with_given(**options)
        asked = _of_platform(eval_templates)
        called = {each: (names or {}).get(each, each) for each in asked}
        _check_names(called, names or {})
        configs = configs_of(asked, eval_config)
        calls = DatasetCalls(self._session, own)
        templates = {each.name: each for each in await find_templates(self._session, asked, own)}
        ids = await self._template_ids(asked, own)
        await calls.until_made(self.id)
        page = await calls.head(self.id)
        mapped = {each: _mapped(templates[each], page.columns, mapping or {}, own) for each in asked}
        _check_mapping(mapping or {}, templates.values())
        await self._refuse_names(calls, called.values())
        added = []
        for each in asked:
            call = requests.add_evaluation(
                self.id,
                called[each],
                ids[each],
                mapped[each],
                configs.get(each, {}),
                model=own.model_name,
                error_localizer=error_localizer,
            )
            added.append(
                await calls.one(
                    lambda context, each=each, call=call: evaluation_added(  # type: ignore[misc]  # mypy infers no lambda with defaults
                        call, self.id, called[each], mapped[each], context
                    )
                )
            )
        await calls.one(lambda context: started(self.id, added, context, failed_only=False))
        evaluated = [(listed, templates[each]) for listed, each in zip(added, asked, strict=True)]
        return DatasetRun(self._session, own, self.id, evaluated, rows=page.total_rows, counts=calls.counts)

    async def attach(self, *names: str, start: bool = False, **options: Unpack[RunKeywords]) -> DatasetRun:
        """Return the run of evaluations that the dataset has, whoever began them.

        Args:
            *names: Those of the evaluations; all that were started where none is given.
            start: Start those that were added and never started, as when a program was killed in between.
            **options: The keywords that shape a run: see `evaluate`.

        Raises:
            DatasetError: There is no such evaluation, or none that was started; or two are of one template, whose
                outcomes could not be told apart.
            NotFoundError: The dataset is gone, or the platform knows a template no more.
            APIError, AmbiguousError: The server could not be asked, or the evaluations not be started.
        """
        own = self._options.with_given(**options)
        calls = DatasetCalls(self._session, own)
        await calls.until_made(self.id)
        listed = await calls.one(lambda context: evaluations_listed(self.id, context))
        found = {each.name: each for each in reversed(listed)}
        for name in names:
            if name not in found:
                raise DatasetError(f"the dataset has no evaluation {name!r}{instead(name, found)}", dataset_id=self.id)
        if not found:
            raise DatasetError("the dataset has no evaluations: begin one by evaluate()", dataset_id=self.id)
        wanted = names or [name for name, each in found.items() if start or each.is_started]
        chosen = [found[name] for name in dict.fromkeys(wanted)]
        unstarted = [each for each in chosen if not each.is_started]
        if not chosen or (unstarted and not start):
            name = unstarted[0].name if unstarted else next(iter(found))
            raise DatasetError(
                f"the evaluation {name!r} was added and never started: attach({name!r}, start=True) starts it",
                dataset_id=self.id,
            )
        _check_templates(self.id, chosen)
        templates = await find_templates(self._session, [each.template for each in chosen], own)
        if unstarted:
            await calls.one(lambda context: started(self.id, unstarted, context, failed_only=False))
        rows = (await calls.head(self.id)).total_rows
        evaluated = list(zip(chosen, templates, strict=True))
        return DatasetRun(self._session, own, self.id, evaluated, rows=rows, counts=calls.counts)

    async def evaluations(self) -> list[DatasetEvaluation]:
        """Return the evaluations of the dataset, the oldest first.

        Raises:
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        listed = await self._calls().one(lambda context: evaluations_listed(self.id, context))
        return [DatasetEvaluation(each.name, each.template, each.status, each.id) for each in reversed(listed)]

    async def count(self) -> int:
        """Return the number of rows that the platform has, once those of the file are there.

        Raises:
            DatasetError, StalledError: They could not be made, or not in time.
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        calls = self._calls()
        await calls.until_made(self.id)
        return (await calls.head(self.id)).total_rows

    async def columns(self) -> dict[str, str]:
        """Return the ids of the columns by their names, those of evaluations and of their reasons too.

        Raises:
            DatasetError, StalledError: The rows of its file could not be made, or not in time.
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        calls = self._calls()
        await calls.until_made(self.id)
        return {column.name: column.id for column in (await calls.head(self.id)).columns}

    async def statistics(self) -> list[dict[str, Any]]:
        """Return the platform's own aggregates of the evaluations, as it has them.

        It leaves out cells that failed, and does not say how many: a report accounts for every row.

        Raises:
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """

        def read(reply: Reply) -> list[dict[str, Any]]:
            return [dict(each) for each in responses.objects_of(responses.read(reply))]

        return await self._calls().fetch(requests.statistics(self.id), replies.of_dataset(read, self.id))

    async def add_rows(self, cases: Any) -> int:
        """Add rows, each once, and return how many. Evaluations that have ended do not come to them by themselves.

        Args:
            cases: As of `datasets.create`, with columns that the dataset has.

        Raises:
            InvalidCaseError: A row cannot be read or stored, or has another column; those before it may be added.
            DatasetError: The platform has not as many rows afterwards as there should be.
            APIError, AmbiguousError: They could not be added, or nobody knows.
        """
        calls = self._calls()
        await calls.until_made(self.id)
        page = await calls.head(self.id)
        rows = UploadRows(cases, columns={column.name: None for column in page.columns if column.is_given})
        return await add_parts(calls, self.id, rows, page.total_rows, secrets.randbelow(_TOKENS - 1) + 1)

    async def download(self) -> str:
        """Return the dataset as CSV, as the platform writes it: a cell that failed is the word "error" there.

        Raises:
            NotFoundError, APIError: The dataset is gone, or the server could not be asked.
        """
        return await self._calls().fetch(requests.download(self.id), replies.of_dataset(replies.csv_text, self.id))

    async def delete(self) -> None:
        """Delete the dataset, with its rows and evaluations.

        Raises:
            NotFoundError: It is gone.
            APIError, AmbiguousError: It could not be deleted, or nobody knows.
        """
        await self._calls().one(lambda context: deleted(self.id, context))

    def _calls(self, counts: Counts | None = None) -> DatasetCalls:
        return DatasetCalls(self._session, self._options, counts)

    async def _template_ids(self, names: Sequence[str], options: RunOptions) -> dict[str, str]:
        """Return the id of each template, which the platform's list of templates has.

        Raises:
            NotFoundError: It does not list one of them.
        """
        ids: dict[str, str] = {}
        for refresh in (False, True):
            listed = await list_templates(self._session, options, refresh=refresh)
            ids = {str(each.get("name")): str(each["id"]) for each in listed if each.get("id")}
            if all(name in ids for name in names):
                return ids
        missing = next(name for name in names if name not in ids)
        raise NotFoundError(f"the platform lists no evaluation template {missing!r}")

    async def _refuse_names(self, calls: DatasetCalls, wanted: Any) -> None:
        """Raise a DatasetError if a name is taken, before anything is added."""
        listed: list[ListedEvaluation] = await calls.one(lambda context: evaluations_listed(self.id, context))
        there = {each.name for each in listed}
        if taken := next((name for name in wanted if name in there), None):
            raise evaluation_exists(self.id, taken)


async def add_parts(calls: DatasetCalls, dataset_id: str, rows: UploadRows, there: int, token: int = 0) -> int:
    """Add the rows that come after the first file, and return how many.

    Args:
        calls: Asks.
        dataset_id: The dataset.
        rows: Gives the parts.
        there: How many rows there are before.
        token: What tells these rows from others that were ever at their places; 0 for those that a dataset is made of,
            so that whoever goes on with its upload does not send one twice.

    Raises:
        DatasetError: The platform has not as many rows afterwards as there should be.
    """
    place = there
    async for part in rows.parts():
        identified = [(row_id(dataset_id, place + number, token), cells) for number, cells in enumerate(part)]
        await calls.one(
            lambda context, identified=identified, place=place: rows_added(dataset_id, identified, place, context)  # type: ignore[misc]  # as above
        )
        place += len(part)
    if place > there:
        found = (await calls.head(dataset_id)).total_rows
        if found != place:
            raise DatasetError(
                f"the platform has {found:,} rows, and {place:,} were sent: somebody else changes the dataset, or rows"
                " were lost",
                dataset_id=dataset_id,
            )
    return place - there


_TOKENS: Final = 2**24
_SHOWN: Final = 20  # columns that a message has room for


def _check_templates(dataset_id: str, chosen: Sequence[ListedEvaluation]) -> None:
    by_template: dict[str, str] = {}
    for each in chosen:
        other = by_template.setdefault(each.template, each.name)
        if other != each.name:
            raise DatasetError(
                f"the evaluations {other!r} and {each.name!r} are both of {each.template}, and outcomes are told apart"
                " by that: attach to one of them at a time, by its name",
                dataset_id=dataset_id,
            )


def _of_platform(templates: TemplatesLike) -> list[str]:
    """Return the names of templates that the platform evaluates.

    Raises:
        ConfigurationError: One is a function or a Criteria of the caller's.
    """
    given = by_name(templates)
    for name, each in given.items():
        if not isinstance(each, str) and hasattr(each, "fingerprint"):
            raise ConfigurationError(
                f"{name} is your own, and the rows of a dataset are evaluated on the platform: evaluate it by gather()"
            )
    return list(given)


def _check_names(called: Mapping[str, str], names: Mapping[str, str]) -> None:
    if unknown := next((name for name in names if name not in called), None):
        raise ConfigurationError(f"names has {unknown!r}, which is none of the templates{instead(unknown, called)}")
    for template, name in called.items():
        if not isinstance(name, str) or not name.strip() or len(name) > requests.LONGEST_NAME:
            raise ConfigurationError(
                f"the evaluation's name {name!r} must have 1 to {requests.LONGEST_NAME} characters: give another with"
                f" names={{{template!r}: ...}}"
            )
        if sum(other == name for other in called.values()) > 1:
            raise ConfigurationError(f"names calls two templates {name!r}: each becomes a column of its own")


def _mapped(
    template: Template, columns: Sequence[DatasetColumn], mapping: Mapping[str, str], options: RunOptions
) -> dict[str, str]:
    """Return the id of the column that each key of a template is taken from.

    Raises:
        ConfigurationError: A column is not there, or no column is for a key.
    """
    ids = {column.name: column.id for column in columns}
    for key, column in mapping.items():
        if column not in ids:
            raise ConfigurationError(
                f"mapping={{{key!r}: {column!r}}}: the dataset has no column {column!r}{instead(column, ids)}"
            )
    given = {each.name: each.id for each in columns if each.is_given}
    given |= {key: ids[column] for key, column in mapping.items()}
    found = {key: given[source] for key, source in sources_of(given, template, options.fill_missing).items()}
    missing = [key for key in template.required_keys if key not in found]
    if missing and not (template.partial and found):
        listed = ", ".join(map(repr, list(ids)[:_SHOWN])) or "none"
        raise ConfigurationError(
            f"{template.name} needs the key {missing[0]!r}, and no column is named so: say which it is taken from with"
            f" mapping={{{missing[0]!r}: ...}}. The dataset has: {listed}"
        )
    return {key: identity for key, identity in found.items() if key in template.required_keys or template.partial}


def _check_mapping(mapping: Mapping[str, str], templates: Any) -> None:
    taken = {key for template in templates for key in (*template.required_keys, *template.optional_keys)}
    if taken and (extra := next((key for key in mapping if key not in taken), None)):
        raise ConfigurationError(f"mapping has the key {extra!r}, which no template takes{instead(extra, taken)}")
