"""What graders of other tools are called here: the names of our templates, where those mean exactly the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fi_async._public import public


@public
@dataclass(frozen=True, slots=True)
class GraderMapping:
    """What a grader is called in the run, and how to run it anew.

    Attributes:
        grader: Its name at the tool.
        template: Its name in the run.
        kind: What it is at the tool, such as "string_check eq"; empty if the file does not say.
        flags: Those of `fi-async run` that ask the same anew; empty where there is no such template.
        said: Why it has its own name, or what else there is to know.
    """

    grader: str
    template: str
    kind: str = ""
    flags: str = ""
    said: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        return {name: getattr(self, name) for name in ("grader", "template", "kind", "flags", "said")}

    def __str__(self) -> str:
        """Return it in a line."""
        kind = f" ({self.kind})" if self.kind else ""
        how = f": fi-async run ... {self.flags}" if self.flags else f": {self.said}" if self.said else ""
        return f"{self.grader}{kind} -> {self.template}{how}"


class GraderNames:
    """Gives each grader one name, and no two the same."""

    def __init__(self) -> None:
        self._found: dict[str, GraderMapping] = {}
        self._taken: dict[str, str] = {}

    def __contains__(self, grader: object) -> bool:
        return grader in self._found

    def add(self, grader: str, kind: str = "", template: str = "", *, flags: str = "", said: str = "") -> str:
        """Return the name of a grader in the run.

        Args:
            grader: What tells it from the others at the tool.
            kind: What it is there.
            template: The template of ours that means the same; empty if there is none.
            flags: How to ask that anew.
            said: Why there is none.
        """
        if (known := self._found.get(grader)) is not None:
            return known.template
        if template and template in self._taken:
            said, flags = f"{template} is {self._taken[template]} already", ""
            template = ""
        name = self._free(template or grader)
        self._taken[name] = grader
        self._found[grader] = GraderMapping(grader, name, kind, flags, said)
        return name

    def _free(self, name: str) -> str:
        count, free = 1, name
        while free in self._taken:
            count += 1
            free = f"{name} ({count})"
        return free

    def mappings(self) -> list[GraderMapping]:
        """Return all, in the order in which they came."""
        return list(self._found.values())


def references(texts: Iterable[str]) -> Mapping[str, str]:
    """Return for each text that is nothing but one `{{ item.KEY }}` or `{{ sample.output_text }}` the key it names."""
    found = {}
    for text in texts:
        inner = text.strip()
        if inner.startswith("{{") and inner.endswith("}}") and inner.count("{{") == 1:
            name = inner[2:-2].strip()
            space, _, key = name.partition(".")
            if name == "sample.output_text":
                found[text] = "output"
            elif space == "item" and key and "." not in key and " " not in key:
                found[text] = key
    return found
