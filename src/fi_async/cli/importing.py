"""`fi-async import`: the results of another tool as a run's file."""

from __future__ import annotations

import json
from pathlib import Path

from fi_async.cli import errors, terminal
from fi_async.cli.options import ImportFlags, refuse
from fi_async.cli.saved_command import command_line
from fi_async.imports.imported_run import import_run
from fi_async.imports.score_lines import LineColumns

_OF_LINES = ("score", "passed", "template", "id_column", "reason", "error")


def import_file(file: Path, flags: ImportFlags) -> int:
    """Return 0 after writing the run and printing what became of the rows; 1 if some have no result.

    Raises:
        UsageError, ConfigurationError: A flag is another tool's, the file is none of the tool, or the run is there.
        JournalError: The run cannot be written.
        OSError: The file cannot be read.
    """
    columns = None
    if flags.tool == "jsonl":
        columns = LineColumns(
            score=flags.score or (),
            passed=flags.passed or (),
            template=flags.template,
            id=flags.id_column,
            reason=flags.reason,
            error=flags.error,
        )
    else:
        refuse(flags, _OF_LINES, f"is of --as jsonl, and this is --as {flags.tool}")
    found = import_run(
        file, flags.out, tool=flags.tool, eval_file=flags.eval_file, prompt=flags.prompt, columns=columns
    )
    if flags.json:
        print(json.dumps({"file": str(file), **found.to_dict()}, indent=2))
    else:
        print("\n".join(map(terminal.printable, str(found).split("\n"))))
        print(f"the run is in {found.run}: {command_line('report', found.run)}")
    return errors.DONE if found.scored == found.evaluations else errors.INCOMPLETE
