"""Measures fi_async against its bounds and the official SDK, on this machine, and writes results.md beside it.

    python benchmarks/run.py                    about 22 minutes; medians of 3 runs
    python benchmarks/run.py --quick            about 3 minutes; 1 run, and less of some
    python benchmarks/run.py --only cpu         some rows; nothing is written but what --json names
    python benchmarks/run.py --join A.json B.json    results.md of what several such runs measured

Needs the extras `aiohttp` and `local`, and the dependency group `benchmarks`. The official SDK is put in a cache
directory once, or used where `--official-python` says; without it, its column is empty. Exits with 1 if a figure is
not as it must be.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import environment
from lab import Lab
from rows import AT_ONCE, ROWS
from table import Line, aligned

_RESULTS = Path(__file__).parent / "results.md"
_NOTES = """\
Every client is a process of its own beside a fresh server: the embedded backend behind uvicorn, in a process of its
own too. Figures are medians of {runs}; clients of one row take turns, but the three runs of the cookbook's block,
and of ours in memory, go at once. CPU is the client process's own, without its start and its first requests. The
bound of a wall is what the latency alone makes; of CPU, the same request by hand over httpx, with its own transport
or that of httpx-aiohttp, its reply parsed and nothing checked; of requests, a POST and one GET. The official SDK
runs its cookbook's patterns, with `Evaluator(max_workers=…)` raised to the number of threads, but for the block,
which is as printed; its polling row looks for the key that servers now answer, as the printed one never ends, and
its memory is of 1 run. Of the rows about pace, those that mostly wait run at once; cases lost or failed, and
requests refused, are of the worst run."""


def main() -> int:
    """Measure, print, write; return the exit code."""
    options = _options()
    if options.join:
        _join([json.loads(path.read_text()) for path in options.join])
        return 0
    began = time.monotonic()
    official = None if options.without_official else environment.official_python(options.official_python)
    lab = Lab(options.quick, official, options.import_against)
    lines = _all_measured(lab, options.only or list(ROWS))
    table = aligned(lines)
    about = environment.described(official)
    print("\n".join(["", *about, "", table]))
    took = time.monotonic() - began
    if not options.only:
        _write([*about, f"Took {took:.0f} s"], table, "1 run (--quick)" if options.quick else "3 runs")
    if options.json:
        record = {"about": about, "took_s": took, "lines": [vars(line) for line in lines], "raw": lab.raw}
        options.json.write_text(json.dumps(record, indent=1))
    failed = [line.what for line in lines if line.holds is False]
    print(f"\n{took:.0f} s; " + (f"not as it must be: {'; '.join(failed)}" if failed else "all as it must be"))
    return 1 if failed else 0


def _write(about: Sequence[str], table: str, runs: str) -> None:
    text = [*(f"- {each}" for each in about), "", _NOTES.format(runs=runs), "", table, ""]
    _RESULTS.write_text("\n".join(["# Benchmarks", "", *text]))


def _join(records: Sequence[dict[str, Any]]) -> None:
    """Write the results of runs that measured some rows each; of a row measured again, the last count."""
    rows: dict[str, list[Line]] = {}
    for record in records:
        lines = [Line(**line) for line in record["lines"]]
        rows |= {row: [line for line in lines if line.row == row] for row in dict.fromkeys(line.row for line in lines)}
    took = sum(record["took_s"] for record in records)
    goes = f"Took {took:.0f} s, in {len(records)} goes on the same day and machine"
    _write([*records[0]["about"], goes], aligned([line for lines in rows.values() for line in lines]), "3 runs")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure once, and less")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write everything measured here too")
    parser.add_argument("--join", nargs="+", type=Path, metavar="PATH", help="write results.md of what --json kept")
    parser.add_argument("--official-python", metavar="PATH", help=f"a Python with {environment.OFFICIAL}")
    parser.add_argument(
        "--import-against",
        type=_absolute,
        metavar="PATH",
        help="the src directory of another checkout, to hold the import against",
    )
    parser.add_argument("--without-official", action="store_true", help="leave the official SDK out")
    return parser.parse_args()


def _absolute(path: str) -> str:
    return str(Path(path).resolve())


def _all_measured(lab: Lab, names: Sequence[str]) -> list[Line]:
    """Measure those that mostly wait at once, then the others one after the other; return all in their order."""
    waiting = [name for name in names if name in AT_ONCE]
    with ThreadPoolExecutor(len(waiting) or 1) as threads:
        lines = dict(zip(waiting, threads.map(partial(_measured, lab), waiting), strict=True))
    lines |= {name: _measured(lab, name) for name in names if name not in lines}
    return [line for name in names for line in lines[name]]


def _measured(lab: Lab, name: str) -> list[Line]:
    began = time.monotonic()
    lines = ROWS[name](lab)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main())
