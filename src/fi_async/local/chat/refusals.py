"""The words of those who refuse: OpenAI's, and of those who speak likewise, each in their own way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from fi_async.local.chat.switches import ChatSwitches
from fi_async.local.envelopes import Headers, HttpReply, Refused, json_reply, phrase

_DAY: Final = 86_400
_STYLE_HINTS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("openai", "azure"), frozenset({"retry-after-ms", "retry-after", "reset", "body"})),
    "anthropic": frozenset({"reset"}),
    **dict.fromkeys(("gemini", "openrouter"), frozenset({"body"})),
    "ollama": frozenset(),
}
_MILLISECONDS_OF: Final = (("h", 3_600_000), ("m", 60_000), ("s", 1000))


def openai_error(
    status: int, text: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> HttpReply:
    """Return an error in OpenAI's shape."""
    return json_reply(status, {"error": {"message": text, "type": kind, "param": param, "code": code}})


def invalid(text: str, param: str | None = None, code: str | None = None) -> Refused:
    """Return, to be raised, the 400 of a request that is not as it should be."""
    return Refused(openai_error(400, text, param=param, code=code))


def anthropic_error(status: int, kind: str, text: str, headers: Headers = ()) -> HttpReply:
    """Return an error in Anthropic's shape."""
    content = {"type": "error", "error": {"type": kind, "message": text}, "request_id": f"req_{uuid4().hex[:24]}"}
    return json_reply(status, content, headers)


def failed(status: int) -> HttpReply:
    """Return the error of a server that something went wrong in."""
    if status == 529:
        return anthropic_error(529, "overloaded_error", "Overloaded")
    text = "The server had an error while processing your request." if status == 500 else phrase(status)
    return openai_error(status, text, kind="server_error" if status >= 500 else "invalid_request_error")


def no_capacity(style: str) -> HttpReply:
    """Return the refusal of a server whose queue is full."""
    if style == "anthropic":
        return failed(529)
    if style == "ollama":
        return openai_error(503, "server busy, please try again. maximum pending requests exceeded", kind="api_error")
    return openai_error(503, "The engine is currently overloaded, please try again later", kind="server_error")


def out_of_funds(style: str) -> HttpReply:
    """Return the refusal that no waiting mends: the account is exhausted."""
    if style == "openrouter":
        return json_reply(402, {"error": {"message": "Insufficient credits", "code": 402}})
    text = "You exceeded your current quota, please check your plan and billing details."
    return openai_error(429, text, kind="insufficient_quota", code="insufficient_quota")


def hints_of(chat: ChatSwitches) -> frozenset[str]:
    """Return by which ways a refusal says how long to wait."""
    return _STYLE_HINTS[chat.style] if chat.hints is None else chat.hints


def rate_limited(chat: ChatSwitches, kind: str, limit: str, seconds: float, window_seconds: float) -> HttpReply:
    """Return the 429 of a quota of this kind ("requests" or "tokens"), without the headers that tell of limits.

    Args:
        chat: Its style and hints.
        kind: What there is a quota of.
        limit: What the quota is, in words.
        seconds: Until the window is over.
        window_seconds: How long a window is.
    """
    hints = hints_of(chat)
    headers = []
    if "retry-after" in hints:
        headers.append(("retry-after", str(math.ceil(_milliseconds(seconds) / 1000))))
    if "retry-after-ms" in hints:
        headers.append(("retry-after-ms", str(_milliseconds(seconds))))
    body = _BODIES[chat.style](kind, limit, seconds if "body" in hints else None, window_seconds)
    return json_reply(429, body, tuple(headers))


def too_large(limit: int, asked: int) -> HttpReply:
    """Return the 429 of a request that no window has enough tokens for."""
    text = f"Request too large: Limit {limit}, Requested {asked}. The input or output tokens must be reduced."
    return openai_error(429, text, kind="tokens", code="rate_limit_exceeded")


def go_duration(seconds: float) -> str:
    """Return a duration as OpenAI's headers write it, in whole milliseconds, rounded up: `120ms`, `1.2s`, `6m0s`."""
    left = _milliseconds(seconds)
    if 0 < left < 1000:
        return f"{left}ms"
    text = ""
    for unit, size in _MILLISECONDS_OF:
        amount, left = (left / 1000, 0) if unit == "s" else divmod(left, size)
        if amount or text or unit == "s":
            text += f"{amount:.3f}".rstrip("0").rstrip(".") + unit if unit == "s" else f"{amount}{unit}"
    return text


def rfc_3339(at: float) -> str:
    """Return a time as Anthropic's headers write it, in whole seconds, rounded up."""
    second = min(math.ceil(round(at, 3)), 253_402_300_799)  # the last of the year 9999
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _milliseconds(seconds: float) -> int:
    return max(0, math.ceil(round(seconds * 1000, 3)))


def _openai_body(kind: str, limit: str, seconds: float | None, _window: float) -> dict[str, Any]:
    again = "" if seconds is None else f" Please try again in {go_duration(seconds)}."
    text = f"Rate limit reached on {kind}: {limit}.{again}"
    return {"error": {"message": text, "type": kind, "param": None, "code": "rate_limit_exceeded"}}


def _azure_body(kind: str, limit: str, seconds: float | None, _window: float) -> dict[str, Any]:
    again = "" if seconds is None else f" Please retry after {math.ceil(seconds)} seconds."
    text = f"Requests to the ChatCompletions_Create Operation have exceeded the {kind} rate limit: {limit}.{again}"
    return {"error": {"code": "429", "message": text}}


def _anthropic_body(kind: str, limit: str, seconds: float | None, _window: float) -> dict[str, Any]:
    again = "" if seconds is None else f" Please try again in {math.ceil(seconds)} seconds."
    text = f"This request would exceed your {kind} rate limit: {limit}.{again}"
    return {"type": "error", "error": {"type": "rate_limit_error", "message": text}}


def _gemini_body(kind: str, limit: str, seconds: float | None, window: float) -> list[dict[str, Any]]:
    span = "Day" if window >= _DAY else "Minute"
    quota = f"Generate{kind.capitalize()}Per{span}PerProjectPerModel"
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}
    details: list[dict[str, Any]] = [failure]
    text = f"You exceeded your current quota, {limit}."
    if seconds is not None:
        delay = f"{_milliseconds(seconds) / 1000:.3f}".rstrip("0").rstrip(".")
        text += f" Please retry in {delay}s."
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"})
    return [{"error": {"code": 429, "message": text, "status": "RESOURCE_EXHAUSTED", "details": details}}]


def _openrouter_body(kind: str, limit: str, seconds: float | None, _window: float) -> dict[str, Any]:
    content: dict[str, Any] = {"message": f"Rate limit exceeded: {kind}, {limit}", "code": 429}
    if seconds is not None:
        content["metadata"] = {"retry_after_seconds": math.ceil(_milliseconds(seconds) / 1000)}
    return {"error": content}


_BODIES: Final[Mapping[str, Callable[[str, str, float | None, float], Any]]] = {
    "openai": _openai_body,
    "azure": _azure_body,
    "anthropic": _anthropic_body,
    "gemini": _gemini_body,
    "openrouter": _openrouter_body,
    "ollama": _openai_body,
}
