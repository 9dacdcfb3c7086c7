"""How long the import takes: a fresh interpreter with it, less one without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import environment
from table import Line

if TYPE_CHECKING:
    from lab import Lab

_SHARE = 0.5
_SHARE_OF_OTHER = 0.6
_OURS = str(Path(__file__).parents[2] / "src")


def imports(lab: Lab) -> list[Line]:
    """Importing the package of either, then its `Evaluator`, which laziness cannot put off; and another checkout's."""
    return [
        _line(lab, "import fi_async / fi.evals", "import {module}", must=True),
        _line(lab, "from … import Evaluator", "from {module} import Evaluator", must=False),
        _against_other(lab),
    ]


def _line(lab: Lab, what: str, code: str, *, must: bool) -> Line:
    wanted = {"ours": (sys.executable, _from(_OURS, code.format(module="fi_async")))}
    if lab.official is not None:
        wanted["official"] = (lab.official, code.format(module="fi.evals"))
    taken = _measured(lab, what, wanted)
    ours, official = taken["ours"], taken.get("official")
    holds = None if official is None or not must else ours <= _SHARE * official
    return Line("import", what, ours, "ms", None, official, f"≤ {_SHARE} x official" if must else "", holds)


def _against_other(lab: Lab) -> Line:
    """The import that a program makes, whose bound is that of another checkout if one is named."""
    code = "import fi_async; fi_async.AsyncEvaluator"
    wanted = {"ours": (sys.executable, _from(_OURS, code))}
    if lab.other is not None:
        wanted["other"] = (sys.executable, _from(lab.other, code))
    what = f"{code}; bound: the other checkout" if lab.other else code
    taken = _measured(lab, what, wanted)
    ours, other = taken["ours"], taken.get("other")
    must, holds = ("", None) if other is None else (f"≤ {_SHARE_OF_OTHER} x bound", ours <= _SHARE_OF_OTHER * other)
    return Line("import", what, ours, "ms", other, None, must, holds)


def _from(source: str, code: str) -> str:
    return f"import sys; sys.path.insert(0, {source!r}); {code}"


def _measured(lab: Lab, what: str, wanted: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Return the milliseconds that each takes in fresh interpreters, less the start of bare ones."""
    walls: dict[tuple[str, bool], list[float]] = {}
    for turn in range(1 + lab.scaled(7, 3)):
        for who, (python, code) in wanted.items():
            for bare in (True, False):
                seconds = _wall(python, "import sys" if bare else code)
                if turn:  # the first only fills the caches
                    walls.setdefault((who, bare), []).append(seconds)
    lab.raw[what] = [{f"{who}{' bare' if bare else ''}": each for (who, bare), each in walls.items()}]
    return {who: 1000 * (statistics.median(walls[who, False]) - statistics.median(walls[who, True])) for who in wanted}


def _wall(python: str, code: str) -> float:
    began = time.perf_counter()
    subprocess.run([python, "-I", "-c", code], check=True, env=environment.clean(), timeout=60)
    return time.perf_counter() - began
