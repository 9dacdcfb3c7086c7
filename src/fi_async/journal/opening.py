"""Opens the file of a run, for the calls that keep one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any, Final

from fi_async._settings import Limit, RunFile, RunOptions, Timeout
from fi_async._shard import Shard
from fi_async._version import __version__
from fi_async.engine.intake import Question
from fi_async.engine.session import Session
from fi_async.journal.file_storage import FileStorage
from fi_async.journal.ledger import JournalLedger
from fi_async.journal.records import RunInfo
from fi_async.journal.reuse import Reused
from fi_async.journal.writer import Journal

_OF_SEATS: Final = ("juror", "sample")


@asynccontextmanager
async def open_ledger(
    run: RunFile,
    session: Session,
    questions: Sequence[Question],
    options: RunOptions,
    *,
    evaluations: int | None = None,
    shard: Shard | None = None,
) -> AsyncIterator[JournalLedger]:
    """Yield the ledger of a run that is kept in a file.

    Args:
        run: The file, and what is to be done with it.
        session: The client's.
        questions: What is asked of each case.
        options: What shapes the run.
        evaluations: How many outcomes the run will have; None if that is known only when all cases are read.
        shard: Which part of a run it is; None if it is all of it.

    Raises:
        JournalError: The file cannot be used.
        ConfigurationError: It keeps a run of another server, or another shard, or no run has the name that `reuse`
            asks for.
    """
    path = run.file
    info = info_of(path.stem, run, session, questions, options, evaluations=evaluations)
    info = replace(info, shard=None if shard is None else (shard.number, shard.of))
    async with (
        Reused(run.reuse, path) as reused,
        Journal(FileStorage(path), info, session.wall_clock, held_only=run.held_only) as journal,
    ):
        await journal.reopen(run.retry)
        yield JournalLedger(
            journal,
            questions,
            drain=run.drain,
            refuse_duplicates=run.duplicates == "refuse",
            reused=reused,
            spent=await journal.spent() if has_bound(questions) else None,
        )


def has_bound(questions: Sequence[Question]) -> bool:
    """Return True if a judge may spend so much and no more: earlier passes count."""
    judges = [seat.route.judge for each in questions for seat in each.seats]
    return any(judge is not None and judge.max_cost is not None for judge in judges)


def info_of(
    name: str,
    run: RunFile,
    session: Session,
    questions: Sequence[Question],
    options: RunOptions,
    *,
    evaluations: int | None = None,
) -> RunInfo:
    """Return what a run is about, as it is kept.

    Args:
        name: The run's.
        run: Where it is kept, and what is to be done with it.
        session: The client's.
        questions: What is asked of each case.
        options: What shapes the run.
        evaluations: How many outcomes it will have; None if nobody knows.
    """
    return RunInfo(
        name=name,
        templates=tuple(each.template.name for each in questions),
        model_name=options.model_name,
        backend=session.connection.backend,
        base_url=session.connection.base_url,
        started_at=session.wall_clock(),
        version=__version__,
        settings=settings_of(options),
        source=run.source,
        questions=tuple(map(asked_of, questions)),
        evaluations=evaluations,
    )


def asked_of(question: Question) -> Mapping[str, Any]:
    """Return what a template is asked with, and who answers it; no key is among it."""
    route, template = question.route, question.template
    own = {} if template.system else {"asks": {"text": template.description, "choices": template.choices}}
    judge = {} if route.judge is None else {"judge_model": route.judge.model, "judge_url": route.judge.base_url}
    asked = {name: value for name, value in asdict(question.parameters).items() if name not in _OF_SEATS}
    if question.shape.is_plain:
        return {**asked, "by": route.by, **judge, **own}
    jurors = [_juror(each) for each in question.jurors]
    panel = {"panel": question.shape.as_dict(), **({"jurors": jurors} if jurors else {})}
    return {**asked, "by": route.by, **judge, **own, **panel}


def _juror(seat: Question) -> Mapping[str, Any]:
    judge = seat.route.judge
    assert judge is not None  # noqa: S101  # as of every juror
    told = {"judge_model": judge.model, "judge_url": judge.base_url, "name": judge.label}
    return {**told, "fingerprint": seat.parameters.fingerprint}


def settings_of(options: RunOptions) -> Mapping[str, Any]:
    """Return the options of a run as plain values."""
    settings = asdict(options)
    settings["limits"] = [limit_text(each) for each in options.limits]
    return settings


def options_of(settings: Mapping[str, Any]) -> RunOptions:
    """Return the options that `settings_of` made these of; those that are not there are as they are by default.

    Raises:
        ConfigurationError: A value is out of its range.
    """
    known = {name: settings[name] for name in RunOptions.__dataclass_fields__ if name in settings}
    if isinstance(timeout := known.get("timeout"), Mapping):
        known["timeout"] = Timeout(**timeout)
    known["limits"] = [limit_of_text(text) for text in known.get("limits", ())]
    return RunOptions().with_given(**known)


def limit_text(limit: Limit) -> str:
    """Return a limit as it is kept, for instance "300 requests per minute"."""
    return f"{limit.count} {limit.of} per {limit.per}"


def limit_of_text(text: str) -> Limit:
    """Return the limit that `limit_text` made this of."""
    count, of, _, per = text.split()
    window: Any = float(per) if per[:1].isdigit() else per
    return Limit(int(count), window, of)  # type: ignore[arg-type]  # Limit checks it
