"""A run's file that is made of other files: there whole, or not at all, and never in the place of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError
from fi_async.journal import lock

_BESIDE: Final = ("", "-wal", "-shm", "-lock", "-journal")


@contextmanager
def made_whole(target: Path, ending: str) -> Iterator[Path]:
    """Make a run's file under another name in the block: it has its own once the block has ended, unless by an error.

    Nobody else can make a file of that name meanwhile, and what a program left that was killed is made anew.

    Args:
        target: The file; there must be none.
        ending: What the other name has behind it.

    Raises:
        ConfigurationError: It is there already, now or at the end, or there is no such directory.
        JournalError: Nobody may write there, or somebody else makes it.
    """
    if not target.parent.is_dir():
        raise ConfigurationError(f"{target}: there is no directory {target.parent}")
    part = target.with_name(f"{target.name}{ending}")
    with closing(lock.locked(target)):
        try:
            refuse_existing(target)
            _remove(part)
            yield part
            _rename(part, target)
        finally:
            _remove(part)
            with suppress(OSError):  # where nobody can remove what is open, it stays, and means nothing
                lock.lock_of(target).unlink(missing_ok=True)


def refuse_existing(target: Path) -> None:
    """Return if a path is free for a new run.

    Raises:
        ConfigurationError: It is not.
    """
    if target.exists():
        raise ConfigurationError(f"{target}: it is there already: name another file for the run")


def _rename(part: Path, target: Path) -> None:
    """Give a file its name, in one step, unless that is taken by now."""
    with suppress(OSError):
        os.link(part, target)  # which replaces nothing, as a rename would
        return
    refuse_existing(target)  # else there are no such links on this disk
    part.replace(target)


def _remove(part: Path) -> None:
    for ending in _BESIDE:
        part.with_name(f"{part.name}{ending}").unlink(missing_ok=True)
