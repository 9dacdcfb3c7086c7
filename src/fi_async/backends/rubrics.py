"""The criteria by which a judge answers the platform's own templates: ours, one text for each that text can answer."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from fi_async import _catalogue
from fi_async._errors import ConfigurationError, instead
from fi_async._rubric import Rubric, with_references

BY_RULE: Final = "deterministic_evals"
"""The template whose criteria and choices are the caller's own: parameters of the call."""

_JUDGED: Final = "AgentEvaluator"  # as the catalogue calls who answers; all others are computed
_AUDIO: Final = "it judges sound, and a judge here reads text only"
_IMAGES: Final = "it judges images, and a judge here reads text only"
_WHY_NOT: Final[Mapping[str, str]] = {
    "ASR/STT_accuracy": _AUDIO,
    "TTS_accuracy": _AUDIO,
    "audio_quality": _AUDIO,
    "image_instruction_adherence": _IMAGES,
    "synthetic_image_evaluator": _IMAGES,
    "caption_hallucination": _IMAGES,
    "ocr_evaluation": "it compares with a PDF, and a judge here reads text only",
    "custom_code_evaluation": "it runs code of yours: make that a function with @template instead",
}


@cache
def _texts() -> Mapping[str, Mapping[str, Any]]:
    """What the file beside this says, by template. Read on first use."""
    text = resources.files("fi_async").joinpath("backends", "rubrics.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))


def judged_names() -> frozenset[str]:
    """Return the names of the platform's templates that a judge can answer from text."""
    return frozenset((*_texts(), BY_RULE))


def rubric_for(name: str, params: Mapping[str, Any] | None = None) -> Rubric:
    """Return what a judge is told to decide under one of the platform's templates.

    Args:
        name: The template's name.
        params: The parameters of the call: `deterministic_evals` takes its rule_prompt, choices and multi_choice from
            them.

    Raises:
        ConfigurationError: No judge can answer it, and why; or a parameter is missing.
    """
    if name == BY_RULE:
        return _by_rule(params or {})
    if name not in _texts():
        why = why_not(name) or f"no template of the platform has this name{instead(name, judged_names())}"
        raise ConfigurationError(f"a judge cannot answer {name!r}: {why}")
    return _of_catalogue(name)


def why_not(name: str) -> str | None:
    """Return why a judge cannot answer one of the platform's templates; None if it can, or the name is not known."""
    row = _catalogue.rows().get(name)
    if row is None or name in judged_names():
        return None
    if row["engine"] != _JUDGED and name not in _WHY_NOT:
        return "it is computed, not judged"
    return _WHY_NOT.get(name, "nobody has written its criteria")


@cache
def _of_catalogue(name: str) -> Rubric:
    row, written = _catalogue.rows()[name], _texts()[name]
    choices: Mapping[str, float | None] = {}
    if row["output"] == "choices":
        choices = written.get("choices") or dict.fromkeys(row["choices"])
    return Rubric(
        name,
        written["text"].strip(),
        tuple(row["required_keys"]),
        row["output"],
        optional=tuple(row.get("optional_keys", ())),
        choices=choices,
        multi_choice=bool(row.get("multi_choice", False)),
    )


def _by_rule(params: Mapping[str, Any]) -> Rubric:
    rule, choices, several = params.get("rule_prompt"), params.get("choices"), params.get("multi_choice", False)
    where = f"{BY_RULE}: config["
    if not isinstance(rule, str) or not rule.strip():
        raise ConfigurationError(f"{where}'rule_prompt'] must be what the judge is to decide, not {rule!r}")
    if not isinstance(choices, list | tuple) or len(choices) < 2 or not all(_is_label(each) for each in choices):
        raise ConfigurationError(f"{where}'choices'] must be a list of two labels at least, not {choices!r}")
    if len({each.casefold() for each in choices}) < len(choices):
        raise ConfigurationError(f"{where}'choices'] holds labels that cannot be told apart in an answer")
    if not isinstance(several, bool):
        raise ConfigurationError(f"{where}'multi_choice'] must be True or False, not {several!r}")
    text, keys = with_references(f"{where}'rule_prompt']", rule)
    return Rubric(BY_RULE, text, keys, "choices", choices=dict.fromkeys(choices), multi_choice=several)


def _is_label(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.strip()
