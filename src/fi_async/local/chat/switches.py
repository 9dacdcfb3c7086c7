"""What the endpoint for judges can be told to be: another provider, slow, small, strict or unreliable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from fi_async.local.quantities import (
    Lognormal,
    Quota,
    is_names,
    is_seconds,
    is_whole,
    require,
    require_probabilities,
    require_statuses,
    shown,
)

STYLES = ("openai", "azure", "anthropic", "gemini", "openrouter", "ollama")
HINTS = frozenset({"retry-after-ms", "retry-after", "reset", "body"})
_DEAREST = 10**9  # dollars a million tokens

ChatPrice = tuple[float | Decimal, ...]


@dataclass(frozen=True, slots=True)
class ChatFaults:
    """How probable each kind of fault is, from 0 to 1. At most one strikes a request.

    Args:
        status: Instead of a verdict, an error reply, by HTTP status: `{503: 0.05}`; 529 is an `overloaded_error`.
        reset_before: Instead of a verdict, the connection is reset.
        early_429: A refusal as of a quota, though there is some left: wait a second.
        reset_after: The verdict is made, and charged, and the connection is reset.
        cut_body: The reply's JSON stops half-way, under a right Content-Length.
        slow: (probability, seconds): the reply comes so many seconds late.
        not_json: The verdict is told in words.
        cut_json: The verdict stops half-way, though the reply says that it is finished.
        prose: There are words around the verdict, which is in a block of code.
        wrong_value: The verdict has a value that its schema does not allow.
        missing_field: The verdict lacks the field that it is about.
        length: The verdict stops half-way, and `finish_reason` is `length`.
        refusal: The model declines: `content` is null, and `refusal` says so.
        content_filter: `content` is null, and `finish_reason` is `content_filter`.

    Raises:
        ValueError: A value is out of its range, or the probabilities sum to more than 1.
    """

    status: Mapping[int, float] = field(default_factory=dict)
    reset_before: float = 0.0
    early_429: float = 0.0
    reset_after: float = 0.0
    cut_body: float = 0.0
    slow: tuple[float, float] = (0.0, 0.0)
    not_json: float = 0.0
    cut_json: float = 0.0
    prose: float = 0.0
    wrong_value: float = 0.0
    missing_field: float = 0.0
    length: float = 0.0
    refusal: float = 0.0
    content_filter: float = 0.0

    def __post_init__(self) -> None:
        require_probabilities(self.chances())
        require_statuses(self.status)
        require(is_seconds(self.slow[1]), f"a slow reply is some seconds late, not {shown(self.slow[1])}")

    def chances(self) -> Iterator[tuple[str, float]]:
        """Yield the faults that can strike, by the names statistics count them under."""
        yield from ((str(status), probability) for status, probability in self.status.items())
        yield "slow", self.slow[0]
        yield from ((name, getattr(self, name)) for name in PLAIN_KINDS)


PLAIN_KINDS = tuple(each.name for each in dataclasses.fields(ChatFaults) if each.name not in ("status", "slow"))
"""The faults that are said by a probability alone."""


@dataclass(frozen=True, slots=True)
class ChatSwitches:
    """What the endpoint for judges is like; the default is instant, unlimited and without faults.

    Args:
        style: Whose headers and refusals it has: OpenAI's, Azure's, those of Anthropic's compatible endpoint,
            Gemini's, OpenRouter's or Ollama's.
        hints: By which ways a refusal says how long to wait: the headers `retry-after-ms` and `retry-after`, the
            headers that say when a limit is `reset`, the `body`. None for those of the style.
        models: The models there are; None for any.
        keys: The keys it knows; None for any, and with the style "ollama" for none, too.
        latency: Seconds a verdict takes.
        capacity: How many verdicts are made at once; the others queue. None for any number.
        queue_limit: How many may queue before a 503 (529 in Anthropic's style); None for any number.
        requests: The quota of requests, for each key and model.
        tokens: The quota of tokens, for each key and model. A request is let in by the tokens of its prompt and
            those that its answer may have; once answered, it counts with those it used.
        reserve: Tokens that an answer may have for that, if the request does not say.
        insufficient_quota_after: So many verdicts exhaust the account; None for never.
        context_length: The tokens that prompt and answer may have together; None for any number.
        refused_parameters: Names of parameters that are answered with a 400; `MODEL:NAME` for one model.
        json_schema: Whether a response format `json_schema` is kept, refused with a 400, or ignored.
        reasoning_tokens: Tokens that each answer is thought about for, beside those of the verdict.
        cache: The beginning that a prompt shares with an earlier one is read from a cache.
        usage: Replies say what they used.
        prices: Dollars for a million tokens, by model: (of prompts, of answers), or (of prompts, of cached parts of
            prompts, of answers). Other models are free.
        faults: How often what goes wrong.

    Raises:
        ValueError: A value is none that its switch can have.
    """

    style: Literal["openai", "azure", "anthropic", "gemini", "openrouter", "ollama"] = "openai"
    hints: frozenset[str] | None = None
    models: frozenset[str] | None = None
    keys: frozenset[str] | None = field(default=None, repr=False)
    latency: float | Lognormal = 0.0
    capacity: int | None = None
    queue_limit: int | None = None
    requests: Quota | None = None
    tokens: Quota | None = None
    reserve: int = 256
    insufficient_quota_after: int | None = None
    context_length: int | None = None
    refused_parameters: frozenset[str] = frozenset()
    json_schema: Literal["kept", "refused", "ignored"] = "kept"
    reasoning_tokens: int = 0
    cache: bool = True
    usage: bool = True
    prices: Mapping[str, ChatPrice] = field(default_factory=dict)
    faults: ChatFaults = field(default_factory=ChatFaults)

    def __post_init__(self) -> None:
        for name, (allows, words) in _ALLOWED.items():
            value = getattr(self, name)
            found = "" if name == "keys" else f", not {shown(value)}"  # what is a secret is not repeated
            require(allows(value), f"{name} of chat is {words}{found}")

    def replace(self, **changes: object) -> ChatSwitches:
        """Return a copy with these fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # checked when made


def _is_one_of(*choices: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, str) and value in choices), " or ".join(f'"{each}"' for each in choices)


