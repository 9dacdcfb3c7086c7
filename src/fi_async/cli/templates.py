"""`fi-async templates`: the shipped facts, as a list or one by one. Asks no server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fi_async import _catalogue
from fi_async._models import Template
from fi_async.backends.rubrics import why_not as why_no_judge
from fi_async.cli import errors, terminal
from fi_async.cli.answerers import who_answers
from fi_async.local import templates as local_templates
from fi_async.wire.preflight import ALIASES
from fi_async.wire.templates import Templates

_WIDE: Final = 110
_LOCALLY: Final = {
    "exact": "evaluated as the platform does",
    "estimate": "a lexical estimate, not the platform's judge",
    None: "not evaluated",
}


def show_all(*, local_only: bool, as_json: bool) -> int:
    """Return 0 after printing the list of templates."""
    known = Templates()
    found = [known.find(name) for name in sorted(_catalogue.rows(), key=str.casefold)]
    if local_only:
        found = [template for template in found if _locally(template) is not None]
    if as_json:
        print(json.dumps([_facts(template) for template in found], indent=2, ensure_ascii=False))
        return errors.DONE
    console = terminal.stdout()
    if not console.is_terminal:
        for template in found:  # for grep and cut
            keys, by = ",".join(template.required_keys), ",".join(who_answers(template.name))
            print(template.name, keys, template.output_type, template.description, by, sep="\t")
    elif console.width >= _WIDE:
        console.print(_table(found))
    else:
        console.print(Group(*(_block(template) for template in found)))
    return errors.DONE


def show_one(name: str, *, as_json: bool) -> int:
    """Return 0 after printing what is known of one template.

    Raises:
        NotFoundError: There is none of this name; the message suggests names that resemble it.
    """
    template = Templates().find(name)
    if as_json:
        print(json.dumps(_facts(template), indent=2, ensure_ascii=False))
        return errors.DONE
    console = terminal.stdout()
    console.print(Text(template.name, style="bold"))
    console.print(Text(template.description))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, text in _lines(template):
        grid.add_row(label, Text(text))
    console.print(Padding(grid, (1, 0, 0, 1)))
    return errors.DONE


def _locally(template: Template) -> str | None:
    """Return how the local backend evaluates a template: "exact", "estimate", or None for not at all."""
    found = local_templates.template_named(template.name)
    if found is None or not found.available:
        return None
    return "estimate" if found.estimate else "exact"


def _facts(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "required_keys": list(template.required_keys),
        "aliases": {key: list(ALIASES[key]) for key in template.required_keys if key in ALIASES},
        "output_type": template.output_type,
        "choices": list(template.choices),
        "params": dict(template.params),
        "tags": list(template.tags),
        "local": _locally(template),
        "backends": list(who_answers(template.name)),
        "description": template.description,
    }


def _table(templates: list[Template]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, expand=True)
    names = max(len(template.name) for template in templates)
    table.add_column("template", min_width=names, style="bold")
    table.add_column("keys", width=26)
    table.add_column("output", min_width=len("Pass/Fail"))
    table.add_column("backends", min_width=len("local, judge"))
    table.add_column("description", overflow="ellipsis", no_wrap=True, style="dim", ratio=1)
    for template in templates:
        by = ", ".join(who_answers(template.name))
        table.add_row(template.name, ", ".join(template.required_keys), template.output_type, by, template.description)
    return table


def _block(template: Template) -> Group:
    head = Text.assemble(
        (template.name, "bold"), f"  {template.output_type}  by {', '.join(who_answers(template.name))}"
    )
    keys = Text(", ".join(template.required_keys), style="cyan")
    about = Text(template.description, style="dim", no_wrap=True, overflow="ellipsis")
    return Group(head, Padding(keys, (0, 0, 0, 2)), Padding(about, (0, 0, 0, 2)))


def _lines(template: Template) -> Iterator[tuple[str, str]]:
    for key in template.required_keys:
        aliases = ALIASES.get(key)
        yield "key", f"{key}, or {', '.join(aliases)}" if aliases else key
    yield "output", template.output_type
    if template.choices:
        yield "choices", ", ".join(template.choices)
    for name, facts in template.params.items():
        yield "param", f"{name}: {_param(facts)}"
    if template.tags:
        yield "tags", ", ".join(template.tags)
    yield "locally", _LOCALLY[_locally(template)]
    yield "backends", _backends(template.name)


def _backends(name: str) -> str:
    """Return who answers a template, as --backends names them, and why no judge does if nothing is computed here."""
    by = who_answers(name)
    why = why_no_judge(name) if len(by) == 1 else None
    return ", ".join(by) + (f"; no judge: {why}" if why else "")


def _param(facts: Mapping[str, Any]) -> str:
    said = [str(facts.get("type", "any"))]
    if facts.get("required"):
        said.append("required")
    elif facts.get("default") is not None:
        said.append(f"default {json.dumps(facts['default'])}")
    said += [f"{word} {facts[rule]}" for rule, word in (("minimum", "from"), ("maximum", "to")) if rule in facts]
    return ", ".join(said)
