"""What a fault makes of a request: the reply instead of processing it, or what is left of its answer."""

from __future__ import annotations

from dataclasses import replace

from fi_async.local import draws, envelopes
from fi_async.local.envelopes import HttpReply
from fi_async.local.evaluations import Answer
from fi_async.local.switches import Switches

_AFTER = "_after"


def strike(method: str, number: int, switches: Switches) -> str | None:
    """Return the fault that the n-th request of this method meets, by its name; mostly none."""
    chances = list(switches.faults.of_request(method))
    return draws.pick(chances, draws.uniform(switches.seed, method, number)) if chances else None


def is_before(fault: str) -> bool:
    """Whether this fault keeps the request from being processed."""
    return fault.isdigit() or fault in ("html_500", "reset_before")


def reply_instead(fault: str, now: float) -> Answer:
    """Return what the client sees of a request that was not processed."""
    if fault == "reset_before":
        return Answer(None, now)
    if fault == "html_500":
        return Answer(envelopes.html_page(500), now)
    status = int(fault)
    kind = "server_error" if status >= 500 else "api_error"
    return Answer(envelopes.error(status, kind, kind, envelopes.phrase(status)), now)


def spoiled(fault: str, answer: Answer, switches: Switches) -> Answer:
    """Return what the client sees of the answer to a request that was processed."""
    if answer.reply is None or fault == "reset_after":
        return Answer(None, answer.due)
    if fault == "slow":
        return replace(answer, due=answer.due + switches.faults.slow[1])
    if fault == "cut_json":
        return replace(answer, reply=_cut(answer.reply))
    return replace(answer, reply=envelopes.html_page(int(fault.removesuffix(_AFTER))))


def _cut(reply: HttpReply) -> HttpReply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])
