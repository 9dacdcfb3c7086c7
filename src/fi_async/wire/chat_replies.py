"""From a reply of `/v1/chat/completions` to a verdict, or an error that says why it holds none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import JudgeError
from fi_async._rubric import Rubric
from fi_async.wire.chat_errors import error_for
from fi_async.wire.chat_refusals import body_of, error_in
from fi_async.wire.chat_requests import ChatModel, Repair
from fi_async.wire.responses import Reply, json_of, objects_of, storable, unreadable
from fi_async.wire.verdict_text import NoVerdictError, object_in, output_of

if TYPE_CHECKING:
    from fi_async._results import Usage

_LONGEST_WORDS: Final = 500
_LONGEST_NAME: Final = 200
_NO_VERDICT: Final = "the judge gave no verdict: "
_COST_OF_LITELLM: Final = "x-litellm-response-cost"
_THOUGHTS: Final = frozenset({"thinking", "reasoning", "redacted_thinking"})  # parts that are no answer


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge answered.

    Attributes:
        output: "Passed" or "Failed", a number from 0 to 1, a list of labels, or {"score", "choice"}.
        reason: Why, in its words.
        usage: The tokens it took; None if the endpoint does not say.
        cost: What it cost in dollars by the endpoint's own figure; None if it has none.
        model: The model, as the endpoint names it.
        id: The endpoint's id of the answer.
    """

    output: Any
    reason: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    model: str | None = None
    id: str | None = None


def read(reply: Reply, rubric: Rubric, asked: ChatModel, now: float) -> Judgement:
    """Return the verdict of a reply.

    Args:
        reply: The reply.
        rubric: What was asked.
        asked: Who was asked.
        now: Seconds since the epoch, for a wait that a refusal gives as a time.

    Raises:
        JudgeError: The judge gave no verdict; its usage and cost are on the error.
        APIStatusError: The endpoint refused; see `chat_errors.error_for`.
        ProtocolError: The reply is none of a chat endpoint.
    """
    if reply.status >= 300:
        raise error_for(reply, asked, now)
    body = _answer(reply, asked, now)
    usage = usage_of(body.get("usage"))
    cost = _cost(body.get("usage"), reply)
    facts: dict[str, Any] = {"usage": usage, "cost": cost, "model": _name(body.get("model"))}
    text = _text(body, asked, {**facts, "request_id": reply.request_id})
    try:
        found = object_in(text)
        output = output_of(found["result"], rubric)
    except NoVerdictError as error:
        raise JudgeError(
            f"{_NO_VERDICT}{error}",
            repairable=True,
            server_message=asked.without_secrets(text[:_LONGEST_WORDS]) or None,
            request_id=reply.request_id,
            **facts,
        ) from None
    return Judgement(output, _reason(found.get("reason")), id=_name(body.get("id")), **facts)


def repair(reply: Reply, error: JudgeError) -> Repair:
    """Return what to ask once more with, after a reply in which `read` found no verdict."""
    choices = objects_of(body_of(reply).get("choices"))
    message = choices[0].get("message") if choices else None
    said = _content(message) if isinstance(message, dict) else ""
    return Repair(said, error.message.removeprefix(_NO_VERDICT))


def usage_of(usage: Any) -> Usage | None:
    """Return the tokens that an answer took, in whichever server's words; None if they are not told.

    Where the total is more than both parts (Gemini, xAI), the rest was thought, and is part of the output.
    """
    from fi_async._results import Usage  # noqa: PLC0415  # pydantic is slow to import: with the first answer

    if not isinstance(usage, dict):
        return None
    taken = _count(usage, "prompt_tokens", "input_tokens")
    given = _count(usage, "completion_tokens", "output_tokens")
    if taken is None or given is None:
        return None
    thought = _count(_dict(usage.get("completion_tokens_details")), "reasoning_tokens") or 0
    rest = max(0, (_count(usage, "total_tokens") or 0) - taken - given)
    cached = _count(_dict(usage.get("prompt_tokens_details")), "cached_tokens")
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens", "cache_read_input_tokens") or 0
    return Usage(
        input_tokens=taken,
        cached_tokens=min(cached, taken),
        output_tokens=given + rest,
        reasoning_tokens=min(max(thought, rest), given + rest),
    )


