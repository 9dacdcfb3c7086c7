"""Replies of chat endpoints, and rubrics to read them by."""

from __future__ import annotations

import json

from fi_async._rubric import Rubric
from fi_async.wire.chat_requests import ChatModel
from fi_async.wire.responses import Reply

NOW = 1_767_355_200.0  # Fri, 02 Jan 2026 12:00:00 GMT
KEY = "sk-a-secret-of-ours"
ASKED = ChatModel("m-1", "https://judge.test/v1", "OPENAI_API_KEY", (KEY,))
USAGE = {"prompt_tokens": 58, "completion_tokens": 20, "total_tokens": 78}

PASS_FAIL = Rubric("calm", "Is [output] calm?", ("output",))
SCORE = Rubric("clear", "How clear is [output]?", ("output",), "score")
LABELS = Rubric("kind", "Which is [output]?", ("output",), "choices", choices={"Calm": None, "rude": None})
SCORED = Rubric("kind", "Which is [output]?", ("output",), "choices", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})
SEVERAL = Rubric(
    "tone", "Which does [output] show?", ("output",), "choices", choices={"joy": None, "fear": None}, multi_choice=True
)
RUBRICS = (PASS_FAIL, SCORE, LABELS, SCORED, SEVERAL)


def reply(body, status=200, **headers):
    """A reply with a JSON body, or with the bytes given."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, "judge")


def answer(content, *, finish="stop", usage=USAGE, **message):
    """The body of an answer with this content."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m-1-2026",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": usage,
    }


def verdict(result, reason="Because."):
    """The words of a judge that keeps to the form."""
    return json.dumps({"reason": reason, "result": result})
