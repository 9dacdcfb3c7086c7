"""Drives jobs by hand: replies as the platform spells them, and one step at a time."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from fi_async import APIConnectionError, APITimeoutError, Case, Timeout
from fi_async._settings import RetryPolicy
from fi_async.engine.attempts import Action, Context, Job
from fi_async.engine.work import Arrival, Work
from fi_async.pacing.clock import ServerClock
from fi_async.pacing.gate import Gate
from fi_async.pacing.polling import Completions
from fi_async.wire.preflight import PreparedInputs
from fi_async.wire.requests import Parameters
from fi_async.wire.responses import Reply

EPOCH = 1_000_000.0  # the server's time when ours is 0: a multiple of 10 s
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(100)]
REFUSED = APIConnectionError("the TLS handshake failed", sent=False)


def context(
    *, max_retries: int = 4, on_ambiguous: Any = "resubmit", case: float | None = 600.0, interval: float | None = None
) -> Context:
    return Context(
        backend="cloud",
        timeout=Timeout(case=case),
        policy=RetryPolicy(max_retries, on_ambiguous),
        completions=Completions(interval),
        gate=Gate(),
        rng=random.Random(1),
    )


def work(index: int = 0, *, filled: dict[str, str] | None = None, **parameters: Any) -> Work:
    row = PreparedInputs({"output": f"text {index}"}, filled or {})
    return Work(index, Case({"output": f"text {index}"}, id=f"c{index}"), Parameters("tone", **parameters), row)


def works(count: int) -> list[Work]:
    return [work(index) for index in range(count)]


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status, {"content-type": "application/json", "x-request-id": "r-1", **named}, json.dumps(body).encode()
    )


def cut_off() -> Reply:
    """A good status whose body ends too soon."""
    return Reply(200, {"content-type": "application/json", "x-request-id": "r-1"}, b'{"status":true,"result":[{"eval')


def scored(*outputs: Any, output_type: str = "Pass/Fail") -> Reply:
    items = [
        {
            "name": "tone",
            "reason": "why",
            "runtime": 5,
            "output": output,
            "output_type": output_type,
            "eval_id": IDS[place],
        }
        for place, output in enumerate(outputs)
    ]
    return reply({"status": True, "result": [{"evaluations": items}]})


def accepted(count: int = 1, first: int = 0) -> Reply:
    items = [{"name": "tone", "output_type": "Pass/Fail", "eval_id": IDS[first + place]} for place in range(count)]
    return reply({"status": True, "result": [{"evaluations": items}]})


def pending(status: str = "pending") -> Reply:
    return reply({"status": True, "result": {"eval_status": status, "result": "Evaluation is being processed."}})


def completed(value: Any = "Passed", output_type: str = "Pass/Fail", **facts: Any) -> Reply:
    record = {
        "eval_id": IDS[0],
        "name": "tone",
        "reason": "why",
        "runtime": 5.0,
        "output_type": output_type,
        "value": value,
        **facts,
    }
    return reply({"status": True, "result": {"eval_status": "completed", "result": record}})


def failed(words: str) -> Reply:
    record = {"eval_id": IDS[0], "name": "tone", "value": None, "error_message": words}
    return reply({"status": True, "result": {"eval_status": "failed", "result": record}})


def limited() -> Reply:
    return failed("API call not allowed: rate_limited")


def refused(status: int, words: str = "words", **body: Any) -> Reply:
    return reply({"status": False, "code": "code", "detail": words, **body}, status)


def throttled(seconds: float | None = 44) -> Reply:
    body = {"status": False, "result": {"code": "RATE_LIMITED", "message": "too fast", "retry_after": seconds}}
    return reply(body, 429)


def timed_out() -> APITimeoutError:
    return APITimeoutError("no reply within 120 s")


def unreachable() -> APIConnectionError:
    error = APIConnectionError("could not connect", sent=False)
    error.unreachable = True
    return error


def reset() -> APIConnectionError:
    return APIConnectionError("the connection broke")


def told(offset: float = EPOCH, *, at: float = 0.0) -> ServerClock:
    """Return a clock that has heard so many replies that it knows the offset to a millisecond."""
    clock = ServerClock()
    for step in range(1001):
        now = at - 2 + step / 1000
        clock.heard(now, now, float(int(now + offset)))
    return clock


def begin(job: Job) -> Action | Sequence[Any]:
    """Begin a job, and return its first action; or what it ends in."""
    return _step(job, None)


def tell(
    job: Job,
    now: float,
    what: Reply | APIConnectionError | None = None,
    *,
    sent_at: float | None = None,
    waited: float = 0.0,
) -> Action | Sequence[Any]:
    """Tell a job what happened, and return its next action; or, as a list, what it ends in."""
    at = now if sent_at is None else sent_at
    answer = what if isinstance(what, Reply) else None
    error = what if isinstance(what, APIConnectionError) else None
    return _step(job, Arrival(now, at, waited, answer, error))


def _step(job: Job, event: Arrival | None) -> Action | Sequence[Any]:
    try:
        return job.steps.send(event)  # type: ignore[arg-type]
    except StopIteration as end:
        return end.value
