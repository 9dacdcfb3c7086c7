"""Results of other runs, for equal work."""

from __future__ import annotations

import glob
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fi_async._errors import ConfigurationError
from fi_async._models import OutcomeStatus
from fi_async._threads import Worker
from fi_async.journal import keys, schema
from fi_async.journal.events import EventKind

_SCORED: Final = f"""
    SELECT json_group_array(json_array(cases.key, events.body))
    FROM json_each(?) AS asked JOIN cases ON cases.n = asked.value
    JOIN events ON events.seq = (SELECT max(seq) FROM events WHERE n = cases.n AND kind = {EventKind.ENDED})
    WHERE json_extract(events.body, '$.status') = '{OutcomeStatus.SCORED}'
"""


class Reused:
    """Looks up results in the files of other runs. Use it in `async with`.

    Args:
        pattern: Of their paths, as a shell's; None for no files at all.
        but_not: The file of this run.

    Raises:
        ConfigurationError: No file has such a path.
        JournalError: One is not a run's file.
    """

    def __init__(self, pattern: str | None, but_not: Path) -> None:
        self._pattern = pattern
        self._but_not = but_not
        self._connections: list[tuple[Path, sqlite3.Connection]] = []
        self._worker = Worker("fi_async-reuse")

    async def __aenter__(self) -> Self:
        if self._pattern is not None:
            await self._worker.call(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, connection in self._connections:
            connection.close()
        self._worker.close()

    def _open(self) -> None:
        paths = [Path(each) for each in sorted(glob.glob(str(self._pattern), recursive=True))]  # noqa: PTH207  # the pattern may be absolute
        if not paths:
            raise ConfigurationError(f"reuse: no file is named like {self._pattern!r}")
        for path in paths:
            if schema.is_blank(path) or (self._but_not.exists() and path.samefile(self._but_not)):
                continue
            self._connections.append((path, schema.open_reader(path, keys.set_up)))

    async def of(self, asked: Sequence[str]) -> dict[str, str]:
        """Return the texts of the outcomes that runs have for these keys; of those scored, the last run's."""
        if not asked or not self._connections:
            return {}
        return await self._worker.call(lambda: self._find(asked))

    def _find(self, asked: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, connection in self._connections:
            with schema.explained(path):
                numbers = json.dumps(list(keys.find(connection, asked).values()))
                found |= dict(json.loads(connection.execute(_SCORED, (numbers,)).fetchone()[0]))
        return found
