"""The documentation: MyST pages, the API from the docstrings, tables from the code, every example run."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from docutils import nodes

import fi_async
from fi_async import Timeout, _catalogue
from fi_async._settings import RunOptions
from fi_async.background import spool
from fi_async.cli import settings
from fi_async.engine import shared_budget
from fi_async.journal import schema
from fi_async.journal.events import EventKind
from fi_async.local.metrics import ESTIMATES, METRICS
from fi_async.local.metrics.availability import where
from fi_async.reports import pairing
from fi_async.wire.preflight import ALIASES

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "fi-async"
author = "The fi-async developers"
release = version = fi_async.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "ext.commands",
    "ext.llms",
]
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"fi-async {version}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_js_files = ["copy.js", "pictures.js"]
html_show_copyright = False

# `name` in a docstring is code.
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in ("TemplatesLike", "TemplateLike", "Cases")}
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88

# Nothing is fetched: names of other packages, of type aliases, and pairs of errors in one line have no page here.
nitpick_ignore_regex = [
    (r"py:.*", r"(typing|collections|types|httpx|pydantic|anyio|asyncio|pathlib|os|abc|decimal)\..*"),
    (
        r"py:class",
        r"(Any|Self|Unpack|Callable|Awaitable|Path|AsyncGenerator|ConfigDict|optional|P|T|TypeAliasForwardRef)",
    ),
    (
        r"py:class",
        r".*\b(Inputs|Labels|LabelKind|Level|Estimator|TemplateLike|TemplatesLike|Cases|Omitted|OnAmbiguous|Origin|Strategy|ExtraKeys|AsgiApp)",
    ),
    (r"py:class", r"fi_async\._\w+\.\w+"),
    (r"py:class", r".*\b(SinkLike|OnFull|Stream|Engine|PathLike|AbstractAsyncContextManager)"),
    (r"py:class", r".*\b(Backend|OutputType|Rubric|Spending|Answerers)"),
    (r"py:class", r".*\b(Repeats|Reduce|Rule)"),
    (r"py:class", r".*\b(Concurrency|OnStalled|Listener|ProgressLike|Display|AbstractContextManager)"),
    (r"py:class", r".*\b(NamedT|NamedTemplate|RunKeywords|EvaluateKeywords|HttpClient|Session|StrEnum|BaseModel)"),
    (r"py:class", r".*\b(TracerProvider|MeterProvider|LoggerProvider|TextMapPropagator|Judged|otel\.C)"),
    (r"py:class", r".*\b(Datasets|BlockingDatasets|ShardLike|Rater|MatrixCase)"),
    (r"py:class", r".*\b(OutcomeRecord|KeptLabels|ReadableRun|LabelledCases|LabelDraw|DrawnCase)"),
    (r"py:class", r"tuple\[.*"),  # autodoc splits the type of an argument at its comma
    (r"py:exc", r".*, .*"),
]


# The embedded backend answers all examples: no key, no network.
doctest_global_setup = f"""
import os

DOCS = {str(Path(__file__).parent)!r}

for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"):
    os.environ.pop(name, None)
os.environ["FI_BASE_URL"] = "local"

import asyncio
import httpx
from fi_async import *
from fi_async.local import *
"""
doctest_test_doctest_blocks = "default"


def _keep_colons_of_properties(_app: Sphinx, what: str, *others: Any) -> None:
    """Begin a property's text with an empty comment: napoleon takes its first line, up to a colon, for a type."""
    if what == "property":
        others[-1][:0] = ["..", ""]


_folder = TemporaryDirectory()
# Doctrees outlive it: what they hold must find that of whoever runs the blocks.
os.environ["DOCS_FOLDER"] = _folder.name


