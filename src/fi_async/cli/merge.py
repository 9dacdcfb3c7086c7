"""`fi-async merge`: one run of its shards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from fi_async.cli import errors
from fi_async.cli.errors import UsageError
from fi_async.cli.outputs import check_output
from fi_async.cli.saved_command import check_run, command_line
from fi_async.journal.lock import is_being_written
from fi_async.journal.merging import Merged, merge


def merge_runs(runs: Sequence[Path], out: Path, *, as_json: bool) -> int:
    """Return 0 after making one file of the shards of a run; 1 if some cases are not in it, or have not ended.

    Raises:
        UsageError, ConfigurationError: There is no such file, it is no shard's, or the new one is there already.
        JournalError: One cannot be read, or the new one not be written.
    """
    if not runs:
        raise UsageError("RUN is missing: name the file of each shard. See fi-async merge --help")
    for run in runs:
        check_run(run)
    if out.exists():
        raise UsageError(f"--out {out}: it is there already: name another file, or move it away")
    check_output("--out", out)
    busy = [run for run in runs if is_being_written(run)]
    merged = merge(runs, out)
    if as_json:
        print(json.dumps({**asdict(merged), "unread": list(map(str, merged.unread))}, indent=2))
    else:
        left = f"; {merged.pending:,} have not ended" if merged.pending else ""
        print(f"{merged.evaluations:,} evaluations of {len(runs):,} shards are in {out}{left}")
    for remark in _remarks(merged, busy):
        print(f"fi-async: {remark}", file=sys.stderr)
    if merged.is_whole and not merged.pending and not busy:
        return errors.DONE
    if busy:
        return errors.INCOMPLETE
    print(f"fi-async: to go on with all that is missing: {command_line('resume', out)}", file=sys.stderr)
    return errors.INCOMPLETE


def _remarks(merged: Merged, busy: Sequence[Path]) -> Iterator[str]:
    for path in busy:
        yield f"{path}: it goes on, and what is here would be paid twice by resume: merge again once it has ended"
    if merged.missing:
        yield f"no file was given of shard {_spans(merged.missing)}: their cases are missing"
    for path in (each for each in merged.unread if each not in busy):
        yield f"{path}: it was stopped before all its cases were read: {command_line('resume', path)} goes on with it"
    if merged.absent:
        yield f"{merged.absent:,} cases of the source are in no shard: were all shards run on the same source?"
    if merged.repeated:
        differ = f"; {merged.conflicting:,} times with another result" if merged.conflicting else ""
        yield (
            f"{merged.repeated:,} evaluations were made by several shards{differ}: kept is the one with a score, and of"
            " several the first; what all of them took is counted"
        )


def _spans(numbers: Sequence[int]) -> str:
    """Return numbers as people write them: 2, 4-7."""
    found = []
    for _, group in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        several = [number for _, number in group]
        found.append(f"{several[0]}" if len(several) == 1 else f"{several[0]}-{several[-1]}")
    return ", ".join(found)
