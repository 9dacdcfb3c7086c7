"""Who evaluates what, where workers of pytest-xdist take tests over from each other: claimed in a file they share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from fi_async._models import Case, Outcome
from fi_async.journal.encoding import decode, encode

_BUSY: Final = 10.0  # seconds that others may hold the file
_LOOK: Final = 0.05  # seconds between two looks for an outcome of another worker's

Waits = Callable[[], Future[Outcome]]
"""Returns an evaluation; waits for it if another worker makes it."""


class Claims:
    """Has each evaluation made by the worker that asked for it first, and its outcome told to whoever needs it.

    Args:
        path: The file, in a directory of the session's; it holds no inputs.
        worker: This process's name among the workers.
    """

    def __init__(self, path: Path, worker: str) -> None:
        self._worker = worker
        self._file = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA synchronous = OFF")  # the file lasts no longer than the session
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS claims (name TEXT PRIMARY KEY, worker TEXT NOT NULL, outcome TEXT, origin TEXT)"
        )

    def shared(self, name: str, make: Waits) -> Waits:
        """Have an evaluation begun, unless another worker has begun it.

        Args:
            name: The same in all workers.
            make: Begins it.
        """
        if not self._take(name):
            return partial(self._awaited, name, make)
        outcome = self._made(name, make)
        return lambda: outcome

    def release(self) -> None:
        """Let others make what this worker has begun and not ended: it is no more."""
        self._file.execute("DELETE FROM claims WHERE worker = ? AND outcome IS NULL", (self._worker,))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _take(self, name: str) -> bool:
        mine = name, self._worker
        self._file.execute("INSERT OR IGNORE INTO claims (name, worker) VALUES (?, ?)", mine)
        return self._file.execute("SELECT 1 FROM claims WHERE name = ? AND worker = ?", mine).fetchone() is not None

    def _made(self, name: str, make: Waits) -> Future[Outcome]:
        outcome = make()
        outcome.add_done_callback(partial(self._settle, name))
        return outcome

    def _awaited(self, name: str, make: Waits) -> Future[Outcome]:
        while not self._take(name):
            told = self._file.execute("SELECT outcome, origin FROM claims WHERE name = ?", (name,)).fetchone()
            if told is not None and told[0] is not None:
                ended: Future[Outcome] = Future()
                ended.set_result(decode(told[0], 0, Case({}), "", told[1]))
                # This worker's from here on: if it runs the test again, it evaluates it itself.
                self._file.execute("UPDATE claims SET worker = ? WHERE name = ?", (self._worker, name))
                return ended
            time.sleep(_LOOK)
        return self._made(name, make)

    def _settle(self, name: str, ended: Future[Outcome]) -> None:
        with suppress(sqlite3.ProgrammingError):  # closed: the session has ended
            if ended.exception() is None:
                told = encode(ended.result()), ended.result().origin, name
                self._file.execute("UPDATE claims SET outcome = ?, origin = ? WHERE name = ?", told)
            else:  # the next worker that needs it may have more luck, and says what is wrong if it has not
                self._file.execute("DELETE FROM claims WHERE name = ?", (name,))
