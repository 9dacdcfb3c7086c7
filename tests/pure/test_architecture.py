"""The plan of the house, held against the source: floors, no circle, one word for one thing, files of one idea.

What is read is the source, not what happens to be loaded. Each list of what is still to be mended fails in both
directions: on what is new, and on what it need not name any more.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import fi_async

ROOT = Path(fi_async.__file__).parent
PACKAGE = "fi_async"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "architecture.md"

# The floors, from the ground up. A module may import those of the lines above its own. A name that ends in a dot stands
# for a whole package, whose insides are checked for circles. Imports inside functions, and those that only type
# checkers see, count as any other.
FLOORS = [
    ["_catalogue", "_loop_thread", "_public", "_threads", "_values", "_version"],
    ["_plan", "_results", "_statistics"],
    ["_errors"],
    ["_connection", "_extras", "_models", "_rubric", "_run_url"],
    ["_events", "_spending", "panels.", "sources."],
    ["_settings"],
    ["_shard", "_signature", "pacing.", "wire."],
    ["backends.", "background.", "progress."],
    ["engine."],
    ["journal."],
    ["store."],
    ["reports."],
    ["execution", "imports.", "runs."],
    ["blocking", "client", "datasets."],
    ["pipelines"],
    ["evaluations"],
    ["evaluator"],
    ["sync"],
    ["official_datasets", "standalone"],
    ["", "fi_datasets"],
    ["testing"],
    ["integrations."],
    ["cli."],
    ["__main__"],
]
PURE = {
    "panels.",
    "pacing.",
    "wire.dataset_cells",
    "wire.dataset_replies",
    "wire.dataset_requests",
    "wire.requests",
    "wire.responses",
    "wire.verdicts",
    "wire.preflight",
    "wire.templates",
    "wire.chat_errors",
    "wire.chat_messages",
    "wire.chat_refusals",
    "wire.chat_replies",
    "wire.chat_requests",
    "wire.verdict_text",
    "wire.waits",
    "backends.",
    "engine.attempts",
    "engine.work",
    "engine.dataset_steps",
    "engine.outcomes",
    "engine.polls",
    "engine.submissions",
    "engine.ready_queue",
    "engine.backlog",
}
LOCAL = "local"
LOCAL_MAY_IMPORT = {"_catalogue", "_version", "_threads"}
MAY_IMPORT_LOCAL = {"backends", "client", "cli", "testing"}
ONLY_IMPORTER = {
    "aiohttp": {"wire.over_aiohttp"},
    "httpcore": {"wire.connections"},
    "httpx": {
        "local.metrics.links",
        "wire.connections",
        "wire.over_aiohttp",
        "wire.over_httpx",
        "wire.proxies",
        "wire.transport",
    },
    "pydantic": {"_results", "wire.responses"},
    "backoff": {"pacing.backoff"},
    "psycopg": {"store.store_connection"},
    "sqlalchemy": {"background.sql"},
}
MOST_LINES = 300  # of code: not blank, not a comment, not a docstring
NOT_OUR_WORDS = {"base", "common", "data", "handler", "helper", "manager", "misc", "processor", "util", "utils"}


@dataclass(frozen=True)
class Import:
    """One import: `lazy` inside a function."""

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
ALIAS = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z]")  # of a type; constants are all capitals
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def parsed(name: str) -> ast.Module:
    return tree_of(MODULES[name])


def imports_of(name: str) -> list[Import]:
    return list(_imports(name, parsed(name), lazy=False))


def _imports(name: str, within: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(within):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            yield from (Import(name, _module(node.module or "", alias.name), lazy) for alias in node.names)
        elif not isinstance(node, ast.expr):  # in which there are no imports
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(name, node, lazy=lazy or is_function)


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


def test_the_page_on_the_architecture_names_every_room_and_what_is_there():
    page = PAGE.read_text(encoding="utf-8")
    assert {room(name) for name in MODULES} - {"", "__main__"} - set(re.findall(r"`(\w+)/?`", page)) == set()
    assert {f"{within}.{name}" for within, name in re.findall(r"`(\w+)/(\w+)`", page)} - set(MODULES) == set()


def test_every_floor_is_one_of_a_module():
    stands = {name for name in MODULES if room(name) != LOCAL}
    rooms = {f"{room(name)}." for name in stands if "." in name}
    assert {name for line in FLOORS for name in line} | PURE <= stands | rooms


def test_every_import_within_the_package_names_a_module_of_it():
    assert {each.imported for each in INTERNAL} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) != LOCAL])
def test_imports_run_downward(name):
    for each in INTERNAL:
        if each.importer != name or room(each.imported) == LOCAL:
            continue
        same_room = room(name) == room(each.imported) and "." in f"{name}{each.imported}"
        assert same_room or floor(each.imported) < floor(name), f"{name} imports {each.imported}, which is not below it"


def circles() -> set[frozenset[str]]:
    """Each set of modules that all import each other, directly or by way of others."""
    reached = {name: {each.imported for each in INTERNAL if each.importer == name} for name in MODULES}
    for way in MODULES:
        for seen in reached.values():
            seen.update(reached[way] if way in seen else ())
    return {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in MODULES
        if name in reached[name]
    }


def test_there_are_no_circles():
    assert circles() == set()


def public_names(name: str) -> set[str]:
    """The classes and type aliases of a module that are named for others to use."""
    found = set()
    for node in parsed(name).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name) and ALIAS.match(target.id)}
    return {each for each in found if not each.startswith("_")}


def test_one_word_has_one_meaning():
    places = defaultdict(set)
    for name in MODULES:
        for each in public_names(name):
            places[each].add(name)
    assert {each: where for each, where in places.items() if len(where) > 1} == {}


def test_no_name_says_nothing():
    names = [*MODULES, *(each for name in MODULES for each in public_names(name))]
    words = {name: {word.lower() for word in WORD.findall(name)} for name in names}
    assert {name for name, of_name in words.items() if of_name & NOT_OUR_WORDS} == set()


def test_a_file_name_is_one_idea():
    """A module of the command line has the name of its command; the embedded backend is a house of its own."""
    places = defaultdict(set)
    for name in MODULES:
        file = name.rpartition(".")[2]
        assert not {"and", "or", "etc"} & set(file.split("_")), name
        is_command = room(name) == "cli" and (ast.get_docstring(parsed(name)) or "").startswith(f"`fi-async {file}`")
        if room(name) != LOCAL and not is_command:
            places[file].add(name)
    assert {file: where for file, where in places.items() if len(where) > 1} == {}


def lines_of_code(source: str) -> int:
    """How many lines are neither blank nor a comment nor of a docstring."""
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstrings)


def test_no_file_is_two_rooms():
    lengths = {name: lines_of_code(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}
    assert {name for name, length in lengths.items() if length > MOST_LINES} == set()


def test_rooms_of_decisions_do_not_import_the_loop():
    pure = {name for name in MODULES if name in PURE or f"{room(name)}." in PURE}
    loops = {"asyncio", "anyio", "sniffio", "time", "socket", "threading", "httpx"}
    assert {
        (each.importer, each.imported) for each in IMPORTS if each.importer in pure and room(each.imported) in loops
    } == set()
    for name in pure:
        tree = parsed(name)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)], name


@pytest.mark.parametrize(("library", "importers"), ONLY_IMPORTER.items())
def test_a_library_has_one_importer(library, importers):
    assert {each.importer for each in IMPORTS if room(each.imported) == library} <= importers
    if library in ("httpx", "backoff"):
        assert {each.importer for each in IMPORTS if room(each.imported) == library} == importers


def test_the_embedded_backend_shares_its_facts_its_version_and_the_way_to_a_thread_only():
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
        ("import os\nimport fi_async.engine.attempts", [("os", ""), ("fi_async.engine.attempts", "")]),
        ("from fi_async import execution, Case", [("fi_async.execution", ""), ("fi_async", "")]),
        ("from fi_async.engine.attempts import Job", [("fi_async.engine.attempts", "")]),
        ("def f():\n    import httpx", [("httpx", "lazy")]),
        ("if True:\n    from fi_async.local import LocalBackend", [("fi_async.local", "")]),
        ("class A:\n    async def f(self):\n        from fi_async.local import x", [("fi_async.local", "lazy")]),
        ("if TYPE_CHECKING:\n    import httpx", [("httpx", "")]),
    ],
)
def test_this_test_sees_every_kind_of_import(source, expected, written):
    written(source)
    assert [(each.imported, "lazy" if each.lazy else "") for each in imports_of("written")] == expected


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a module that this test reads like any other."""

    def write(source):
        file = tmp_path / "written.py"
        file.write_text(source, encoding="utf-8")
        monkeypatch.setitem(MODULES, "written", file)

    return write


def test_this_test_sees_a_circle_through_a_function(monkeypatch):
    lower, upper = "_errors", "evaluator"
    monkeypatch.setitem(globals(), "INTERNAL", [*INTERNAL, Import(lower, upper, lazy=True)])
    assert any({lower, upper} <= circle for circle in circles())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Row: pass\nclass _Own: pass", {"Row"}),
        ("Kind = Literal['a', 'b']\nMOST = 5\nkind = 1\nT = TypeVar('T')", {"Kind"}),
        ("Kind: TypeAlias = int | None\n_Own = list[int]", {"Kind"}),
        ("def f():\n    class Inner: pass", set()),
    ],
)
def test_this_test_sees_every_public_name_of_a_type(source, expected, written):
    written(source)
    assert public_names("written") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Two\nlines."""\n\nx = 1  # why\n', 1),
        ("# a comment\ndef f():\n    'What it does.'\n    return 1\n", 2),
        ('x = """a\n\nb"""\n', 3),
        ("x = [\n    1,\n    # why\n]\n", 3),
    ],
)
def test_this_test_counts_lines_of_code_only(source, expected):
    assert lines_of_code(source) == expected
