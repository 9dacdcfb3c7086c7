"""From cases to jobs: preflight, and what each case is asked with."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence, Sized
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

import anyio

from fi_async._errors import ConfigurationError, InvalidCaseError
from fi_async._models import Case, Inputs, Outcome, OutcomeStatus, Template
from fi_async._settings import RunOptions
from fi_async._shard import Shard
from fi_async.backends.chosen import PLATFORMS, Answerer, computed_names
from fi_async.backends.functions import ExactFunction
from fi_async.engine.attempts import Context
from fi_async.engine.outcomes import cut_off, outcome
from fi_async.engine.work import Work
from fi_async.panels.certainty import fewest
from fi_async.panels.panel import Further
from fi_async.panels.shape import PanelShape, Seat
from fi_async.sources.callers import CallersCases
from fi_async.sources.rows import Source, TableCase
from fi_async.sources.tables import in_memory
from fi_async.wire import preflight
from fi_async.wire.requests import ROWS_OF_SEVERAL_LISTS, Parameters, max_rows
from fi_async.wire.templates import without_needed

_log: Final = logging.getLogger("fi_async")
_READ_AT_ONCE: Final = 64  # cases read from a source that never waits, before others get their turn
_HELD_ROWS: Final = ROWS_OF_SEVERAL_LISTS  # rows of a sync request run one after the other while it is held
_ONCE: Final = PanelShape()


@dataclass(frozen=True, slots=True)
class Question:
    """A template, all that each case is asked with under it, and who answers.

    Attributes:
        template: The facts of the template.
        parameters: Of the first sample; those of a juror are the juror's.
        route: Who answers.
        shape: How many evaluations a case has.
        jurors: What each juror is asked; nothing without a jury.
    """

    template: Template
    parameters: Parameters
    route: Answerer = PLATFORMS
    shape: PanelShape = _ONCE
    jurors: Sequence[Question] = ()

    @property
    def seats(self) -> Sequence[Question]:
        """Those who evaluate each sample: the jurors, or the one who answers."""
        return self.jurors or (self,)

    def sitting(self, sample: int) -> Sequence[Parameters]:
        """Return what one sample of a case is asked with, of each who evaluates it."""
        return [replace(each.parameters, sample=sample) if sample else each.parameters for each in self.seats]

    def asked_of(self, seat: Seat) -> Parameters | None:
        """Return what one evaluation of a case is asked with; None if nobody has that seat."""
        found = next((each.parameters for each in self.seats if each.parameters.juror == seat.juror), None)
        return replace(found, sample=seat.sample) if found is not None and seat.sample else found

    def at_first(self) -> Sequence[Parameters]:
        """Return what each case is asked with as it comes."""
        if self.shape.is_plain:
            return (self.parameters,)
        return [each for sample in range(self.shape.repeats) for each in self.sitting(sample)]


def configs_of(names: Sequence[str], eval_config: Mapping[str, Any] | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the parameters of each template that has any, by its name.

    `eval_config` holds the parameters of the one template, or, with several, those of each by its name.

    Raises:
        ConfigurationError: There are several templates, and `eval_config` is not by their names.
    """
    if len(names) == 1:
        return {names[0]: eval_config} if eval_config else {}
    for name, config in (eval_config or {}).items():
        if name not in names or not isinstance(config, Mapping):
            raise ConfigurationError(
                "with several templates eval_config must be a dict of their parameters by template name,"
                f" such as {{{names[0]!r}: {{...}}}}; it has {name!r}"
            )
    return {name: config for name, config in (eval_config or {}).items() if config}


def question(
    template: Template, route: Answerer, options: RunOptions, config: Mapping[str, Any] | None, **fields: Any
) -> Question:
    """Return what is asked of each case under one template; `fields` are the platform's alone.

    Raises:
        ConfigurationError: The template's outputs cannot be reduced so.
    """
    shape = _shape(template, route, options)
    if _is_computed(template, route) and (said := without_needed(template.name, config)):
        _log.warning("%s", said)
    if route.is_platform:
        parameters = Parameters(template.name, options.model_name, config or None, **fields)
        return Question(template, parameters, route, shape)
    if route.jury is None:
        return Question(template, _asked_of(route, template, config), route, shape)
    jurors = [Question(template, _asked_of(each, template, config, is_juror=True), each) for each in route.jurors]
    of_jury = replace(_asked_of(route, template, config), model=route.jury.label)
    return Question(template, of_jury, route, shape, jurors)


def _asked_of(
    route: Answerer, template: Template, config: Mapping[str, Any] | None, *, is_juror: bool = False
) -> Parameters:
    model = None if route.judge is None else route.judge.label
    fingerprint, juror = route.fingerprint, model if is_juror else None
    return Parameters(template.name, model, config or None, fingerprint=fingerprint, juror=juror)


