"""Follows the pages as a newcomer does, word for word, in an empty environment, up to a gated build.

    python docs/newcomer.py WHEELS

Each block of the pages is run as it stands, in a new virtual environment and a copy of the examples: commands by bash,
programs by Python. WHEELS is a folder with a wheel of this checkout, which `pip install fi-async` then finds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = ("quickstart.md", "guide/walkthrough.md")
BELOW = 4
FAILING = {"fi-async gate b.db": BELOW}  # what a page says to fail, by how its command begins
_BLOCK = re.compile(r"^```(?:\{(testcode|testoutput)\}|(bash))\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of a page: its kind (bash, testcode, testoutput), and its lines."""

    kind: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """Yield what a page tells to run, but for what has a gap to be filled in."""
    for directive, language, text in _BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if "=..." not in text:
            yield Block(directive or language, text)


def follow(page: str, place: Path, environment: dict[str, str]) -> int:
    """Return how many blocks of a page were run.

    Raises:
        SystemExit: One did not do what the page says.
    """
    count, printed = 0, ""
    for block in blocks(page):
        if block.kind == "testoutput":
            check(printed == block.text, f"{page}: printed\n{printed}\nand not\n{block.text}")
            continue
        program = place / "program.py"
        program.write_text(block.text, encoding="utf-8")
        command = ["bash", "-e", "-c", block.text] if block.kind == "bash" else ["python", str(program)]
        done = subprocess.run(  # noqa: S603  # the pages' own
            command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=300
        )
        expected = next((code for start, code in FAILING.items() if block.text.startswith(start)), 0)
        check(done.returncode == expected, f"{page}: exit code {done.returncode}, not {expected}, of\n{block.text}")
        count, printed = count + 1, done.stdout
    return count


def check(holds: bool, otherwise: str) -> None:
    """Go on if it holds.

    Raises:
        SystemExit: It does not.
    """
    if not holds:
        raise SystemExit(otherwise)


def main(wheels: Path) -> None:
    """Follow all pages, and print how long each took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(Path(scratch, "venv"), with_pip=True)
        place = Path(scratch, "work")
        shutil.copytree(ROOT / "examples", place / "examples")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FI_", "PYTHON"))}
        environment |= {
            "PATH": f"{scratch}/venv/bin{os.pathsep}{os.environ['PATH']}",
            "PIP_FIND_LINKS": str(wheels.resolve()),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "FI_BASE_URL": "local",  # as the quickstart says, for who has no account
        }
        for page in PAGES:
            at = time.perf_counter()
            count = follow(page, place, environment)
            print(f"{page}: {count} blocks in {time.perf_counter() - at:.0f} s", flush=True)
    print(f"from nothing to a gated build in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
