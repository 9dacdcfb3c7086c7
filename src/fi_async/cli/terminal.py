"""The consoles that commands print to."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class _Plain(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Let `main` end the program: rich would end it with the code of a run that is not complete."""
        raise BrokenPipeError


def stdout() -> Console:
    """Return a console for results: no colours but ours."""
    return _Plain(highlight=False)
