"""What the endpoint for judges was asked and what it charged, for tests to hold their clients against."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from fi_async.local.chat.question import ChatRequest
from fi_async.local.chat.tokens import case_hash, message_text


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """The tokens of one answer, or of several: `cached` are among the prompt's, `reasoning` among the completion's."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    dollars: Decimal = field(default_factory=Decimal)

    @property
    def total_tokens(self) -> int:
        """Those of the prompt and of the completion."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: ChatUsage) -> ChatUsage:
        return ChatUsage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.dollars + other.dollars,
        )


class ChatCounts:
    """Counts requests, refusals, faults and what was charged, since the server was made."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answered = 0
        self._requests: Counter[str] = Counter()
        self._in_flight = 0
        self._peak = 0
        self._answers: Counter[str] = Counter()
        self._usage: dict[str, ChatUsage] = {}
        self._cases: Counter[tuple[str, str]] = Counter()
        self._prompts: set[bytes] = set()

    @contextmanager
    def counting(self, path: str) -> Iterator[int]:
        """Count a request while it is in flight; yields its number among those of its path, from 0."""
        number = self._requests[path]
        self._requests[path] += 1
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            yield number
        finally:
            self._in_flight -= 1

    def charge(self, question: ChatRequest, usage: ChatUsage) -> None:
        """Count an answer."""
        model = question.model
        self.answered += 1
        self._answers[model] += 1
        self._usage[model] = self._usage.get(model, ChatUsage()) + usage
        self._cases[model, case_hash(question.messages)] += 1
        asked = json.dumps([model, [(each["role"], message_text(each)) for each in question.messages]])
        self._prompts.add(hashlib.blake2b(asked.encode(), digest_size=16).digest())

    def judged(self, model: str | None) -> Counter[str]:
        """Return how often each case was answered, by this model or by all."""
        found: Counter[str] = Counter()
        for (by, case), count in self._cases.items():
            if model in (None, by):
                found[case] += count
        return found

    def report(self) -> dict[str, Any]:
        """Return everything counted."""
        return {
            "requests": self._requests.total(),
            "by_status": dict(self.statuses),
            "refused": dict(self.refused),
            "faults": dict(self.faults),
            "answered": self.answered,
            "distinct": len(self._prompts),
            "duplicates": self.answered - len(self._prompts),
            **asdict(sum(self._usage.values(), ChatUsage())),
            "models": {
                model: {"answered": self._answers[model], **asdict(usage)} for model, usage in self._usage.items()
            },
            "in_flight": self._in_flight,
            "peak_in_flight": self._peak,
        }
