"""The keywords of RunOptions, shown wherever they are taken as `**options`: by `help`, completion and documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from inspect import Parameter
from typing import Any, TypeVar

from fi_async._settings import OMITTED, RunKeywords

F = TypeVar("F", bound=Callable[..., Any])


def shows_options(function: F) -> F:
    """Return the function, with each keyword of RunOptions in its signature instead of `**options`.

    Each has the default OMITTED: what a client, or its constructor, was not told is as RunOptions has it.
    """
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    taken = {each.name for each in kept}
    added = [each for each in _options() if each.name not in taken]
    function.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]  # see inspect
    return function


def _options() -> Iterable[Parameter]:
    """Yield the keywords, in the order of RunOptions; the other word for the judge comes after the first."""
    for name, hint in RunKeywords.__annotations__.items():
        yield Parameter(
            name, Parameter.KEYWORD_ONLY, default=OMITTED, annotation=getattr(hint, "__forward_arg__", hint)
        )
