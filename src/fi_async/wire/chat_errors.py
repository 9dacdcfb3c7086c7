"""What a chat endpoint's refusal means, in the styles of OpenAI, Azure, vLLM, Ollama, Anthropic, Gemini, OpenRouter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fi_async._errors import (
    APIStatusError,
    AuthenticationError,
    FiAsyncError,
    JudgeError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async.wire.chat_refusals import Refusal, refusal_of
from fi_async.wire.chat_requests import ChatModel
from fi_async.wire.responses import Reply
from fi_async.wire.waits import wait_of


def error_for(reply: Reply, asked: ChatModel, now: float) -> FiAsyncError:
    """Return the error of a reply that is no answer: a refusal by its status, or a good reply that holds one.

    | the endpoint says                                 | error                                            |
    |---------------------------------------------------|--------------------------------------------------|
    | the case is longer than the model takes           | ValidationError, `code` "context_length_exceeded" |
    | a content filter refuses the case                 | JudgeError                                       |
    | 402, no money, a day's quota                      | QuotaExhaustedError                              |
    | 401                                               | AuthenticationError, naming where the key is from |
    | 403                                               | PermissionDeniedError                            |
    | 404, an unknown model                             | NotFoundError, naming model and URL              |
    | another 429                                       | RateLimitError, with `retry_after`               |
    | 503, 529 (no capacity), other 5xx, 408            | ServerError                                      |
    | another 4xx                                       | ValidationError                                  |
    | a redirect                                        | ProtocolError                                    |

    Args:
        reply: The reply.
        asked: Who was asked.
        now: Seconds since the epoch, for a wait that is given as a time.
    """
    refusal = refusal_of(reply)
    words = asked.without_secrets(refusal.message)
    facts: dict[str, Any] = {
        "status": refusal.status,
        "request_id": reply.request_id,
        "server_message": words,
        "code": next((name for name in refusal.code.split() if not name.isdecimal()), None),
    }
    if 300 <= reply.status < 400:
        return ProtocolError(f"{asked} answers with a redirect, which is not followed: is base_url right?", **facts)
    wait = wait_of(reply, now) if refusal.status == 429 else None
    return _of_the_case(refusal, asked, words, facts) or _of_the_account(refusal, asked, words, facts, wait)


def _of_the_case(refusal: Refusal, asked: ChatModel, words: str, facts: dict[str, Any]) -> FiAsyncError | None:
    """Return the error of a refusal that other cases would not meet."""
    if refusal.is_too_long:
        facts["code"] = "context_length_exceeded"
        return ValidationError(f"the case is too long for {asked}, and nothing is cut: {words}", **facts)
    if refusal.is_filtered:
        del facts["code"]
        return JudgeError(f"a content filter of {asked} refused the case: {words}", model=asked.model, **facts)
    return None


def _of_the_account(
    refusal: Refusal, asked: ChatModel, words: str, facts: dict[str, Any], wait: float | None
) -> FiAsyncError:
    """Return the error of a refusal that says nothing of the case."""
    if refusal.is_final(wait):
        return QuotaExhaustedError(f"{asked} has no quota left, and no wait mends that: {words}", **facts)
    if refusal.status == 404 or refusal.is_about_model:
        fix = "check model= and base_url=, which mostly ends in /v1"
        return NotFoundError(f"{asked} is not there: {words}; {fix}", **facts)
    if refusal.status == 429:
        return RateLimitError(f"too many requests for {asked}: {words}", retry_after=wait, **facts)
    kind, meaning = _MEANINGS.get(refusal.status) or _MEANINGS[5 if refusal.status >= 500 else 4]
    if refusal.status in _NO_CAPACITY:
        facts["refused"] = True
    return kind(f"{asked} {meaning.format(key=asked.key_in_words)}: {words}", **facts)


_NO_CAPACITY: Final = frozenset({503, 529})
_MEANINGS: Final[Mapping[int, tuple[type[APIStatusError], str]]] = {
    401: (AuthenticationError, "does not accept {key}"),
    403: (PermissionDeniedError, "does not allow this with {key}"),
    408: (ServerError, "failed"),
    4: (ValidationError, "refused the request"),
    5: (ServerError, "failed"),
}
