"""From a rubric and a case to a request of `/v1/chat/completions`, in the form that an endpoint is known to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from fi_async._rubric import Rubric
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

AnswerFormat = Literal["json_schema", "json_object", "text"]
"""How a model is held to the form of an answer: by a schema, to any JSON, or by words alone."""

TokensField = Literal["max_completion_tokens", "max_tokens"]
"""What an endpoint calls the bound of an answer."""


@dataclass(frozen=True, slots=True)
class ChatModel:
    """Who is asked, in words fit for messages.

    Attributes:
        model: The model's name, as requests say it.
        base_url: What paths are joined to.
        key_source: Where the key comes from, such as "OPENAI_API_KEY"; None if none is sent.
        secrets: What no message may show, even if the endpoint says it.
    """

    model: str
    base_url: str
    key_source: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Repair:
    """Why a judge is asked once more.

    Attributes:
        previous: What it said, cut to what a second round needs.
        complaint: What was wrong with it.
    """

    previous: str
    complaint: str


@dataclass(slots=True)
class Traits:
    """What is known of how one endpoint takes requests for one model: learned from its refusals, shared by all runs.

    Attributes:
        format: How answers are held to their form.
        dropped: Parameters that were refused, and are not sent any more.
        tokens_field: What the bound of an answer is called.
        takes_system: False once a system message was refused: all goes into the user's then.
    """

    format: AnswerFormat = "json_schema"
    dropped: set[str] = field(default_factory=set)
    tokens_field: TokensField = "max_completion_tokens"
    takes_system: bool = True

    @classmethod
    def at(cls, base_url: str) -> Self:
        """Return what to begin with: OpenAI takes `max_completion_tokens`, most other servers only `max_tokens`."""
        raise NotImplementedError

    def learn(self, reply: Reply, call: HttpCall) -> bool:
        """Take note of what a 400, 404 or 422 refuses.

        Args:
            reply: The refusal.
            call: The request that it refuses, from `request`: what others taught meanwhile is not learned twice.

        Returns:
            True if `request` makes another request now, so that it makes sense to send that.
        """
        raise NotImplementedError


def request(
    rubric: Rubric,
    inputs: Mapping[str, str],
    model: str,
    traits: Traits,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    extra: Mapping[str, Any] | None = None,
    repair: Repair | None = None,
) -> HttpCall:
    """Return the call that asks for a verdict. Its path is "/chat/completions", below the judge's base URL.

    Raises:
        InvalidCaseError: The case lacks an input that the criteria name.
    """
    raise NotImplementedError
