"""What is known of the templates: the shipped table, overruled by whatever a server said since."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fi_async import _catalogue
from fi_async._errors import ConfigurationError, NotFoundError
from fi_async._models import Case, NamedTemplate, Template, TemplateLike

_LOOK_AGAIN: Final = 60.0  # seconds until a name that no list had is looked for again
_MOST_MISSED: Final = 1000


def name_of(template: TemplateLike) -> str:
    """Return a template's name.

    Raises:
        ConfigurationError: It is neither a name nor an object with an `eval_name`.
    """
    name = template.eval_name if isinstance(template, NamedTemplate) else template
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            f"eval_templates must be a template's name or an object with an eval_name, not {type(template).__name__}"
        )
    return name


def names_of(templates: TemplateLike | Iterable[TemplateLike]) -> list[str]:
    """Return the names of one template or several, each once, in the order given. Raises as `by_name` does."""
    return list(by_name(templates))


def by_name(templates: TemplateLike | Iterable[TemplateLike]) -> dict[str, TemplateLike]:
    """Return one template or several by their names, in the order given.

    Raises:
        ConfigurationError: There is none, two that are not the same have one name, or one is not a template, but
            perhaps the inputs.
    """
    if isinstance(templates, Mapping | Case) or (
        isinstance(templates, Sequence) and any(isinstance(each, Mapping | Case) for each in templates)
    ):
        raise ConfigurationError("eval_templates must name templates, and has inputs: are the arguments swapped?")
    if isinstance(templates, str | NamedTemplate) or not isinstance(templates, Iterable):
        return {name_of(templates): templates}
    found: dict[str, TemplateLike] = {}
    for each in templates:
        known = found.setdefault(name_of(each), each)
        if getattr(known, "fingerprint", None) != getattr(each, "fingerprint", None):
            raise ConfigurationError(
                f"eval_templates has two that are called {name_of(each)!r}, and results are told apart by name: call"
                " one of them another"
            )
    if not found:
        raise ConfigurationError('eval_templates is empty: name at least one, such as "groundedness"')
    return found


NEEDED_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "contains": ("keyword",),
    "contains_all": ("keywords",),
    "contains_any": ("keywords",),
    "contains_none": ("keywords",),
    "ends_with": ("substring",),
    "length_between": ("min_length", "max_length"),
    "length_greater_than": ("min_length",),
    "length_less_than": ("max_length",),
    "regex": ("pattern",),
    "starts_with": ("substring",),
}
"""The parameters without which a template says the same of every case; the platform refuses none of these."""


def without_needed(template: str, config: Mapping[str, Any] | None) -> str:
    """Return what to say of a template that is not given a parameter it needs; empty if it is."""
    left = [name for name in NEEDED_PARAMETERS.get(template, ()) if (config or {}).get(name) in (None, "", [])]
    if not left:
        return ""
    given = ", ".join(f"{name!r}: ..." for name in left)
    flags = " ".join(f"{template}.{name}=..." for name in left)
    how = f"eval_config={{{given}}} in a program, --param {flags} in a command"
    return f"{template} says the same of every case without {' and '.join(left)}: give {how}"


class Templates:
    """The templates one client knows: the shipped ones, and those a server has listed.

    What the server said last is right.
    """

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] | None = None
        self._known: dict[str, Template] = {}
        self._missed: dict[str, float] = {}

    def get(self, name: str) -> Template | None:
        """Return a template's facts; None if the name is not known."""
        if name not in self._known and name in _catalogue.rows():
            self._known[name] = from_catalogue(name)
        return self._known.get(name)

    def find(self, name: str) -> Template:
        """Return a template's facts.

        Raises:
            NotFoundError: The name is not known; the message names some that resemble it.
        """
        template = self.get(name)
        if template is None:
            similar = ", ".join(self.suggest(name))
            meant = f"; did you mean {similar}?" if similar else ""
            if len(several := [each for part in name.split(",") if (each := part.strip())]) > 1:
                meant = f": give each by itself, {several!r} in a program and --eval {' '.join(several)} in a command"
            raise NotFoundError(f"no evaluation template is named {name!r}{meant}")
        return template

    def is_worth_listing(self, names: Iterable[str], now: float) -> bool:
        """Tell whether the server's list may have a name that is not known: it was never asked, or not lately.

        A name may have been made since the last list, so that each that is new costs one; one that was in none is
        looked for again after a minute.
        """
        unknown = [name for name in names if self.get(name) is None]
        fresh = [name for name in unknown if now - self._missed.get(name, -math.inf) >= _LOOK_AGAIN]
        if len(self._missed) > _MOST_MISSED:
            self._missed.clear()
        self._missed |= dict.fromkeys(fresh, now)
        return bool(fresh)

    def learn(self, registry: list[dict[str, Any]]) -> None:
        """Take over the server's own list (the result of `get-evals/`)."""
        self.listed = registry
        self._known |= {row["name"]: from_registry(row) for row in registry if row.get("name")}

    def suggest(self, name: str) -> list[str]:
        """Return up to three known names that resemble one that is not."""
        known = {*_catalogue.rows(), *self._known}
        by_folded = {each.casefold().replace("-", "_").replace(" ", "_"): each for each in sorted(known)}
        folded = name.casefold().replace("-", "_").replace(" ", "_")
        return [by_folded[match] for match in difflib.get_close_matches(folded, by_folded, n=3)]


def from_catalogue(name: str) -> Template:
    """Return the facts of one of the platform's own templates, as shipped."""
    row = _catalogue.rows()[name]
    return Template(
        name=row["name"],
        required_keys=tuple(row["required_keys"]),
        output_type=row["output"],
        description=row.get("description", ""),
        choices=tuple(row.get("choices", ())),
        tags=tuple(row.get("tags", ())),
        params={**row.get("config", {}), **row.get("function_params_schema", {})},
    )


def from_registry(row: Mapping[str, Any]) -> Template:
    """Return a template's facts from one item of `get-evals/`; absent or null fields read as empty."""
    config = _dict(row.get("config"))
    return Template(
        name=row["name"],
        required_keys=tuple(map(str, _list(config.get("required_keys")))),
        output_type=str(config.get("output") or ""),
        description=str(row.get("description") or ""),
        choices=tuple(map(str, _list(row.get("choices")))),
        tags=tuple(map(str, _list(row.get("eval_tags")))),
        params={**_dict(config.get("config")), **_dict(config.get("function_params_schema"))},
        partial=bool(config.get("custom_eval")),
        system=row.get("owner") == "system",
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
