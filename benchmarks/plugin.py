"""Measures the pytest plugin: 200 marked tests against a server on a socket that takes 2 s for each evaluation.

    python benchmarks/plugin.py            one process, then 2 workers of pytest-xdist

Other plugins of this environment are left out. Exits with 1 if one process takes longer than 1.2 times what 64 requests
at once allow.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

from server import running

TESTS, AT_ONCE, LATENCY = 200, 64, 2.0
_FILE = f"""
import pytest

@pytest.mark.fi_eval("contains", inputs="text", eval_config={{"keyword": "needle"}}, threshold=1)
@pytest.mark.parametrize("text", [f"needle {{number}}" for number in range({TESTS})])
def test_it(text):
    pass
"""


def measured(*arguments: str) -> tuple[float, float, int]:
    """Return the seconds of a session as pytest tells them and as a watch does, and how many evaluations were made."""
    with running(latency=LATENCY) as server, tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "test_it.py").write_text(_FILE)
        keys = {"FI_BASE_URL": server.url, "FI_API_KEY": "benchmark", "FI_SECRET_KEY": "benchmark"}
        keys["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "fi_async.integrations.pytest_plugin", *arguments]
        began = time.perf_counter()
        environment = {**os.environ, **keys}
        ran = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        told = re.search(rf"{TESTS} passed in ([\d.]+)s", ran.stdout)
        if told is None:
            raise SystemExit(ran.stdout + ran.stderr)
        return float(told[1]), took, server.statistics()["evaluations_made"]


def main() -> int:
    """Measure, print, return the exit code."""
    bound = 1.2 * ceil(TESTS / AT_ONCE) * LATENCY
    print(f"{TESTS} marked tests, {LATENCY:g} s an evaluation; bound {bound:.1f} s, one by one {TESTS * LATENCY:.0f} s")
    within = True
    for name, arguments in {"one process": (), "2 workers": ("-p", "xdist", "-n", "2", "--dist", "worksteal")}.items():
        said, took, made = measured(*arguments)
        print(f"{name:12} {said:5.1f} s by pytest, {took:5.1f} s with its start; {made} evaluations made")
        within &= took <= bound or bool(arguments)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
