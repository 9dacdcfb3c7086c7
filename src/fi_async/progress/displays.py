"""What shows progress: a live display, lines in a log, or a function of the program's.

One live display at a time: whoever comes second prints lines, and neither breaks the other's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Final

from fi_async._spending import dollars
from fi_async.progress.meter import Progress

_live: Final = threading.Lock()


class Display:
    """Shows nothing. Closed when the run has ended.

    Attributes:
        every: Seconds between two times that it is told.
    """

    every: float = 0.5

    def show(self, progress: Progress) -> None:
        """Show how far the run is."""

    def end(self, progress: Progress) -> None:
        """Show how far the run came."""
        self.show(progress)

    def close(self) -> None:
        """Leave the place to others."""


ProgressLike = bool | Callable[[Progress], None] | Display | None
"""False and None show nothing, True what fits the place; a function is told twice a second, and at the end. A display
is asked to `show` as often as its `every` says, to `end` with the last, and to `close`."""


class Told(Display):
    """Tells a function."""

    def __init__(self, function: Callable[[Progress], None]) -> None:
        self._function = function

    def show(self, progress: Progress) -> None:
        """Call it."""
        self._function(progress)


class Lines(Display):
    """Prints a line to stderr every few seconds; none for a run that is over by then."""

    every = 5.0

    def __init__(self) -> None:
        self._begun = False

    def show(self, progress: Progress) -> None:
        """Print a line, but for the moment that a run begins."""
        if progress.elapsed_s < self.every:
            return
        self._begun = True
        print(line(progress), file=sys.stderr, flush=True)  # noqa: T201  # that is what was asked for

    def end(self, progress: Progress) -> None:
        """Print the last line."""
        if self._begun:
            self.show(progress)


class Live(Display):
    """A display that is redrawn in its place. There is one in a process, made by `shown`."""

    @classmethod
    def shown(cls) -> Live | None:
        """Return the one live display; None while another is shown."""
        if not _live.acquire(blocking=False):
            return None
        try:
            return cls()
        except BaseException:
            _live.release()
            raise

    def close(self) -> None:
        """Leave the place to others."""
        _live.release()


def line(progress: Progress) -> str:
    """Return how far a run is, as one line of text."""
    total = "?" if progress.total is None else progress.total
    parts = [
        f"{progress.done}/{total}",
        f"scored {progress.done - progress.failed}",
        f"failed {progress.failed}",
        f"{progress.rate:.1f}/s",
        f"elapsed {clock(progress.elapsed_s)}",
    ]
    if progress.eta_s:
        parts.append(f"eta {clock(progress.eta_s)}")
    parts += spent(progress)
    if progress.waiting_for is not None:
        parts.append(f"waiting for {progress.waiting_for}")
    return "  ".join(parts)


def spent(progress: Progress) -> list[str]:
    """Return what judges took so far; nothing without one."""
    tokens = [] if progress.tokens is None else [f"{progress.tokens:,} tokens"]
    return tokens if progress.cost is None else [*tokens, dollars(progress.cost)]


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds: however long it is, a bar has room for it."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
