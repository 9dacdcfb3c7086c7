"""The kinds of flags that several commands have: how a value is checked, and how `--help` shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Group, Parameter, Token, validators

from fi_async._errors import ConfigurationError
from fi_async._shard import Shard

POSITIVE = validators.Number(gt=0)
FROM_ONE = validators.Number(gte=1)
FROM_ZERO = validators.Number(gte=0)
SHARE = validators.Number(gte=0, lte=1)
WITHIN = validators.Number(gt=0, lt=1)
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


def short(value: object) -> str:
    """Return a number as help shows it."""
    return f"{value:g}"
