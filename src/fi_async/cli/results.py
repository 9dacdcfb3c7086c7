"""Outcomes as lines of the output file, and in the user's words."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fi_async._errors import APIConnectionError
from fi_async._models import Outcome, OutcomeStatus
from fi_async.cli.errors import UsageError
from fi_async.cli.sources import Row, Source

_JSON: Final = json.JSONEncoder(ensure_ascii=False)


def place_of(outcome: Outcome, source: Source) -> str:
    """Return where a case stands: file and line."""
    return f"{source.name}, line {row_of(outcome).line}"


def row_of(outcome: Outcome) -> Row:
    """Return the row that an outcome is about."""
    assert isinstance(outcome.case, Row)  # noqa: S101  # the run reads nothing but rows
    return outcome.case


def cause_of(outcome: Outcome) -> tuple[str, str]:
    """Return the type and the message of why a case has no score, alike for all cases of the same trouble."""
    fault = row_of(outcome).fault
    if fault is not None or outcome.error is None:
        return "UnreadableRow", fault or ""
    # The row's number would make every message a cause of its own.
    return type(outcome.error).__name__, outcome.error.message.removeprefix(
        f"case {getattr(outcome.error, 'index', None)}: "
    )


def never_left(outcome: Outcome) -> bool:
    """Tell whether a case failed because its request could not even be sent."""
    return isinstance(outcome.error, APIConnectionError) and not outcome.error.sent


def record(outcome: Outcome, source: Source) -> dict[str, Any]:
    """Return an outcome as its line of the output file has it."""
    result = outcome.result
    return {
        "index": outcome.index,
        "id": outcome.case.id,
        "template": outcome.template,
        "status": outcome.status.value,
        "score": outcome.score,
        "passed": outcome.passed,
        "output": None if result is None else result.output,
        "reason": None if result is None else result.reason,
        "error": _error(outcome, source),
        "backend": outcome.backend,
        "eval_id": outcome.eval_id or (None if result is None else result.eval_id),
        "attempts": outcome.attempts,
        "latency_s": outcome.latency_s,
        "inputs": row_of(outcome).given,
    }


def _error(outcome: Outcome, source: Source) -> str | None:
    if outcome.error is None:
        return None
    kind, message = cause_of(outcome)
    if outcome.status is not OutcomeStatus.INVALID:
        return f"{kind}: {outcome.error}"
    detail = row_of(outcome).detail
    return f"{place_of(outcome, source)}: {message}{f' ({detail})' if detail else ''}"


class Sink:
    """Writes outcomes to a file, a line each and each at once; to nothing if there is no path.

    A file that is there already is kept until the first outcome comes: a run that could not begin costs nothing.

    Raises:
        UsageError: The path is that of the input, a directory, or in a directory that does not exist.
    """

    def __init__(self, path: Path | None, source: Source) -> None:
        self._source = source
        self._file = None
        self._begun = False
        self._replaces = path is not None and path.is_file()  # a pipe or a device has nothing to replace
        if path is None:
            return
        if path.is_dir() or not path.parent.is_dir():
            what = "it is a directory" if path.is_dir() else f"there is no directory {path.parent}"
            raise UsageError(f"--out {path}: {what}")
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise UsageError(f"--out {path}: that is the file the rows come from")
        # A lone half of a surrogate pair, which JSON can name and UTF-8 cannot, is written as JSON names it.
        self._file = path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, outcome: Outcome) -> None:
        """Write one outcome."""
        if self._file is None:
            return
        if not self._begun:
            self._begun = True
            if self._replaces:
                self._file.truncate(0)
        self._file.write(_JSON.encode(record(outcome, self._source)) + "\n")
