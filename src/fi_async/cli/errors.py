"""What ends a command early: its exit code, and the one line that says why and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from cyclopts import CycloptsError
from cyclopts.exceptions import CoercionError, MissingArgumentError, UnusedCliTokensError

from fi_async._errors import (
    AuthenticationError,
    ConfigurationError,
    FiAsyncError,
    NotFoundError,
)
from fi_async.backends.words import in_words

DONE: Final = 0
INCOMPLETE: Final = 1
USAGE: Final = 2
IMPOSSIBLE: Final = 3
BELOW: Final = 4
INCONCLUSIVE: Final = 5
INTERRUPTED: Final = 130

_WORDS: Final[Mapping[Any, str]] = {float: "no number", bool: "neither true nor false"}
OF_JUDGES: Final = ("the judge ", "Judge(", "max_cost ")
"""How messages about a judge begin: they have the keywords of Judge, and not our flags."""

EXIT_CODES: Final = """\
Exit codes:
  0    every case is scored; with --min or --coverage: it is good enough
  1    some cases have no score; with --dry-run, some cannot be sent
  2    wrong usage: an unknown flag, template or column, a wrong value, no file
  3    it could not be done: the key pair is refused, the server unreachable,
       the file of the run damaged, or the disk full
  4    with --min: below it
  5    with --min or --coverage: inconclusive, too few cases have a score
  130  stopped by Ctrl-C; what was written stays, and --run can be gone on with
  143  stopped by SIGTERM; as above"""

GATE_EXIT_CODES: Final = """\
Exit codes:
  0    good enough
  2    wrong usage: an unknown flag or template, a wrong value, no such run
  3    it could not be told: not one case has a score, the file cannot be read
  4    below a bound, or worse than the baseline allows
  5    inconclusive: too few cases have a score, or an interval holds the bound"""

IMPORT_EXIT_CODES: Final = """\
Exit codes:
  0    every outcome has a result
  1    some have none: the tool failed, or rows cannot be read
  2    wrong usage, RUN is there already, or FILE is cut off or not of that
       tool: nothing is written
  3    it could not be done: FILE cannot be read, or RUN not written"""

COMPARE_EXIT_CODES: Final = """\
Exit codes:
  0    done; with --fail-if-worse: no run is worse
  2    wrong usage: an unknown flag, template or run, a wrong value
  3    it could not be told: a file cannot be read
  4    with --fail-if-worse: a run is worse than the baseline
  5    with --fail-if-worse: inconclusive, cases that had a score have none,
       nothing or too little could be compared, or a run is not complete"""

AGREE_EXIT_CODES: Final = """\
Exit codes:
  0    done; with --min: good enough
  2    wrong usage: an unknown flag or template, a wrong label, no such run
  3    it could not be told: the file cannot be read
  4    with --min: below it
  5    with --min: inconclusive, there is no such number, or with --confidence
       its interval holds the bound"""


def as_flag(name: str) -> str:
    """Return the flag of this name."""
    return f"--{name.replace('_', '-')}"


class UsageError(Exception):
    """The command as it was given cannot be carried out; the text says what to write instead."""


class ImpossibleError(Exception):
    """The command is right, and something outside prevents it."""


class StoppedError(KeyboardInterrupt):
    """A signal ended a run; the code is what shells make of it."""

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.code = 128 + signal


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code of what ended a command, and what to tell the user."""
    if isinstance(error, StoppedError):
        return error.code, "interrupted"
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, CycloptsError):
        return USAGE, _of_parsing(error)
    if isinstance(error, UsageError | ConfigurationError):
        return USAGE, in_words(str(error), as_flag) if str(error).startswith(OF_JUDGES) else str(error)
    if isinstance(error, NotFoundError) and error.status is None:  # a template's name, looked up by us
        return USAGE, f"{error} (fi-async templates lists all)"
    return IMPOSSIBLE, _of_trouble(error)


def _of_parsing(error: CycloptsError) -> str:
    command = " ".join(["fi-async", *(error.command_chain or ())])
    said = str(error)
    if isinstance(error, UnusedCliTokensError):
        said = f"Unexpected: {' '.join(error.unused_tokens or ())}."
    elif isinstance(error, MissingArgumentError) and error.argument is not None and error.keyword is None:
        hint = ": it comes before --eval" if error.argument.name == "FILE" else _mistaken(error)
        said = f"{error.argument.name} is missing{hint}."
    elif isinstance(error, CoercionError) and (token := error.token) is not None:
        kind = _WORDS.get(error.target_type)
        origin = "" if token.source in ("", "cli") else f" from {token.source}"
        reason = str(error.msg) if error.msg else f'"{token.value}" is {kind}' if kind else ""
        said = f"Invalid value for {token.keyword}{origin}: {reason}." if reason else said
    return f"{said} See {command} --help"


def _mistaken(error: MissingArgumentError) -> str:
    """Return which word was meant for a flag that is missing; empty if none looks like it."""
    given = [word.partition("=")[0] for word in error.unused_tokens or () if word.startswith("-")]
    meant = get_close_matches(error.argument.name, given, n=1) if error.argument is not None else []
    return f": {meant[0]} is no flag" if meant else ""


def _of_trouble(error: BaseException) -> str:
    if isinstance(error, FiAsyncError) and error.message.startswith(OF_JUDGES):
        return in_words(str(error), as_flag)
    if isinstance(error, AuthenticationError):
        return f"{error}. Check FI_API_KEY and FI_SECRET_KEY"
    if isinstance(error, ImpossibleError | FiAsyncError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"
