"""The consoles that commands print to."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class _Plain(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Let `main` end the program: rich would end it with the code of a run that is not complete."""
        raise BrokenPipeError


def stdout() -> Console:
    """Return a console for results: no colours but ours, and no markup, which others' texts may look like."""
    return _Plain(highlight=False, markup=False)


def stderr() -> Console:
    """Return a console for what is said meanwhile."""
    return _Plain(stderr=True, highlight=False, markup=False)


def printable(text: str) -> str:
    """Return somebody else's text in one line, with an escape for what a terminal would obey or cannot show."""
    one_line = " ".join(text.split())
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in one_line
    )
