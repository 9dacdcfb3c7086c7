"""A page's `{commands}`: what `fi-async COMMAND --help` prints, for each command there is."""

from __future__ import annotations

import os
from io import StringIO
from typing import TYPE_CHECKING

from docutils import nodes
from rich.console import Console
from sphinx.util.docutils import SphinxDirective

from fi_async.cli.app import _app

if TYPE_CHECKING:
    from cyclopts import App
    from sphinx.application import Sphinx

_WIDTH = 96


def helped(app: App, *words: str) -> str:
    """Return what the command prints of itself."""
    told = StringIO()
    console = Console(file=told, width=_WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    app.help_print(list(words), console=console)
    return "\n".join(line.rstrip() for line in told.getvalue().strip().split("\n"))


def names(app: App) -> list[str]:
    """Return the commands, in the order of the help; two words where a command has commands."""
    found: list[str] = []
    for name in app:
        if name.startswith("-"):
            continue
        inner = [f"{name} {each}" for each in app[name] if not each.startswith("-")]
        found += inner or [name]
    return found


class Commands(SphinxDirective):
    """Sections of the commands."""

    def run(self) -> list[nodes.Node]:
        os.environ["COLUMNS"] = str(_WIDTH)
        app = _app()
        sections: list[nodes.Node] = []
        for name in names(app):
            section = nodes.section(ids=[nodes.make_id(f"command-{name}")], names=[f"command {name}"])
            section += nodes.title("", "", nodes.literal("", f"fi-async {name}"))
            text = helped(app, *name.split())
            section += nodes.container("", nodes.literal_block(text, text, language="text"), classes=["help"])
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