def _answer(reply: Reply, asked: ChatModel, now: float) -> Mapping[str, Any]:
    """Return the body of a reply that holds an answer.

    Raises:
        APIStatusError: It holds an error.
        ProtocolError: It is none of a chat endpoint.
    """
    body = json_of(reply)
    if isinstance(body, RecursionError):
        raise unreadable(reply, "nests deeper than any answer")
    if isinstance(body, Exception):
        raise unreadable(reply, _no_json(reply, asked), lost=True)
    body = body_of(reply)
    is_error = error_in(body) is not body or body.get("object") == "error" or body.get("type") == "error"
    if is_error and not _has_answer(body):
        raise error_for(reply, asked, now)
    if "choices" not in body:
        raise unreadable(reply, f"has no choices: is {asked.base_url} right? It mostly ends in /v1")
    return body


def _no_json(reply: Reply, asked: ChatModel) -> str:
    """Return what to say of a body that is no JSON. Pages come of proxies, logins, and addresses without an API."""
    if not reply.content:
        return "is empty"
    if reply.content.lstrip()[:1] == b"<":
        return f"is a page, and no JSON: is {asked.base_url} right? It mostly ends in /v1"
    return "is no JSON, or not all of it"


def _has_answer(body: Mapping[str, Any]) -> bool:
    choices = objects_of(body.get("choices"))
    return bool(choices) and isinstance(choices[0].get("message"), dict) and not choices[0].get("error")


def _text(body: Mapping[str, Any], asked: ChatModel, facts: Mapping[str, Any]) -> str:
    """Return what the judge said.

    Raises:
        JudgeError: It refused, was stopped, or said nothing.
    """
    choices = objects_of(body.get("choices"))
    choice = choices[0] if choices else {}
    message = _dict(choice.get("message"))
    content, refusal, finish = _content(message), message.get("refusal"), choice.get("finish_reason")
    words = asked.without_secrets((refusal if isinstance(refusal, str) else content)[:_LONGEST_WORDS]) or None
    if isinstance(refusal, str) and refusal.strip():
        raise JudgeError(f"the judge refused to judge this case: {words}", server_message=words, **facts)
    if finish == "content_filter":
        raise JudgeError("a content filter stopped the judge's answer", server_message=words, **facts)
    if finish == "length":
        raise JudgeError(_cut_off(facts["usage"]), server_message=words, **facts)
    if not content.strip():
        raise JudgeError(f"{_NO_VERDICT}it said nothing", repairable=True, **facts)
    return content


def _cut_off(usage: Usage | None) -> str:
    taken = f" after {usage.output_tokens} tokens" if usage else ""
    thought = f", {usage.reasoning_tokens} of them thought" if usage and usage.reasoning_tokens else ""
    return f"the judge's answer was cut off{taken}{thought}: give max_tokens a higher value, or leave it out"


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in objects_of(content) if part.get("type") not in _THOUGHTS]
    return "".join(part for part in parts if isinstance(part, str))


def _reason(value: Any) -> str | None:
    if value is None or value in ("", [], {}):
        return None
    return str(storable(value)) if isinstance(value, str) else json.dumps(storable(value), ensure_ascii=False)


def _name(value: Any) -> str | None:
    return value[:_LONGEST_NAME] if isinstance(value, str) and value else None


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(record: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of these fields that is a whole number from 0."""
    for name in names:
        value = record.get(name)
        if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 1e15 and value % 1 == 0:
            return int(value)
    return None


def _cost(usage: Any, reply: Reply) -> float | None:
    """Return dollars, as OpenRouter has them in the usage, and LiteLLM's proxy in a header."""
    for said in (_dict(usage).get("cost"), reply.headers.get(_COST_OF_LITELLM)):
        try:
            cost = float(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else math.nan
        except (ValueError, OverflowError):
            continue
        if 0 <= cost < math.inf:
            return cost
    return None