def _is_from(least: int) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: is_whole(value) and value >= least), f"{least} or more"


def _or_none(allowed: tuple[Callable[[Any], bool], str]) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value is None or allowed[0](value)), f"{allowed[1]}, or None"


def _is_amount(value: object) -> bool:
    if isinstance(value, Decimal) and not value.is_finite():
        return False
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 <= value <= _DEAREST


def _are_prices(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(model, str) and isinstance(price, tuple) and len(price) in (2, 3) and all(map(_is_amount, price))
        for model, price in value.items()
    )


_NAMES: tuple[Callable[[Any], bool], str] = (is_names, "a frozenset of names")
_QUOTA: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, Quota), "a quota")
_TRUTH: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, bool), "true or false")
_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "style": _is_one_of(*STYLES),
    "hints": _or_none((lambda value: is_names(value) and value <= HINTS, f"a frozenset of {', '.join(sorted(HINTS))}")),
    "models": _or_none(_NAMES),
    "keys": _or_none((is_names, "a frozenset of keys")),
    "latency": (lambda value: isinstance(value, Lognormal) or is_seconds(value), "0 seconds or more"),
    "capacity": _or_none(_is_from(1)),
    "queue_limit": _or_none(_is_from(0)),
    "requests": _or_none(_QUOTA),
    "tokens": _or_none(_QUOTA),
    "reserve": _is_from(0),
    "insufficient_quota_after": _or_none(_is_from(0)),
    "context_length": _or_none(_is_from(1)),
    "refused_parameters": _NAMES,
    "json_schema": _is_one_of("kept", "refused", "ignored"),
    "reasoning_tokens": _is_from(0),
    "cache": _TRUTH,
    "usage": _TRUTH,
    "prices": (_are_prices, "2 or 3 prices of 0 dollars or more by model"),
    "faults": (lambda value: isinstance(value, ChatFaults), "of the type ChatFaults"),
}