def _shape(template: Template, route: Answerer, options: RunOptions) -> PanelShape:
    """Return how many evaluations a case has: one, where a second would say the same again."""
    jury = route.jury
    once = _ONCE
    if jury is not None:
        once = PanelShape(jurors=tuple(each.label for each in jury), rule=jury.rule, jury=jury.label)
    if options.repeats == 1 or _is_computed(template, route):
        return once
    is_scored = route.rubric is not None and route.rubric.is_scored
    if options.reduce == "any" and template.output_type == "choices" and not is_scored:
        raise ConfigurationError(
            f'reduce="any" is of verdicts and scores, and {template.name} gives choices without scores: take "majority"'
        )
    if options.repeats != "auto":
        return replace(once, repeats=options.repeats, most=options.repeats, reduce=options.reduce or "mean")
    sure, most = options.precision, options.max_repeats
    return replace(once, repeats=fewest(sure), most=most, precision=sure, reduce=options.reduce or "majority")


def _is_computed(template: Template, route: Answerer) -> bool:
    return isinstance(route.function, ExactFunction) or (route.is_platform and template.name in computed_names())


@dataclass(frozen=True, slots=True)
class Intake:
    """Turns each case of a run into a work for each question, or an outcome that says why it cannot be sent.

    Attributes:
        questions: What is asked of each case.
        context_of: What the jobs of a template share, or those of one of its jurors.
        options: What shapes the run.
        shard: Which cases are the run's own; None for all of them.
    """

    questions: Sequence[Question]
    context_of: Callable[[str, str | None], Context]
    options: RunOptions
    shard: Shard | None = None

    def works(self, items: Sequence[Inputs | Case]) -> list[Work]:
        """Return the works of some cases.

        Raises:
            InvalidCaseError: One of them cannot be sent.
        """
        works = []
        for index, item in enumerate(items):
            for admitted in self.admit(index, item, is_only=len(items) == 1):
                if isinstance(admitted, Outcome):
                    raise admitted.error or InvalidCaseError("the case cannot be sent", index=index)
                works.append(admitted)
        return works

    def cancelled(self, index: int, item: Inputs | Case) -> list[Outcome]:
        """Return the outcomes of a case that was not begun."""
        return [
            cut_off(admitted, self._context(admitted), sent=False) if isinstance(admitted, Work) else admitted
            for admitted in self.admit(index, item)
        ]

    def admit(self, index: int, item: Inputs | Case, *, is_only: bool = False) -> list[Work | Outcome]:
        """Return a case's works under each template, each an evaluation, or outcomes that say why it cannot be sent.

        Nothing comes of a case of another shard. An error names the case's place, but for one that is the only case of
        its call.
        """
        case, rows = self._prepared(index, item)
        if self.shard is not None:
            sent = [row.inputs for row in rows if isinstance(row, preflight.PreparedInputs)]
            if not self.shard.has(sent, index):
                return []
        asked = [(each.at_first(), row) for each, row in zip(self.questions, rows, strict=True)]
        return self._works(index, case, asked, is_only=is_only)

    def seated(self, index: int, item: Inputs | Case, asked: Sequence[Parameters]) -> list[Work | Outcome]:
        """Return the works of single evaluations of a case, of an intake of one question."""
        case, (row,) = self._prepared(index, item)
        return self._works(index, case, [(asked, row)])

    def further(self, wanted: Further) -> list[Work | Outcome]:
        """Return the works of a sample that a case is worth beyond those it had at first."""
        case, rows = self._prepared(wanted.index, wanted.case)
        asked = [
            (each.sitting(wanted.sample), row)
            for each, row in zip(self.questions, rows, strict=True)
            if each.template.name == wanted.template
        ]
        return self._works(wanted.index, case, asked)

    def _works(
        self,
        index: int,
        case: Case,
        asked: Sequence[tuple[Sequence[Parameters], preflight.PreparedInputs | InvalidCaseError]],
        *,
        is_only: bool = False,
    ) -> list[Work | Outcome]:
        place = f"{case.place}: " if isinstance(case, TableCase) else "" if is_only else f"case {index}: "
        admitted: list[Work | Outcome] = []
        for sittings, row in asked:
            for parameters in sittings:
                work = Work(index, case, parameters)
                if isinstance(row, InvalidCaseError):
                    located = InvalidCaseError(f"{place}{row.message}", field=row.field, index=index)
                    admitted.append(outcome(work, self._context(work), OutcomeStatus.INVALID, error=located))
                else:
                    work.row = row
                    admitted.append(work)
        return admitted

    def _context(self, work: Work) -> Context:
        return self.context_of(work.parameters.template, work.parameters.juror)

    def _prepared(
        self, index: int, item: Inputs | Case
    ) -> tuple[Case, Sequence[preflight.PreparedInputs | InvalidCaseError]]:
        """Return an item as a case that can be kept and shown, whatever it is, and what is sent for it, or why not."""
        try:
            case = preflight.case_of(item, index)
            rows = self._prepare(case)
            if isinstance(case.inputs, Mapping):
                return case, rows
        except InvalidCaseError as error:
            rows = [error] * len(self.questions)
        except Exception as error:  # noqa: BLE001  # of a class of the user's: it ends this case, and not the run
            unread = InvalidCaseError(f"its inputs cannot be read ({type(error).__name__})", index=index)
            rows = [unread] * len(self.questions)
        return _salvaged(item), rows

    def _prepare(self, case: Case) -> Sequence[preflight.PreparedInputs | InvalidCaseError]:
        if isinstance(case, TableCase) and case.problem is not None:
            return [InvalidCaseError(case.problem)] * len(self.questions)
        rows = preflight.prepare(
            case,
            [each.template for each in self.questions],
            fill_missing=self.options.fill_missing,
            extra_keys="ignore" if isinstance(case, TableCase) and case.is_of_table else self.options.extra_keys,
        )
        if not isinstance(case, TableCase) or not case.refused:
            return rows
        refused = [case.refused.get(each.template.name) for each in self.questions]
        return [row if why is None else InvalidCaseError(why) for row, why in zip(rows, refused, strict=True)]


