"""The criteria by which a judge answers the platform's own templates: ours, one text for each that text can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fi_async._rubric import Rubric


def judged_names() -> frozenset[str]:
    """Return the names of the platform's templates that a judge can answer from text."""
    raise NotImplementedError


def rubric_for(name: str, params: Mapping[str, Any] | None = None) -> Rubric:
    """Return what a judge is told to decide under one of the platform's templates.

    Args:
        name: The template's name.
        params: The parameters of the call; `deterministic_evals` takes its rule_prompt, choices and multi_choice.

    Raises:
        ConfigurationError: No judge can answer it, and why; or a parameter is missing.
    """
    raise NotImplementedError


def why_not(name: str) -> str | None:
    """Return why a judge cannot answer one of the platform's templates; None if it can, or the name is not known."""
    raise NotImplementedError
