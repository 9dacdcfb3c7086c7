"""A bar in a notebook: one output that is written anew, which Jupyter, VS Code and Colab show alike."""

from __future__ import annotations

from html import escape
from typing import Any

from fi_async._extras import need
from fi_async.progress.displays import Live, line
from fi_async.progress.meter import Progress


class Notebook(Live):
    """Draws the bar below the cell. Needs no widgets."""

    def __init__(self) -> None:
        self._output: Any = None

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        bundle = {"text/plain": line(progress), "text/html": _html(progress)}
        if self._output is None:
            ipython = need("IPython.display", "ipython", "a bar in a notebook")
            self._output = ipython.display(bundle, raw=True, display_id=True)
        else:
            self._output.update(bundle, raw=True)


def _html(progress: Progress) -> str:
    value = "" if progress.total is None else f' value="{progress.done}" max="{max(1, progress.total)}"'
    bar = f'<progress{value} style="width:20em;vertical-align:middle"></progress>'
    return f'<div style="white-space:pre-wrap">{bar} {escape(line(progress))}</div>'