def _run_each_block_by_itself(app: Sphinx, doctree: nodes.document) -> None:
    """Give each block of code names of its own, as a reader pastes it; those of a page share a folder, in order."""
    place = f"os.path.join(os.environ['DOCS_FOLDER'], {app.env.docname!r})"
    enter = f"import os\nos.makedirs({place}, exist_ok=True)\nos.chdir({place})"
    blocks = [node for node in doctree.findall() if isinstance(node, nodes.Element) and "testnodetype" in node]
    number = 0
    for block in blocks:
        number += block["testnodetype"] == "testcode"
        block["groups"] = [str(number)] if block["testnodetype"] in ("testcode", "testoutput") else ["*"]
    if blocks:
        doctree.insert(0, nodes.comment(enter, enter, testnodetype="testsetup", groups=["*"], options={}))


def _suit_narrow_screens(_app: Sphinx, doctree: nodes.document) -> None:
    """Mark what is printed in columns, to be scrolled and not wrapped, and cells of many words, to be wide."""
    for block in doctree.findall(nodes.literal_block):
        if re.search(r"\S {2,}\S+ {2,}\S|──", block.astext()):
            block["classes"].append("columns")
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) > 50:
            cell["classes"].append("long")


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", _keep_colons_of_properties, priority=100)
    app.connect("doctree-read", _run_each_block_by_itself)
    app.connect("doctree-read", _suit_narrow_screens)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _templates(names: Iterable[str]) -> str:
    rows = _catalogue.rows()
    return _table(
        ["template", "keys", "parameters", "output"],
        [
            [
                f"`{name}`",
                _code(rows[name]["required_keys"]),
                _code({**rows[name].get("config", {}), **rows[name].get("function_params_schema", {})}),
                rows[name]["output"],
            ]
            for name in names
        ],
    )


def _places() -> str:
    """Return the table of where each template can be evaluated."""
    rows = []
    for name, row in _catalogue.rows().items():
        place = where(name)
        rows.append([f"`{name}`", _code(row["required_keys"]), row["output"], place.kind, place.note])
    return _table(["template", "keys", "output", "here", "note"], rows)


def _described(described: type, section: str) -> dict[str, str]:
    """Return the names under a heading of a class's docstring, each with the words beside it."""
    text = (described.__doc__ or "").partition(f"{section}:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^\s{8}(\w+): (.*(?:\n {12}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.replace("|", "\\|").split()) for name, words in found}


def _arguments(described: type) -> str:
    values = described()
    rows = [
        [f"`{name}`", f"`{getattr(values, name)!r}`" if name != "timeout" else "see below", words]
        for name, words in _described(described, "Args").items()
    ]
    return _table(["argument", "default", "is"], rows)


def _events() -> str:
    kinds = _described(EventKind, "Attributes")
    return _table(["kind", "", "says"], [[f"`{kind.name}`", str(int(kind)), kinds[kind.name]] for kind in EventKind])


_kinds = Counter(where(name).kind for name in _catalogue.rows())
_results = Path(__file__).parent.parent / "benchmarks" / "results.md"
myst_substitutions = {
    "run_version": str(schema.VERSION),
    "baseline_version": str(pairing._VERSION),
    "budget_version": str(shared_budget._FORMAT),
    "spool_version": str(spool._VERSION),
    "event_kinds": _events(),
    "settings_of_runs": _code(settings.NAMES),
    "options_of_runs": _arguments(RunOptions),
    "timeouts": _arguments(Timeout),
    "aliases": _table(["key", "filled from the first of"], [[f"`{key}`", _code(ALIASES[key])] for key in ALIASES]),
    "places": _places(),
    "judged_here": str(_kinds["judged"]),
    "not_here": str(_kinds["not here"]),
    "exact_templates": _templates(name for name in METRICS if name not in ESTIMATES),
    "exact_count": str(len(METRICS) - len(ESTIMATES)),
    "local_count": str(len(METRICS)),
    "estimate_count": str(len(ESTIMATES)),
    "all_count": str(len(_catalogue.rows())),
    "benchmark_results": _results.read_text(encoding="utf-8").partition("\n")[2]
    if _results.exists()
    else "There are no results in this checkout; the commands above make them.",
}
