"""From a reply of `/v1/chat/completions` to a verdict, or an error that says why it holds none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fi_async._errors import JudgeError
from fi_async._rubric import Rubric
from fi_async.wire.chat_requests import ChatModel, Repair
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    from fi_async._results import Usage


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge answered.

    Attributes:
        output: "Passed" or "Failed", a number from 0 to 1, a list of labels, or {"score", "choice"}.
        reason: Why, in its words.
        usage: The tokens it took; None if the endpoint does not say.
        cost: What it cost in dollars by the endpoint's own figure; None if it has none.
        model: The model, as the endpoint names it.
        id: The endpoint's id of the answer.
    """

    output: Any
    reason: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    model: str | None = None
    id: str | None = None


def read(reply: Reply, rubric: Rubric, asked: ChatModel, now: float) -> Judgement:
    """Return the verdict of a reply.

    Args:
        reply: The reply.
        rubric: What was asked.
        asked: Who was asked.
        now: Seconds since the epoch, for a wait that a refusal gives as a time.

    Raises:
        JudgeError: The judge gave no verdict; its usage and cost are on the error.
        APIStatusError: The endpoint refused; see `chat_errors.error_for`.
        ProtocolError: The reply is none of a chat endpoint.
    """
    raise NotImplementedError


def repair(reply: Reply, error: JudgeError) -> Repair:
    """Return what to ask once more with, after a reply that `read` found no verdict in."""
    raise NotImplementedError
