"""How far a run is, on stderr: a live bar in a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from fi_async.cli import terminal
from fi_async.cli.summary import Totals

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES: Final = 5.0
_SECONDS_BETWEEN_LOOKS: Final = 0.25
_NARROW: Final = 72


class Shown(Protocol):
    """Somebody who shows progress."""

    def update(self) -> None:
        """Show that an outcome has come."""

    async def tick(self) -> None:
        """Show, until cancelled, that time goes by."""


def progress(
    totals: Totals, total: int | None, waiting_for: Callable[[], str | None], *, quiet: bool
) -> AbstractContextManager[Shown]:
    """Return what shows these totals while it is entered.

    Args:
        totals: Numbers that change.
        total: How many outcomes there will be; None if nobody knows.
        waiting_for: Tells what the run waits for, in its event loop.
        quiet: Show nothing.
    """
    console = terminal.stderr()
    if quiet:
        return nullcontext(Quiet())
    if console.is_terminal and not console.is_dumb_terminal:
        return Bar(totals, total, waiting_for, console)
    return nullcontext(Lines(totals, total, waiting_for, console))


class Quiet:
    """Shows nothing."""

    def update(self) -> None:
        """Show nothing."""

    async def tick(self) -> None:
        """Show nothing."""


class Lines(Quiet):
    """Prints a line every few seconds: for the logs of CI."""

    def __init__(
        self, totals: Totals, total: int | None, waiting_for: Callable[[], str | None], console: Console
    ) -> None:
        self._totals, self._total, self._waiting_for, self._console = totals, total, waiting_for, console
        self._began = monotonic()

    async def tick(self) -> None:
        """Print the lines."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LINES)
            self._console.print(self._line(), soft_wrap=True)

    def _line(self) -> str:
        totals, seconds = self._totals, monotonic() - self._began
        rate = totals.done / seconds if seconds else 0.0
        parts = [
            f"{totals.done}/{'?' if self._total is None else self._total}",
            f"scored {totals.scored}",
            f"failed {totals.failed}",
            f"{rate:.1f}/s",
            f"elapsed {_clock(seconds)}",
        ]
        if self._total is not None and rate:
            parts.append(f"eta {_clock((self._total - totals.done) / rate)}")
        if (waiting := self._waiting_for()) is not None:
            parts.append(f"waiting: {waiting}")
        return "  ".join(parts)


def _clock(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))


class Bar(Quiet):
    """Draws a bar that moves, in one line of the terminal."""

    def __init__(
        self, totals: Totals, total: int | None, waiting_for: Callable[[], str | None], console: Console
    ) -> None:
        self._totals, self._waiting_for = totals, waiting_for
        self._moving, self._waiting = _columns(console.width, total), _columns_waiting(console.width, total)
        self._progress = Progress(*self._moving, console=console)
        self._task = self._progress.add_task("", total=total, scored=0, failed=0, waiting="")

    def __enter__(self) -> Shown:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def update(self) -> None:
        """Move the bar."""
        totals = self._totals
        self._progress.update(self._task, completed=totals.done, scored=totals.scored, failed=totals.failed)

    async def tick(self) -> None:
        """Say in the bar's place what is waited for, while anything is."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            waiting = self._waiting_for()
            self._progress.update(self._task, waiting=waiting or "")
            self._progress.columns = tuple(self._moving if waiting is None else self._waiting)


def _columns(width: int, total: int | None) -> list[ProgressColumn]:
    """Return what the bar's line shows; a narrow one does without labels.

    The line ends before the terminal does: the ^C of an interrupt would break it.
    """
    narrow = width < _NARROW
    numbers = 31 + 3 * len(str(total)) + (0 if narrow else 18)
    return [
        BarColumn(bar_width=max(4, min(40, width - numbers - 3))),
        _Done(),
        TextColumn("[green]{task.fields[scored]}[/]" if narrow else "scored [green]{task.fields[scored]}[/]"),
        _Failed("" if narrow else "failed "),
        _Rate(),
        TimeElapsedColumn(),
        *([] if narrow else [TextColumn("eta")]),
        TimeRemainingColumn(),
    ]


def _columns_waiting(width: int, total: int | None) -> list[ProgressColumn]:
    """Return what the line shows while something is waited for: the reason takes the place of bar, labels and rate."""
    return [
        _Waiting(max(4, width - 25 - 3 * len(str(total)))),
        _Done(),
        TextColumn("[green]{task.fields[scored]}[/]"),
        _Failed(""),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]


class _Waiting(ProgressColumn):
    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def render(self, task: Task) -> Text:
        """Return what is waited for, in the width there is."""
        text = Text(task.fields["waiting"], style="yellow", no_wrap=True)
        text.truncate(self._width, overflow="ellipsis")
        return text


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return how many are done, of how many."""
        total = "?" if task.total is None else f"{task.total:.0f}"
        return Text(f"{task.completed:.0f}/{total}", style="bold")


class _Failed(ProgressColumn):
    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def render(self, task: Task) -> Text:
        """Return how many have no score; red if there are any."""
        failed = task.fields["failed"]
        return Text.assemble(self._label, (str(failed), "red" if failed else ""))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return how many end in a second, over the whole run."""
        rate = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(f"{rate:.1f}/s")
