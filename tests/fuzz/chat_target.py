"""What an endpoint that judges are asked at may say, as bytes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from fi_async import APIError, JudgeError
from fi_async._rubric import Rubric
from fi_async.wire import chat_replies, chat_requests, waits
from fi_async.wire.chat_requests import ChatModel, Traits
from fi_async.wire.responses import Reply

_SAID = '<think>{"result": 0}</think>```json\n{"reason": "r", "result": "a"}\n```'
_ANSWER = {"choices": [{"message": {"content": _SAID}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
SEEDS = (
    b"200 \n" + json.dumps(_ANSWER).encode(),
    b'429 6m0s\n[{"error": {"code": 429, "message": "retry in 1.5s", "details": [{"retryDelay": "2s"}]}}]',
    b'400 \n{"error": {"message": "Unsupported: temperature", "param": "response_format", "code": null}}',
)


def chat(content: bytes, directory: Path) -> None:
    """A reply of a chat endpoint: its status, a header, and the body after the first line."""
    head, _, body = content.partition(b"\n")
    status, _, header = head.decode(errors="replace").partition(" ")
    code = int(status) if status.isascii() and status.isdecimal() and len(status) < 5 else 200
    said = dict.fromkeys(("retry-after-ms", "retry-after", "x-ratelimit-reset-tokens", "ratelimit-reset"), header)
    got = Reply(code, said, body)
    wait = waits.wait_of(got, 0.0)
    assert wait is None or 0.0 <= wait <= waits.LONGEST_WAIT
    for rubric in _RUBRICS:
        with suppress(APIError, JudgeError):
            chat_replies.read(got, rubric, ChatModel("m", "https://judge.test/v1"), 0.0)
        call = chat_requests.request(rubric, {"output": "x"}, "m", Traits(), temperature=0.0)
        Traits().learn(got, call)


_RUBRICS = (
    Rubric("verdict", "[output]", ("output",)),
    Rubric("score", "[output]", ("output",), "score"),
    Rubric("labels", "[output]", ("output",), "choices", choices={"a": 1.0, "b": 0.0}),
)
