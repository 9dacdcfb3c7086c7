"""A client cannot hang: the real gate and engine, driven through whatever a server, a network and callers may do.

What is scripted is the wire below the engine: requests that arrive late, are lost, are refused with or without a time,
or never find a server, and replies without a Date. Everything above it is what users run, on a virtual clock.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import anyio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clock import EPOCH, VirtualClockLoop
from fi_async import APIConnectionError, APITimeoutError, AsyncEvaluator, FiAsyncError, Limit, OutcomeStatus, Timeout
from fi_async.pacing.ticket import Need
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

EXAMPLES = int(os.environ.get("FI_ASYNC_EXAMPLES", "150"))
FOREVER = 4 * 3600.0
NEEDS = [Need(), Need(post=True, rows=1), Need(post=True, rows=3)]
GENERIC = "Unable to run standalone evaluation. Please try again."
FATES = [
    "lost",
    "500",
    "503",
    "html",
    "cut",
    "odd",
    "429",
    "429 now",
    "429 without a time",
    "429 in 15 s",
    "refused by 400",
]


@dataclass
class World:
    """A server and the way to it. Its windows begin at multiples of their length on a clock of its own."""

    dates: bool
    offset: float
    transit: float
    connect: float
    requests: tuple[int, float] | None
    plan: tuple[int, float] | None
    latency: float = 0.2
    is_up: bool = True
    fates: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    evaluations: dict[str, tuple[float, bool]] = field(default_factory=dict)
    _counted: Counter[tuple[str, int]] = field(default_factory=Counter)

    def now(self) -> float:
        return EPOCH + self.offset + asyncio.get_running_loop().time()

    def takes(self, what: str, limit: tuple[int, float] | None) -> float | None:
        """Count one more; return the seconds to the next window if that is one too many."""
        if limit is None:
            return None
        count, length = limit
        window = (what, math.floor(self.now() / length))
        if self._counted[window] >= count:
            return (window[1] + 1) * length - self.now()
        self._counted[window] += 1
        return None


class Wire:
    """What a transport does, to the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._is_warm = False

    async def open(self) -> None:
        """Be ready."""

    async def aclose(self) -> None:
        """Be closed."""

    async def send(
        self,
        call: HttpCall,
        _timeout: Any,
        deadline: float | None = None,
        left: Callable[[], None] | None = None,
        _headers: Any = None,
    ) -> Reply:
        with anyio.move_on_at(math.inf if deadline is None else deadline):
            return await self._send(call, left)
        raise APITimeoutError("no reply by the deadline of the call", sent=True)

    async def _send(self, call: HttpCall, left: Callable[[], None] | None) -> Reply:
        world = self.world
        if not world.is_up:
            raise APIConnectionError("could not connect: refused", sent=False, unreachable=True)
        if not self._is_warm:
            await asyncio.sleep(world.connect)
            self._is_warm = True
        if left is not None:
            left()
        await asyncio.sleep(world.transit)
        world.arrivals.append(world.now())
        fate = world.fates.pop(0) if world.fates else ""
        reply = self._limited(fate) or await self._answer(call, fate)
        if fate == "lost" or not world.is_up:
            raise APIConnectionError("the connection broke", sent=True)
        return reply

    def _limited(self, fate: str) -> Reply | None:
        wait = self.world.takes("requests", self.world.requests)
        if wait is None and not fate.startswith("429"):
            return None
        told = {"429 now": "0", "429 without a time": None, "429 in 15 s": "15"}.get(fate, str(math.ceil(wait or 1.0)))
        return self._reply(429, {"status": False, "result": {"code": "RATE_LIMITED"}}, retry_after=told)

    async def _answer(self, call: HttpCall, fate: str) -> Reply:
        if fate in ("500", "503", "html", "refused by 400"):
            status = {"html": 500, "refused by 400": 400}.get(fate) or int(fate)
            body: Any = b"<html>" if fate == "html" else {"status": False, "code": "code", "detail": "words"}
            return self._reply(status, body)
        if call.method == "GET":
            return self._polled(call.path.partition("eval_id=")[2])
        asked = json.loads(call.body or b"{}")
        texts = next(iter(asked["inputs"].values()))
        texts = texts if isinstance(texts, list) else [texts]
        if asked.get("is_async"):
            items = [self._accept(text) for text in texts]
        else:
            for text in texts:
                if self.world.takes("plan", self.world.plan) is not None:
                    return self._reply(500, {"status": False, "code": "server_error", "detail": GENERIC})
                self.world.made[text] += 1
            await asyncio.sleep(self.world.latency * len(texts))
            items = [{"name": "t", "output": "Passed", "output_type": "Pass/Fail", "reason": "r", "runtime": 1}] * len(
                texts
            )
        body = {"status": True, "result": [{"evaluations": items[:-1] if fate == "odd" else items}]}
        return self._reply(200, json.dumps(body).encode()[:-9] if fate == "cut" else body)

    def _accept(self, text: str) -> dict[str, Any]:
        eval_id = f"00000000-0000-4000-8000-{len(self.world.evaluations):012d}"
        runs = self.world.takes("plan", self.world.plan) is None
        self.world.made[text] += runs
        self.world.evaluations[eval_id] = (asyncio.get_running_loop().time() + self.world.latency, runs)
        return {"name": "t", "output_type": "Pass/Fail", "eval_id": eval_id}

    def _polled(self, eval_id: str) -> Reply:
        if eval_id not in self.world.evaluations:
            return self._reply(400, {"status": False, "code": "invalid", "detail": "Evaluation not found."})
        done_at, ran = self.world.evaluations[eval_id]
        record: dict[str, Any] = {"eval_id": eval_id, "name": "t", "output_type": "Pass/Fail"}
        if asyncio.get_running_loop().time() < done_at:
            return self._reply(200, {"status": True, "result": {"eval_status": "pending", "result": "being processed"}})
        if not ran:
            record |= {"value": None, "error_message": "API call not allowed: rate_limited"}
        else:
            record |= {"value": "Passed", "reason": "r", "runtime": 1.0}
        status = "completed" if ran else "failed"
        return self._reply(200, {"status": True, "result": {"eval_status": status, "result": record}})

    def _reply(self, status: int, body: Any, *, retry_after: str | None = None) -> Reply:
        headers = {"content-type": "application/json"}
        if self.world.dates:
            headers["date"] = formatdate(math.floor(self.world.now()), usegmt=True)
        if retry_after is not None:
            headers["retry-after"] = retry_after
        return Reply(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


@dataclass
class Call:
    """A call of the client under way, and what it was for."""

    task: asyncio.Task[Any]
    texts: list[str]
    is_cut: bool = False


class Client(RuleBasedStateMachine):
    """One client or two of a budget, in one loop after another."""

    @initialize(
        world=st.builds(
            World,
            dates=st.booleans(),
            offset=st.floats(0, 9.9),
            transit=st.sampled_from([0.0, 0.01, 0.2]),
            connect=st.sampled_from([0.0, 0.4]),
            requests=st.sampled_from([None, (6, 10.0), (2, 1.0), (20, 60.0)]),
            plan=st.sampled_from([None, None, (5, 10.0), (3, 60.0)]),
        ),
        options=st.fixed_dictionaries(
            {
                "limits": st.sampled_from(
                    [(), (), (Limit(3, per=1),), (Limit(5, per=10),), (Limit(4, per=10, of="evaluations"),)]
                ),
                "max_retries": st.sampled_from([0, 1, 4]),
                "concurrency": st.sampled_from([1, 3, "auto"]),
                "strategy": st.sampled_from(["auto", "sync", "async"]),
                "timeout": st.sampled_from([20.0, Timeout()]),
                "on_stalled": st.sampled_from(["fail", "wait", "resubmit"]),
            }
        ),
    )
    def begin(self, world, options):
        self.loop = VirtualClockLoop()
        self.world = world
        self.given = options["limits"]
        self.calls: list[Call] = []
        self.number = 0
        self.ev = AsyncEvaluator("k", "s", "http://127.0.0.1:9", **options)
        self.ev._session.transport = Wire(world)  # type: ignore[assignment]

    def run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def texts(self, count: int) -> list[str]:
        self.number += count
        return [f"text {number}" for number in range(self.number - count, self.number)]

    def start(self, call: Any, texts: list[str]) -> None:
        self.calls.append(Call(self.loop.create_task(call), texts))
        self.run(0)

    @rule(
        count=st.integers(1, 12),
        options=st.sampled_from([{}, {}, {"limits": [Limit(2, per=10)]}, {"concurrency": 2}, {"max_retries": 0}]),
    )
    def gather(self, count, options):
        texts = self.texts(count)
        self.start(self.ev.gather([{"text": text} for text in texts], "is_json", **options), texts)

    @rule()
    def evaluate(self):
        (text,) = self.texts(1)
        self.start(self.ev.evaluate("is_json", {"text": text}), [text])

    @rule(is_awaited=st.booleans())
    def submit(self, is_awaited):
        (text,) = self.texts(1)

        async def submitted() -> Any:
            execution = await self.ev.submit("is_json", {"text": text})
            return await execution if is_awaited else execution

        self.start(submitted(), [text])

    @rule()
    def plan(self):
        self.start(self.ev.plan([{"text": "x"}] * 3, "is_json", limits=[Limit(1, per=3600)]), [])

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=6))
    def fate(self, fates):
        self.world.fates += fates

    @rule(is_up=st.booleans())
    def server(self, is_up):
        self.world.is_up = is_up

    @rule(latency=st.sampled_from([0.0, 0.2, 3.0, 45.0]))
    def slower(self, latency):
        self.world.latency = latency

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3, 1.0, 1.0, 5.0, 10.0, 70.0]))
    def wait(self, seconds):
        self.run(seconds)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 50))
    def cancel(self, which):
        call = self.calls[which % len(self.calls)]
        call.task.cancel()
        call.is_cut = True
        self.run(0)

    @rule()
    def another_loop(self):
        for call in self.calls:
            call.is_cut |= not call.task.done()
            call.task.cancel()
        self.run(0)
        self.end_loop()
        self.loop = VirtualClockLoop()
        self.world.fates.clear()
        self.world.arrivals.clear()

    def end_loop(self) -> None:
        pending = [call.task for call in self.calls if not call.task.done()]
        self.loop.run_until_complete(asyncio.sleep(10))
        assert all(task.done() for task in pending), "a cancelled call goes on"
        left = asyncio.all_tasks(self.loop)
        assert not left, f"left behind: {left}"
        self.check_ended()
        self.calls.clear()
        self.loop.close()

    @invariant()
    def if_no_ticket_is_out_the_gate_opens(self):
        if not hasattr(self, "ev"):
            return
        gate = self.ev._session.gate

        async def opens() -> tuple[float, str]:
            now, bound = self.loop.time(), self.ev._session.terms(self.ev._options)
            latest = max(gate.opens_at(now, need, bound) for need in NEEDS)
            return (latest if gate.out == 0 else now), f"{gate} {bound} {gate.outage}"

        if self.ev._session._loop is self.loop:
            latest, what = self.loop.run_until_complete(opens())
            assert latest < self.loop.time() + FOREVER, f"no ticket is out, and it never opens: {what}"

    @invariant()
    def no_window_is_exceeded(self):
        for limit in getattr(self, "given", ()):
            if limit.of == "requests":
                self.check_windows(limit)

    def check_windows(self, limit: Limit) -> None:
        length, arrivals = limit.seconds, self.world.arrivals
        if self.world.dates:
            most = max(Counter(math.floor(at / length) for at in arrivals).values(), default=0)
        else:
            most = max((sum(at <= other < at + length - 1e-6 for other in arrivals) for at in arrivals), default=0)
        assert most <= limit.count, f"{most} arrived in a window of {limit}"

    def check_ended(self) -> None:
        for call in self.calls:
            if not call.task.done() or call.task.cancelled() or call.is_cut:
                continue
            error = call.task.exception()
            assert error is None or isinstance(error, FiAsyncError), repr(error)
            report = call.task.result() if error is None else None
            outcomes = getattr(report, "outcomes", None)
            if outcomes is None or not hasattr(outcomes[0] if outcomes else None, "index"):
                continue
            assert [each.index for each in outcomes] == list(range(len(call.texts)))
            for each, text in zip(outcomes, call.texts, strict=True):
                assert (each.error is None) is (each.status is OutcomeStatus.SCORED)
                assert self.world.made[text] <= 1 + each.possible_duplicates, "paid twice without being told"

    def teardown(self) -> None:
        if not hasattr(self, "ev"):
            return
        self.world.is_up, self.world.latency = True, 0.2
        self.world.fates.clear()
        self.run(FOREVER)
        waiting = [call for call in self.calls if not call.task.done()]
        assert not waiting, f"it hangs: {self.ev._session.gate} {list(self.ev._session.runs)}"
        self.end_loop()


Client.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_a_client_cannot_hang = Client.TestCase
