"""`POST /v1/chat/completions` and `GET /v1/models`. What becomes of a request is settled when it comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import uuid4

from fi_async.local import draws
from fi_async.local.asgi import Request
from fi_async.local.chat import quotas, refusals
from fi_async.local.chat.counts import ChatCounts, ChatUsage
from fi_async.local.chat.question import ChatRequest, authenticate, read_question
from fi_async.local.chat.quotas import ChatOwner, ChatQuotas, ChatReason
from fi_async.local.chat.spoiling import CONTENT_FAULTS, Said, bounded, spoiled
from fi_async.local.chat.switches import ChatSwitches
from fi_async.local.chat.tokens import PromptCache, dollars, prompt_tokens
from fi_async.local.chat.verdicts import LocalJudge, content_of, schema_shown, verdict_for
from fi_async.local.envelopes import HttpReply, Refused, json_reply
from fi_async.local.evaluations import Answer
from fi_async.local.limits import Lanes
from fi_async.local.switches import Switches

COMPLETIONS: Final = "/v1/chat/completions"
MODELS: Final = "/v1/models"
DEFAULT_MODEL: Final = "local-judge"
"""What is listed where any model will do."""

DELIVERY_FAULTS: Final = ("reset_after", "cut_body", "slow")


@dataclass(frozen=True, slots=True)
class ChatVisit:
    """A question of a key about a model, the tokens of its prompt and those it may take, and when it can start."""

    owner: ChatOwner
    question: ChatRequest
    asked: int
    estimate: int
    now: float
    start: float


class ChatEndpoint:
    """Gives verdicts, in the place of a model that is asked for some."""

    def __init__(self, judge: LocalJudge | None) -> None:
        self.counts = ChatCounts()
        self._judge = judge
        self._quotas = ChatQuotas()
        self._cache = PromptCache()
        self._lanes = Lanes()

    def serves(self, path: str) -> bool:
        """Whether this is a path of the endpoint."""
        return path in (COMPLETIONS, MODELS)

    def answer(self, request: Request, number: int, now: float, switches: Switches) -> Answer:
        """Decide, without waiting, what the n-th request to its path gets and when."""
        answer = self._answer(request, number, now, switches)
        self.counts.statuses["reset" if answer.reply is None else str(answer.reply.status)] += 1
        return answer

    def _answer(self, request: Request, number: int, now: float, switches: Switches) -> Answer:
        method, chat = ("GET" if request.path == MODELS else "POST"), switches.chat
        if request.method != method:
            text = f"Not allowed to {request.method} on {request.path}: {method} it."
            return Answer(refusals.openai_error(405, text), now)
        if request.path == MODELS:
            return Answer(_models(request, chat, now), now)
        fault = draws.pick(chat.faults.chances(), draws.uniform(switches.seed, "chat", number))
        if fault is not None and (fault.isdigit() or fault == "reset_before"):
            self.counts.faults[fault] += 1
            return Answer(refusals.failed(int(fault)) if fault.isdigit() else None, now)
        seconds = draws.latency(chat.latency, switches.seed, number, "chat latency")
        try:
            answer = self._complete(request, chat, fault, now, seconds)
        except Refused as refused:
            answer = Answer(refused.reply, now)
        return self._delivered(fault, answer, chat)

    def _complete(self, request: Request, chat: ChatSwitches, fault: str | None, now: float, seconds: float) -> Answer:
        """Admit a question, answer it, charge it."""
        visit = self._visit(request, chat, now)
        question = visit.question
        content = self._made_up(question)
        limits = partial(self._quotas.headers, visit.owner, chat)
        if refusal := self._refusal(visit, chat, fault):
            return Answer(refusal, now, limits)
        if self._judge is not None:
            content = content_of(self._judge(question.messages, question.schema))
        said, usage = self._spoken(visit, content, fault, chat)
        due = visit.start + seconds
        if visit.start < due:
            self._lanes.hold(visit.start, due, chat.capacity)
        self._quotas.settle(visit.owner, chat, visit.estimate - usage.total_tokens, now, due)
        self.counts.charge(question, usage)
        return Answer(json_reply(200, _completion(question.model, said, usage, chat, now)), due, limits)

    def _visit(self, request: Request, chat: ChatSwitches, now: float) -> ChatVisit:
        key = authenticate(request, chat)
        question = read_question(request, chat)
        asked = prompt_tokens(question.messages)
        wanted = asked + (question.most or 0)
        if chat.context_length is not None and wanted > chat.context_length:
            most = chat.context_length
            text = f"This model's maximum context length is {most} tokens. However, you requested {wanted} tokens."
            raise refusals.invalid(text, "messages", "context_length_exceeded")
        estimate = asked + (chat.reserve if question.most is None else question.most)
        return ChatVisit((key, question.model), question, asked, estimate, now, self._lanes.start(now, chat.capacity))

    def _made_up(self, question: ChatRequest) -> str:
        """Return the verdict as content, if there is no judge to ask: a wrong schema is refused before a quota is."""
        if self._judge is not None:
            return ""
        try:
            return content_of(verdict_for(question.messages, question.schema))
        except ValueError as error:  # no value, or one that is no JSON
            raise refusals.invalid(f"Invalid schema for response_format: {error}.", "response_format") from error

    def _refusal(self, visit: ChatVisit, chat: ChatSwitches, fault: str | None) -> HttpReply | None:
        """Return the refusal of what cannot be answered now, if it cannot be; otherwise use up its quota."""
        now = visit.now
        if chat.insufficient_quota_after is not None and self.counts.answered >= chat.insufficient_quota_after:
            self.counts.refused["insufficient_quota"] += 1
            return refusals.out_of_funds(chat.style)
        if visit.start > now and chat.queue_limit is not None and self._lanes.waiting(now) >= chat.queue_limit:
            self.counts.refused["capacity"] += 1
            return refusals.no_capacity(chat.style)
        reason: ChatReason | None = "early"
        if fault == "early_429":
            self.counts.faults[fault] += 1
        else:
            reason = self._quotas.admit(visit.owner, chat, visit.estimate, now)
        if reason is None:
            return None
        self.counts.refused[reason] += 1
        return quotas.refusal(chat, reason, visit.estimate, now)

    def _spoken(self, visit: ChatVisit, content: str, fault: str | None, chat: ChatSwitches) -> tuple[Said, ChatUsage]:
        """Return what is said in the end, and what it takes."""
        said, question, asked = Said(content), visit.question, visit.asked
        if fault in CONTENT_FAULTS:
            self.counts.faults[fault] += 1
            said = spoiled(fault, content, question.schema or schema_shown(question.messages))
        said, reasoning = bounded(said, question.most, chat.reasoning_tokens)
        answered = said.tokens + reasoning
        cached = self._cache.read(question.model, question.messages) if is_caching(chat) else 0
        cost = dollars(chat.prices.get(question.model), asked, cached, answered)
        return said, ChatUsage(asked, cached, answered, reasoning, cost)

    def _delivered(self, fault: str | None, answer: Answer, chat: ChatSwitches) -> Answer:
        """Return what the client sees of an answer when this fault strikes on its way."""
        if fault not in DELIVERY_FAULTS or answer.reply is None:
            return answer
        self.counts.faults[fault] += 1
        if fault == "reset_after":
            return Answer(None, answer.due)
        if fault == "slow":
            return replace(answer, due=answer.due + chat.faults.slow[1])
        body = answer.reply.body
        return replace(answer, reply=replace(answer.reply, body=body[: len(body) // 2]))


def is_caching(chat: ChatSwitches) -> bool:
    """Whether beginnings are read from a cache: not where replies do not say how much of a prompt was."""
    return chat.cache and chat.style != "ollama"


def _completion(model: str, said: Said, usage: ChatUsage, chat: ChatSwitches, now: float) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.content, "refusal": said.refusal}
    content: dict[str, Any] = {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(now),
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}],
    }
    return {**content, "usage": _told(usage, chat)} if chat.usage else content


def _told(usage: ChatUsage, chat: ChatSwitches) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    if chat.style == "ollama":
        return found
    found["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if chat.style == "openrouter":
        found["cost"] = float(usage.dollars)
    return found


def _models(request: Request, chat: ChatSwitches, now: float) -> HttpReply:
    try:
        authenticate(request, chat)
    except Refused as refused:
        return refused.reply
    names = sorted(chat.prices if chat.models is None else chat.models) or [DEFAULT_MODEL]
    listed = [{"id": name, "object": "model", "created": int(now), "owned_by": "fi_async"} for name in names]
    return json_reply(200, {"object": "list", "data": listed})
