"""The flags of `fi-async serve` that are about the endpoint for judges: each is a switch of its."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Literal

from cyclopts import Group, Parameter

from fi_async.cli.flag_kinds import FROM_ONE, FROM_ZERO, Flag, Several, whole

_ENDPOINT = Parameter(group=Group("Model to test judges with", sort_key=10))
_PREFIX: Final = "judge_"
_WITHOUT: Final = "no_"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeFlags:
    """What `fi-async serve` is told of /v1/chat/completions.

    Attributes:
        judge_style: Whose headers and refusals it has.
        judge_hints: By which ways a refusal says how long to wait; none leaves all out. Omitted: as the style has it.
        judge_models: The models there are. Omitted: any.
        judge_keys: The keys it knows. Omitted: any.
        judge_latency: Seconds a verdict takes: 2, or 2~0.8 for lognormal ones (median ~ sigma).
        judge_capacity: Verdicts that are made at once; the rest queue. Omitted: any number.
        judge_queue_limit: So many may queue before a 503. Omitted: any number.
        judge_requests: At most so many requests of a key and model in each window, such as 600/min.
        judge_tokens: At most so many tokens of a key and model in each window, such as 100000/min.
        judge_reserve: Tokens that an answer may have for that, if the request does not say.
        judge_insufficient_quota_after: So many verdicts exhaust the account.
        judge_context_length: Tokens that prompt and answer may have together.
        judge_refused_parameters: Parameters that are answered with a 400, such as temperature, or MODEL:temperature.
        judge_json_schema: Whether a response format json_schema is kept, refused with a 400, or ignored.
        judge_reasoning_tokens: Tokens that each answer is thought about for.
        judge_prices: Dollars a million tokens: gpt-5=1.25:10, or with those cached gpt-5=1.25:0.125:10.
        judge_faults: What goes wrong, and how often: 503=0.05, not_json=0.1, refusal=0.01, slow=0.1:5 (seconds).
        judge_no_cache: No beginning of a prompt is read from a cache.
        judge_no_usage: Replies do not say what they used.
    """

    judge_style: Annotated[
        Literal["openai", "azure", "anthropic", "gemini", "openrouter", "ollama"] | None, _ENDPOINT
    ] = None
    judge_hints: Annotated[
        list[Literal["retry-after-ms", "retry-after", "reset", "body", "none"]] | None, _ENDPOINT, Several
    ] = None
    judge_models: Annotated[list[str] | None, _ENDPOINT, Several, Parameter(metavar="NAME...")] = None
    judge_keys: Annotated[list[str] | None, _ENDPOINT, Several, Parameter(metavar="KEY...")] = None
    judge_latency: Annotated[str | None, _ENDPOINT, Parameter(metavar="SECONDS")] = None
    judge_capacity: Annotated[int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ONE)] = None
    judge_queue_limit: Annotated[
        int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)
    ] = None
    judge_requests: Annotated[str | None, _ENDPOINT, Parameter(metavar="QUOTA")] = None
    judge_tokens: Annotated[str | None, _ENDPOINT, Parameter(metavar="QUOTA")] = None
    judge_reserve: Annotated[int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)] = None
    judge_insufficient_quota_after: Annotated[
        int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)
    ] = None
    judge_context_length: Annotated[
        int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ONE)
    ] = None
    judge_refused_parameters: Annotated[list[str] | None, _ENDPOINT, Several, Parameter(metavar="NAME...")] = None
    judge_json_schema: Annotated[Literal["kept", "refused", "ignored"] | None, _ENDPOINT] = None
    judge_reasoning_tokens: Annotated[
        int | None, _ENDPOINT, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)
    ] = None
    judge_prices: Annotated[list[str] | None, _ENDPOINT, Several, Parameter(metavar="MODEL=IN:OUT...")] = None
    judge_faults: Annotated[list[str] | None, _ENDPOINT, Several, Parameter(metavar="KIND=PROBABILITY...")] = None
    judge_no_cache: Annotated[bool, _ENDPOINT, Flag] = False
    judge_no_usage: Annotated[bool, _ENDPOINT, Flag] = False

    def changes(self) -> dict[str, Any]:
        """Return what the flags change about the endpoint, by the name of the switch."""
        found: dict[str, Any] = {}
        for each in fields(self):
            name, value = each.name.removeprefix(_PREFIX), getattr(self, each.name)
            if name == "hints" and value is not None:
                found[name] = [hint for hint in value if hint != "none"]
            elif name.startswith(_WITHOUT):
                found |= {name.removeprefix(_WITHOUT): False} if value else {}
            elif value is not None:
                found[name] = value
        return found
