"""What a mark says: the template, where the inputs come from, and how good the result must be."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs, TemplateLike
from fi_async._results import EvalResult
from fi_async.wire.templates import name_of

if TYPE_CHECKING:
    import pytest

NAME: Final = "fi_eval"
_FIELDS: Final = ("threshold", "eval_config", "model_name")
_ROUNDING: Final = 1e-9  # 0.1 + 0.2 is to reach 0.3

Given = str | Sequence[str] | Inputs | Case | Callable[..., Inputs | Case]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is asked of a case, and the answer that will do.

    Attributes:
        template: Its name.
        threshold: The lowest score that will do. None: a verdict must be Passed, and a score may be any.
        eval_config: The template's parameters.
        model_name: The platform's judge; None for the session's.
        given: The template as the mark has it, where that is more than a name: a function, or a Criteria.

    Raises:
        ConfigurationError: The threshold is no number.
    """

    template: str
    threshold: float | None = None
    eval_config: Mapping[str, Any] | None = None
    model_name: str | None = None
    given: TemplateLike | None = None

    def __post_init__(self) -> None:
        bound = self.threshold
        if bound is None:
            return
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise ConfigurationError(f"{NAME}: threshold must be a number, not {bound!r}")

    @property
    def key(self) -> str:
        """The same for all questions that one run may answer."""
        asked = [self.template, self.model_name, self.eval_config]
        fingerprint = getattr(self.given, "fingerprint", None)
        return json.dumps([*asked, *([fingerprint] if fingerprint else [])], sort_keys=True, default=repr)

    def shortfall(self, result: EvalResult) -> str:
        """Return why a result will not do, in words for a failed test; empty if it will."""
        score, bound = result.score, self.threshold
        if bound is None:
            if result.passed is not False:
                return ""
            said = f"{self.template}: {result.output}"
        elif score is None:
            said = f"{self.template}: {result.output!r} has no score to hold against the threshold of {bound:g}"
        elif score >= bound - _ROUNDING:
            return ""
        else:
            said = f"{self.template} scored {score:.4g}, below the threshold of {bound:g}"
        about = {"reason": result.reason, "evaluation": result.eval_id}
        return "\n".join([said, *(f"  {name}: {value}" for name, value in about.items() if value)])


@dataclass(frozen=True, slots=True)
class MarkedEvaluation:
    """What a mark asks of its test.

    Attributes:
        question: The question.
        read: Returns the inputs; None where the test gives them itself, by calling the fixture.
        is_computed: True if reading them runs a function of the user's.
    """

    question: Expectation
    read: Callable[[], Inputs | Case] | None = None
    is_computed: bool = False


def read_mark(mark: pytest.Mark, parameters: Mapping[str, Any]) -> MarkedEvaluation:
    """Return what a mark asks of a test with these parameters.

    Raises:
        ConfigurationError: It cannot be meant so; the message says how to write it.
    """
    if len(mark.args) != 1:
        raise ConfigurationError(
            f'{NAME}: a mark takes one template, such as @pytest.mark.{NAME}("groundedness"); for several, write a mark'
            " for each"
        )
    fields = dict(mark.kwargs)
    given = fields.pop("inputs", None)
    if unknown := fields.keys() - set(_FIELDS):
        raise ConfigurationError(
            f"{NAME}: a mark has no keyword {min(unknown)!r}; it takes inputs, {', '.join(_FIELDS)}"
        )
    asked = question(mark.args[0], **fields)
    if given is None:
        return MarkedEvaluation(asked)
    return MarkedEvaluation(asked, _reader(given, parameters), is_computed=callable(given))


def question(template: TemplateLike, **fields: Any) -> Expectation:
    """Return the question that a template and fields of it make.

    Raises:
        ConfigurationError: It is no template, or a field is wrong.
    """
    # Of other classes with a name, such as those of the official SDK, the name is all that is asked for.
    given = template if hasattr(template, "fingerprint") else None
    return Expectation(name_of(template), given=given, **fields)


def _reader(given: Given, parameters: Mapping[str, Any]) -> Callable[[], Inputs | Case]:
    """Return what reads the inputs: as they stand, by the names of parameters, or by calling a function with these."""
    if isinstance(given, Case | Mapping):
        return lambda: given
    if callable(given):
        function = given
        wanted = _wanted(function, parameters)
        return lambda: function(**wanted)
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f"{NAME}: inputs must be the names of parameters of the test, a function of these, or a dict of inputs by"
            f" key, not {type(given).__name__}"
        )
    found = {name: _parameter(name, parameters) for name in names if name}
    return lambda: found


def _wanted(function: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a function takes of the parameters of its test."""
    takes = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in takes):
        return dict(parameters)
    named = [each for each in takes if each.kind is not each.VAR_POSITIONAL]
    return {
        each.name: _parameter(each.name, parameters)
        for each in named
        if each.name in parameters or each.default is each.empty
    }


def _parameter(name: str, parameters: Mapping[str, Any]) -> Any:
    if name not in parameters:
        raise ConfigurationError(
            f"{NAME}: inputs asks for {name!r}, which is no parameter of the test; it has"
            f" {', '.join(parameters) or 'none'}. What a fixture makes is given by calling {NAME} in the test"
        )
    return parameters[name]
