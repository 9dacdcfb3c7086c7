"""The consoles that commands print to."""

from __future__ import annotations

from typing import Final, NoReturn

from rich import box
from rich.console import Console
from rich.table import Table

NARROW: Final = 60
"""Columns of a terminal, below which it is narrow."""


class _Plain(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Let `main` end the program: rich would end it with the code of a run that is not complete."""
        raise BrokenPipeError


def stdout() -> Console:
    """Return a console for results: no colours but ours, and names as they are, also [red].db."""
    return _Plain(highlight=False, markup=False, emoji=False)


def table_for(console: Console) -> Table:
    """Return a table with a line below its heads, whose cells stand close together on a narrow terminal."""
    is_narrow = console.width < NARROW
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=not is_narrow, padding=0 if is_narrow else (0, 1))


def counted(number: int, what: str) -> str:
    """Return a number of things in words: 1 row, 2 rows."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Return somebody else's text in one line, with an escape for what a terminal would obey or cannot show."""
    one_line = " ".join(text.split())
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in one_line
    )
