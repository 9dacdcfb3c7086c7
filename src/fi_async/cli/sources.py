"""What the user named as the rows to evaluate."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO, Final

from fi_async import sources
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Shape, Source

STDIN: Final = "<stdin>"


def source_of(
    file: str, flags: RunFlags, mapping: Mapping[str, str], constants: Mapping[str, Any], name: str | None = None
) -> Source:
    """Return the source that the user named; messages call it `name`, or else as the user did.

    Raises:
        ConfigurationError: There is no such file, or its extension is not known.
    """
    table: Any = JsonTable("stdin", _stdin) if file == STDIN else sources.file(file)
    if name is not None:
        table = replace(table, name=name)
    shape = Shape(
        mapping, constants, flags.id_column, flags.limit, flags.sample, flags.seed, extra_columns=flags.extra_keys
    )
    return Source(table, shape)


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("stdin is closed: name a file instead of -")
    try:
        # Not sys.stdin's own buffer: a thread that waits in it would keep Python from ending.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:
        return sys.stdin.buffer
