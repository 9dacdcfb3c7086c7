"""Accepting evaluations. What becomes of each is settled when it arrives; nothing runs in the background."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from fi_async.local import draws, results, validation
from fi_async.local.answers import Answers
from fi_async.local.counts import ServerCounts
from fi_async.local.envelopes import Headers, HttpReply, server_error, success
from fi_async.local.limits import Lanes, Windows
from fi_async.local.store import Evaluation, Store
from fi_async.local.switches import Switches
from fi_async.local.validation import BrokenRowError, RequestInputs, ValidRequest

_NO_CAPACITY = "Service unavailable: no capacity left for evaluations."


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks (the API key), when (seconds since the epoch), and what the server is like then."""

    owner: str
    now: float
    switches: Switches


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and when it is due in seconds since the epoch; no reply is a reset connection.

    `late` gives, from the time at which the reply is sent, headers that are known only then. `made` makes the answer
    that stands in place of this one, where somebody else has to be waited for.
    """

    reply: HttpReply | None
    due: float
    late: Callable[[float], Headers] | None = None
    made: Callable[[], Awaitable[Answer]] | None = None


class EvaluationBook:
    """Books each evaluation's place in time and keeps it in the store."""

    def __init__(self, store: Store, counts: ServerCounts, answers: Answers) -> None:
        self._store = store
        self.answers = answers
        self._counts = counts
        self._lanes = Lanes()
        self._windows = Windows()
        self._number = len(store)  # of the next evaluation: draws go on where an earlier process stopped

    def submit(self, job: ValidRequest, visit: Visit) -> Answer:
        """Accept a request to evaluate, of one row or several."""
        if not job.is_async:
            return self._begun(self._run(job, visit), visit)
        accepted, whole = self.accept(job, validation.rows(job.inputs), visit)
        # The rows before one that cannot be stored are accepted, though nobody learns their ids.
        reply = _listed([results.async_item(row, self.answers) for row in accepted]) if whole else server_error()
        return Answer(reply, visit.now)

    def accept(self, job: ValidRequest, rows: Iterable[RequestInputs], visit: Visit) -> tuple[list[Evaluation], bool]:
        """Store asynchronous evaluations up to the first that cannot be; return them, and whether these are all."""
        capacity = visit.switches.capacity
        accepted: list[Evaluation] = []
        whole = True
        try:
            for inputs in rows:
                row = self._admit(job, inputs, self._lanes.start(visit.now, capacity), visit)
                if row.start < row.ready:
                    self._lanes.hold(row.start, row.ready, capacity)
                accepted.append(row)
        except BrokenRowError:
            whole = False
        self._store.add(accepted)
        for row in accepted:
            if math.isfinite(row.ready):
                self.answers.begin(row)
        return accepted, whole

    def _begun(self, steps: Generator[Evaluation, None, Answer], visit: Visit) -> Answer:
        """Return the answer of a request that runs; where it waits for somebody else, how it goes on."""
        try:
            first = next(steps)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer

        async def go_on() -> Answer:
            row = first
            while True:
                await self.answers.answer(row)
                try:
                    row = next(steps)
                except StopIteration as ended:
                    answer: Answer = ended.value
                    return answer

        return Answer(None, visit.now, made=go_on)

    def _run(self, job: ValidRequest, visit: Visit) -> Generator[Evaluation, None, Answer]:
        """Run a synchronous request: one lane, one row after the other, up to the first that fails.

        Yields each row that somebody else answers, and goes on once the answer is there.
        """
        capacity = visit.switches.capacity
        start = at = self._lanes.start(visit.now, capacity)
        ran: list[Evaluation] = []
        items: list[dict[str, Any]] = []
        refusal = None
        try:
            for inputs in validation.rows(job.inputs):
                row = self._admit(job, inputs, at, visit)
                ran.append(row)
                at = row.ready
                if self.answers.answers(row):
                    yield row
                ended = results.end_of(row, visit.switches, self.answers)
                refusal = ended.refusal
                if refusal:
                    refusal = refusal if visit.switches.call_log else server_error()
                    break
                items.append(results.sync_item(row, ended, self.answers))
        except BrokenRowError:
            refusal = server_error()
        if start < at:
            self._lanes.hold(start, at, capacity)
        self._store.add(ran)
        return Answer(refusal or _listed(items), at)

    def _admit(self, job: ValidRequest, inputs: RequestInputs, start: float, visit: Visit) -> Evaluation:
        """Settle what becomes of one row that can start at `start`."""
        switches = visit.switches
        text = stored_text(inputs)
        number, self._number = self._number, self._number + 1
        ready = start + draws.latency(switches.latency, switches.seed, number)
        error, case = None, _case(job.template.name, text)
        fate = draws.pick(switches.faults.of_evaluation(), draws.uniform(switches.seed, "fate", number))
        if fate == "stuck" and job.is_async:
            start = ready = math.inf
            self._counts.faults["stuck"] += 1
        elif self._windows.take(visit.owner, switches.evaluations, visit.now, start):
            ready, error, case = start, results.RATE_LIMITED, b""
            self._counts.refused_evaluations += 1
        elif fate == "fail":
            error = results.ENGINE_FAILED
            self._counts.faults["fail"] += 1
        return Evaluation(  # interned is what thousands of rows share
            id=uuid4().bytes,
            owner=sys.intern(visit.owner),
            template=job.template.name,
            inputs=text,
            params=sys.intern(job.params),
            model=job.model and sys.intern(job.model),
            is_async=job.is_async,
            error_localizer=job.error_localizer,
            start=start,
            ready=ready,
            error=error,
            case=case,
        )

    def find(self, text: str, owner: str) -> Evaluation | None:
        """Return the owner's evaluation with this id, in any form of a UUID.

        Raises:
            ValueError: The text is not a UUID.
        """
        row = self._store.find(UUID(text).bytes)
        return row if row is not None and row.owner == owner else None

    def overloaded(self, visit: Visit) -> HttpReply | None:
        """Return the refusal of a request to evaluate for want of capacity, if there is none left."""
        switches = visit.switches
        if switches.overload == "queue" or self._lanes.start(visit.now, switches.capacity) <= visit.now:
            return None
        if self._lanes.waiting(visit.now) < (switches.queue_limit or 0):
            return None
        self._counts.refused_requests += 1
        return server_error(_NO_CAPACITY, 503)


