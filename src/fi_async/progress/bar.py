"""A bar that moves, in one line of the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from fi_async.progress.displays import Live, clock, spent
from fi_async.progress.meter import Progress

_NARROW: Final = 72


def _console() -> Console:
    return Console(stderr=True, highlight=False)


def is_terminal() -> bool:
    """Return True if stderr is a terminal that can redraw a line."""
    console = _console()
    return console.is_terminal and not console.is_dumb_terminal


class Bar(Live):
    """Draws the bar. What is printed or logged meanwhile appears above it."""

    every = 0.1

    def __init__(self) -> None:
        self._shown: _Shown | None = None
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        if self._shown is None:
            streams = {id(sys.stdout): "stdout", id(sys.stderr): "stderr"}
            self._shown = _Shown(progress)
            self._shown.start()
            self._handlers = _log_above(streams)
        self._shown.move(progress)

    def close(self) -> None:
        """Leave the bar as it is, and the terminal to others."""
        try:
            for handler, stream in self._handlers:
                handler.setStream(stream)
            if self._shown is not None:
                self._shown.stop()
        finally:
            super().close()


def _log_above(streams: dict[int, str]) -> list[tuple[logging.StreamHandler[Any], Any]]:
    """Have log handlers write where the bar lets text through, and return them with the streams they had."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = dict.fromkeys(handler for logger in loggers for handler in logger.handlers)
    had = []
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler) and id(handler.stream) in streams:
            had.append((handler, handler.stream))
            handler.setStream(getattr(sys, streams[id(handler.stream)]))
    return had


class _Shown(RichProgress):
    """One bar, and a line below it while the run waits for something."""

    def __init__(self, progress: Progress) -> None:
        console = _console()
        self._now = progress
        super().__init__(
            *_columns(console.width, progress.total),
            console=console,
            auto_refresh=False,  # whoever shows progress comes by often enough, and by the run's own clock
            # Text on its way to a file must not end up in the terminal.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._only = self.add_task("", total=progress.total, progress=progress)

    def move(self, progress: Progress) -> None:
        self._now = progress
        self.columns = _columns(self.console.width, progress.total)  # a terminal's width may change
        self.update(self._only, completed=progress.done, progress=progress, refresh=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if said := spent(self._now):
            yield Text("  ".join(said), style="dim", no_wrap=True, overflow="ellipsis")
        if self._now.waiting_for is not None:
            yield Text(f"waiting for {self._now.waiting_for}", style="yellow", no_wrap=True, overflow="ellipsis")


def _columns(width: int, total: int | None) -> tuple[ProgressColumn, ...]:
    """Return what the bar's line shows; a narrow one does without what is told by the rest.

    The line ends before the terminal does: the ^C of an interrupt would break it.
    """
    narrow = width < _NARROW
    numbers = 3 * len(str(total)) + (31 if narrow else 49)
    bar = BarColumn(bar_width=max(4, min(40, width - numbers - 3)))
    done = _Part(lambda it: f"[bold]{it.done}/{'?' if it.total is None else it.total}[/]")
    scored = _Part(lambda it: f"scored [green]{it.done - it.failed}[/]")
    failed = _Part(lambda it: f"failed {f'[red]{it.failed}[/]' if it.failed else 0}")
    rate = _Part(lambda it: f"{it.rate:.1f}/s")
    elapsed = _Part(lambda it: f"[yellow]{clock(it.elapsed_s)}[/]")
    eta = _Part(lambda it: f"eta [cyan]{'-:--:--' if it.eta_s is None else clock(it.eta_s)}[/]")
    return (bar, done, failed, rate, eta) if narrow else (bar, done, scored, failed, rate, elapsed, eta)


class _Part(ProgressColumn):
    """A part of the line, as text with rich's markup."""

    def __init__(self, text: Callable[[Progress], str]) -> None:
        super().__init__(Column(no_wrap=True))
        self._text = text

    def render(self, task: Task) -> Text:
        return Text.from_markup(self._text(task.fields["progress"]))
