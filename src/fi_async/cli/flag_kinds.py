"""The kinds of flags that several commands have: how a value is checked, and how `--help` shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter, Token, validators

from fi_async._errors import ConfigurationError
from fi_async._run_url import RunUrl, is_store_url
from fi_async._shard import Shard
from fi_async.cli.errors import UsageError

POSITIVE = validators.Number(gt=0)
FROM_ONE = validators.Number(gte=1)
FROM_ZERO = validators.Number(gte=0)
SHARE = validators.Number(gte=0, lte=1)
WITHIN = validators.Number(gt=0, lt=1)
_URLS = ("postgresql:/", "postgres:/")  # as paths have them
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")

Several = Parameter(consume_multiple=(1, 1_000_000), negative="")
Flag = Parameter(negative="", show_default=False)


def whole(type_: object, tokens: Sequence[Token]) -> int | str:
    """Return the whole number that is given, or auto where it may be that; the parser itself rounds and shows types."""
    text = tokens[0].value
    if text == "auto" and type_ is not int:
        return text
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'"{text}" is no whole number{"" if type_ is int else ", nor auto"}')
    return int(text)


def from_one(type_: object, value: int | str | None) -> None:
    """Return if a value is a number from 1, or auto, or left out."""
    if value is not None and value != "auto":
        FROM_ONE(type_, value)


def one_of_shards(_type: object, value: str | None) -> None:
    """Return if a value names a shard, or is left out."""
    try:
        Shard.named(value)
    except ConfigurationError as error:
        raise ValueError(error.message) from None


Count = Annotated[
    int | Literal["auto"] | None, Parameter(metavar="auto|N", converter=whole, validator=from_one, show_choices=False)
]
"""How many at once, if it is said."""

INPUT, EVALUATION, JUDGE, PACE, KEEPING, VERDICT, OUTPUT = (
    Parameter(group=Group(name, sort_key=place))
    for place, name in enumerate(("Input", "Evaluation", "Judge", "Pace", "Keeping", "Verdict", "Output"))
)
"""The groups of flags in the help of `fi-async run`, in their order."""


def at_home(path: Path) -> Path:
    """Return a path with the home directory for a ~ at its start: a shell leaves those alone that follow a sign.

    Raises:
        UsageError: It is the URL of a database; the message does not show it, as it may hold a password.
    """
    if str(path).startswith(_URLS):
        raise UsageError(
            "the URL of a database stands where a file's path belongs: what takes a run takes one, but for merge and"
            " import; elsewhere, fi-async export writes a file"
        )
    return Path(os.path.expanduser(path))  # noqa: PTH111  # a name nobody has stays


def named(run: str) -> Path | RunUrl:
    """Return which run is meant: the path of its file, or the URL of a database that ends in the run's name.

    Raises:
        ConfigurationError: The URL is none; the message shows no password.
    """
    return RunUrl.parse(run) if is_store_url(run) else at_home(Path(run))


def home_of_runs(place: str | None) -> Path | RunUrl:
    """Return where runs are: a directory, the working one if none is given; or a database.

    Raises:
        ConfigurationError: The URL is none, or that of one run; the message shows no password.
    """
    if place is None or not is_store_url(place):
        return at_home(Path(place or ""))
    url = RunUrl.parse(place, needs_run=False)
    if url.run:
        raise ConfigurationError(f"{url}: that is one run, which fi-async status shows: leave {url.run!r} out")
    return url


def _run(_type: object, tokens: Sequence[Token]) -> Path | RunUrl:
    return named(tokens[0].value)


RunPlace = Annotated[Path | RunUrl | None, Parameter(converter=_run, accepts_keys=False, n_tokens=1)]
"""A run, if one is given: the path of its file, or the URL of its database."""


def short(value: object) -> str:
    """Return a number as help shows it."""
    return f"{value:g}"
