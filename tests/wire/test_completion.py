"""What bash completes: files for FILE, and the names of templates after --eval."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from fi_async import _catalogue

ASK = """
source completion.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_fi_async fi-async "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def completed(tmp_path):
    """Return what bash completes the last of these words to."""
    from fi_async.cli.app import completion  # needs the extra

    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    (tmp_path / "completion.bash").write_text(completion("bash"), encoding="utf-8")
    command = tmp_path / "bin" / "fi-async"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fi_async "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    for name in ("answers.jsonl", "answers.csv", "other.jsonl"):
        (tmp_path / name).touch()
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"

    def ask(*words: str) -> list[str]:
        ended = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", "fi-async", *words],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return sorted(ended.stdout.split())

    return ask


def test_files_and_templates_are_completed(completed):
    assert completed("run", "answ") == ["answers.csv", "answers.jsonl"]
    grounded = sorted(name for name in _catalogue.rows() if name.startswith("ground"))
    assert completed("run", "answers.csv", "--eval", "ground") == grounded != []
    assert completed("status", "oth") == ["other.jsonl"]
