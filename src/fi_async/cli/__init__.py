"""The command line `fi-async`. Its commands are in `app`.

Importing this costs nothing and needs no extra: what the commands need is imported when one is run.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

_EXTRA = ("cyclopts", "rich")


def _never_fail_at_a_letter() -> None:
    """Let a letter that a console does not have be named there, rather than decide the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code of one command line, whatever happened.

    Args:
        argv: The words after `fi-async`; those of this process where omitted. `--debug` anywhere among
            them adds a traceback to the line that says what went wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _never_fail_at_a_letter()
    debug = "--debug" in words
    try:
        for library in _EXTRA:
            import_module(library)
        from fi_async.cli import app, errors, terminal  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        print(f"the command line needs {error.name}: pip install 'fi-async[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fi-async: interrupted", file=sys.stderr)
        return 128 + 2  # as if SIGINT had ended it

    try:
        code = app.execute([word for word in words if word != "--debug"])
        print(end="", flush=True)  # does nothing where stdout is closed
    except BrokenPipeError:
        # Whoever read our output has left: so do we, and Python must not find out again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as if SIGPIPE had ended it
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # each has its exit code and its line
        if debug:
            traceback.print_exc()
        code, message = errors.explain(error)
        print(f"fi-async: {terminal.printable(message)}", file=sys.stderr)
    return code
