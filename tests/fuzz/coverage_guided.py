"""Feeds the targets what atheris makes of their seeds by looking at which lines of the package an input reaches.

    python -m fuzz.coverage_guided --minutes 20 [TARGET ...]

Each target runs in a process of its own, in turns of a slice each, so that all have had the same whenever it is
stopped. Minutes are of CPU. What was reached is kept in the state directory, and the next session goes on from there.
A finding is a file there, and is printed as a line for `fuzz/found.py`. The exit code is 1 if there was any.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import homes

PROCESSOR = 5.0  # seconds of CPU that one input may take
HANGS = 60  # seconds on the clock after which one input is given up
MEMORY = 1500  # MiB that a process may hold
_PASTED = 2000  # bytes: a longer input is named by its file
_LEAST = 4096  # bytes that inputs may grow to, or twice the longest seed
_REACHED = re.compile(r"cov: (\d+)")
_EXECUTED = re.compile(r"stat::number_of_executed_units: *(\d+)")
_RAISED = re.compile(r"Uncaught Python exception: ===\s*(.+)|(ERROR: libFuzzer: .+)")


@dataclass
class Count:
    """What one target has had so far: seconds of CPU, inputs, points of the code reached, findings."""

    seconds: float = 0.0
    executions: int = 0
    reached: int = 0
    findings: int = 0

    def __str__(self) -> str:
        return (
            f"{self.seconds / 60:5.1f} min of CPU, {self.executions:9,} executions, {self.reached:5,} points reached,"
            f" {self.findings} findings"
        )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# In the process of a target


def fuzz_one(name: str, state: Path, seconds: int) -> None:
    """Feed one target for some seconds; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["fi_async"]):
        import fi_async

        for module in walk_packages(fi_async.__path__, "fi_async."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
        from fuzz.targets import targets

    directory = Path(tempfile.mkdtemp(dir=Path.home()))
    target = targets(directory)[name]
    corpus = _corpus(name, state, target.seeds)
    longest = max(len(seed) for seed in target.seeds)
    options = {
        "max_total_time": seconds,
        "timeout": HANGS,
        "rss_limit_mb": MEMORY,
        "max_len": max(_LEAST, 2 * longest),
        "artifact_prefix": f"{_findings(name, state)}/",
        "print_final_stats": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)],
        _bounded(target.run, directory),
    )
    atheris.Fuzz()


def _bounded(run: Callable[[bytes, Path], None], directory: Path) -> Callable[[bytes], None]:
    def feed(content: bytes) -> None:
        began = time.process_time()
        run(content, directory)
        taken = time.process_time() - began
        assert taken < PROCESSOR, f"{taken:.1f} s of CPU for {len(content)} bytes"

    return feed


def _corpus(name: str, state: Path, seeds: tuple[bytes, ...]) -> Path:
    from fuzz.found import FOUND

    corpus = state / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    found = [content for owner, content in FOUND if owner == name]
    for number, seed in enumerate((*seeds, *found)):
        (corpus / f"seed-{number}").write_bytes(seed)
    return corpus


def _findings(name: str, state: Path) -> Path:
    directory = state / "findings" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


# In the process that was started


def _slice(name: str, state: Path, seconds: int, count: Count) -> list[str]:
    """Feed one target for some seconds; return what to tell of each finding."""
    before, began = {*_findings(name, state).iterdir()}, _children()
    words = [sys.executable, "-m", "fuzz.coverage_guided", "--only", name, "--slice", str(seconds), "--state", state]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=os.environ)
    output = ended.stdout.decode(errors="replace")
    (state / f"{name}.log").write_text(output, encoding="utf-8")
    found = sorted({*_findings(name, state).iterdir()} - before)
    count.seconds += _children() - began
    count.executions += sum(map(int, _EXECUTED.findall(output)))
    count.reached = max([count.reached, *map(int, _REACHED.findall(output))])
    if ended.returncode and not found:
        raise SystemExit(f"{name} could not be fuzzed:\n{output[-3000:]}")
    count.findings += len(found)
    raised = _RAISED.search(output)
    why = next((text for text in raised.groups() if text), "") if raised else ""
    return [_told(name, path, why) for path in found]


def _told(name: str, path: Path, why: str) -> str:
    content = path.read_bytes()
    is_short = len(content) <= _PASTED
    pasted = f"    ({name!r}, {content!r})," if is_short else f"    {len(content)} bytes, for fuzz/found_files"
    return f"FINDING in {name}: {why}\n{pasted}  # {path}"


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _session(names: list[str], asked: argparse.Namespace) -> int:
    counts: Mapping[str, Count] = {name: Count() for name in names}
    while left := [name for name in names if counts[name].seconds < asked.minutes * 60]:
        for name in left:
            remaining = asked.minutes * 60 - counts[name].seconds
            for each in _slice(name, asked.state, min(asked.slice, int(remaining) + 5), counts[name]):
                say(each)
            say(f"{time.strftime('%H:%M:%S')} {name:22} {counts[name]}")
    say("\n".join([f"{asked.minutes} minutes of CPU a target:", *(f"{name:22} {counts[name]}" for name in names)]))
    return 1 if any(count.findings for count in counts.values()) else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz.coverage_guided", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="omitted: all of them")
    parser.add_argument("--minutes", type=float, default=5.0, help="of CPU, for each target")
    parser.add_argument("--slice", type=int, default=120, help="seconds before the next target has its turn")
    parser.add_argument("--state", type=Path, default=Path(".fuzz"), help="where inputs that reach more are kept")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    asked.state = asked.state.resolve()
    homes.move()
    if asked.only:
        fuzz_one(asked.only, asked.state, asked.slice)
    from fuzz.names import NAMES

    if unknown := sorted({*asked.targets} - {*NAMES}):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return _session(asked.targets or [*NAMES], asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
