"""`fi-async dataset`: rows go up, are evaluated on the platform, and come back as outcomes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import UUID

from rich import box
from rich.table import Table

from fi_async import sources
from fi_async._connection import LOCAL
from fi_async._errors import ConfigurationError, DatasetError, NotFoundError, StalledError
from fi_async.cli import errors, parameters, terminal
from fi_async.cli.backend import backend_of, given_url
from fi_async.cli.dataset_flags import DatasetFlags
from fi_async.cli.errors import UsageError
from fi_async.cli.outputs import OutputFile, check_output, run_facts
from fi_async.cli.saved_command import command_line
from fi_async.cli.summary import show
from fi_async.cli.totals import RunTotals
from fi_async.datasets.dataset import Dataset
from fi_async.datasets.dataset_run import DatasetRun
from fi_async.evaluator import AsyncEvaluator
from fi_async.reports.outcome_tables import inert_table
from fi_async.reports.report import Report
from fi_async.sources.rows import Shape, Source
from fi_async.wire.templates import Templates

T = TypeVar("T")

_NEVER_STARTED: Final = "Inactive"
_NO_SERVER: Final = (
    "datasets are kept by a server: set FI_API_KEY and FI_SECRET_KEY to use your account; or start fi-async serve, and"
    " set FI_BASE_URL to where it is"
)
_FLAGS: Final = [
    (re.compile(pattern), flag)
    for pattern, flag in (
        (r"by resume=True", "by --resume"),
        (r"attach\('[^']*', start=True\) starts it", "fi-async dataset retry starts it"),
        (r"by attach\(('[^']*'|\"[^\"]*\")\)", r"by fi-async dataset pull with --eval \1"),
        (r", or use the embedded backend with --backend local", ""),
        (r"(by|with) names=\{[^}]*\}", "with --as TEMPLATE=NAME"),
        (r"mapping=\{'([^']*)': '([^']*)'\}", r"--map \1=\2"),
        (r"mapping=\{'([^']*)': \.\.\.\}", r"--map \1=COLUMN"),
    )
]
"""How messages about keywords are said of flags."""


def push_file(file: str, name: str, *, resume: bool, timeout: float | None, as_json: bool) -> int:
    """Return 0 after making a dataset of a file's rows.

    Raises:
        UsageError, ConfigurationError, InvalidCaseError: It cannot be meant so.
        FiAsyncError: It could not be done.
    """
    rows = Source(sources.file(file), Shape(id_column=None))

    async def push(ev: AsyncEvaluator) -> tuple[Dataset, int]:
        dataset = await ev.datasets.create(rows, name=name, resume=resume)
        return dataset, await dataset.count()

    dataset, count = _done(push, timeout=timeout)
    for remark in dataset.remarks:
        print(f"fi-async: {terminal.printable(remark)}", file=sys.stderr)
    if as_json:
        print(json.dumps({"id": dataset.id, "name": dataset.name, "rows": count, "remarks": dataset.remarks}, indent=2))
    else:
        print(f"{name}: {terminal.counted(count, 'row')} ({dataset.id})")
    return errors.DONE


def evaluate_dataset(name: str, flags: DatasetFlags) -> int:
    """Return the exit code of evaluations of a dataset, after their summary.

    Raises:
        UsageError, ConfigurationError, NotFoundError: It cannot be meant so.
        FiAsyncError: It could not be done, or not to its end.
    """
    known = Templates()
    facts = {each: found for each in flags.evals if (found := known.get(each)) is not None}
    mapping = parameters.mapping(flags.mapping or (), flags.evals, facts)
    config = parameters.eval_config(flags.param or (), flags.evals, facts)
    called = parameters.names_of_columns(flags.called or (), flags.evals)
    _check_places(flags.out)

    async def evaluate(ev: AsyncEvaluator) -> Report | None:
        dataset = await _found(ev, name)
        run = await dataset.evaluate(flags.evals, mapping=mapping, names=called, eval_config=config)
        if flags.detach:
            return None
        return await _awaited(run, name, shows_progress=not flags.no_progress)

    began = monotonic()
    report = _done(evaluate, timeout=flags.timeout, model_name=flags.model)
    if report is None:
        print(f"started; to come back: {command_line('dataset', 'pull', name)} --out scores.jsonl")
        return errors.DONE
    return _told(report, monotonic() - began, flags.out, as_json=flags.json)


def pull_dataset(
    name: str,
    evaluations: Sequence[str],
    out: Path | None,
    table: Path | None,
    *,
    is_safe: bool,
    timeout: float | None,
    waits: bool,
    as_json: bool,
) -> int:
    """Return the exit code of evaluations of a dataset, after their outcomes were written.

    Raises:
        UsageError: There is no such dataset or evaluation.
        FiAsyncError: It could not be done, or not to its end.
    """
    _check_places(out, table)
    if is_safe and table is None:
        raise UsageError("--safe-cells is of --table: name its file; --out writes CSV so always")
    if out is not None and table is not None and out.resolve() == table.resolve():
        raise UsageError(f"--table {table}: --out is written there: name another file for one of them")

    async def pull(ev: AsyncEvaluator) -> tuple[Report | None, str]:
        dataset = await _found(ev, name)
        text = await dataset.download() if table is not None else ""
        if table is not None and not evaluations and not await dataset.evaluations():
            return None, text
        run = await dataset.attach(*evaluations)
        if not waits:
            return await run.report(), text
        report = await _awaited(run, name, shows_progress=not as_json)
        return report, await dataset.download() if table is not None else ""

    began = monotonic()
    report, text = _done(pull, timeout=timeout)
    if table is not None:
        table.write_text(inert_table(text) if is_safe else text, encoding="utf-8", newline="")
        print(f"the dataset is in {table}", file=sys.stderr)
    return errors.DONE if report is None else _told(report, monotonic() - began, out, as_json=as_json)


def show_dataset(name: str, *, as_json: bool) -> int:
    """Return 0 after printing how the evaluations of a dataset stand."""

    async def look(ev: AsyncEvaluator) -> dict[str, Any]:
        dataset = await _found(ev, name)
        evaluations = [asdict(each) for each in await dataset.evaluations()]
        return {"id": dataset.id, "name": dataset.name, "rows": await dataset.count(), "evaluations": evaluations}

    said = _done(look)
    if as_json:
        print(json.dumps(said, indent=2))
        return errors.DONE
    print(f"{terminal.printable(said['name'])}: {terminal.counted(said['rows'], 'row')} ({said['id']})")
    if said["evaluations"]:
        columns = ("name", "template", "status")
        _print_table(columns, [[str(each[column]) for column in columns] for each in said["evaluations"]])
    return errors.DONE


def show_datasets(*, as_json: bool) -> int:
    """Return 0 after printing the datasets."""

    async def look(ev: AsyncEvaluator) -> list[dict[str, Any]]:
        return [asdict(each) for each in await ev.datasets.list()]

    listed = _done(look)
    if as_json:
        print(json.dumps(listed, indent=2))
    elif listed:
        rows = [[each["name"], "-" if each["rows"] is None else f"{each['rows']:,}", each["id"]] for each in listed]
        _print_table(("name", "rows", "id"), rows)
    else:
        print("no datasets")
    return errors.DONE


def retry_evaluation(name: str, evaluation: str) -> int:
    """Return 0 after starting an evaluation again for the rows without a verdict."""

    async def retry(ev: AsyncEvaluator) -> None:
        dataset = await _found(ev, name)
        statuses = {each.name: each.status for each in await dataset.evaluations()}
        run = await dataset.attach(evaluation, start=True)
        if statuses[evaluation] != _NEVER_STARTED:
            await run.retry_failed()

    _done(retry)
    again = command_line("dataset", "pull", name, "--eval", evaluation, "--out", "scores.jsonl")
    print(f"started; to come back: {again}")
    return errors.DONE


def stop_evaluation(name: str, evaluation: str) -> int:
    """Return 0 after stopping an evaluation."""

    async def stop(ev: AsyncEvaluator) -> str:
        run = await (await _found(ev, name)).attach(evaluation)
        await run.stop()
        return (await run.status()).evaluations[0].status

    print(f"{name}: {evaluation} is {_done(stop)}")
    return errors.DONE


def remove_dataset(name: str) -> int:
    """Return 0 after deleting a dataset."""

    async def remove(ev: AsyncEvaluator) -> None:
        await (await _found(ev, name)).delete()

    _done(remove)
    print(f"{name}: deleted")
    return errors.DONE


def _done(ask: Callable[[AsyncEvaluator], Awaitable[T]], *, timeout: float | None = None, **options: Any) -> T:
    """Return what is asked of the platform.

    Raises:
        UsageError: There is no server to ask.
    """
    try:
        is_local = backend_of(None) == LOCAL
    except UsageError as error:
        raise UsageError(_in_flags(str(error))) from None
    if is_local:
        raise UsageError(_NO_SERVER)
    if timeout is not None:
        options["timeout"] = timeout

    async def asked() -> T:
        try:
            async with AsyncEvaluator(fi_base_url=given_url(), **options) as ev:
                return await ask(ev)
        except ConfigurationError as error:
            raise UsageError(_in_flags(str(error))) from error
        except DatasetError as error:
            if (said := _in_flags(str(error))) == str(error):
                raise
            raise UsageError(said) from error

    return asyncio.run(asked())


def _in_flags(message: str) -> str:
    """Return a message about keywords with our flags for them."""
    for keyword, flag in _FLAGS:
        message = keyword.sub(flag, message)
    return message


async def _found(ev: AsyncEvaluator, name: str) -> Dataset:
    """Return a dataset by its name, or by its id.

    Raises:
        UsageError: There is none.
    """
    try:
        return await ev.datasets.get(name)
    except NotFoundError as error:
        if error.status is not None:
            raise
        missing = str(error)
    try:
        return await ev.datasets.get(id=str(UUID(name)))
    except (ValueError, NotFoundError):
        raise UsageError(missing) from None


async def _awaited(run: DatasetRun, name: str, *, shows_progress: bool) -> Report:
    """Return the report of a run, once it has ended.

    Raises:
        StalledError: It did not end; what is done is told by `fi-async dataset pull --no-wait`.
    """
    again = f"they go on on the platform; to come back: {command_line('dataset', 'pull', name)} --out scores.jsonl"
    try:
        async for progress in run:
            if shows_progress and sys.stderr.isatty():
                said = ", ".join(
                    f"{each.name} {each.status}"
                    + ("" if (scored := progress.scored[each.name]) is None else f" {scored:,}/{progress.rows:,}")
                    for each in progress.evaluations
                )
                print(f"\r\x1b[K{terminal.printable(said)}", end="", file=sys.stderr, flush=True)
        return await run.report()
    except (asyncio.CancelledError, StalledError):
        print(again, file=sys.stderr)
        raise
    finally:
        if shows_progress and sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _told(report: Report, wall_s: float, out: Path | None, *, as_json: bool) -> int:
    """Return the exit code of a report, after its outcomes were written and summed up."""
    totals = RunTotals(list(dict.fromkeys(outcome.template for outcome in report.outcomes)))
    totals.counts = report.counts
    with OutputFile(out, facts=run_facts(len(report.outcomes), is_named=True)) as file:
        for outcome in report.outcomes:
            file.write(outcome)
            totals.add(outcome)
    if as_json:
        print(json.dumps(totals.as_dict(wall_s), indent=2))
    else:
        show(totals, wall_s, terminal.stdout())
    return errors.INCOMPLETE if totals.scored < totals.evaluations else errors.DONE


def _check_places(*places: Path | None) -> None:
    for place in places:
        if place is not None:
            check_output("--out", place)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(terminal.printable, row))
    terminal.stdout().print(table)
