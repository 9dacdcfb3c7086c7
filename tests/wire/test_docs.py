"""The documentation can be pasted: each block of Python has its imports and its data, each of a shell no prompt."""

from __future__ import annotations

import builtins
import os
import re
import shutil
import subprocess
import symtable
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\S+)\n((?::\w+:[^\n]*\n)*)(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, *kinds: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each block that a reader sees."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found[1] in kinds and ":hide:" not in found[2]:
            yield text.count("\n", 0, found.start()) + 1, found[3]


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from tables(child)


def undefined(text: str) -> set[str]:
    """Return the names that a program uses and does not define."""
    top = symtable.symtable(text, "block", "exec")
    known = {each.get_name() for each in top.get_symbols() if each.is_assigned() or each.is_imported()}
    used = {
        symbol.get_name()
        for table in tables(top)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is top or symbol.is_global())
    }
    return used - known - set(dir(builtins)) - {"__name__", "__file__"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_block_of_python_defines_what_it_uses(page):
    missing = {line: undefined(text) for line, text in blocks(page, "{testcode}", "python")}
    assert {line: names for line, names in missing.items() if names} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_of_the_repository_is_there(page):
    named = re.findall(r"`((?:tests|examples|benchmarks|src)/[\w./]+)`", page.read_text(encoding="utf-8"))
    made = {"benchmarks/results.md", "tests/local/vectors/NAME.jsonl"}  # by the benchmarks; by whoever adds a template
    assert [each for each in named if each not in made and not (ROOT / each).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_block_of_a_shell_has_no_prompt(page):
    assert [
        line for line, text in blocks(page, "console", "bash", "sh") if re.search(r"^\s*\$ ", text, re.MULTILINE)
    ] == []


def programs() -> Iterator[tuple[str, str]]:
    """Yield the blocks of Python that sphinx's doctest does not run; it runs those of the plugin's page as tests."""
    for page in PAGES:
        if page.name not in ("README.md", "pytest.md"):
            for line, text in blocks(page, "python"):
                yield f"{page.relative_to(ROOT)}:{line}", text


RUN = """
import ast, asyncio, inspect, sys
code = compile(sys.argv[1], "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
made = eval(code, {"__name__": "block"})
if inspect.isawaitable(made):
    asyncio.run(made)
"""


@pytest.mark.parametrize(("text"), [pytest.param(text, id=name) for name, text in programs()])
def test_a_block_of_python_runs_as_it_stands(text, tmp_path):
    (tmp_path / "src" / "fi_async").mkdir(parents=True)  # where a contributor's program writes
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FI_")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, text],
        cwd=tmp_path,
        env={**kept, "FI_BASE_URL": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


SHELLS = [
    "quickstart",
    *(
        f"guide/{name}"
        for name in (
            "cli",
            "compare",
            "durable",
            "gates",
            "import",
            "labels",
            "reports",
            "shards",
            "trust",
            "walkthrough",
        )
    ),
]
TOLD = ("guide/trust",)  # whose blocks of output are what the commands print
# `pip` is not to install, `jq` need not be there, and keys are not to be set: nothing leaves this machine. Somebody is
# there who labels what a page shows.
COMMANDS = f"""
pip() {{ :; }}
jq() {{ :; }}
export() {{ :; }}
python() {{ {sys.executable} "$@"; }}
fi-async() {{
    how="-m fi_async"
    case "$*" in
        *--csv*|*--from*) ;;
        label*) how={ROOT / "tests" / "labeller.py"};;
    esac
    {sys.executable} $how "$@" >out 2>&1
    code=$?
    cat out >>all.txt
    case $code in 2|3) echo "$code: $*"; cat out;; esac
}}
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("name", SHELLS)
def test_the_commands_of_a_page_find_what_they_name(name, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    script = COMMANDS + "\n".join(text for _, text in blocks(ROOT / "docs" / f"{name}.md", "bash"))
    kept = {each: value for each, value in os.environ.items() if not each.startswith("FI_")}
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=kept, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")
    if name in TOLD:
        said = (tmp_path / "all.txt").read_text(encoding="utf-8")
        assert [text for _, text in blocks(ROOT / "docs" / f"{name}.md", "text") if text not in said] == []
