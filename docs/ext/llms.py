"""Writes llms.txt beside the pages: each page's title and what it is for, in the order of the contents, for programs
that read documentation (llmstxt.org); and llms-full.txt, the pages' sources in that order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_ABOUT = (
    "An asyncio-native Python SDK that runs LLM evaluations at scale: the Future AGI platform, functions, any judge, or"
    " your own code; paced, resumable, every case accounted for."
)


def contents(env: BuildEnvironment) -> Iterator[tuple[str, list[str]]]:
    """Yield the captions of the contents, each with its pages."""
    for tree in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        yield str(tree["caption"]), [str(page) for _, page in tree["entries"]]


def purpose(env: BuildEnvironment, page: str) -> str:
    """Return the first paragraph of a page, in one line."""
    paragraphs = env.get_doctree(page).findall(nodes.paragraph)
    return " ".join(next((each.astext() for each in paragraphs if each.astext().strip()), "").split())


def write(app: Sphinx, error: Exception | None) -> None:
    """Write both files, if pages were written."""
    if error is not None or app.builder.format != "html":
        return
    lines, full = [f"# {app.config.project}", "", f"> {_ABOUT}"], []
    for caption, pages in contents(app.env):
        lines += ["", f"## {caption}", ""]
        for page in pages:
            title = app.env.titles[page].astext()
            lines.append(f"- [{title}]({app.builder.get_target_uri(page)}): {purpose(app.env, page)}")
            full.append(Path(app.env.doc2path(page)).read_text(encoding="utf-8"))
    out = Path(app.outdir)
    (out / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (out / "llms-full.txt").write_text("\n\n".join(full), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
