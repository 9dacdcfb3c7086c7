"""Who shows the progress of a run, here and now."""

from __future__ import annotations

import sys

from fi_async._errors import ConfigurationError
from fi_async.progress.displays import Display, Lines, Live, ProgressLike, Told


def display_of(asked: ProgressLike) -> Display | None:
    """Return who shows the progress of a run; None for nobody.

    Raises:
        ConfigurationError: It is nothing that can.
    """
    if asked is None or asked is False:
        return None
    if isinstance(asked, Display):
        return asked
    if callable(asked):
        return Told(asked)
    if asked is not True:
        raise ConfigurationError(f"progress must be True, False, None, a function or a display, not {asked!r}")
    live = _live_class()
    return (live.shown() if live is not None else None) or Lines()


def _live_class() -> type[Live] | None:
    if _in_notebook():
        from fi_async.progress.notebook import Notebook  # noqa: PLC0415  # as the next

        return Notebook
    try:
        from fi_async.progress.bar import Bar, is_terminal  # noqa: PLC0415  # needs the extra `cli`
    except ModuleNotFoundError:
        return None
    return Bar if is_terminal() else None


def _in_notebook() -> bool:
    # A program that runs in a notebook has IPython loaded; only a shell with a kernel has a frontend.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None
