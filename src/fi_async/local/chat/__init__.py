"""A model to test judges with: `POST /v1/chat/completions`, as OpenAI and those who speak likewise answer it.

Its verdicts are made up, and can be told beforehand; so can the tokens that it counts and the dollars.
"""

from __future__ import annotations

from fi_async.local.chat.filling import UnfillableSchemaError
from fi_async.local.chat.tokens import case_hash, count_tokens, dollars, prompt_tokens
from fi_async.local.chat.verdicts import LocalJudge, content_of, schema_shown, verdict_for

__all__ = [
    "LocalJudge",
    "UnfillableSchemaError",
    "case_hash",
    "content_of",
    "count_tokens",
    "dollars",
    "prompt_tokens",
    "schema_shown",
    "verdict_for",
]
