"""The templates as this server serves them: their facts, and which of them it can evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fi_async import _catalogue
from fi_async.local import scoring
from fi_async.local.envelopes import HttpReply, success
from fi_async.local.metrics import ESTIMATES
from fi_async.local.metrics.availability import why_not
from fi_async.local.switches import Switches


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What the rules need to know of a template.

    Attributes:
        optional: Keys that a request may leave out, only to be refused by the engine.
        judged_by_model: The platform asks a language model for the verdict.
        available: This server can evaluate it, without a switch that allows it.
        estimate: What this server answers is an estimate of the platform's verdict, not the same formula.
    """

    name: str
    required: tuple[str, ...]
    optional: frozenset[str]
    output_type: str
    choices: tuple[str, ...]
    judged_by_model: bool
    available: bool
    estimate: bool

    @property
    def marks(self) -> dict[str, Any]:
        """The fields that tell every reply about an evaluation as this server's."""
        return {"backend": "local", "estimate": self.estimate}


def template_named(name: str) -> TemplateFacts | None:
    """Return the template of this name, which is case-sensitive; None if the platform has none."""
    return _templates().get(name)


def why_unavailable(name: str, switches: Switches) -> str | None:
    """Return the message for a template of the platform that this server cannot evaluate; None if it can."""
    if why := why_not(name, allow_network=switches.allow_network):
        return f"The local backend cannot evaluate {name!r}: {why}."
    if name in scoring.supported():
        return None
    has = ", ".join(sorted(scoring.supported()))
    return f"The local backend has no evaluator for {name!r}. It has: {has}."


@cache
def listing(*, allow_network: bool) -> HttpReply:
    """Return the reply that lists every template as the platform does; `available` is ours."""
    return success(_listed(allow_network=allow_network))


def numbered(number: int, *, allow_network: bool) -> dict[str, Any] | None:
    """Return the template with this `eval_id` in the shape of the list; None if there is none."""
    listed = _listed(allow_network=allow_network)
    return next((template for template in listed if template["eval_id"] == number), None)


def id_of(name: str) -> str:
    """Return the id of a template, which the list of templates gives."""
    return str(uuid5(NAMESPACE_URL, f"https://api.futureagi.com/eval/{name}"))


def template_of_id(identity: str) -> TemplateFacts | None:
    """Return the template with this id; None if there is none."""
    name = _names().get(identity)
    return None if name is None else template_named(name)


@cache
def _names() -> Mapping[str, str]:
    return {id_of(name): name for name in _catalogue.rows()}


@cache
def _templates() -> Mapping[str, TemplateFacts]:
    return {name: _template(row) for name, row in _catalogue.rows().items()}


def _template(row: Mapping[str, Any]) -> TemplateFacts:
    return TemplateFacts(
        name=row["name"],
        required=tuple(row["required_keys"]),
        optional=frozenset(row.get("optional_keys", ())),
        output_type=row["output"],
        choices=tuple(row.get("choices") or ()),
        judged_by_model=row["engine"] != "CustomCodeEval",
        available=_is_available(row["name"], allow_network=False),
        estimate=row["name"] in ESTIMATES,
    )


def _is_available(name: str, *, allow_network: bool) -> bool:
    return name in scoring.supported() and why_not(name, allow_network=allow_network) is None


@cache
def _listed(*, allow_network: bool) -> list[dict[str, Any]]:
    return [_in_list(row, allow_network=allow_network) for row in _catalogue.rows().values()]


def _in_list(row: Mapping[str, Any], *, allow_network: bool) -> dict[str, Any]:
    config = {
        "output": row["output"],
        "eval_type_id": row["engine"],
        "required_keys": row["required_keys"],
        "optional_keys": row.get("optional_keys", []),
        "config": row.get("config", {}),
        "config_params_desc": row.get("params_desc", {}),
    }
    if "function_params_schema" in row:
        config["function_params_schema"] = row["function_params_schema"]
    return {
        "id": id_of(row["name"]),
        "name": row["name"],
        "description": row["description"],
        "organization": None,
        "owner": "system",
        "eval_tags": row["tags"],
        "config": config,
        "eval_id": row["eval_id"],
        "criteria": "",
        "choices": row.get("choices"),
        "multi_choice": row.get("multi_choice", False),
        "available": _is_available(row["name"], allow_network=allow_network),
    }
