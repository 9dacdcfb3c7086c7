"""What answers a template by computing: the platform's function templates, and functions of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from fi_async._errors import ConfigurationError, EvaluationError
from fi_async._models import Template


class Finding(NamedTuple):
    """What a function said of one case: the output, of the template's type, and why, if it says so."""

    output: Any
    reason: str | None = None


class Function(Protocol):
    """Answers one template, in this process or in others of its own.

    Attributes:
        backend: Who answers, as outcomes name it.
        is_async: True if it is awaited, in the event loop.
        processes: How many processes of its own it runs in; 0 for a thread of this one.
        fingerprint: What tells it apart from what it was before a change; None for one that never changes.
    """

    @property
    def template(self) -> Template: ...  # noqa: D102  # what it answers

    @property
    def backend(self) -> str: ...  # noqa: D102  # see above

    @property
    def is_async(self) -> bool: ...  # noqa: D102  # see above

    @property
    def processes(self) -> int: ...  # noqa: D102  # see above

    @property
    def fingerprint(self) -> str | None: ...  # noqa: D102  # see above

    def check(self, params: Mapping[str, Any]) -> None:
        """Return if it can be asked with these parameters; raise a ConfigurationError if not."""

    def call(self, values: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """Return what it says of these values, or what to await for that."""

    def verdict(self, said: Any) -> Finding:
        """Return what it said as a verdict; raise an EvaluationError if it is none."""

    def failure(self, error: BaseException) -> EvaluationError:
        """Return what it raised as the failure of one case."""


class ExactFunction:
    """A function template of the platform, computed here as the platform does.

    Args:
        template: One of `exact_names`.
    """

    backend = "local"
    is_async = False
    processes = 0
    fingerprint = None

    def __init__(self, template: Template) -> None:
        self.template = template

    def __repr__(self) -> str:
        return f"<ExactFunction {self.template.name}>"

    def check(self, params: Mapping[str, Any]) -> None:
        """Return if these are the template's parameters.

        Raises:
            ConfigurationError: They are not; the message is the platform's.
        """
        from fi_async.local import scoring  # noqa: PLC0415  # the metrics: not needed by who asks the cloud

        if faults := scoring.check_params(self.template.name, params):
            raise ConfigurationError(f"eval_config of {self.template.name}: {'; '.join(faults)}")

    def call(self, values: Mapping[str, Any], params: Mapping[str, Any]) -> Finding:
        """Return the platform's answer.

        Raises:
            EvaluationError: The platform refuses these inputs; the message is the platform's.
        """
        from fi_async.local import scoring  # noqa: PLC0415  # as above

        try:
            return Finding(*scoring.run_evaluator(self.template.name, values, params))
        except (scoring.BlankInputError, scoring.EngineError) as error:
            raise EvaluationError(str(error)) from None

    def verdict(self, said: Any) -> Finding:
        """Return it: it is a verdict."""
        assert isinstance(said, Finding)  # noqa: S101  # as `call` returns it
        return said

    def failure(self, error: BaseException) -> EvaluationError:
        """Return what was raised, as the failure of one case."""
        return error if isinstance(error, EvaluationError) else EvaluationError(f"{type(error).__name__}: {error}")


@cache
def exact_names() -> frozenset[str]:
    """Return the names of the function templates that are computed here exactly as on the platform."""
    from fi_async.local.metrics import ESTIMATES, METRICS  # noqa: PLC0415  # as above

    return frozenset(METRICS) - ESTIMATES
