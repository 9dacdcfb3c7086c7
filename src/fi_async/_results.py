"""What evaluations say: EvalResult, Usage and BatchRunResult.

The only room that pydantic furnishes: it takes longer to import than all the rest, and is imported when there is a
result.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from fi_async._public import public

_VERDICT_TYPES = frozenset({None, "", "Pass/Fail"})  # old servers leave the type out
_GREATEST = 1e100  # what is beyond has no square; NaN measures nothing


_Tokens = Annotated[int, Field(ge=0)]


@public
class Usage(BaseModel):
    """The tokens that an answer of a judge took, as its endpoint counts them. Several can be added.

    Attributes:
        input_tokens: Of the request, cached ones included.
        cached_tokens: Those of them that the endpoint had from an earlier request, mostly at a lower price.
        output_tokens: Of the answer, reasoning included.
        reasoning_tokens: Those of them that the model thought with and did not show.
    """

    model_config = ConfigDict(frozen=True)

    input_tokens: _Tokens = 0
    cached_tokens: _Tokens = 0
    output_tokens: _Tokens = 0
    reasoning_tokens: _Tokens = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together: what limits of tokens count."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


@public
class EvalResult(BaseModel):
    """What one evaluation said.

    Attributes:
        name: The template.
        output: "Passed" or "Failed", a number, a list of labels, or {"score", "choice"}; None while pending.
        reason: Why, in the judge's words.
        runtime: Milliseconds on the server.
        output_type: What kind of output the template gives.
        eval_id: The evaluation's id on the server.
        model: The judge, if the server names it.
        error_localizer_enabled: True if `error_localizer` was asked for; None if the server does not say.
        error_localizer: Which part of the input is at fault, as the server has it; None if it was not asked for.
        filled: Required keys that were filled from another input of yours, as {key: taken from}.
        backend: Who evaluated: "cloud", "local" (this process), or "server", one of your own.
        estimate: True for a lexical estimate of the local backend, which is not the platform's judge.
        request_id: The server's id of the request that brought the result.
        usage: The tokens that a judge of your own took, all attempts counted; None if it does not say.
        cost: What they cost, in dollars; None if no price is known.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    name: str = ""
    output: Any = None
    reason: str | None = None
    runtime: float | None = None
    output_type: str | None = None
    eval_id: str | None = None
    model: str | None = None
    error_localizer_enabled: bool | None = None
    error_localizer: Any = None
    filled: Mapping[str, str] = Field(default_factory=dict)
    backend: str = "cloud"
    estimate: bool = False
    request_id: str | None = None
    usage: Usage | None = None
    cost: float | None = None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form; mypy has no word for it
    @property
    def score(self) -> float | None:
        """The verdict as a number: 1.0 or 0.0 for Pass/Fail; None where the output has no number (up to 1e100)."""
        if self.passed is not None:
            return float(self.passed)
        value = self.output.get("score") if isinstance(self.output, dict) else self.output
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if abs(value) <= _GREATEST else None

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def passed(self) -> bool | None:
        """True or False for Pass/Fail templates; None for all others: a score has no threshold here."""
        if self.output_type not in _VERDICT_TYPES or not isinstance(self.output, str):
            return None
        return {"Passed": True, "Failed": False}.get(self.output)

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def choices(self) -> list[str] | None:
        """The labels chosen; None for templates that choose none."""
        if isinstance(self.output, list):
            return [str(label) for label in self.output]
        if isinstance(self.output, dict) and "choice" in self.output:
            return [str(self.output["choice"])]
        if isinstance(self.output, str) and self.output_type == "choices":
            return [self.output]
        return None


@public
class BatchRunResult(BaseModel):
    """The results of one `evaluate` call, in input order.

    Attributes:
        eval_results: One for each row and template.
        message: The server's answer, where a platform's configuration was checked and nothing evaluated.
    """

    model_config = ConfigDict(frozen=True)

    eval_results: list[EvalResult]
    message: str | None = None
