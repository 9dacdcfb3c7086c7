"""How long the import takes: a fresh interpreter with it, less one without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import environment
from table import Line

if TYPE_CHECKING:
    from lab import Lab

_SHARE = 0.5


def imports(lab: Lab) -> list[Line]:
    """Importing the package of either, then its `Evaluator`, which laziness cannot put off."""
    return [
        _line(lab, "import", "import fi_async / fi.evals", "import {module}", must=True),
        _line(lab, "", "from … import Evaluator", "from {module} import Evaluator", must=False),
    ]


def _line(lab: Lab, row: str, what: str, code: str, *, must: bool) -> Line:
    """Measure one form of import in fresh interpreters, less the start of the bare one."""
    wanted = {"ours": (sys.executable, "fi_async"), "official": (lab.official, "fi.evals")}
    walls: dict[tuple[str, bool], list[float]] = {}
    for turn in range(1 + lab.scaled(7, 3)):
        for who, (python, module) in wanted.items():
            for bare in (True, False):
                if python is None:
                    continue
                seconds = _wall(python, "" if bare else code.format(module=module))
                if turn:  # the first only fills the caches
                    walls.setdefault((who, bare), []).append(seconds)
    lab.raw[what] = [{f"{who}{' bare' if bare else ''}": each for (who, bare), each in walls.items()}]
    ours, official = (_taken(walls, who) for who in wanted)
    holds = None if official is None or ours is None or not must else ours <= _SHARE * official
    return Line(row, what, ours, "ms", None, official, f"≤ {_SHARE} x official" if must else "", holds)


def _wall(python: str, code: str) -> float:
    began = time.perf_counter()
    subprocess.run([python, "-I", "-c", code], check=True, env=environment.clean(), timeout=60)
    return time.perf_counter() - began


def _taken(walls: dict[tuple[str, bool], list[float]], who: str) -> float | None:
    if (who, True) not in walls:
        return None
    return 1000 * (statistics.median(walls[who, False]) - statistics.median(walls[who, True]))
