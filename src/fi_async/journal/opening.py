"""Opens the file of a run, for the calls that keep one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fi_async._settings import RunFile, RunOptions
from fi_async._version import __version__
from fi_async.engine.intake import Question
from fi_async.engine.session import Session
from fi_async.journal.ledger import JournalLedger
from fi_async.journal.records import RunInfo
from fi_async.journal.reuse import Reused
from fi_async.journal.writer import Journal

_OF_SEATS: Final = ("juror", "sample")


@asynccontextmanager
async def open_ledger(
    run: RunFile, session: Session, questions: Sequence[Question], options: RunOptions, evaluations: int | None = None
) -> AsyncIterator[JournalLedger]:
    """Yield the ledger of a run that is kept in a file.

    Args:
        run: The file, and what is to be done with it.
        session: The client's.
        questions: What is asked of each case.
        options: What shapes the run.
        evaluations: How many outcomes the run will have; None if that is known only when all cases are read.

    Raises:
        JournalError: The file cannot be used.
        ConfigurationError: It keeps a run of another server, or no run has the name that `reuse` asks for.
    """
    path = Path(run.path)
    info = _info(run, session, questions, options, evaluations)
    async with (
        Reused(run.reuse, path) as reused,
        Journal(path, info, session.wall_clock, held_only=run.held_only) as journal,
    ):
        await journal.reopen(run.retry)
        yield JournalLedger(
            journal,
            questions,
            drain=run.drain,
            refuse_duplicates=run.duplicates == "refuse",
            reused=reused,
            spent=await journal.spent() if _has_bound(questions) else None,
        )


def _has_bound(questions: Sequence[Question]) -> bool:
    """Return True if a judge may spend so much and no more: earlier passes count."""
    judges = [seat.route.judge for each in questions for seat in each.seats]
    return any(judge is not None and judge.max_cost is not None for judge in judges)


def _info(
    run: RunFile, session: Session, questions: Sequence[Question], options: RunOptions, evaluations: int | None
) -> RunInfo:
    return RunInfo(
        name=Path(run.path).stem,
        templates=tuple(each.template.name for each in questions),
        model_name=options.model_name,
        backend=session.connection.backend,
        base_url=session.connection.base_url,
        started_at=session.wall_clock(),
        version=__version__,
        settings=_settings(options),
        source=run.source,
        questions=tuple(map(_asked, questions)),
        evaluations=evaluations,
    )


def _asked(question: Question) -> Mapping[str, Any]:
    """Return what a template is asked with, and who answers it; no key is among it."""
    route = question.route
    judge = {} if route.judge is None else {"judge_model": route.judge.model, "judge_url": route.judge.base_url}
    asked = {name: value for name, value in asdict(question.parameters).items() if name not in _OF_SEATS}
    if question.shape.is_plain:
        return {**asked, "by": route.by, **judge}
    jurors = [{"judge_model": each.model, "judge_url": each.base_url, "name": each.label} for each in route.jury or ()]
    panel = {"panel": question.shape.as_dict(), **({"jurors": jurors} if jurors else {})}
    return {**asked, "by": route.by, **judge, **panel}


def _settings(options: RunOptions) -> Mapping[str, Any]:
    settings = asdict(options)
    settings["limits"] = [f"{each.count} {each.of} per {each.per}" for each in options.limits]
    return settings