def _salvaged(item: object) -> Case:
    """Return what can be read of an item that is no case."""
    if not isinstance(item, Case):
        return Case({})
    try:
        inputs = dict(item.inputs) if isinstance(item.inputs, Mapping) else {}
    except Exception:  # noqa: BLE001  # as above
        inputs = {}
    return replace(item, inputs=inputs, id=item.id if isinstance(item.id, str) else None)


def grouped(works: Sequence[Work], *, held: bool) -> list[list[Work]]:
    """Return the works in groups that one request each may carry, in order within each template.

    Args:
        works: Of any number of templates.
        held: True if the request is held until all its rows are scored.
    """
    groups: list[list[Work]] = []
    open_groups: dict[str, list[Work]] = {}
    for work in works:
        most = max_rows(len(work.keys))
        limit = min(most, _HELD_ROWS) if held else most
        group = open_groups.get(work.parameters.template)
        if group is None or len(group) >= limit or group[0].keys != work.keys:
            group = open_groups[work.parameters.template] = []
            groups.append(group)
        group.append(work)
    return groups


def count_of(items: object) -> int | None:
    """Return how many cases there are; None if that is known only when all are read."""
    source = _source_of(items)
    if source is not None:
        return source.count()
    return len(items) if isinstance(items, Sized) else None


def unread(items: object, read: int) -> Iterable[Inputs | Case]:
    """Return the cases after those that were read; none where they cannot be read again."""
    source = _source_of(items)
    if source is not None:
        return islice(source.rows(), read, None) if source.count() is not None else ()
    return islice(items, read, None) if isinstance(items, Sequence) else ()


def _source_of(items: object) -> Source | None:
    table = None if isinstance(items, Source) else in_memory(items)
    return Source(table) if table is not None else items if isinstance(items, Source) else None


def _instead_of(items: object) -> str:
    if isinstance(items, str | PurePath):
        return f": a file's are cases_from({str(items)!r})"
    return ": put it in a list, if it is one case" if isinstance(items, Mapping) else ""


async def batches(items: Any, size: int) -> AsyncGenerator[Sequence[Any]]:
    """Iterate over either kind, and over the rows of a frame, so many at a time, letting others have their turn.

    Those of a source that may wait come one by one: the first must not wait for the next.
    """
    if isinstance(items, CallersCases):
        async with aclosing(items.in_batches(size)) as read_elsewhere:
            async for batch in read_elsewhere:
                yield batch
        return
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield (item,)
        return
    source = _source_of(items)
    if source is None and (not isinstance(items, Iterable) or isinstance(items, str | bytes | Mapping)):
        raise ConfigurationError(
            f"cases must be an iterable of dicts or Cases, or a frame, not {type(items).__name__}{_instead_of(items)}"
        )
    # A file is not left open when the run ends early.
    with nullcontext(items) if source is None else closing(source.rows()) as rows:
        given = iter(rows)
        read = 0
        while batch := tuple(islice(given, size)):
            yield batch
            read += len(batch)
            if read >= _READ_AT_ONCE:
                read = 0
                await anyio.lowlevel.checkpoint()