def stored_text(inputs: RequestInputs) -> str:
    """Return inputs as they are stored: JSON, the keys in the database's order.

    Raises:
        BrokenRowError: There is a NUL or a lone surrogate in them, which the platform's database refuses.
    """
    in_order = {key: inputs[key] for key in sorted(inputs, key=jsonb_order)}
    text = json.dumps(in_order, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BrokenRowError("a lone surrogate") from error
    # A NUL is always written as this escape; only then is it worth asking whether it is one.
    if r"\u0000" in text and any(_has_nul(value) for value in inputs.values()):
        raise BrokenRowError("a NUL")
    return text


def is_storable(inputs: RequestInputs) -> bool:
    """Whether the platform's database takes these inputs."""
    try:
        stored_text(inputs)
    except BrokenRowError:
        return False
    return True


def jsonb_order(key: str) -> tuple[int, str]:
    """Sort keys as PostgreSQL's jsonb keeps them: by length first. The platform's replies show it."""
    return len(key), key


def _has_nul(value: str | list[Any]) -> bool:
    return "\0" in value if isinstance(value, str) else any(_has_nul(item) for item in value)


def _case(template: str, text: str) -> bytes:
    return hashlib.blake2b(f"{template}\n{text}".encode(), digest_size=8).digest()


def _listed(items: list[dict[str, Any]]) -> HttpReply:
    return success([{"evaluations": items}])
