"""Tests touch nothing of the developer's: they have a home of their own, and a session that leaks into his fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import homes

TESTS = Path(__file__).parents[1]

LEAKS = """
import os
from pathlib import Path

def test_that_leaks():
    Path(os.environ["HOME_BEFORE_THE_TESTS"], {name!r}).write_text("left behind")
"""
INSTALLS = """
import subprocess, sys

def test_that_installs():
    command = [sys.executable, "-m", "fi_async", "--install-completion", "--shell", "bash"]
    assert subprocess.run(command, check=False).returncode == 0
"""


def session(source: str, home: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(source)
    environment = {name: value for name, value in os.environ.items() if name != homes.REAL}
    package = Path(homes.__file__).parents[1] / "src"
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, (TESTS, package)))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "test_it.py"]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def home_of(directory: Path) -> Path:
    home = directory / "developer"
    home.mkdir()
    (home / ".bashrc").write_text("export A=1\n")
    return home


def test_the_home_is_not_the_developers():
    real = Path(os.environ[homes.REAL])
    assert Path.home() != real
    assert Path.home() == Path(os.environ["HOME"])
    assert all(Path.home() in (Path(os.environ[name]), *Path(os.environ[name]).parents) for name in homes._DIRECTORIES)


def test_what_is_installed_by_a_test_goes_into_the_home_of_the_tests(tmp_path):
    home = home_of(tmp_path)
    ended = session(INSTALLS, home, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [path.name for path in home.iterdir()] == [".bashrc"]
    assert (home / ".bashrc").read_text() == "export A=1\n"


def test_a_session_that_leaks_fails_and_names_the_file(tmp_path):
    home = home_of(tmp_path)
    ended = session(LEAKS.format(name=".bashrc"), home, tmp_path)
    assert ended.returncode == 1
    assert "tests have changed the home of the developer: .bashrc" in ended.stdout


def test_what_is_named_after_us_is_seen_wherever_it_is_hidden(tmp_path):
    before = homes.snapshot(tmp_path)
    for name in (
        ".config/fi_async/config.toml",
        ".local/share/bash-completion/completions/fi-async",
        "work/fi-async/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert homes.changes(before, homes.snapshot(tmp_path)) == [
        ".config/fi_async",
        ".local/share/bash-completion/completions/fi-async",
    ]
