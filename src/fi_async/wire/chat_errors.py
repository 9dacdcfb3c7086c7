"""What a chat endpoint's refusal means, in the styles of OpenAI, Azure, vLLM, Ollama, Anthropic, Gemini, OpenRouter."""

from __future__ import annotations

from fi_async._errors import FiAsyncError
from fi_async.wire.chat_requests import ChatModel
from fi_async.wire.responses import Reply


def error_for(reply: Reply, asked: ChatModel, now: float) -> FiAsyncError:
    """Return the error of a reply that is no answer: a refusal by its status, or a 200 that holds one.

    | the endpoint says                                 | error                                   |
    |---------------------------------------------------|-----------------------------------------|
    | 401                                               | AuthenticationError, naming the key     |
    | 403                                               | PermissionDeniedError                   |
    | 404, an unknown model                             | NotFoundError, naming the model and URL |
    | the case is longer than the model takes           | ValidationError, context_length_exceeded |
    | a content filter refuses the case                 | JudgeError                              |
    | 402, insufficient_quota, a day's quota            | QuotaExhaustedError                     |
    | another 429                                       | RateLimitError, with retry_after        |
    | 503, 529 (no capacity), other 5xx                 | ServerError                             |
    | another 4xx                                       | ValidationError                         |
    """
    raise NotImplementedError
