"""The rows of the table: each measures in a lab and returns its lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rows import cpu, faults, imports, memory, offers, waiting

if TYPE_CHECKING:
    from lab import Lab
    from table import Line

ROWS: dict[str, Callable[[Lab], list[Line]]] = {
    "wall": waiting.wall,
    "cookbook": waiting.cookbook,
    "async": waiting.asynchronous,
    "cpu": cpu.cpu,
    "import": imports.imports,
    "memory": memory.memory,
    "faults": faults.faults,
    "offers": offers.offers,
}
"""By the names that `--only` takes."""
