"""`fi-async resume` and `fi-async retry`: a run goes on, with the command line that its file keeps."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

from fi_async._connection import LOCAL
from fi_async._models import OutcomeStatus
from fi_async._settings import Retried
from fi_async.cli import asked, errors
from fi_async.cli.errors import UsageError
from fi_async.cli.kept import Stored, check_run
from fi_async.cli.options import ResumeFlags
from fi_async.cli.run import carry_out, plan_of
from fi_async.cli.sources import STDIN
from fi_async.journal.stored import StoredCases
from fi_async.journal.view import RunView, open_view
from fi_async.sources.rows import Shape, Source

_CAN_RETRY: Final = {OutcomeStatus.FAILED, OutcomeStatus.STALLED}


def resume_run(run: Path, flags: ResumeFlags, retry: Sequence[Retried] = ()) -> int:
    """Return the exit code of a run that is gone on with, as `fi-async run` does.

    Args:
        run: Its file.
        flags: What is told anew.
        retry: What is tried again of that which ended before.

    Raises:
        UsageError: There is no such run, no command line began it, or the environment names another server.
        JournalError: Its file cannot be used.
        FiAsyncError, OSError: As of `fi-async run`.
    """
    check_run(run)
    with open_view(run) as view:
        stored = Stored.of(view.info.source)
        if stored.flags is None:
            raise UsageError(f"{run}: a program keeps this run: run the program again to go on")
        _check_server(view)
        again = stored.restored(run=run, out=flags.out, json=flags.json, no_progress=flags.no_progress)
        is_asked = flags.out is not None or flags.json or again.min or again.coverage is not None
        if not is_asked and _has_ended(view, stored):
            statuses = view.statuses()
            if not (retry and _CAN_RETRY & statuses.keys()):
                return _nothing_to_do(view, statuses)
        held = view.past.held
    if stored.is_there:
        return carry_out(plan_of(str(stored.file), again, name=stored.name, retry=retry), again)
    print(f"{run}: {_why(stored)}: going on with the {held:,} cases that it holds", file=sys.stderr)
    rows = Source(StoredCases(run), Shape(id_column=None))
    return carry_out(plan_of(stored.file or STDIN, again, held=rows, keeps=stored, retry=retry), again)


def retry_run(run: Path, flags: ResumeFlags, **asked_for: bool) -> int:
    """Return the exit code of a run that is gone on with, what ended so being tried again; see `resume_run`.

    Raises:
        UsageError: Nothing is asked for; or as there.
    """
    retry: list[Retried] = [each for each in get_args(Retried) if asked_for[each]]
    if not retry:
        raise UsageError("nothing to retry: give --failed, --stalled or --ambiguous")
    return resume_run(run, flags, retry)


def _check_server(view: RunView) -> None:
    """Raise if going on would ask another server. That of the file is not taken: it would be sent the keys."""
    made_on = view.info.base_url
    if made_on != LOCAL and made_on != asked.base_url():
        raise UsageError(
            f"{view.path}: this run was made on {made_on}, and FI_BASE_URL says {asked.base_url()}: set"
            f" FI_BASE_URL={made_on} to go on"
        )


def _has_ended(view: RunView, stored: Stored) -> bool:
    """Tell whether there is nothing left to do, as far as that is known without reading the input."""
    if view.pending:
        return False
    return not stored.is_there or (stored.is_unchanged and view.past.held == stored.evaluations)


def _nothing_to_do(view: RunView, statuses: Mapping[str, int]) -> int:
    """Return the exit code of a run that has ended, after saying so."""
    without = sum(count for status, count in statuses.items() if status != OutcomeStatus.SCORED)
    also = f", {without:,} without a score" if without else ""
    print(f"{view.path}: nothing to do: all {view.past.done:,} evaluations have ended{also}")
    return errors.INCOMPLETE if without else errors.DONE


def _why(stored: Stored) -> str:
    return "its rows came from stdin" if stored.file is None else f"{stored.file} is gone"
