"""From a rubric and a case to a request of `/v1/chat/completions`, in the form that an endpoint is known to take."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from fi_async._errors import InvalidCaseError
from fi_async._rubric import Rubric
from fi_async.wire.chat_messages import case_text, form_of, schema_of, system_text
from fi_async.wire.chat_refusals import Refusal, refusal_of
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

_log: Final = logging.getLogger("fi_async")

PATH: Final = "/chat/completions"

AnswerFormat = Literal["json_schema", "json_object", "text"]
"""How a model is held to the form of an answer: by a schema, to any JSON, or by words alone."""

TokensField = Literal["max_completion_tokens", "max_tokens"]
"""What an endpoint calls the bound of an answer."""

_BELOW: Final[Mapping[AnswerFormat, AnswerFormat]] = {"json_schema": "json_object", "json_object": "text"}
_OTHER: Final[Mapping[TokensField, TokensField]] = {
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_completion_tokens",
}
_OF_FORMAT: Final = re.compile(
    r"response[_ ]?(?:format|schema|mime)|json[_ ](?:schema|object|mode)|structured[_ ]output|guided|grammar"
    r"|output_config|requested parameters",
    re.IGNORECASE,
)
_NO_ROUTE: Final = re.compile("requested parameters", re.IGNORECASE)  # OpenRouter: nobody takes all that is asked for
_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|n[o']t support|unknown|unrecogni[sz]ed|not recogni[sz]ed|not permitted|extra_forbidden"
    r"|extra input|unexpected|not allowed|deprecated|only the default|cannot find field|cannot both|unavailable"
    r"|not available|no longer|use '?max_",
    re.IGNORECASE,
)
_OF_ROLE: Final = re.compile(
    r"(?:system|developer)[ _-]?(?:role|message|prompt|instruction)|role.{0,40}system", re.IGNORECASE
)
_LIKE_A_KEY: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi)[-_][-_A-Za-z0-9*.]{6,}|\bAIza[-_A-Za-z0-9]{20,}|(?<=Bearer )[^\s'\",;]+"
)
_OURS: Final = frozenset({"model", "messages", "response_format"})
_LONGEST_ANSWER: Final = 2_000  # characters of what was said before: its end is where the verdict should be
_LONGEST_COMPLAINT: Final = 300
_SHORTEST_SECRET: Final = 6


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

    def __str__(self) -> str:
        return f"the judge {self.model!r} at {self.base_url}"

    @property
    def key_in_words(self) -> str:
        """What was sent to say who asks."""
        return f"the key of {self.key_source}" if self.key_source else "requests without a key (pass api_key=)"

    def without_secrets(self, text: str) -> str:
        """Return a text with the key, and what looks like one, left out."""
        for secret in self.secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return _LIKE_A_KEY.sub("***", text)


@dataclass(frozen=True, slots=True)
class Repair:
    """Why a judge is asked once more.

    Attributes:
        previous: What it said; only its end is sent again.
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
        is_settled: True once both names for the bound of an answer were tried.
    """

    format: AnswerFormat = "json_schema"
    dropped: set[str] = field(default_factory=set)
    tokens_field: TokensField = "max_completion_tokens"
    takes_system: bool = True
    is_settled: bool = False

    @classmethod
    def at(cls, base_url: str) -> Self:
        """Return what to begin with: OpenAI takes `max_completion_tokens`, most other servers only `max_tokens`."""
        is_openai = (urlsplit(base_url).hostname or "").endswith((".openai.com", ".openai.azure.com"))
        return cls(tokens_field="max_completion_tokens" if is_openai else "max_tokens")

    def learn(self, reply: Reply, call: HttpCall) -> bool:
        """Take note of what a 400, 404 or 422 refuses.

        Args:
            reply: The refusal.
            call: The request that it refuses, from `request`: what others taught meanwhile is not learned twice.

        Returns:
            True if `request` makes another request now, so that it makes sense to send that.
        """
        if reply.status not in (400, 404, 422) or call.body is None:
            return False
        refusal = refusal_of(reply)
        sent = json.loads(call.body)
        is_gone = reply.status == 404 and not _NO_ROUTE.search(refusal.message)
        if is_gone or refusal.is_too_long or refusal.is_filtered:
            return False
        if not self._differs(sent):
            self._take(refusal, sent)
        return self._differs(sent)

    def _take(self, refusal: Refusal, sent: Mapping[str, Any]) -> None:
        name = _named(refusal, sent)
        if name == "messages" and sent["messages"][0]["role"] == "system":
            self.takes_system = False
        elif name == "response_format":
            self.format = _BELOW.get(self.format, "text")
        elif name in _OTHER and not self.is_settled:
            self.tokens_field, self.is_settled = _OTHER[self.tokens_field], True
        elif name is not None and name not in _OURS:
            self.dropped.add("max_tokens" if name in _OTHER else name)
            _log.warning("the judge %s takes no %s: it is left out from now on", sent.get("model"), name)

    def _differs(self, sent: Mapping[str, Any]) -> bool:
        """Tell whether a request is made otherwise now than this one was."""
        given = sent.get("response_format", {}).get("type", "text")
        bounds = [name for name in _OTHER if name in sent]
        return (
            given != self.format
            or any(name in self.dropped for name in sent)
            or any(name != self.tokens_field or "max_tokens" in self.dropped for name in bounds)
            or (sent["messages"][0]["role"] == "system" and not self.takes_system)
        )


def _named(refusal: Refusal, sent: Iterable[str]) -> str | None:
    """Return the part of a request that a refusal does not take; None if it is about something else."""
    says_not_taken = bool(_NOT_TAKEN.search(refusal.text))
    named = re.split(r"[.\[]", refusal.param or "")[0]
    if named == "response_format" or (named in ("", "messages") and _OF_FORMAT.search(refusal.message)):
        return "response_format"
    if says_not_taken and _OF_ROLE.search(refusal.message):
        return "messages"
    if not says_not_taken:
        return None
    if named in sent and named not in _OURS:
        return named
    others = (name for name in sent if name not in _OURS)
    return next((name for name in others if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", refusal.message)), None)


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
        InvalidCaseError: The case lacks an input that the criteria name, or holds half of a surrogate pair.
    """
    body: dict[str, Any] = {"model": model, "messages": _messages(rubric, inputs, traits, repair)}
    if traits.format == "json_schema":
        schema = {"name": "verdict", "strict": True, "schema": schema_of(rubric)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif traits.format == "json_object":
        body["response_format"] = {"type": "json_object"}
    given = {"temperature": temperature, "max_tokens": max_tokens, **(extra or {})}
    for name, value in given.items():
        if value is not None and name not in traits.dropped:
            body[traits.tokens_field if name == "max_tokens" else name] = value
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise InvalidCaseError("the case holds half of a surrogate pair, which is no character") from None
    return HttpCall("POST", PATH, text, repeatable=False)


def _messages(rubric: Rubric, inputs: Mapping[str, str], traits: Traits, repair: Repair | None) -> list[dict[str, str]]:
    system = system_text(rubric, with_schema=traits.format != "json_schema")
    case = case_text(rubric, inputs)
    messages = [{"role": "system", "content": system}, {"role": "user", "content": case}]
    if not traits.takes_system:
        messages = [{"role": "user", "content": f"{system}\n\n{case}"}]
    if repair is None:
        return messages
    complaint = (
        f"That answer cannot be used: {repair.complaint[:_LONGEST_COMPLAINT]}. Answer again, with the JSON object and"
        f' nothing else: "reason", then "result", which is {form_of(rubric)}.'
    )
    if not repair.previous.strip():  # two messages of the user in a row are more than some models take
        messages[-1]["content"] += f"\n\n{complaint}"
        return messages
    said = {"role": "assistant", "content": repair.previous[-_LONGEST_ANSWER:]}
    return [*messages, said, {"role": "user", "content": complaint}]
