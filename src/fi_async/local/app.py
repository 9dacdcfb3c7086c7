"""The server as an ASGI application: the path of a request through faults, gate and limits to its route."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from fi_async.local import ahead, asgi, control, envelopes, faults, gate
from fi_async.local.answers import Answers, LocalAnswer
from fi_async.local.asgi import Receive, Request, Scope, SendMessage
from fi_async.local.chat.endpoint import ChatEndpoint
from fi_async.local.chat.verdicts import LocalJudge
from fi_async.local.counts import ServerCounts
from fi_async.local.datasets.book import DatasetBook
from fi_async.local.envelopes import Refused
from fi_async.local.evaluations import Answer, EvaluationBook, Visit
from fi_async.local.limits import Windows
from fi_async.local.pipeline import Pipelines
from fi_async.local.routes import Routes
from fi_async.local.store import open_store
from fi_async.local.switches import Switches

_DEFAULT = Switches()


class LocalBackend:
    """The evaluation API as an ASGI application: in process for a test, or behind `server.serve`.

    Args:
        switches: What the server is like.
        judge: What gives the verdicts at `/v1/chat/completions`: from the messages and the JSON schema that the
            response format names (or None) to an object, or to whatever text. It is called in the event loop. Without,
            verdicts are made up: see `fi_async.local.chat.verdict_for`.
        answers: What gives the verdicts of templates, by their names, in place of this server's own: coroutine
            functions from a template's name, inputs and params to an output, a reason and the model that said so. What
            one raises is why the evaluation failed.
        store: A file to keep evaluations in, past the end of the process; without, they are kept in memory, as
            datasets always are.
        clock: Returns the time in seconds since the epoch.
        sleep: Waits so many seconds.

    Attributes:
        switches: Assign others to change the server while it runs; what was accepted before keeps the
            time that it was promised.

    Example:
        >>> client = httpx.AsyncClient(transport=httpx.ASGITransport(LocalBackend(Switches(latency=2.0))))
    """

    switches: Switches

    def __init__(
        self,
        switches: Switches = _DEFAULT,
        *,
        judge: LocalJudge | None = None,
        answers: Mapping[str, LocalAnswer] | None = None,
        store: str | Path | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.switches = switches
        self._clock = clock
        self._sleep = sleep
        self._store = open_store(store)
        self._counts = ServerCounts()
        self._windows = Windows()
        self._chat = ChatEndpoint(judge)
        self._answers = Answers(answers or {}, self._store)
        evaluations = EvaluationBook(self._store, self._counts, self._answers)
        datasets = DatasetBook(evaluations, self._counts)
        self._routes = Routes(evaluations, Pipelines(self._store, evaluations), datasets)

    def statistics(self) -> dict[str, Any]:
        """Return what the server has counted since it was made; of evaluations, since its store was."""
        return self._counts.report(self._store.made())

    def chat_statistics(self) -> dict[str, Any]:
        """Return what was asked at `/v1/chat/completions`, what it used and what it cost.

        `by_status` counts replies, resets too; `refused` the refusals by their reason; `models` says for each model
        how many requests were `answered`, and so charged, with which tokens and `dollars` (a Decimal);
        `duplicates` are the answers to messages that the same model had answered before.
        """
        return self._chat.counts.report()

    def judged(self, model: str | None = None) -> Counter[str]:
        """Return how often each case was answered, by this model or by all, under its `chat.case_hash`."""
        return self._chat.counts.judged(model)

    def close(self) -> None:
        """Give the store's file back. What it holds is there for the next backend on it."""
        self._store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer one request.

        Raises:
            ConnectionResetError: In process, in place of a connection that a fault resets.
        """
        if scope["type"] != "http":
            raise NotImplementedError(f"the local backend speaks HTTP, not {scope['type']}")
        request = await asgi.read_request(scope, receive)
        if request is None:
            return
        if request.path.startswith(control.PREFIX):
            await asgi.send_reply(send, request, control.answer(self, request), self._clock())
            return
        if self._chat.serves(request.path):
            with self._chat.counts.counting(request.path) as number:
                reply = await self._when_due(self._chat.answer(request, number, self._clock(), self.switches))
                await self._give(reply, request, scope, receive, send)
            return
        with self._counts.counting(request.method) as number:
            # Of a batch that is posted, the platform runs none after the first that fails.
            slow = ahead.slow_cases(request, self.switches, self._store, self._answers)
            await ahead.settle(slow, self.switches, to_the_end=request.method != "POST")
            reply = await self._when_due(await self._answer(request, number))
            await self._give(reply, request, scope, receive, send)

    async def _when_due(self, answer: Answer) -> envelopes.HttpReply | None:
        """Return the reply once it is due; None where the connection is to be reset."""
        # Sleeping is all that waiting for an evaluation takes: it is stored, whoever hangs up now.
        seconds = answer.due - self._clock() + self.switches.overhead
        if seconds > 0:
            await self._sleep(seconds)
        if answer.reply is None or answer.late is None:
            return answer.reply
        return replace(answer.reply, headers=(*answer.reply.headers, *answer.late(self._clock())))

    async def _give(
        self, reply: envelopes.HttpReply | None, request: Request, scope: Scope, receive: Receive, send: SendMessage
    ) -> None:
        if reply is None:
            await asgi.reset(scope, receive)
        else:
            await asgi.send_reply(send, request, reply, self._clock())

    async def _answer(self, request: Request, number: int) -> Answer:
        """Decide what the n-th request of its method gets and when; without waiting, but for what others answer."""
        switches, now = self.switches, self._clock()
        fault = faults.strike(request.method, number, switches)
        if fault is not None:
            self._counts.faults[fault] += 1
            if faults.is_before(fault):
                return faults.reply_instead(fault, now)
        try:
            answer = self._process(request, now, switches)
            if answer.made is not None:
                answer = await answer.made()
        except Refused as refused:
            answer = Answer(refused.reply, now)
        return answer if fault is None else faults.spoiled(fault, answer, switches)

    def _process(self, request: Request, now: float, switches: Switches) -> Answer:
        route = self._routes.find(request.path)
        if route is None:
            raise Refused(self._elsewhere(request))
        gate.check_accept(request)
        owner = gate.authenticate(request, switches.keys)
        quota = switches.requests
        if quota is not None and self._windows.take(owner, [quota], now, now):
            self._counts.refused_requests += 1
            raise Refused(envelopes.rate_limited(quota, quota.seconds_left(now)))
        return route.answer(request, Visit(owner, now, switches))

    def _elsewhere(self, request: Request) -> envelopes.HttpReply:
        """Return the redirect to the path with a trailing slash, or the page that there is nothing here."""
        if self._routes.find(f"{request.path}/") is None:
            return envelopes.html_page(404)
        query = f"?{request.query_string}" if request.query_string else ""
        return envelopes.moved(f"{request.path}/{query}")
