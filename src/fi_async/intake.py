"""From cases to jobs: preflight, and what each case is asked with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio

from fi_async._errors import APITimeoutError, ConfigurationError, InvalidCaseError
from fi_async._models import Case, Inputs, Outcome, OutcomeStatus, Template
from fi_async._settings import RunOptions
from fi_async.flow import Context, Job, Work
from fi_async.jobs import accept, outcome, score
from fi_async.pacing.planner import Kind
from fi_async.protocol import inputs
from fi_async.protocol.requests import ROWS_OF_SEVERAL_LISTS, Parameters, max_rows

_READ_AT_ONCE: Final = 64  # cases read from a source that never waits, before others get their turn
_HELD_ROWS: Final = ROWS_OF_SEVERAL_LISTS  # rows of a sync request run one after the other while it is held


@dataclass(frozen=True, slots=True)
class Question:
    """A template, and all that each case is asked with under it."""

    template: Template
    parameters: Parameters


def questions(
    templates: Sequence[Template], options: RunOptions, eval_config: Mapping[str, Any] | None, **fields: Any
) -> list[Question]:
    """Return what is asked of each case.

    `eval_config` holds the parameters of the one template, or, with several, those of each by its name.

    Raises:
        ConfigurationError: There are several templates, and `eval_config` is not by their names.
    """
    configs = {templates[0].name: eval_config}
    if len(templates) > 1:
        configs = dict(eval_config or {})
        for name, config in configs.items():
            if name not in {template.name for template in templates} or not isinstance(config, Mapping):
                raise ConfigurationError(
                    "with several templates eval_config must be a dict of their parameters by template name,"
                    f" such as {{{templates[0].name!r}: {{...}}}}; it has {name!r}"
                )
    return [
        Question(template, Parameters(template.name, options.model_name, configs.get(template.name) or None, **fields))
        for template in templates
    ]


@dataclass(frozen=True, slots=True)
class Intake:
    """Turns each case of a run into a job for each question, or an outcome that says why it cannot be sent."""

    questions: Sequence[Question]
    context: Context
    options: RunOptions

    def begin(self, works: Sequence[Work], kind: Kind) -> Job:
        """Return the job that evaluates some rows of one template in one request, held or polled."""
        return accept(works, self.context) if kind == "async" else score(works, self.context)

    def works(self, items: Sequence[Inputs | Case]) -> list[Work]:
        """Return the works of some cases.

        Raises:
            InvalidCaseError: One of them cannot be sent.
        """
        works = []
        for index, item in enumerate(items):
            for admitted in self.admit(index, item):
                if isinstance(admitted, Outcome):
                    raise admitted.error or InvalidCaseError("the case cannot be sent", index=index)
                works.append(admitted)
        return works

    def cancelled(self, index: int, item: Inputs | Case) -> list[Outcome]:
        """Return the outcomes of a case that was not begun."""
        return [
            outcome(
                admitted,
                self.context.backend,
                OutcomeStatus.CANCELLED,
                error=APITimeoutError("not sent within the timeout of the call", sent=False),
            )
            if isinstance(admitted, Work)
            else admitted
            for admitted in self.admit(index, item)
        ]

    def admit(self, index: int, item: Inputs | Case) -> list[Work | Outcome]:
        """Return a case's work under each template, or the outcome that says why it cannot be sent."""
        rows: Sequence[inputs.Row | InvalidCaseError]
        try:
            case = inputs.case_of(item, index)
            rows = inputs.prepare(
                case,
                [each.template for each in self.questions],
                fill_missing=self.options.fill_missing,
                extra_keys=self.options.extra_keys,
            )
        except InvalidCaseError as error:
            case, rows = Case({}), [error] * len(self.questions)
        admitted: list[Work | Outcome] = []
        for question, row in zip(self.questions, rows, strict=True):
            work = Work(index, case, question.parameters)
            if isinstance(row, InvalidCaseError):
                located = InvalidCaseError(f"case {index}: {row.message}", field=row.field, index=index)
                admitted.append(outcome(work, self.context.backend, OutcomeStatus.INVALID, error=located))
            else:
                work.row = row
                admitted.append(work)
        return admitted


def grouped(works: Sequence[Work], *, held: bool) -> list[list[Work]]:
    """Return the works in groups that one request each may carry, in order within each template.

    Args:
        works: Of any number of templates.
        held: True if the request is held until all its rows are scored.
    """
    groups: list[list[Work]] = []
    open_groups: dict[str, list[Work]] = {}
    for work in works:
        keys = () if work.row is None else tuple(work.row.inputs)
        limit = min(max_rows(len(keys)), _HELD_ROWS) if held else max_rows(len(keys))
        group = open_groups.get(work.parameters.template)
        if group is None or len(group) >= limit or group[0].row is None or tuple(group[0].row.inputs) != keys:
            group = open_groups[work.parameters.template] = []
            groups.append(group)
        group.append(work)
    return groups


async def as_async(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any]:
    """Iterate over either kind, letting others have their turn now and then."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    for position, item in enumerate(items, 1):
        yield item
        if position % _READ_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
