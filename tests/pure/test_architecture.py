"""Imports run strictly downward: read from the source, not from what happens to be loaded."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fi_async

ROOT = Path(fi_async.__file__).parent
PACKAGE = "fi_async"

# The floors, from the ground up. Modules of one line may not import each other; a module may import those of
# the lines above it. A name that ends in a dot stands for a whole package, whose insides are checked for cycles.
FLOORS = [
    ["_catalogue", "_version", "_errors", "_threads", "_values"],
    ["_models"],
    ["_extras", "_html"],
    ["_shapes"],
    ["journal.records"],
    [
        "reports.statistics",
        "reports.figures",
        "reports.pace",
        "reports.rows",
        "reports.samples",
        "reports.page",
        "reports.html",
    ],
    ["_settings", "_report", "_plan"],
    ["wire.", "sources."],
    ["pacing."],
    ["progress."],
    [
        "engine.attempts",
        "engine.backlog",
        "engine.dispatch",
        "engine.intake",
        "engine.outcomes",
        "engine.polls",
        "engine.ready_queue",
        "engine.run",
        "engine.session",
        "engine.shared_budget",
        "engine.slots",
        "engine.submissions",
    ],
    ["journal.", "background."],
    ["reports.", "engine."],
    ["execution"],
    ["evaluator"],
    ["sync"],
    ["standalone"],
    [""],
    ["cli.", "testing"],
    ["__main__", "integrations."],
]
PURE = {
    "pacing.",
    "wire.requests",
    "wire.responses",
    "wire.preflight",
    "wire.templates",
    "engine.attempts",
    "engine.outcomes",
    "engine.polls",
    "engine.submissions",
    "engine.ready_queue",
    "engine.backlog",
}
LOCAL = "local"
LOCAL_MAY_IMPORT = {"_catalogue", "_version"}
MAY_IMPORT_LOCAL = {"evaluator", "cli", "testing"}
ONLY_IMPORTER = {
    "httpx": {"wire.transport"},
    "httpx_aiohttp": {"wire.transport"},
    "aiohttp": {"wire.transport"},
    "backoff": {"pacing.backoff"},
    "sqlalchemy": {"background.sql"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    lazy: bool


def modules() -> dict[str, Path]:
    """Each module's name below the package, and its file; the package itself is ""."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports_of(name: str) -> list[Import]:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    in_functions = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            names = [_module(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        found += [Import(name, imported, id(node) in in_functions) for imported in names]
    return found


def _module(source: str, member: str) -> str:
    """What `from source import member` imports: the member, if it is a module of this package."""
    full = f"{source}.{member}"
    return full if full.startswith(f"{PACKAGE}.") and full.removeprefix(f"{PACKAGE}.") in MODULES else source


IMPORTS = [each for name in MODULES for each in imports_of(name)]
INTERNAL = [
    Import(each.importer, each.imported.removeprefix(PACKAGE).removeprefix("."), each.lazy)
    for each in IMPORTS
    if each.imported.split(".")[0] == PACKAGE
]


def room(name: str) -> str:
    return name.partition(".")[0]


def floor(name: str) -> int:
    for wanted in (name, f"{room(name)}."):
        for number, line in enumerate(FLOORS):
            if wanted in line:
                return number
    pytest.fail(f"{name} has no floor: give it one in FLOORS, as low as it may stand")


def test_every_module_has_a_floor():
    for name in MODULES:
        if room(name) != LOCAL:
            floor(name)


def test_every_import_within_the_package_names_a_module_of_it():
    assert {each.imported for each in INTERNAL} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) != LOCAL])
def test_imports_run_downward(name):
    for each in INTERNAL:
        if each.importer != name or room(each.imported) == LOCAL:
            continue
        same_room = room(name) == room(each.imported) and "." in f"{name}{each.imported}"
        assert same_room or floor(each.imported) < floor(name), f"{name} imports {each.imported}, which is not below it"


def test_there_are_no_cycles():
    graph = {name: {each.imported for each in INTERNAL if each.importer == name and not each.lazy} for name in MODULES}
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


def test_rooms_of_decisions_do_not_import_the_loop():
    pure = {name for name in MODULES if name in PURE or f"{room(name)}." in PURE}
    loops = {"asyncio", "anyio", "sniffio", "time", "socket", "threading", "httpx"}
    assert {
        (each.importer, each.imported) for each in IMPORTS if each.importer in pure and room(each.imported) in loops
    } == set()
    for name in pure:
        tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)], name


@pytest.mark.parametrize(("library", "importers"), ONLY_IMPORTER.items())
def test_a_library_has_one_importer(library, importers):
    assert {each.importer for each in IMPORTS if room(each.imported) == library} <= importers
    if library in ("httpx", "backoff"):
        assert {each.importer for each in IMPORTS if room(each.imported) == library} == importers


def test_the_embedded_backend_shares_its_facts_and_its_version_only():
    shared = {each.imported for each in INTERNAL if room(each.importer) == LOCAL and room(each.imported) != LOCAL}
    assert shared <= LOCAL_MAY_IMPORT


def test_the_embedded_backend_is_imported_only_when_it_is_asked_for():
    importing = {each for each in INTERNAL if room(each.imported) == LOCAL and room(each.importer) != LOCAL}
    assert {room(each.importer) for each in importing} <= MAY_IMPORT_LOCAL
    # The commands of the command line are themselves imported when one is run: see the next test. The fixtures of
    # `testing` name its types, for type checkers only: see tests/plugin/test_processes.py.
    assert [each for each in importing if not each.lazy and room(each.importer) not in ("cli", "testing")] == []


def test_the_command_line_imports_its_commands_when_one_is_run():
    assert [each for each in INTERNAL if each.importer == "cli" and not each.lazy] == []
    for extra in ("cyclopts", "rich"):
        assert {room(each.importer) for each in IMPORTS if room(each.imported) == extra} <= {"cli", "progress"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nimport fi_async.engine.attempts", [("os", False), ("fi_async.engine.attempts", False)]),
        ("from fi_async import execution, Case", [("fi_async.execution", False), ("fi_async", False)]),
        ("from fi_async.engine.attempts import Job", [("fi_async.engine.attempts", False)]),
        ("def f():\n    import httpx", [("httpx", True)]),
        ("if True:\n    from fi_async.local import LocalBackend", [("fi_async.local", False)]),
        ("class A:\n    async def f(self):\n        from fi_async.local import x", [("fi_async.local", True)]),
    ],
)
def test_this_test_sees_every_kind_of_import(source, expected, tmp_path, monkeypatch):
    file = tmp_path / "written.py"
    file.write_text(source, encoding="utf-8")
    monkeypatch.setitem(MODULES, "written", file)
    assert [(each.imported, each.lazy) for each in imports_of("written")] == expected
