"""Runs every example, and the command line on their data: a line each, and an exit code that is not 0 if one fails.

No key is needed, and none is used: the examples see no FI_… variable.
"""

import filecmp
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
ANSWERS = str(HERE / "support_answers.jsonl")
SCRIPTS = [
    "quickstart",
    "gather_thousands",
    "own_evaluators",
    "submit_and_poll",
    "survive_faults",
    "survive_a_crash",
    "notebook_style",
    "web_app",
    "fastapi_app",
    "strangers_path",
]
NOTEBOOK = HERE / "cookbook.ipynb"
TIMEOUT = 60.0


class FailedError(Exception):
    """An example did not do what it says it does."""


def surroundings() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FI_")}
    return {**kept, "PYTHONIOENCODING": "utf-8"}


def run(*words: str, expected: int = 0) -> str:
    """Returns what a Python program printed, if it ended as expected."""
    done = subprocess.run(  # noqa: S603  # our own scripts
        [sys.executable, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=surroundings(),
        check=False,
    )
    if done.returncode != expected:
        raise FailedError(f"exit code {done.returncode}, not {expected}\n{done.stdout}{done.stderr}")
    return done.stdout


def script(name: str) -> str:
    return run(str(HERE / f"{name}.py")).strip().splitlines()[-1]


def data() -> str:
    """The files are those that the seed makes."""
    with tempfile.TemporaryDirectory() as scratch:
        said = run(str(HERE / "make_data.py"), scratch).strip()
        for made in Path(scratch).iterdir():
            if not filecmp.cmp(made, HERE / made.name, shallow=False):
                raise FailedError(f"{made.name} is not what make_data.py makes")
    return said


def notebook() -> str:
    """Every cell runs, and none is kept with what it once printed: what is kept has a readable history."""
    try:
        import nbformat  # noqa: PLC0415  # of the group `notebooks`
        from nbclient import NotebookClient  # noqa: PLC0415  # as above
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415  # as above
    except ModuleNotFoundError as error:
        raise FailedError(f"{error.name} is missing: pip install --group notebooks") from error
    found = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in found.cells if cell.cell_type == "code"]
    if any(cell.outputs or cell.execution_count for cell in cells):
        raise FailedError("it is kept with its outputs: clear them (Jupyter: Edit, Clear Outputs of All Cells)")
    client = NotebookClient(found, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(HERE)}})
    try:
        client.execute(env=surroundings())
    except CellExecutionError as error:
        raise FailedError(str(error)) from error
    return f"{len(cells)} cells, and a plot"


def command_line() -> str:
    """Some rows are bad on purpose: exit code 1, and a line for every row and template all the same."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "outcomes.jsonl"
        asked = ["run", ANSWERS, "--eval", "groundedness", "context_adherence", "--backend", "local", "--json"]
        summary = json.loads(run("-m", "fi_async", *asked, "--no-progress", "--out", str(out), expected=1))
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    if len(lines) != summary["evaluations"] or summary["invalid"] != 12 or summary["scored"] != 480:
        raise FailedError(f"{len(lines)} lines, and the summary {summary}")
    rate = summary["templates"]["groundedness"]["pass_rate"]
    mean = summary["templates"]["context_adherence"]["mean_score"]
    return f"{summary['scored']} scored, {summary['invalid']} invalid, pass rate {rate:.1%}, mean adherence {mean:.3f}"


def command_line_csv() -> str:
    asked = ["run", str(HERE / "support_answers.csv"), "--eval", "groundedness", "--map", "context=passage"]
    summary = json.loads(run("-m", "fi_async", *asked, "--backend", "local", "--json", "--no-progress"))
    return f"{summary['scored']} scored of {summary['cases']}, coverage {summary['coverage']:.1%}"


def pytest_plugin() -> str:
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "test_answers.py"), "--fi-backend", "local")
    return next(line for line in said.splitlines() if line.startswith("fi_async: ")).removeprefix("fi_async: ")


def main() -> int:
    checks: list[tuple[str, Callable[[], str]]] = [("make_data.py", data)]
    checks += [(f"{name}.py", lambda name=name: script(name)) for name in SCRIPTS]
    checks.append((NOTEBOOK.name, notebook))
    checks += [("test_answers.py", pytest_plugin)]
    checks += [("fi-async run, JSONL", command_line), ("fi-async run, CSV", command_line_csv)]
    failed = 0
    for name, check in checks:
        began = perf_counter()
        try:
            mark, said = "ok", check()
        except (FailedError, subprocess.TimeoutExpired) as error:
            mark, said, failed = "FAILED", str(error), failed + 1
        print(f"{mark:6} {name:20} {perf_counter() - began:5.1f} s  {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
